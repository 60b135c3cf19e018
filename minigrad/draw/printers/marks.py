"""The pieces of an SVG drawing: rectangles, courses of lines, arrow heads, formulas."""

from __future__ import annotations

import re
from html import escape

from ..layout.path import Path, Point
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


def course(path: Path, drawn: set[tuple[Point, tuple[Point, ...]]]) -> str:
    """The course of a path as path data, without the beginning that it has in common with those in `drawn`."""
    begin = path.start
    out: list[str] = []
    for piece in path.pieces:
        if not out and (begin, piece) not in drawn:
            out.append(f"M{n(begin[0])} {n(begin[1])}")
        drawn.add((begin, piece))
        if out:
            out.append(("L" if len(piece) == 1 else "C") + " ".join(f"{n(x)} {n(y)}" for x, y in piece))
        begin = piece[-1]
    return "".join(out)


def head(path: Path, size: float = 7.0) -> str:
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


def way_back(path: Path, aside: float) -> Path:
    """The same course backwards, `aside` of it to the right and below, from the edge of a box to that of the other."""
    points = [path.start, *(point for piece in path.pieces for point in piece)]
    lengths = [len(piece) for piece in path.pieces]
    shifted = [(x + aside, y + aside) for x, y in points]
    for end, beside in ((0, 1), (-1, -2)):
        (x, y), across = points[end], abs(points[end][0] - points[beside][0]) > abs(points[end][1] - points[beside][1])
        shifted[end] = (x, y + aside) if across else (x + aside, y)
    shifted.reverse()
    result = Path(shifted[0])
    at = 1
    for length in reversed(lengths):
        result.pieces.append(tuple(shifted[at : at + length]))
        at += length
    return result


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
