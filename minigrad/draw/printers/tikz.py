"""A picture as TikZ, for papers: LaTeX sets its formulas and words, in the document's own fonts."""

from __future__ import annotations

from ..layout.face import Text, face, local_lines
from ..layout.path import Path
from ..layout.places import lay_out
from ..layout.sheet import Rect
from ..layout.typeset import flat
from ..maths.expression import LATEX
from ..maths.styles import GREEK, clean
from ..picture import Box, Picture
from ..text import lowered
from .marks import n
from .notes import Note, headings, middle, notes
from .strokes import Stroke, back, faint, shared_colours, there
from .themes import THEMES, corner, style_of

POINTS = 0.7  # for each of the drawing's own units
TYPE = 0.64  # the same for letters, a little smaller: LaTeX leaves more room between them
PREAMBLE = r"\usepackage{amsmath, amssymb, tikz} \usetikzlibrary{arrows.meta}"
SYMBOLS = {letter: rf"\{name}" for letter, name in GREEK.items()} | {
    "∇": r"\nabla", "−": "-", "×": r"\times", "÷": r"\div", "Σ": r"\Sigma", "√": r"\surd", "∞": r"\infty", "≠": r"\ne",
    "≤": r"\le", "≥": r"\ge", "→": r"\rightarrow", "←": r"\leftarrow", "∘": r"\circ", "⊙": r"\odot", "…": r"\ldots",
    "′": r"{}^\prime", "ᵀ": r"{}^\top", "‖": r"\|", "²": "{}^2", "⁻": "{}^-", "¹": "{}^1", "⋯": r"\cdots",
}  # fmt: skip
MATHS = str.maketrans({letter: rf"\ensuremath{{{command}}}" for letter, command in SYMBOLS.items()})


def tikz(picture: Picture) -> str:
    """The `tikzpicture` of `picture`, without its title and legend: a caption says those."""
    return _Printer(picture).text()


