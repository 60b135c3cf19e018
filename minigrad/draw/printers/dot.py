"""A picture as DOT, for Graphviz users: a cluster for each time step, from left to right.

Clusters keep their order because each hangs between anchors of two invisible spines outside of all clusters; edges
between steps and from shared boxes do not constrain it. Much faster than Graphviz's own left-to-right layout.
"""

from __future__ import annotations

from typing import Any

from ..layout.face import face
from ..maths.expression import text
from ..picture import Box, Edge, Picture
from .themes import THEMES, style_of

MANY = 1000  # boxes, from where on Graphviz is told to stop improving the layout earlier
SHAPES = {
    "op": {"shape": "box", "style": "rounded,filled"},
    "function": {"shape": "box", "style": "rounded,filled"},
    "parameter": {"shape": "box", "style": "filled"},
    "input": {"shape": "ellipse", "style": "filled"},
    "state": {"shape": "ellipse", "style": "filled"},
    "cell": {"shape": "box", "style": "rounded,filled", "peripheries": "2"},
    "output": {"shape": "box", "style": "rounded,filled"},
}


def dot(picture: Picture) -> str:
    """The DOT text of `picture`."""
    import graphviz

    theme = THEMES[picture.style.theme]
    graph = graphviz.Digraph("minigrad")
    graph.attr(rankdir="BT", newrank="true", label=_safe([picture.title]), labelloc="t", fontname="Helvetica")
    graph.attr(bgcolor=theme.paper, fontcolor=theme.ink)
    if len(picture.nodes) > MANY:
        graph.attr(nslimit="2", nslimit1="2")
    graph.attr("node", fontname="Helvetica", fontsize="12", fontcolor=theme.ink)
    graph.attr("edge", color=theme.line, fontcolor=theme.ink, fontsize="10", arrowsize="0.7")
    inside = {name for group in picture.groups for name in group.members}
    for box in picture.nodes:
        if box.id not in inside:
            _node(graph, box, picture)
    for group in picture.groups:
        with graph.subgraph(name=f"cluster_{group.id}") as cluster:
            cluster.attr(label=_safe([group.label]), style="rounded,filled", fillcolor=theme.panel, color=theme.border)
            for name in group.members:
                _node(cluster, picture.by_id[name], picture)
    _spine(graph, picture)
    for edge in picture.edges:
        graph.edge(edge.source, edge.target, **_edge(edge, picture))
    if picture.style.graph != "forward":
        for edge in picture.edges:
            if edge.backward:
                graph.edge(edge.target, edge.source, **_back(edge, picture))
    return graph.source


def _safe(lines: list[str]) -> str:
    """Lines as a label: no markup, no escape sequences but the line breaks between them."""
    import graphviz

    clean = ["".join(c if c >= " " else "�" for c in line) for line in lines]
    return graphviz.nohtml("\\n".join(graphviz.escape(line) for line in clean))


def _node(graph: Any, box: Box, picture: Picture) -> None:
    label = _safe([line.text for line in face(box)])
    if box.kind == "fold":
        graph.node(box.id, label=label, shape="plaintext")
        return
    fill, stroke, width = THEMES[picture.style.theme].looks[style_of(box)]
    graph.node(box.id, label=label, fillcolor=fill, color=stroke, penwidth=str(width), **SHAPES[style_of(box)])


def _spine(graph: Any, picture: Picture) -> None:
    """Two rows of invisible anchors, below and above all clusters, on which each step hangs by its ends."""
    inner = [edge for edge in picture.edges if not _loose(edge, picture)]
    fed = {edge.target for edge in inner}
    used = {edge.source for edge in inner if picture.by_id[edge.target].step is not None}
    for end, rank in (("a", "min"), ("z", "max")):
        with graph.subgraph() as spine:
            spine.attr(rank=rank)
            for i, _ in enumerate(picture.groups):
                spine.node(f"{end}{i}", label="", style="invis", width="0", height="0", fixedsize="true")
                if i:
                    spine.edge(f"{end}{i - 1}", f"{end}{i}", style="invis", weight="100")
    for i, group in enumerate(picture.groups):
        for name in group.members:
            if name not in fed:
                graph.edge(f"a{i}", name, style="invis", weight="100")
            if name not in used:
                graph.edge(name, f"z{i}", style="invis", weight="100")


def _edge(edge: Edge, picture: Picture) -> dict[str, str]:
    theme = THEMES[picture.style.theme]
    look: dict[str, str] = {}
    label = [edge.label] if edge.label else []
    if edge.kind == "cut":
        look |= {"color": theme.quiet, "style": "dashed", "arrowhead": "tee"}
        label.append("cut")
    elif edge.kind in ("state", "loop"):
        look |= {"color": theme.state, "penwidth": "2"}
    elif edge.kind == "shared":
        look["color"] = theme.shared[0]
    if edge.kind == "loop":
        label.append(f"×{picture.rolled}")
    if edge.local is not None:
        look["headlabel"] = _safe([text(edge.local)])
    if picture.style.graph == "backward":
        look["style"] = "invis"
    if label:
        look["label"] = _safe([" ".join(label)])
    if _loose(edge, picture):
        look["constraint"] = "false"
    return look


def _back(edge: Edge, picture: Picture) -> dict[str, str]:
    """The way of a gradient, against its edge."""
    theme = THEMES[picture.style.theme]
    look = {"color": theme.gradient, "style": "dashed", "constraint": "false"}
    if (share := picture.flow(edge)) is not None:
        look["penwidth"] = f"{0.8 + 5.2 * share:.2f}"
    return look


def _loose(edge: Edge, picture: Picture) -> bool:
    """Is it one that must not pull time steps above each other?"""
    source, target = picture.by_id[edge.source], picture.by_id[edge.target]
    between = source.step is not None and target.step is not None and source.step != target.step
    return edge.kind in ("shared", "state", "loop") or between
