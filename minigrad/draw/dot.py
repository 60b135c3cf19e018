"""A picture as DOT, for Graphviz users: a cluster for each time step, from left to right.

Clusters keep their order because each hangs between anchors of two invisible spines outside of all clusters; edges
between steps and from shared boxes do not constrain it. Much faster than Graphviz's own left-to-right layout.
"""

from __future__ import annotations

from .face import face
from .picture import Box, Edge, Picture

LOOKS = {
    "op": {"shape": "box", "style": "rounded,filled", "fillcolor": "#ffffff"},
    "parameter": {"shape": "box", "style": "filled", "fillcolor": "#f1f5f9", "penwidth": "2.4"},
    "input": {"shape": "ellipse", "style": "filled", "fillcolor": "#e0f2fe"},
    "state": {"shape": "ellipse", "style": "filled", "fillcolor": "#ccfbf1"},
    "output": {"shape": "box", "style": "rounded,filled", "fillcolor": "#fee2e2", "penwidth": "2.6"},
    "fold": {"shape": "plaintext"},
}
STATE, SHARED = "#0f766e", "#b45309"


def dot(picture: Picture) -> str:
    """The DOT text of `picture`."""
    import graphviz

    graph = graphviz.Digraph("minigrad")
    graph.attr(rankdir="BT", newrank="true", label=_safe([picture.title]), labelloc="t", fontname="Helvetica")
    graph.attr("node", fontname="Helvetica", fontsize="12", color="#475569")
    graph.attr("edge", color="#475569", arrowsize="0.7")
    inside = {name for group in picture.groups for name in group.members}
    for box in picture.nodes:
        if box.id not in inside:
            _node(graph, box)
    for group in picture.groups:
        with graph.subgraph(name=f"cluster_{group.id}") as cluster:
            cluster.attr(label=_safe([group.label]), style="rounded,filled", fillcolor="#f8fafc", color="#94a3b8")
            for name in group.members:
                _node(cluster, picture.by_id[name])
    _spine(graph, picture)
    for edge in picture.edges:
        graph.edge(edge.source, edge.target, **_edge(edge, picture))
    return graph.source


def _safe(lines: list[str]) -> str:
    """Lines as a label: no markup, no escape sequences but the line breaks between them."""
    import graphviz

    clean = ["".join(c if c >= " " else "�" for c in line) for line in lines]
    return graphviz.nohtml("\\n".join(graphviz.escape(line) for line in clean))


def _node(graph, box: Box) -> None:  # type: ignore[no-untyped-def]
    graph.node(box.id, label=_safe([line.text for line in face(box)]), **LOOKS[box.kind])


def _spine(graph, picture: Picture) -> None:  # type: ignore[no-untyped-def]
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
    look: dict[str, str] = {}
    if edge.label:
        look["label"] = _safe([edge.label])
    if _loose(edge, picture):
        look["constraint"] = "false"
    if edge.kind == "state":
        look |= {"color": STATE, "penwidth": "2"}
    elif edge.kind == "shared":
        look["color"] = SHARED
    return look


def _loose(edge: Edge, picture: Picture) -> bool:
    """Is it one that must not pull time steps above each other?"""
    source, target = picture.by_id[edge.source], picture.by_id[edge.target]
    between = source.step is not None and target.step is not None and source.step != target.step
    return edge.kind in ("shared", "state") or between
