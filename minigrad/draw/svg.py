"""A picture as SVG."""

from __future__ import annotations

import re
from html import escape

from .face import LABEL, Text, face
from .layout import Layout, Rect, lay_out
from .path import Path, Point
from .picture import Box, Edge, Picture

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
INK, QUIET, GRADIENT = "#1e293b", "#64748b", "#b91c1c"
STATE = "#0f766e"
SHARED = ("#b45309", "#7c3aed", "#2563eb", "#be185d", "#4d7c0f", "#0e7490", "#9f1239", "#57534e")
# kind -> fill, border, border width
LOOKS = {
    "op": ("#ffffff", "#475569", 1.3),
    "function": ("#fff4cc", "#475569", 1.3),
    "parameter": ("#f1f5f9", INK, 2.4),
    "input": ("#e0f2fe", "#0369a1", 1.3),
    "state": ("#ccfbf1", STATE, 1.6),
    "output": ("#fee2e2", GRADIENT, 2.6),
}
FUNCTIONS = {"tanh", "sigmoid", "relu", "softmax", "log_softmax", "exp", "log", "softplus", "sqrt", "abs", "logsumexp"}
NAMES = {
    "parameter": "parameter",
    "input": "input",
    "state": "initial state",
    "op": "operation",
    "function": "nonlinearity",
    "output": "result",
}
UNFIT = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")
HALO = 'stroke="#ffffff" stroke-width="3" paint-order="stroke"'
EDGE = 24.0  # around everything


def svg(picture: Picture) -> str:
    """The SVG text of `picture`: one file, no scripts, no links."""
    layout = lay_out(picture)
    colours = _colours(picture)
    legend, legend_width = _legend(picture)
    width = max(layout.width, legend_width, 0.62 * 20 * len(picture.title)) + 2 * EDGE
    height = layout.height + 118.0
    left = (width - layout.width) / 2
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
        f'height="{_n(height)}" role="img" aria-labelledby="minigrad-title minigrad-desc" font-family="{SANS}" '
        'style="max-width:100%;height:auto">',
        f'<title id="minigrad-title">{_safe(picture.title)}</title>',
        f'<desc id="minigrad-desc">{_safe(picture.description)}</desc>',
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>',
        f'<text x="{_n(EDGE)}" y="38" font-size="20" font-weight="600" fill="{INK}">{_safe(picture.title)}</text>',
        f'<g transform="translate({_n(left)} 60)">',
        *_panels(picture, layout),
        *_edges(picture, layout, colours),
        *_boxes(picture, layout, colours),
        "</g>",
        f'<g transform="translate({_n(EDGE)} {_n(height - 28)})" font-size="12.5" fill="{INK}">{legend}</g>',
        "</svg>",
    ]
    return "\n".join(out) + "\n"


