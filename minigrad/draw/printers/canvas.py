"""A drawing as PNG or PDF: its SVG, painted by matplotlib. Knows what our SVG is made of, and no other."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np

NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
PIXELS = 2.0  # of a PNG, for each of the drawing's own


def paint(svg: str, path: str | os.PathLike[str], kind: str) -> None:
    """Paint the text of an SVG drawing into the file `path`; `kind` is "png" or "pdf"."""
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    root = ET.fromstring(svg)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    figure = Figure(figsize=(width / 72, height / 72), dpi=72 * PIXELS)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    _Painter(axes, {element.get("id"): element for element in root.iter() if element.get("id")}).paint(
        root, Affine2D(), {}
    )
    figure.savefig(path, format=kind, metadata={"CreationDate": None} if kind == "pdf" else {"Software": None})


class _Painter:
    def __init__(self, axes: Any, by_id: dict[str | None, ET.Element]):
        self.axes, self.by_id = axes, by_id
        self.order = 0

    def paint(self, element: ET.Element, place: Any, above: dict[str, str]) -> None:
        """Paint `element` and what is in it; `above` has the attributes that it inherits."""
        tag = element.tag.rpartition("}")[2]
        look = above | {name: value for name, value in element.attrib.items() if name not in ("transform", "id")}
        place = _transform(element.get("transform", "")) + place
        if tag in ("title", "desc", "defs"):
            return
        if tag in ("svg", "g"):
            for child in element:
                self.paint(child, place, {k: v for k, v in look.items() if k in INHERITED})
        elif tag == "use":
            found = self.by_id[element.get("href", "")[1:]]
            self.paint_path(found.get("d", ""), place, look)
        elif tag == "path":
            self.paint_path(look["d"], place, look)
        elif tag == "text":
            self.paint_text(element, place, look)
        else:
            self.paint_path(_outline(tag, look), place, look)

    def paint_path(self, course: str, place: Any, look: dict[str, str]) -> None:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        vertices, codes = _points(course)
        if not vertices:
            return
        fill, stroke = look.get("fill", "#000000"), look.get("stroke", "none")
        dashes = [float(x) for x in NUMBER.findall(look.get("stroke-dasharray", ""))]
        width = float(look.get("stroke-width", 1)) if stroke != "none" else 0.0
        style: Any = "-" if not dashes or not width else (0, [dash / max(width, 0.1) for dash in dashes])
        self.order += 1
        self.axes.add_artist(  # add_patch would look for the limits of each path, most of the time that all takes
            PathPatch(
                Path(vertices, codes).transformed(place),
                facecolor=fill,
                edgecolor=stroke,
                linewidth=width,
                linestyle=style,
                alpha=float(look.get("opacity", 1)),
                zorder=self.order,
                capstyle="butt",
                clip_on=False,
                snap=False,  # onto pixels: thin brackets would vanish
            )
        )

    def paint_text(self, element: ET.Element, place: Any, look: dict[str, str]) -> None:
        """A line of text, piece by piece: a `tspan` may be smaller, and lower."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import TextPath

        size = float(look.get("font-size", 12))
        family = "monospace" if "mono" in look.get("font-family", "") else "sans-serif"
        weight = "bold" if look.get("font-weight") == "600" else "normal"
        pieces = [(element.text or "", size, 0.0)]
        for part in element:
            drop = pieces[-1][2] + float(part.get("dy", 0))
            pieces += [(part.text or "", float(part.get("font-size", size)), drop), (part.tail or "", size, drop)]
        x, found = 0.0, []
        for words, height, drop in pieces:
            if words:
                path = TextPath((0, 0), words + "|", size=height, prop=FontProperties(family=family, weight=weight))
                bar = TextPath((0, 0), "|", size=height, prop=FontProperties(family=family, weight=weight))
                ink = TextPath((0, 0), words, size=height, prop=FontProperties(family=family, weight=weight))
                found.append((ink, x, drop))
                x += path.get_extents().x1 - bar.get_extents().x1
        start = float(look.get("x", 0)) - {"middle": x / 2, "end": x}.get(look.get("text-anchor", ""), 0.0)
        for ink, at, drop in found:
            self._paint_ink(ink, start + at, float(look.get("y", 0)) + drop, place, look)

    def _paint_ink(self, ink: Any, x: float, y: float, place: Any, look: dict[str, str]) -> None:
        from matplotlib.patches import PathPatch
        from matplotlib.transforms import Affine2D

        if not len(ink.vertices):
            return
        outline = ink.transformed(Affine2D().scale(1, -1).translate(x, y) + place)
        halo = look.get("stroke", "none")
        for edge, width in ((halo, float(look.get("stroke-width", 0))), ("none", 0.0)):
            if edge == "none" and width:
                continue
            self.order += 1
            style = {"facecolor": look.get("fill", "#000000"), "edgecolor": edge, "linewidth": width}
            alpha = float(look.get("opacity", 1))
            self.axes.add_artist(PathPatch(outline, zorder=self.order, alpha=alpha, clip_on=False, **style))


