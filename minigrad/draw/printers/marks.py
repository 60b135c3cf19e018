"""The pieces of an SVG drawing: rectangles, courses of lines, arrow heads, formulas."""

from __future__ import annotations

import re
from html import escape

from ..layout.path import Path
from ..layout.sheet import Rect
from ..layout.typeset import Formula, outline

UNFIT = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")


def n(value: float) -> str:
    """A coordinate, to a tenth."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def safe(text: str) -> str:
    """`text` as the content of an element; what XML cannot hold at all becomes a replacement character."""
    return escape(UNFIT.sub("�", text))


def rectangle(rect: Rect, radius: float, fill: str, stroke: str, width: float, extra: str = "") -> str:
    return (
        f'<rect x="{n(rect.x)}" y="{n(rect.y)}" width="{n(rect.width)}" height="{n(rect.height)}" '
        f'rx="{n(radius)}" fill="{fill}" stroke="{stroke}" stroke-width="{width}"{extra}/>'
    )


def course(path: Path) -> str:
    """The course of a path as path data."""
    pieces = [("C" if piece[1:] else "L") + " ".join(f"{n(x)} {n(y)}" for x, y in piece) for piece in path.pieces]
    return f"M{n(path.start[0])} {n(path.start[1])}{''.join(pieces)}"


def head(path: Path, size: float) -> str:
    """The arrow head at the end of a path; drawn out, as markers are lost in some viewers."""
    *_, before, (x, y) = path.sample(2)
    half = 0.51 * size
    if abs(x - before[0]) > abs(y - before[1]):
        back = -size if x > before[0] else size
        points = [(x, y), (x + back, y - half), (x + back, y + half)]
    else:
        back = size if y < before[1] else -size
        points = [(x, y), (x - half, y + back), (x + half, y + back)]
    return f"M{' '.join(f'{n(a)} {n(b)}' for a, b in points)}Z"


def formula(found: Formula, x: float, y: float, size: float, colour: str) -> str:
    """A formula whose base line starts at (x, y)."""
    out = [f'<g transform="translate({n(x)} {n(y)}) scale({n(size)} {n(-size)})" fill="{colour}">']
    for name, gx, gy, scale in found.glyphs:
        out.append(f'<use href="#{name}" transform="translate({gx:.3f} {gy:.3f}) scale({scale:.4g})"/>')
    for bx, by, width, height in found.bars:
        out.append(f'<rect x="{bx:.3f}" y="{by:.3f}" width="{width:.3f}" height="{height:.3f}"/>')
    return "".join(out) + "</g>"


def glyphs(found: list[Formula]) -> str:
    """The definitions of all glyphs of some formulas."""
    names = sorted({name for one in found for name, _, _, _ in one.glyphs})
    paths = [f'<path id="{name}" d="{outline(name)}"/>' for name in names]
    return f"<defs>{''.join(paths)}</defs>" if paths else ""
