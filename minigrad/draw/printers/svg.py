"""A picture as SVG: one file, no scripts, no links, no fonts of its own."""

from __future__ import annotations

from ..layout.face import LABEL, LOCAL, Text, face, local_lines
from ..layout.path import Path, Point
from ..layout.places import lay_out
from ..layout.sheet import Layout, Rect
from ..layout.typeset import typeset
from ..maths.expression import latex
from ..picture import Box, Edge, Picture
from ..text import indexed
from .legend import legend
from .marks import course, formula, glyphs, head, n, rectangle, safe, way_back
from .themes import THEMES, Theme, style_of

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
NARROWEST = 420.0  # what a sheet is wide inside, at least: room for a row of its legend
EDGE = 24.0  # around everything
BANDS = 34.0  # for the names of bands, at either side
ASIDE = 4.5  # of a gradient's way back from the way there
KINDS = ("shared", "input", "data", "cut", "loop", "state")  # from the lowest to the uppermost


def svg(picture: Picture) -> str:
    """The SVG text of `picture`."""
    return Printer(picture).text()


class Printer:
    """Writes one picture."""

    def __init__(self, picture: Picture):
        self.picture = picture
        self.theme: Theme = THEMES[picture.style.theme]
        self.layout: Layout = lay_out(picture)
        self.halo = f'stroke="{self.theme.paper}" stroke-width="3" paint-order="stroke"'
        shared = dict.fromkeys(edge.source for edge in picture.edges if edge.kind == "shared")
        self.colours = {name: self.theme.shared[i % len(self.theme.shared)] for i, name in enumerate(shared)}
        self.numbers = {edge: i for i, edge in enumerate(picture.edges)}
        self.faces = {box.id: face(box) for box in picture.nodes}
        self.locals = {box.id: local_lines(picture, box.id) for box in picture.nodes}

    def text(self) -> str:
        picture, layout, theme = self.picture, self.layout, self.theme
        bands = 2 * BANDS if picture.bands else 0.0
        inside = max(layout.width + bands, 0.62 * 20 * len(picture.title), NARROWEST)
        key, key_height = legend(picture, theme, inside)
        width, height = inside + 2 * EDGE, layout.height + key_height + 118.0
        left = (width - layout.width) / 2
        lines = [line for found in self.faces.values() for line in found]
        lines += [line for found in self.locals.values() for _, line in found]
        words = [line.formula for line in lines if line.formula]
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n(width)} {n(height)}" width="{n(width)}" '
            f'height="{n(height)}" role="img" aria-labelledby="minigrad-title minigrad-desc" font-family="{SANS}" '
            'style="max-width:100%;height:auto">',
            f'<title id="minigrad-title">{safe(picture.title)}</title>',
            f'<desc id="minigrad-desc">{safe(picture.description)}</desc>',
            glyphs(words),
            f'<rect width="{n(width)}" height="{n(height)}" fill="{theme.paper}"/>',
            f'<text x="{n(EDGE)}" y="38" font-size="20" font-weight="600" fill="{theme.ink}">'
            f"{_title(picture.title)}</text>",
            f'<g transform="translate({n(left)} 60)">',
            *self._panels(),
            *self._edges(),
            *self._boxes(),
            *self._notes(),
            "</g>",
            f'<g transform="translate({n(EDGE)} {n(height - key_height - 28)})" font-size="12.5" fill="{theme.ink}">',
            f"{key}</g>",
            "</svg>",
        ]
        return "\n".join(line for line in out if line) + "\n"

    # Panels

    def _panels(self) -> list[str]:
        labels = {group.id: group.label for group in self.picture.groups}
        out = []
        for key, rect in self.layout.panels.items():
            out.append(rectangle(rect, 14.0, self.theme.panel, self.theme.border, 1.2))
            for top in self.layout.bands.get(key[1], ()):
                line = f'x1="{n(rect.x)}" x2="{n(rect.right)}" y1="{n(top - 2)}" y2="{n(top - 2)}"'
                out.append(f'<line {line} stroke="{self.theme.border}" stroke-dasharray="2 4"/>')
            x, y = rect.x + self.layout.titles[key], rect.y + 22.0
            at = f'x="{n(x)}" y="{n(y)}" font-size="16" font-weight="600" fill="{self.theme.line}"'
            out.append(f"<text {at}>{safe(labels[key[0]])}</text>")
        return out + self._band_names()

    def _band_names(self) -> list[str]:
        """The names of layers and directions, at the right of each row of panels."""
        out = []
        bands = self.picture.bands
        for stage, tops in self.layout.bands.items():
            panel = max((rect for (_, s), rect in self.layout.panels.items() if s == stage), key=lambda rect: rect.x)
            starts = [box.id for box in self.picture.nodes if box.kind == "state"]
            beside = [self.layout.boxes[name].right for name in starts]
            x = max([panel.right, *beside]) + 30.0 + 9.0 * len(self.layout.loops)
            inside = sorted({box.band for box in self.picture.nodes if box.stage == stage and box.step is not None})
            edges = [panel.bottom, *tops, panel.y]
            for band, low, high in zip(inside, edges, edges[1:], strict=False):
                if len(inside) > 1 and band < len(bands) and bands[band]:
                    long = 8.5 * len(bands[band]) > low - high  # beside the others, so that it does not run into them
                    turn = f'transform="translate({n(x + 18 * long * (band % 2))} {n((low + high) / 2)}) rotate(-90)"'
                    at = f'{turn} text-anchor="middle" font-size="14" font-weight="600" fill="{self.theme.line}"'
                    out.append(f"<text {at}>{safe(bands[band])}</text>")
        return out

    # Edges

    def _edges(self) -> list[str]:
        """The edges; those that carry one value to several places are one element, so that where they run together
        they look like one line."""
        graph = self.picture.style.graph
        bundles: dict[tuple[int, str, str], list[Edge]] = {}
        for edge in self.layout.routes:
            bundles.setdefault((KINDS.index(edge.kind), edge.source, edge.label), []).append(edge)
        out = []
        for (_, source, _), edges in sorted(bundles.items(), key=lambda item: item[0][0]):
            if graph != "backward":
                out += self._forward(source, edges)
            else:
                out += [self._faint(edges)]
        for x, y, edge in self.layout.taps:
            colour = self.colours.get(edge.source, self.theme.ink)
            if graph != "backward":
                out.append(f'<circle cx="{n(x)}" cy="{n(y)}" r="2.6" fill="{colour}"/>')
        if graph != "forward":
            out += self._backward(0.0 if graph == "backward" else ASIDE)
        return out

    def _forward(self, source: str, edges: list[Edge]) -> list[str]:
        colour, width, dash = self._stroke(edges[0])
        drawn: set[tuple[Point, tuple[Point, ...]]] = set()
        way = "".join(course(self.layout.routes[edge], drawn) for edge in edges)
        heads = "".join(head(self.layout.routes[edge]) for edge in edges)
        numbers = " ".join(str(self.numbers[edge]) for edge in edges)
        return [
            f'<g data-from="{source}" data-edges="{numbers}"><path d="{way}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}"{dash}/><path d="{heads}" fill="{colour}"/></g>'
        ]

    def _faint(self, edges: list[Edge]) -> str:
        drawn: set[tuple[Point, tuple[Point, ...]]] = set()
        way = "".join(course(self.layout.routes[edge], drawn) for edge in edges if not edge.backward)
        return f'<path d="{way}" fill="none" stroke="{self.theme.border}" stroke-dasharray="1 4"/>' if way else ""

    def _stroke(self, edge: Edge) -> tuple[str, float, str]:
        if edge.kind == "cut":
            return self.theme.quiet, 1.6, ' stroke-dasharray="7 5"'
        if edge.kind in ("state", "loop"):
            return self.theme.state, 2.6, ""
        if edge.kind == "shared":
            return self.colours[edge.source], 1.5, ""
        return self.theme.line, 1.4, ""

    def _backward(self, aside: float) -> list[str]:
        """The way of each gradient back along its edge; with `flow` wider and darker the larger it is."""
        back = [edge for edge in self.layout.routes if edge.backward]
        drawn: set[tuple[Point, tuple[Point, ...]]] = set()
        out = []
        for edge in sorted(back, key=lambda edge: edge.norm or 0.0) if self.picture.style.flow else back:
            path = way_back(self.layout.routes[edge], aside)
            colour, width = self.theme.gradient, 1.3
            share = self.picture.flow(edge)
            if share is not None:
                colour = self.theme.flow[min(int(share * len(self.theme.flow)), len(self.theme.flow) - 1)]
                width = round(0.8 + 5.2 * share, 2)
            way = course(path, drawn if share is None else set())
            told = "" if edge.norm is None else f"<title>‖gradient‖ = {edge.norm:.3g}</title>"
            out.append(
                f'<g data-back="{self.numbers[edge]}">{told}<path d="{way}" fill="none" stroke="{colour}" '
                f'stroke-width="{width}" stroke-dasharray="{n(5 + 2 * width)} {n(2.5 + width)}"/>'
                f'<path d="{head(path, 6.0 + 0.8 * width)}" fill="{colour}"/></g>'
            )
        return out

    def _tap_name(self, edge: Edge, x: float) -> list[str]:
        """What comes up here, written along the line: its colour alone would not tell."""
        colour = self.colours.get(edge.source, self.theme.ink)
        name, target = self.picture.by_id[edge.source].name, self.picture.by_id[edge.target]
        left = self.picture.by_id[edge.source].left
        found = None if left is None else typeset(latex(left))
        if found is not None and found.width * LOCAL < 50 and (found.height + found.depth) * LOCAL < 12.5:
            y = self.layout.lane_tops[target.stage] - 3.0
            drawn = formula(found, 0.0, 0.0, LOCAL, colour)
            return [f'<g transform="translate({n(x - 4.0)} {n(y)}) rotate(-90)">{drawn}</g>']
        name = (name or "").replace("weight", "W").replace("bias", "b").replace("reverse", "r")
        if not name or len(name) > 10 or target.kind == "fold":
            return []
        y = self.layout.lane_tops[target.stage] - 3.0
        turn = f'transform="translate({n(x - 3.5)} {n(y)}) rotate(-90)"'
        return [f'<text {turn} font-size="10" fill="{colour}" {self.halo}>{_label(name, 10.0)}</text>']

    # Boxes

    def _boxes(self) -> list[str]:
        out = []
        alone = self.picture.style.graph == "backward"
        for box in self.picture.nodes:
            rect = self.layout.boxes[box.id]
            if box.kind == "fold":
                x, y = rect.x + rect.width / 2, rect.y + rect.height / 2
                at = f'x="{n(x)}" y="{n(y)}" text-anchor="middle"'
                out.append(f'<text {at} font-size="18" fill="{self.theme.ink}">{safe(box.symbol)}</text>')
                continue
            fill, stroke, width = self.theme.looks[style_of(box)]
            radius = rect.height / 2 if box.kind in ("input", "state") else 3.0 if box.kind == "parameter" else 8.0
            faint = ' opacity="0.4"' if alone and not box.needs_gradient else ""
            out.append(f'<g data-node="{box.id}"{faint}>')
            out.append(rectangle(rect, min(radius, 18.0), fill, self.colours.get(box.id, stroke), width))
            if box.kind == "cell":  # a second border: there is more inside
                inner = Rect(rect.x + 3, rect.y + 3, rect.width - 6, rect.height - 6)
                out.append(rectangle(inner, 6.0, "none", stroke, 0.8))
            y = rect.y + 4.0
            for line in self.faces[box.id]:
                out.append(self._line(line, rect.x + rect.width / 2, y))
                y += line.height
            out += self._locals(box, rect)
            out.append("</g>")
        return out

    def _line(self, line: Text, x: float, y: float) -> str:
        if line.formula:
            base = y + line.height / 2 + (line.formula.height - line.formula.depth) / 2 * line.size
            told = f"<title>{safe(line.text)}</title>"
            drawn = formula(line.formula, x - line.width / 2, base, line.size, self.theme.ink)
            return f"<g>{told}{drawn}</g>"
        at = f'<text x="{n(x)}" y="{n(y + line.size * 0.95)}" text-anchor="middle" font-size="{n(line.size)}"'
        if line.style == "label":
            return f'{at} font-weight="600" fill="{self.theme.ink}">{_label(line.text)}</text>'
        colour = {"value": self.theme.ink, "gradient": self.theme.gradient, "note": self.theme.quiet}[line.style]
        at = f'{at} data-line="{line.style}" font-family="{MONO}" fill="{colour}"'
        return f'{at} xml:space="preserve">{safe(line.text)}</text>'

    def _locals(self, box: Box, rect: Rect) -> list[str]:
        """The local derivatives, each above the end of its edge: by it a gradient is multiplied on its way back."""
        out = []
        for edge, line in self.locals[box.id]:
            assert line.formula is not None
            y = rect.bottom - 4.0 - line.formula.depth * line.size
            x = self.layout.routes[edge].end[0] - line.width / 2
            drawn = formula(line.formula, x, y, line.size, self.theme.gradient)
            out.append(f"<g><title>{safe(line.text)}</title>{drawn}</g>")
        return out

    # What is written beside lines

    def _notes(self) -> list[str]:
        out = [note for x, _, edge in self.layout.taps for note in self._tap_name(edge, x)]
        done: set[tuple[str, str]] = set()
        for edge, path in self.layout.routes.items():
            if edge.label and (edge.source, edge.label) not in done:
                done.add((edge.source, edge.label))
                folds = self.picture.by_id[edge.target].kind == "fold"
                x, y = path.end if folds else path.start
                out.append(self._note(x + 3, y + 18 if folds else y - 5, edge.label, self.theme.quiet))
            if edge.kind == "cut":
                x, y = _middle(path)
                told = f'stroke="{self.theme.ink}" stroke-width="1.8"'
                out.append(f'<path d="M{n(x - 5)} {n(y + 6)}l4 -12m2 12l4 -12" {told}/>')
                out.append(self._note(x - 10, y - 10, "cut", self.theme.ink))
        for i, (x, y, edge) in enumerate(self.layout.loops):
            told = f"{edge.label} ×{self.picture.rolled}".strip()
            out.append(self._note(x + 16 + 40 * (i % 4), y + 4, told, self.theme.state, 12))
        return out

    def _note(self, x: float, y: float, text: str, colour: str, size: float = 11) -> str:
        return f'<text x="{n(x)}" y="{n(y)}" font-size="{n(size)}" fill="{colour}" {self.halo}>{safe(text)}</text>'


def _middle(path: Path) -> Point:
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


def _title(text: str, size: float = 20.0) -> str:
    """A title, every `h_{t-1}` in it with its index set lower."""
    out, below = "", False
    for piece, low in indexed(text):
        if not piece:
            continue
        shift = "" if low == below else f' dy="{"" if low else "-"}{n(size * 0.25)}"'
        small = f' font-size="{n(size * 0.75)}"' if low else ""
        out += f"<tspan{shift}{small}>{safe(piece)}</tspan>" if shift else safe(piece)
        below = low
    return out


def _label(text: str, size: float = LABEL) -> str:
    """A label, `h_3 = tanh` with its index set lower."""
    name, equals, rest = text.partition(" = ")
    stem, _, index = name.partition("_")
    if not (0 < len(stem) <= 2 and index and len(index) <= 6):
        return safe(text)
    tail = f'<tspan dy="-{n(size * 0.25)}">{safe(equals + rest)}</tspan>' if equals else ""
    return f'{safe(stem)}<tspan dy="{n(size * 0.25)}" font-size="{n(size * 0.75)}">{safe(index)}</tspan>{tail}'