INHERITED = ("fill", "stroke", "stroke-width", "font-size", "font-family", "font-weight", "opacity")


def _transform(text: str) -> Any:
    """The transform that an SVG attribute tells: translate, scale and rotate, the last one first."""
    from matplotlib.transforms import Affine2D

    result = Affine2D()
    for name, inner in reversed(re.findall(r"(\w+)\(([^)]*)\)", text)):
        numbers = [float(x) for x in NUMBER.findall(inner)]
        if name == "translate":
            result = result.translate(numbers[0], numbers[1] if len(numbers) > 1 else 0.0)
        elif name == "scale":
            result = result.scale(numbers[0], numbers[-1])
        elif name == "rotate":
            result = result.rotate_deg(numbers[0])
    return result


def _outline(tag: str, look: dict[str, str]) -> str:
    """A rectangle, circle or line as the data of a path."""
    value = lambda name: float(look.get(name, 0))
    if tag == "line":
        return f"M{value('x1')} {value('y1')}L{value('x2')} {value('y2')}"
    x, y, width, height, r = value("x"), value("y"), value("width"), value("height"), value("rx")
    if tag == "circle":
        r = value("r")
        x, y, width, height = value("cx") - r, value("cy") - r, 2 * r, 2 * r
    r = min(r, width / 2, height / 2)
    k = 0.4477 * r  # of a quarter of a circle as a cubic curve
    right, low = x + width, y + height
    return (
        f"M{x + r} {y}L{right - r} {y}C{right - k} {y} {right} {y + k} {right} {y + r}L{right} {low - r}"
        f"C{right} {low - k} {right - k} {low} {right - r} {low}L{x + r} {low}"
        f"C{x + k} {low} {x} {low - k} {x} {low - r}L{x} {y + r}C{x} {y + k} {x + k} {y} {x + r} {y}Z"
    )


def _points(course: str) -> tuple[list[tuple[float, float]], list[int]]:
    """Path data (absolute M, L, Q, C, relative l and m, and h, Z) as matplotlib's vertices and codes."""
    vertices: list[tuple[float, float]] = []
    codes: list[int] = []
    for letter, rest in re.findall(r"([MLQCZlmh])([^MLQCZlmh]*)", course):
        numbers = [float(x) for x in NUMBER.findall(rest)]
        if letter == "h":
            numbers = [numbers[0], 0.0]
        pairs = np.reshape(numbers, (-1, 2))
        if letter in "lmh":
            pairs = pairs + np.asarray(vertices[-1])
        if letter == "Z":
            pairs = np.asarray([vertices[-1]])
        vertices += [(float(x), float(y)) for x, y in pairs]
        if letter in "Mm":
            codes += [1] + [2] * (len(pairs) - 1)
        else:
            codes += [{"L": 2, "l": 2, "h": 2, "Q": 3, "C": 4, "Z": 79}[letter]] * len(pairs)
    return vertices, codes
