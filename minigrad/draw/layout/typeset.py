"""Formulas as outlines of glyphs, set by matplotlib's mathtext: they look the same everywhere, and need no font."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

UNIT = 100.0  # mathtext's own font size


@dataclass(frozen=True)
class Formula:
    """A formula at font size 1: glyphs as (id, x, y, scale), bars as (x, y, width, height); y grows upward from the
    base line. It reaches from `-depth` to `height`."""

    glyphs: tuple[tuple[str, float, float, float], ...]
    bars: tuple[tuple[float, float, float, float], ...]
    width: float
    height: float
    depth: float


_outlines: dict[str, str] = {}  # id -> path data, at mathtext's font size, y upward


def flat(latex: str) -> str:
    """On one line brackets look best in the size of the letters."""
    return latex if re.search(r"\\(frac|sum)", latex) else re.sub(r"\\(left|right)(?=[()\[\]])", "", latex)


@lru_cache(4096)
def typeset(latex: str) -> Formula | None:
    """`latex` (in math mode) as a formula; None where mathtext does not know a command in it."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    latex = flat(latex)
    latex = re.sub(r"\\begin\{[a-z]*matrix\}(.*?)\\end\{[a-z]*matrix\}", _in_line, latex)
    try:
        found, made, bars = text_to_path.get_glyphs_mathtext(
            FontProperties(math_fontfamily="cm", size=UNIT), f"${latex}$", return_new_glyphs_only=False
        )
    except (ValueError, RuntimeError):
        return None
    names: dict[str, str] = {}
    low, high, right = 0.0, 0.0, 0.0
    for name, (vertices, codes) in made.items():
        names[name] = "g" + re.sub(r"[^A-Za-z0-9-]", "-", str(name))
        _outlines.setdefault(names[name], _path(vertices, codes))
    glyphs = []
    for name, x, y, scale in found:
        points = np.asarray(made[name][0])
        glyphs.append((names[name], float(x) / UNIT, float(y) / UNIT, float(scale) / UNIT))
        if len(points):
            low = min(low, (y + points[:, 1].min() * scale) / UNIT)
            high = max(high, (y + points[:, 1].max() * scale) / UNIT)
            right = max(right, (x + points[:, 0].max() * scale) / UNIT)
    boxes = []
    for bar, _ in bars:
        corners = np.asarray(bar)[:4]  # the fifth closes the path
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        boxes.append((float(x0) / UNIT, float(y0) / UNIT, float(x1 - x0) / UNIT, float(y1 - y0) / UNIT))
        right, high = max(right, float(x1) / UNIT), max(high, float(y1) / UNIT)
    return Formula(tuple(glyphs), tuple(boxes), float(right), float(high), float(-low))


def _in_line(matrix: re.Match[str]) -> str:
    """A matrix on one line, as mathtext knows no other: [a; b] for a above b."""
    return f"[{matrix[1].replace(chr(92) * 2, ';').replace('&', ',')}]"


def outline(name: str) -> str:
    """The path data of a glyph by its id."""
    return _outlines[name]


def _path(vertices: np.ndarray, codes: np.ndarray) -> str:
    """Matplotlib's codes: 1 move, 2 line, 3 quadratic (2 points), 4 cubic (3 points), 79 close."""
    out: list[str] = []
    points = iter(np.round(np.asarray(vertices), 1).tolist())
    kinds = iter(np.asarray(codes).tolist())
    for code in kinds:
        count = {1: 1, 2: 1, 3: 2, 4: 3}.get(code, 0)
        here = [next(points) for _ in range(max(count, 1))]
        for _ in range(count - 1):
            next(kinds)
        letter = {1: "M", 2: "L", 3: "Q", 4: "C"}.get(code, "Z")
        out.append(letter + " ".join(f"{x:g} {y:g}" for x, y in here[:count]))
    return "".join(out)