def _n(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _safe(text: str) -> str:
    """`text` as the content of an element; what XML cannot hold at all becomes a replacement character."""
    return escape(UNFIT.sub("�", text))


def _colours(picture: Picture) -> dict[str, str]:
    """A colour for each box that several steps share."""
    shared = dict.fromkeys(edge.source for edge in picture.edges if edge.kind == "shared")
    return {name: SHARED[i % len(SHARED)] for i, name in enumerate(shared)}


def _panels(picture: Picture, layout: Layout) -> list[str]:
    labels = {group.id: group.label for group in picture.groups}
    out = []
    for key, rect in layout.panels.items():
        out.append(_rectangle(rect, 14.0, "#f8fafc", "#94a3b8", 1.2))
        x, y = rect.x + layout.titles[key], rect.y + 22.0
        text = _safe(labels[key[0]])
        out.append(f'<text x="{_n(x)}" y="{_n(y)}" font-size="16" font-weight="600" fill="#475569">{text}</text>')
    return out


def _rectangle(rect: Rect, radius: float, fill: str, stroke: str, width: float, extra: str = "") -> str:
    return (
        f'<rect x="{_n(rect.x)}" y="{_n(rect.y)}" width="{_n(rect.width)}" height="{_n(rect.height)}" '
        f'rx="{_n(radius)}" fill="{fill}" stroke="{stroke}" stroke-width="{width}"{extra}/>'
    )


def _look(edge: Edge, colours: dict[str, str]) -> tuple[str, float]:
    if edge.kind == "state":
        return STATE, 2.6
    if edge.kind == "shared":
        return colours[edge.source], 1.5
    return "#475569", 1.4


def _edges(picture: Picture, layout: Layout, colours: dict[str, str]) -> list[str]:
    """The edges; those that carry one value to several places are one element, so that where they run together they
    look like one line."""
    bundles: dict[tuple[int, str, str], list[Edge]] = {}
    for edge in layout.routes:
        order = ("shared", "input", "data", "state").index(edge.kind)
        bundles.setdefault((order, edge.source, edge.label), []).append(edge)
    out = []
    for (_, source, label), edges in sorted(bundles.items(), key=lambda item: item[0][0]):
        colour, width = _look(edges[0], colours)
        drawn: set[tuple[Point, tuple[Point, ...]]] = set()
        course = "".join(_course(layout.routes[edge], drawn) for edge in edges)
        heads = "".join(_head(layout.routes[edge]) for edge in edges)
        out.append(f'<g data-from="{source}"><path d="{course}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        out.append(f'<path d="{heads}" fill="{colour}"/></g>')
        if label:
            folds = picture.by_id[edges[0].target].kind == "fold"
            x, y = layout.routes[edges[0]].end if folds else layout.routes[edges[0]].start
            at = f'x="{_n(x + 3)}" y="{_n(y + 18 if folds else y - 5)}"'
            out.append(f'<text {at} font-size="11" fill="{QUIET}" {HALO}>{_safe(label)}</text>')
    for x, y, edge in layout.taps:
        colour = colours.get(edge.source, INK)
        out.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2.6" fill="{colour}"/>')
        out += _tap_name(picture, layout, edge, x, colour)
    return out


def _tap_name(picture: Picture, layout: Layout, edge: Edge, x: float, colour: str) -> list[str]:
    """What comes up here, written along the line: its colour alone would not tell."""
    name, target = picture.by_id[edge.source].name, picture.by_id[edge.target]
    if not name or len(name) > 10 or target.kind == "fold":
        return []
    y = layout.lane_tops[target.stage] - 3.0
    turn = f'transform="translate({_n(x - 3.5)} {_n(y)}) rotate(-90)"'
    return [f'<text {turn} font-size="10" fill="{colour}">{_label(name, 10.0)}</text>']


def _course(path: Path, drawn: set[tuple[Point, tuple[Point, ...]]]) -> str:
    """The course of a path as path data, without the beginning that it has in common with those in `drawn`."""
    begin = path.start
    out: list[str] = []
    for piece in path.pieces:
        if not out and (begin, piece) not in drawn:
            out.append(f"M{_n(begin[0])} {_n(begin[1])}")
        drawn.add((begin, piece))
        if out:
            out.append(("L" if len(piece) == 1 else "C") + " ".join(f"{_n(x)} {_n(y)}" for x, y in piece))
        begin = piece[-1]
    return "".join(out)


def _head(path: Path) -> str:
    """The arrow head at its end; drawn out, as markers are lost in some viewers."""
    *_, before, (x, y) = path.sample(2)
    if abs(x - before[0]) > abs(y - before[1]):
        side = -1 if x > before[0] else 1
        points = [(x, y), (x + 7 * side, y - 3.6), (x + 7 * side, y + 3.6)]
    else:
        side = 1 if y < before[1] else -1
        points = [(x, y), (x - 3.6, y + 7 * side), (x + 3.6, y + 7 * side)]
    return f"M{' '.join(f'{_n(a)} {_n(b)}' for a, b in points)}Z"


def _boxes(picture: Picture, layout: Layout, colours: dict[str, str]) -> list[str]:
    out = []
    for box in picture.nodes:
        rect = layout.boxes[box.id]
        if box.kind == "fold":
            x, y = rect.x + rect.width / 2, rect.y + rect.height / 2
            at = f'x="{_n(x)}" y="{_n(y)}" text-anchor="middle"'
            out.append(f'<text {at} font-size="18" fill="{INK}">{_safe(box.symbol)}</text>')
            continue
        fill, stroke, width = LOOKS[_style(box)]
        radius = rect.height / 2 if box.kind in ("input", "state") else 3.0 if box.kind == "parameter" else 8.0
        out.append(f'<g data-node="{box.id}">')
        out.append(_rectangle(rect, min(radius, 18.0), fill, colours.get(box.id, stroke), width))
        y = rect.y + 4.0
        for line in face(box):
            out.append(_text(line, rect.x + rect.width / 2, y + line.height * 0.76))
            y += line.height
        out.append("</g>")
    return out


def _style(box: Box) -> str:
    return "function" if box.kind == "op" and box.op in FUNCTIONS else box.kind


def _text(line: Text, x: float, y: float) -> str:
    at = f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="middle" font-size="{_n(line.size)}"'
    if line.style == "label":
        return f'{at} font-weight="600" fill="{INK}">{_label(line.text)}</text>'
    colour = {"value": INK, "gradient": GRADIENT, "note": QUIET}[line.style]
    return f'{at} font-family="{MONO}" fill="{colour}" xml:space="preserve">{_safe(line.text)}</text>'


def _label(text: str, size: float = LABEL) -> str:
    """A label, `h_3 = tanh` with its index set lower."""
    name, equals, rest = text.partition(" = ")
    stem, _, index = name.partition("_")
    if not (0 < len(stem) <= 2 and index and len(index) <= 6):
        return _safe(text)
    tail = f'<tspan dy="-{_n(size * 0.25)}">{_safe(equals + rest)}</tspan>' if equals else ""
    return f'{_safe(stem)}<tspan dy="{_n(size * 0.25)}" font-size="{_n(size * 0.75)}">{_safe(index)}</tspan>{tail}'


def _legend(picture: Picture) -> tuple[str, float]:
    """What the looks mean, for those that occur, and how wide that is."""
    out: list[str] = []
    x = 0.0
    styles = {_style(box) for box in picture.nodes}
    for style, name in NAMES.items():
        if style in styles:
            fill, stroke, width = LOOKS[style]
            radius = 7.0 if style in ("input", "state") else 1.5 if style == "parameter" else 4.0
            out.append(_rectangle(Rect(x, -11.0, 22.0, 14.0), radius, fill, stroke, width))
            out.append(f'<text x="{_n(x + 28)}" y="0">{name}</text>')
            x += 28 + 0.54 * 12.5 * len(name) + 18
    for kind, name in [("state", "from step to step"), ("shared", "shared by the steps")]:
        if any(edge.kind == kind for edge in picture.edges):
            colour, width = (STATE, 2.6) if kind == "state" else (SHARED[0], 1.5)
            out.append(f'<path d="M{_n(x)} -4h22" stroke="{colour}" stroke-width="{width}"/>')
            out.append(f'<text x="{_n(x + 28)}" y="0">{name}</text>')
            x += 28 + 0.54 * 12.5 * len(name) + 18
    if any(box.gradient for box in picture.nodes):
        name = "∇ gradient of the result"
        out.append(f'<text x="{_n(x)}" y="0" fill="{GRADIENT}">{name}</text>')
        x += 0.54 * 12.5 * len(name)
    return "".join(out), x
