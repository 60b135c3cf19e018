"""What is written on a box, and how much room that takes."""

from __future__ import annotations

from dataclasses import dataclass

from .picture import Box

LABEL, SMALL = 15.0, 11.0  # font sizes
EM = 0.62  # of a monospaced character, on the safe side
PAD = 6.0


@dataclass(frozen=True)
class Text:
    """One line: `style` is "label", "value", "gradient" or "note"."""

    text: str
    style: str

    @property
    def size(self) -> float:
        return LABEL if self.style == "label" else SMALL

    @property
    def height(self) -> float:
        return self.size * (1.28 if self.style == "label" else 1.22)

    @property
    def width(self) -> float:
        wide = sum(1.65 if ord(c) > 0x2E7F else 0.0 if c in "\u0332\u0302" else 1.0 for c in self.text)
        return wide * self.size * EM


def face(box: Box) -> list[Text]:
    """The lines on a box, top to bottom."""
    lines = [Text(_short(box.label), "label")]
    if box.note:
        lines.append(Text(box.note, "note"))
    lines += [Text(line, "value") for line in box.value]
    lines += [Text(("∇ " if i == 0 else "  ") + line, "gradient") for i, line in enumerate(box.gradient)]
    return lines


def _short(label: str) -> str:
    return label if len(label) <= 28 else label[:27] + "…"


def size(box: Box) -> tuple[float, float]:
    """Width and height of the box."""
    lines = face(box)
    width = max(line.width for line in lines) + 2 * PAD
    if box.kind in ("input", "state"):
        width += PAD  # round ends
    if box.shape and isinstance(box.shape[0], tuple):
        width = max(width, 26.0 * len(box.shape))  # room for the numbers of its results
    return max(width, 40.0), sum(line.height for line in lines) + 8.0
