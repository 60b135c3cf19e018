"""The lines of a drawing, whatever it is printed as: which way each goes, in which colour, how wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..layout.path import Path, Point
from ..layout.sheet import Layout
from ..picture import Edge, Picture
from .themes import Theme

KINDS = ("shared", "input", "data", "cut", "loop", "state")  # from the lowest to the uppermost
ASIDE = 4.5  # of a gradient's way back from the way there
HEAD = 7.0  # long is an arrow head


@dataclass(frozen=True)
class Stroke:
    """Edges drawn as one line. `ways` leave out what an earlier one has drawn already; `ends` get arrow heads of
    length `head`."""

    edges: Sequence[Edge]
    ways: Sequence[Path]
    ends: Sequence[Path]
    colour: str
    width: float
    dash: tuple[float, ...] = ()
    head: float = HEAD


def shared_colours(picture: Picture, theme: Theme) -> dict[str, str]:
    """The colour of each box that several steps share, by its id."""
    shared = dict.fromkeys(edge.source for edge in picture.edges if edge.kind == "shared")
    return {name: theme.shared[i % len(theme.shared)] for i, name in enumerate(shared)}


def bundles(layout: Layout) -> list[list[Edge]]:
    """The edges, the lowest first. Those that carry one value to several places are together, so that where they run
    together they look like one line."""
    found: dict[tuple[int, str, str], list[Edge]] = {}
    for edge in layout.routes:
        found.setdefault((KINDS.index(edge.kind), edge.source, edge.label), []).append(edge)
    return [edges for _, edges in sorted(found.items(), key=lambda item: item[0][0])]


def there(layout: Layout, theme: Theme, colours: dict[str, str]) -> Iterator[Stroke]:
    """The forward graph."""
    for edges in bundles(layout):
        routes = [layout.routes[edge] for edge in edges]
        yield Stroke(edges, _apart(routes), routes, *_look(edges[0], theme, colours))


def faint(layout: Layout, theme: Theme) -> Iterator[Stroke]:
    """The forward graph where the backward one stands alone: what no gradient comes back along."""
    for edges in bundles(layout):
        ways = _apart([layout.routes[edge] for edge in edges if not edge.backward])
        if ways:
            yield Stroke(edges, ways, [], theme.border, 1.0, (1, 4))


def back(picture: Picture, layout: Layout, theme: Theme) -> Iterator[Stroke]:
    """The way of each gradient back along its edge; with `flow` wider and darker the larger it is."""
    aside = 0.0 if picture.style.graph == "backward" else ASIDE
    edges = [edge for edge in layout.routes if edge.backward]
    drawn: set[tuple[Point, tuple[Point, ...]]] = set()
    for edge in sorted(edges, key=lambda edge: edge.norm or 0.0) if picture.style.flow else edges:
        path = _way_back(layout.routes[edge], aside)
        colour, width = theme.gradient, 1.3
        share = picture.flow(edge)
        if share is not None:
            colour = theme.flow[min(int(share * len(theme.flow)), len(theme.flow) - 1)]
            width = round(0.8 + 5.2 * share, 2)
        ways = _apart([path], drawn if share is None else set())
        yield Stroke([edge], ways, [path], colour, width, (5 + 2 * width, 2.5 + width), 6.0 + 0.8 * width)


def _look(edge: Edge, theme: Theme, colours: dict[str, str]) -> tuple[str, float, tuple[float, ...]]:
    if edge.kind == "cut":
        return theme.quiet, 1.6, (7, 5)
    if edge.kind in ("state", "loop"):
        return theme.state, 2.6, ()
    if edge.kind == "shared":
        return colours[edge.source], 1.5, ()
    return theme.line, 1.4, ()


def _apart(routes: Sequence[Path], drawn: set[tuple[Point, tuple[Point, ...]]] | None = None) -> list[Path]:
    """The routes, each without the beginning that it has in common with those before it, and those in `drawn`."""
    drawn = set() if drawn is None else drawn
    found = []
    for route in routes:
        begin, rest = route.start, None
        for piece in route.pieces:
            if rest is None and (begin, piece) not in drawn:
                rest = Path(begin)
            drawn.add((begin, piece))
            if rest is not None:
                rest.pieces.append(piece)
            begin = piece[-1]
        if rest is not None:
            found.append(rest)
    return found


def _way_back(path: Path, aside: float) -> Path:
    """The same course backwards, `aside` of it to the right and below, from the edge of a box to that of the other."""
    points = [path.start, *(point for piece in path.pieces for point in piece)]
    lengths = [len(piece) for piece in path.pieces]
    shifted = [(x + aside, y + aside) for x, y in points]
    for end, beside in ((0, 1), (-1, -2)):
        (x, y), (x1, y1) = points[end], points[beside]
        across = abs(x - x1) > abs(y - y1)
        shifted[end] = (x, y + aside) if across else (x + aside, y)
        if not across and (shifted[beside][1] - y) * (y1 - y) <= 0.0:  # too near: it would turn back
            shifted[beside] = shifted[end]
    shifted.reverse()
    result = Path(shifted[0])
    at = 1
    for length in reversed(lengths):
        result.pieces.append(tuple(shifted[at : at + length]))
        at += length
    return result
