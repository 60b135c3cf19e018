"""What the looks of boxes and lines mean, for those that occur in a picture."""

from __future__ import annotations

from ..layout.sheet import Rect
from ..picture import Picture
from .marks import n, rectangle
from .themes import Theme, style_of

NAMES = {
    "parameter": "parameter",
    "input": "input",
    "state": "initial state",
    "op": "operation",
    "function": "nonlinearity",
    "cell": "cell",
    "output": "result",
}
SIZE = 12.5
LINE = 22.0  # from one row to the next


def legend(picture: Picture, theme: Theme, room: float) -> tuple[str, float]:
    """SVG of the legend, in rows of at most `room`, and how high they are below the first."""
    out: list[str] = []
    x = y = 0.0

    def add(mark: str, name: str, colour: str = "") -> None:
        nonlocal x, y
        long = 28 + 0.54 * SIZE * len(name)
        if x and x + long > room:
            x, y = 0.0, y + LINE
        out.append(f'<g transform="translate({n(x)} {n(y)})">{mark}</g>')
        fill = f' fill="{colour}"' if colour else ""
        out.append(f'<text x="{n(x + 28)}" y="{n(y)}"{fill}>{name}</text>')
        x += long + 18

    def line(colour: str, width: float, dash: str = "") -> str:
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        return f'<path d="M0 -4h22" stroke="{colour}" stroke-width="{width}"{dashes}/>'

    styles = {style_of(box) for box in picture.nodes}
    for style, name in NAMES.items():
        if style in styles:
            fill, stroke, width = theme.looks[style]
            radius = 7.0 if style in ("input", "state") else 1.5 if style == "parameter" else 4.0
            add(rectangle(Rect(0.0, -11.0, 22.0, 14.0), radius, fill, stroke, width), name)
    kinds = {edge.kind for edge in picture.edges} if picture.style.graph != "backward" else set()
    if kinds & {"state", "loop"}:
        add(line(theme.state, 2.6), "from step to step")
    if "shared" in kinds:
        add(line(theme.shared[0], 1.5), "shared by the steps")
    if "cut" in kinds:
        add(line(theme.quiet, 1.6, "7 5"), "cut: no gradient")
    if picture.style.graph != "forward" and any(edge.backward for edge in picture.edges):
        if picture.style.flow:
            add(line(theme.flow[1], 1.0, "6 3") + line(theme.flow[3], 4.0, "6 3"), "gradient, wide where it is large")
        else:
            add(line(theme.gradient, 1.3, "6 3"), "gradient")
    if any(box.gradient for box in picture.nodes):
        add("", "∇ gradient of the result", theme.gradient)
    return "".join(out), y
