"""What is written on a box, and how much room that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..maths.expression import latex, text
from ..maths.symbols import named
from ..picture import Box, Edge, Picture
from ..text import several
from .typeset import Formula, typeset

LABEL, LOCAL, SMALL = 15.0, 13.0, 11.0  # font sizes
EM = 0.62  # of a monospaced character, on the safe side
PAD = 6.0
WIDE = 330.0  # a formula that is wider than this is not written out


@dataclass(frozen=True)
class Text:
    """One line: `style` is "label", "value", "gradient", "note" or "local".

    It may be a `formula`, said in `text`, and in `latex` for those who typeset it anew.
    """

    text: str
    style: str
    formula: Formula | None = None
    latex: str = ""

    @property
    def size(self) -> float:
        return {"label": LABEL, "local": LOCAL}.get(self.style, SMALL)

    @property
    def height(self) -> float:
        if self.formula:
            return max(1.28, self.formula.height + self.formula.depth + 0.3) * self.size
        hangs = 0.2 if self.style == "label" and "_" in self.text.partition(" = ")[0] else 0.0  # a lower index
        return self.size * ((1.28 if self.style == "label" else 1.22) + hangs)

    @property
    def width(self) -> float:
        if self.formula:
            return self.formula.width * self.size
        wide = sum(1.65 if ord(c) > 0x2E7F else 0.0 if c in "\u0332\u0302" else 1.0 for c in self.text)
        return wide * self.size * EM


def face(box: Box) -> list[Text]:
    """The lines on a box, top to bottom."""
    lines = [_label(box)]
    if box.kind == "parameter" and lines[0].formula and box.name and lines[0].text != box.name:
        lines.append(Text(box.name, "note"))
    if box.note:
        lines.append(Text(box.note, "note"))
    lines += [Text(line, "value") for line in box.value]
    lines += [Text(("∇ " if i == 0 else "  ") + line, "gradient") for i, line in enumerate(box.gradient)]
    for label, numbers in box.incoming if box.gradient else ():
        lines += [Text(f"  {label}: {line}", "gradient") for line in numbers]
    return lines


def _label(box: Box) -> Text:
    sides = [
        side for side in (box.left or (named(box.name) if box.formula and box.name else None), box.formula) if side
    ]
    if sides:
        source = " = ".join(map(latex, sides))
        formula = typeset(source)
        if formula is not None and formula.width * LABEL <= WIDE:
            return Text(" = ".join(map(text, sides)), "label", formula, source)
    return Text(_short(box.label), "label")


def _short(label: str) -> str:
    return label if len(label) <= 28 else label[:27] + "…"


def local_lines(picture: Picture, name: str) -> list[tuple[Edge, Text]]:
    """The local derivatives of the edges that end at a box, but for those too long to be read there."""
    found = []
    for edge in picture.into.get(name, ()):
        if edge.local is None:
            continue
        formula = typeset(latex(edge.local))
        if formula is not None and formula.width * LOCAL <= WIDE / 3:
            found.append((edge, Text(text(edge.local), "local", formula, latex(edge.local))))
    return found


def size(box: Box, locals: Sequence[Text] = ()) -> tuple[float, float]:
    """Width and height of the box, with room for local derivatives above the ends of its edges."""
    lines = face(box)
    width = max(line.width for line in lines) + 2 * PAD
    if box.kind in ("input", "state"):
        width += PAD  # round ends
    if several(box.shape):
        width = max(width, 26.0 * len(box.shape))  # room for the numbers of its results
    if locals:
        width = max(width, port_step(locals) * (len(locals) + 1))
    height = sum(line.height for line in lines) + 8.0
    return max(width, 40.0), height + (max(line.height for line in locals) + 4.0 if locals else 0.0)


def port_step(locals: Sequence[Text]) -> float:
    """How far the ends of edges must be from each other at a box with these local derivatives."""
    return max((line.width for line in locals), default=0.0) + 8.0