class _Printer:
    def __init__(self, picture: Picture):
        self.picture, self.layout = picture, lay_out(picture)
        self.theme = THEMES[picture.style.theme]
        self.shared = shared_colours(picture, self.theme)
        self.names = self._palette()

    def text(self) -> str:
        picture, layout, theme, graph = self.picture, self.layout, self.theme, self.picture.style.graph
        out = [f"% {clean(picture.title)}", f"% {PREAMBLE}"]
        out += [rf"\definecolor{{{name}}}{{HTML}}{{{colour[1:].upper()}}}" for colour, name in self.names.items()]
        out += [rf"\begin{{tikzpicture}}[x={POINTS}pt, y=-{POINTS}pt, inner sep=0pt,", *self._styles(), "]"]
        if theme.paper != "#ffffff":
            page = Rect(-60.0, -30.0, layout.width + 120.0, layout.height + 60.0)
            out.append(rf"\fill[fill={self.names[theme.paper]}] {_corners(page)};")
        border = self.names[theme.border]
        for (_, stage), rect in layout.panels.items():
            out.append(rf"\draw[minigrad panel] {_corners(rect)};")
            for top in layout.bands.get(stage, ()):
                line = f"({n(rect.x)}, {n(top - 2)}) -- ({n(rect.right)}, {n(top - 2)})"
                out.append(rf"\draw[draw={border}, densely dotted] {line};")
        out += map(self._note, headings(picture, layout, theme))
        for stroke in faint(layout, theme) if graph == "backward" else there(layout, theme, self.shared):
            out += self._stroke(stroke)
        if graph != "backward":
            for x, y, edge in layout.taps:
                colour = self.names[self.shared.get(edge.source, theme.ink)]
                out.append(rf"\fill[fill={colour}] ({n(x)}, {n(y)}) circle[radius={2.6 * POINTS:.2f}pt];")
        if graph != "forward":
            for stroke in back(picture, layout, theme):
                out += self._stroke(stroke)
        for box in picture.nodes:
            out += self._box(box)
        out += map(self._note, notes(picture, layout, theme, self.shared))
        for edge, path in layout.routes.items():
            if edge.kind == "cut":
                x, y = middle(path)
                bars = [f"({n(x + aside)}, {n(y + 6)}) -- ({n(x + aside + 4)}, {n(y - 6)})" for aside in (-5, 1)]
                out.append(rf"\draw[draw={self.names[theme.ink]}, line width=1.2pt] {' '.join(bars)};")
        return "\n".join([*out, r"\end{tikzpicture}"]) + "\n"

    def _palette(self) -> dict[str, str]:
        """The name in LaTeX of each colour of the theme."""
        theme = self.theme
        names = {name: getattr(theme, name) for name in ("paper", "ink", "quiet", "line", "panel", "border", "state")}
        names |= {"gradient": theme.gradient}
        names |= {f"shared {i}": colour for i, colour in enumerate(theme.shared)}
        names |= {f"flow {i}": colour for i, colour in enumerate(theme.flow)}
        for kind, (fill, border, _) in theme.looks.items():
            names |= {f"{kind} fill": fill, f"{kind} border": border}
        return {colour: f"minigrad {name}" for name, colour in reversed(names.items())}

    def _styles(self) -> list[str]:
        out = [f"  minigrad panel/.style={{draw={self.names[self.theme.border]}, fill={self.names[self.theme.panel]}, "
               f"rounded corners={14 * POINTS:.1f}pt, line width=0.8pt}},"]  # fmt: skip
        paper = self.names[self.theme.paper]
        out.append(f"  minigrad halo/.style={{fill={paper}, fill opacity=0.8, text opacity=1, inner sep=0.5pt}},")
        for kind, (fill, border, width) in self.theme.looks.items():
            double = ", double, double distance=1.2pt" if kind == "cell" else ""
            out.append(
                f"  minigrad {kind}/.style={{draw={self.names[border]}, fill={self.names[fill]}, "
                f"line width={width * POINTS:.2f}pt{double}}},"
            )
        return out

    def _stroke(self, stroke: Stroke) -> list[str]:
        """Arrow heads belong to the pieces that are drawn: what was left out of a way has its head already."""
        look = f"draw={self.names[stroke.colour]}, line width={stroke.width * POINTS:.2f}pt"
        if stroke.dash:
            on, off = (f"{part * POINTS:.2f}pt" for part in stroke.dash)
            look += f", dash pattern=on {on} off {off}"
        if stroke.ends:
            look += f", -{{Triangle[length={stroke.head * POINTS:.1f}pt, width={stroke.head * POINTS:.1f}pt]}}"
        return [rf"\draw[{look}] {_course(way)};" for way in stroke.ways]

    def _box(self, box: Box) -> list[str]:
        rect, lines = self.layout.boxes[box.id], face(box)
        x, y = rect.x + rect.width / 2, rect.y + rect.height / 2
        if box.kind == "fold":
            return [rf"\node at ({n(x)}, {n(y)}) {{{_text(box.symbol)}}};"]
        look = f"minigrad {style_of(box)}, minimum width={rect.width * POINTS:.1f}pt, "
        look += f"minimum height={rect.height * POINTS:.1f}pt"
        look += f", rounded corners={corner(box, rect) * POINTS:.1f}pt"
        if box.id in self.shared:
            look += f", draw={self.names[self.shared[box.id]]}"
        if self.picture.style.graph == "backward" and not box.needs_gradient:
            look += ", opacity=0.4"
        out = [rf"\node[{look}] ({box.id}) at ({n(x)}, {n(y)}) {{}};"]
        y = rect.y + 4.0
        for line in lines:
            out.append(rf"\node[{self._ink(line)}] at ({n(x)}, {n(y + line.height / 2)}) {{{_words(line)}}};")
            y += line.height
        for edge, line in local_lines(self.picture, box.id):
            at = f"({n(self.layout.routes[edge].end[0])}, {n(rect.bottom - 4)})"
            out.append(rf"\node[{self._ink(line)}, anchor=south] at {at} {{{_words(line)}}};")
        return out

    def _ink(self, line: Text) -> str:
        colours = {"gradient": self.theme.gradient, "local": self.theme.gradient, "note": self.theme.quiet}
        return f"text={self.names[colours.get(line.style, self.theme.ink)]}, font={_font(line.size)}"

    def _note(self, note: Note) -> str:
        look = f"anchor=base{'' if note.centred else ' west'}, text={self.names[note.colour]}, font={_font(note.size)}"
        look += (r"\bfseries" if note.bold else "") + (", rotate=90" if note.turned else "")
        if not note.bold and not note.turned:  # there may be a line below it
            look += ", minigrad halo"
        words = f"${flat(note.latex)}$" if note.latex else _label(note.text)
        return rf"\node[{look}] at ({n(note.x)}, {n(note.y)}) {{{words}}};"


def _font(size: float) -> str:
    points = int(size * TYPE)  # whole, since not every font has others
    return rf"\fontsize{{{points}}}{{{points}}}\selectfont"


def _words(line: Text) -> str:
    if line.latex:
        return f"${flat(line.latex)}$"
    if line.style in ("value", "gradient"):
        return rf"\ttfamily {_text(line.text).replace(' ', '~')}"
    return _label(line.text)


def _corners(rect: Rect) -> str:
    return f"({n(rect.x)}, {n(rect.y)}) rectangle ({n(rect.right)}, {n(rect.bottom)})"


def _course(path: Path) -> str:
    out = [f"({n(path.start[0])}, {n(path.start[1])})"]
    for piece in path.pieces:
        points = [f"({n(x)}, {n(y)})" for x, y in piece]
        out.append(f"-- {points[0]}" if len(points) == 1 else f".. controls {points[0]} and {points[1]} .. {points[2]}")
    return " ".join(out)


def _text(text: str) -> str:
    """Any text of a user's, as LaTeX's words."""
    return LATEX.text(text).translate(MATHS)


def _label(text: str) -> str:
    """A label, its index set lower."""
    stem, index, rest = lowered(text)
    if not index:
        return _text(text)
    low = _text(index.replace("-", "−"))
    return rf"{_text(stem)}\ensuremath{{_\text{{{low}}}}}{_text(rest)}"
