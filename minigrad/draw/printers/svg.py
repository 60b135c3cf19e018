"""A picture as SVG: one file, no scripts, no links, no fonts of its own."""

from __future__ import annotations

from ..layout.face import LABEL, Text, face, local_lines
from ..layout.places import lay_out
from ..layout.sheet import Layout, Rect
from ..layout.typeset import typeset
from ..picture import Box, Picture
from ..text import indexed, lowered
from .legend import legend
from .marks import course, formula, glyphs, head, n, rectangle, safe
from .notes import Note, headings, middle, notes
from .strokes import Stroke, back, faint, shared_colours, there
from .themes import THEMES, Theme, corner, style_of

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
NARROWEST = 420.0  # what a sheet is wide inside, at least: room for a row of its legend
EDGE = 24.0  # around everything
BANDS = 34.0  # for the names of bands, at either side


def svg(picture: Picture) -> str:
    """The SVG text of `picture`."""
    return Printer(picture).text()


class Printer:
    """Writes one picture."""

    def __init__(self, picture: Picture):
        self.picture = picture
        self.theme: Theme = THEMES[picture.style.theme]
        self.layout: Layout = lay_out(picture)
        self.colours = shared_colours(picture, self.theme)
        self.numbers = {edge: i for i, edge in enumerate(picture.edges)}
        self.faces = {box.id: face(box) for box in picture.nodes}
        self.locals = {box.id: local_lines(picture, box.id) for box in picture.nodes}

    def text(self, heading: bool = True) -> str:
        """The whole file; without `heading` the title is not written above the picture."""
        picture, layout, theme = self.picture, self.layout, self.theme
        bands = 2 * BANDS if picture.bands else 0.0
        inside = max(layout.width + bands, 0.62 * 20 * len(picture.title) if heading else 0.0, NARROWEST)
        key, key_height = legend(picture, theme, inside)
        top = 60.0 if heading else EDGE
        width, height = inside + 2 * EDGE, layout.height + key_height + top + 58.0
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
            f"{_title(picture.title)}</text>"
            if heading
            else "",
            f'<g transform="translate({n(left)} {n(top)})">',
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
        out = []
        for key, rect in self.layout.panels.items():
            out.append(rectangle(rect, 14.0, self.theme.panel, self.theme.border, 1.2))
            for top in self.layout.bands.get(key[1], ()):
                line = f'x1="{n(rect.x)}" x2="{n(rect.right)}" y1="{n(top - 2)}" y2="{n(top - 2)}"'
                out.append(f'<line {line} stroke="{self.theme.border}" stroke-dasharray="2 4"/>')
        return out + [self._note(note) for note in headings(self.picture, self.layout, self.theme)]

    # Edges

    def _edges(self) -> list[str]:
        graph, layout, theme = self.picture.style.graph, self.layout, self.theme
        if graph == "backward":
            out = [_lines(stroke) for stroke in faint(layout, theme)]
        else:
            out = [self._stroke(stroke, "data-from") for stroke in there(layout, theme, self.colours)]
            for x, y, edge in layout.taps:
                colour = self.colours.get(edge.source, theme.ink)
                out.append(f'<circle cx="{n(x)}" cy="{n(y)}" r="2.6" fill="{colour}"/>')
        if graph != "forward":
            out += [self._stroke(stroke, "data-back") for stroke in back(self.picture, layout, theme)]
        return out

    def _stroke(self, stroke: Stroke, kind: str) -> str:
        numbers = " ".join(str(self.numbers[edge]) for edge in stroke.edges)
        heads = f'<path d="{"".join(head(path, stroke.head) for path in stroke.ends)}" fill="{stroke.colour}"/>'
        if kind == "data-from":
            return f'<g data-from="{stroke.edges[0].source}" data-edges="{numbers}">{_lines(stroke)}{heads}</g>'
        norm = stroke.edges[0].norm
        told = "" if norm is None else f"<title>‖gradient‖ = {norm:.3g}</title>"
        return f'<g data-back="{numbers}">{told}{_lines(stroke)}{heads}</g>'

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
            faint = ' opacity="0.4"' if alone and not box.needs_gradient else ""
            out.append(f'<g data-node="{box.id}"{faint}>')
            out.append(rectangle(rect, corner(box, rect), fill, self.colours.get(box.id, stroke), width))
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

    # What is written beside boxes and lines

    def _notes(self) -> list[str]:
        out = [self._note(note) for note in notes(self.picture, self.layout, self.theme, self.colours)]
        for edge, path in self.layout.routes.items():
            if edge.kind == "cut":
                x, y = middle(path)
                told = f'stroke="{self.theme.ink}" stroke-width="1.8"'
                out.append(f'<path d="M{n(x - 5)} {n(y + 6)}l4 -12m2 12l4 -12" {told}/>')
        return out

    def _note(self, note: Note) -> str:
        turn = f'transform="translate({n(note.x)} {n(note.y)}) rotate(-90)"'
        found = typeset(note.latex) if note.latex else None
        if found is not None:
            return f"<g {turn}>{formula(found, 0.0, 0.0, note.size, note.colour)}</g>"
        at = turn if note.turned else f'x="{n(note.x)}" y="{n(note.y)}"'
        at += ' text-anchor="middle"' if note.centred else ""
        look = f'font-size="{n(note.size)}"' + (' font-weight="600"' if note.bold else "")
        halo = "" if note.bold else f' stroke="{self.theme.paper}" stroke-width="{n(note.halo)}" paint-order="stroke"'
        text = _label(note.text, note.size) if note.turned and not note.bold else safe(note.text)
        return f'<text {at} {look} fill="{note.colour}"{halo}>{text}</text>'


def _lines(stroke: Stroke) -> str:
    dash = f' stroke-dasharray="{" ".join(map(n, stroke.dash))}"' if stroke.dash else ""
    look = f'fill="none" stroke="{stroke.colour}" stroke-width="{stroke.width}"{dash}'
    return f'<path d="{"".join(map(course, stroke.ways))}" {look}/>'


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
    """A label, its index set lower."""
    stem, index, rest = lowered(text)
    if not index:
        return safe(text)
    tail = f'<tspan dy="-{n(size * 0.25)}">{safe(rest)}</tspan>' if rest else ""
    return f'{safe(stem)}<tspan dy="{n(size * 0.25)}" font-size="{n(size * 0.75)}">{safe(index)}</tspan>{tail}'
