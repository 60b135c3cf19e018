"""What is written beside boxes and lines, whatever the drawing is printed as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..layout.face import LOCAL
from ..layout.path import Path, Point
from ..layout.sheet import Layout
from ..layout.typeset import typeset
from ..maths.expression import latex
from ..picture import Edge, Picture
from .themes import Theme


@dataclass(frozen=True)
class Note:
    """`text`, or the formula `latex` in place of it, whose base line starts at (x, y): in its middle if `centred`; if
    `turned` it goes upward from there. `bold` ones are headings, the others have lines behind them, which a `halo` so
    wide keeps off."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    latex: str = ""
    turned: bool = False
    centred: bool = False
    bold: bool = False
    halo: float = 3.0


def headings(picture: Picture, layout: Layout, theme: Theme) -> Iterator[Note]:
    """The names of the time steps on their panels; those of layers and directions, right of each row of panels."""
    labels = {group.id: group.label for group in picture.groups}
    for key, rect in layout.panels.items():
        yield Note(rect.x + layout.titles[key], rect.y + 22.0, labels[key[0]], 16, theme.line, bold=True)
    bands = picture.bands
    for stage, tops in layout.bands.items():
        panel = max((rect for (_, s), rect in layout.panels.items() if s == stage), key=lambda rect: rect.x)
        starts = [box.id for box in picture.nodes if box.kind == "state"]
        beside = [layout.boxes[name].right for name in starts]
        x = max([panel.right, *beside]) + 30.0 + 9.0 * len(layout.loops)
        inside = sorted({box.band for box in picture.nodes if box.stage == stage and box.step is not None})
        edges = [panel.bottom, *tops, panel.y]
        for band, low, high in zip(inside, edges, edges[1:], strict=False):
            if len(inside) > 1 and band < len(bands) and bands[band]:
                long = 8.5 * len(bands[band]) > low - high  # beside the others, so that it does not run into them
                at = x + 18 * long * (band % 2), (low + high) / 2
                yield Note(*at, bands[band], 14, theme.line, turned=True, centred=True, bold=True)


def notes(picture: Picture, layout: Layout, theme: Theme, colours: dict[str, str]) -> Iterator[Note]:
    """What comes up where lines leave a lane, results of several by their names, cuts, and how often a loop goes."""
    for x, _, edge in layout.taps:
        yield from _tap_name(picture, layout, edge, x, colours.get(edge.source, theme.ink))
    done: set[tuple[str, str]] = set()
    for edge, path in layout.routes.items():
        if edge.label and (edge.source, edge.label) not in done:
            done.add((edge.source, edge.label))
            folds = picture.by_id[edge.target].kind == "fold"
            x, y = path.end if folds else path.start
            yield Note(x + 3, y + 18 if folds else y - 5, edge.label, 11, theme.quiet)
        if edge.kind == "cut":
            x, y = middle(path)
            yield Note(x - 10, y - 10, "cut", 11, theme.ink)
    for i, (x, y, edge) in enumerate(layout.loops):
        yield Note(x + 16 + 40 * (i % 4), y + 4, f"{edge.label} ×{picture.rolled}".strip(), 12, theme.state, halo=9.0)


def _tap_name(picture: Picture, layout: Layout, edge: Edge, x: float, colour: str) -> Iterator[Note]:
    """What comes up here, written along the line: its colour alone would not tell."""
    name, target = picture.by_id[edge.source].name, picture.by_id[edge.target]
    left = picture.by_id[edge.source].left
    y = layout.lane_tops[target.stage] - 3.0
    found = None if left is None else typeset(latex(left))
    if left is not None and found and found.width * LOCAL < 50 and (found.height + found.depth) * LOCAL < 14.0:
        yield Note(x - 4.0, y, "", LOCAL, colour, latex(left), turned=True)
        return
    name = (name or "").replace("weight", "W").replace("bias", "b").replace("reverse", "r")
    if name and len(name) <= 10 and target.kind != "fold":
        yield Note(x - 3.5, y, name, 10, colour, turned=True)


def middle(path: Path) -> Point:
    """The middle of the longest straight piece of a path."""
    longest, best = path.start, -1.0
    begin = path.start
    for piece in path.pieces:
        x, y = piece[-1]
        length = abs(x - begin[0]) + abs(y - begin[1])
        if len(piece) == 1 and length > best:
            longest, best = ((x + begin[0]) / 2, (y + begin[1]) / 2), length
        begin = piece[-1]
    return longest
