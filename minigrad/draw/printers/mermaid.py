"""A picture as Mermaid text, which many wikis and code hosts draw."""

from __future__ import annotations

from html import escape

from ..layout.face import face
from ..picture import Box, Picture

BRACKETS = {"parameter": ("[", "]"), "input": ("([", "])"), "state": ("([", "])"), "cell": ("[[", "]]")}


def mermaid(picture: Picture) -> str:
    """The Mermaid text of `picture`, a flowchart from bottom to top with a subgraph for each time step."""
    lines = ["flowchart BT"]
    inside = {name for group in picture.groups for name in group.members}
    lines += [f"  {_node(box)}" for box in picture.nodes if box.id not in inside]
    for group in picture.groups:
        lines.append(f'  subgraph {group.id}["{_safe(group.label)}"]')
        lines += [f"    {_node(picture.by_id[name])}" for name in group.members]
        lines.append("  end")
    for edge in picture.edges:
        label = " ".join([edge.label] if edge.label else []) + {"cut": " cut", "loop": f" ×{picture.rolled}"}.get(
            edge.kind, ""
        )
        arrow = {"state": "==>", "loop": "==>", "cut": "-.->"}.get(edge.kind, "-->")
        lines.append(f"  {edge.source} {arrow}{f'|{_safe(label.strip())}|' if label.strip() else ''} {edge.target}")
    if picture.style.graph != "forward":
        lines += [f"  {edge.target} -.-> {edge.source}" for edge in picture.edges if edge.backward]
    return "\n".join(lines) + "\n"


def _node(box: Box) -> str:
    opening, closing = BRACKETS.get(box.kind, ("(", ")"))
    return f'{box.id}{opening}"{"<br/>".join(_safe(line.text) for line in face(box))}"{closing}'


def _safe(text: str) -> str:
    """No markup, and nothing that ends a quoted label."""
    clean = "".join(c if c >= " " else "�" for c in text)
    return escape(clean).replace("&", "#").replace("#amp;", "#38;").replace("|", "#124;").replace("`", "#96;")
