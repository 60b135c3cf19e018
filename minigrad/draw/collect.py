"""From the recorded graph to the vertices of a drawing: results of one operation are joined, leaves are listed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..graph import Node, ancestors
from ..tensor import Tensor

STEP = re.compile(r"(\w+)=(-?\d+)")


class Vertex:
    """A node or a leaf that is drawn. `inputs` has (vertex, argument, label of the result) for each argument."""

    __slots__ = ("inputs", "key", "number", "outputs", "slot", "source", "stage", "start", "step")

    def __init__(self, source: Node | Tensor, number: int):
        self.source = source
        self.number = number
        self.inputs: list[tuple[Vertex, int, str]] = []
        self.outputs: list[tuple[Vertex, int]] = []
        self.step: int | None = step_of(source.scope) if isinstance(source, Node) else None
        self.key = ""  # what its tag counts: "t"
        self.stage = 0
        self.slot: int | None = None
        self.start = False  # does a recurrence start from it?

    @property
    def is_leaf(self) -> bool:
        return isinstance(self.source, Tensor)

    @property
    def op(self) -> str:
        return "leaf" if isinstance(self.source, Tensor) else self.source.op.name


def step_of(scope: tuple[str, ...]) -> int | None:
    """The time step that tags such as "t=3" name: that of `t` if it is among them, else the innermost."""
    found = [match for match in map(STEP.fullmatch, scope) if match]
    chosen = [match for match in found if match[1] == "t"] or found
    return int(chosen[-1][2]) if chosen else None


def collect(outputs: Sequence[Tensor]) -> list[Vertex]:
    """The vertices behind `outputs` in the order of computation, a leaf just before its first use."""
    roots = [tensor.node or tensor for tensor in outputs]
    nodes = ancestors(root for root in roots if isinstance(root, Node))
    kept = _items_of_one_step(nodes) | set(roots)
    vertices: dict[Any, Vertex] = {}
    for node in nodes:
        if node.op.name == "item" and node not in kept:
            continue
        inputs = []
        for i, parent in enumerate(node.parents):
            if isinstance(parent, (Node, Tensor)):
                source, label = _behind(parent, kept)
                if source not in vertices:
                    vertices[source] = Vertex(source, len(vertices))
                inputs.append((vertices[source], i, label))
        vertices[node] = Vertex(node, len(vertices))
        vertices[node].inputs = inputs
    for root in roots:
        vertices.setdefault(root, Vertex(root, len(vertices)))
    return _reached([vertices[root] for root in roots])


def _behind(parent: Any, kept: set[Any]) -> tuple[Any, str]:
    """What an argument comes from, with the results of one operation standing for the operation.

    A sequence that was stacked only to be unstacked again, as between the layers of a deep network, is seen through.
    """
    while isinstance(parent, Node) and parent.op.name == "item" and parent not in kept:
        whole, index = parent.parents[0], parent.options["index"]
        if (inner := _stacked(whole, index)) is None:
            return whole, parent.name or str(index)
        parent = inner
    return parent, ""


def _stacked(whole: Any, index: int) -> Any:
    """The part of which item `index` of an unstacked stack was made."""
    stack = whole.parents[0] if whole.op.name == "unstack" else None
    if isinstance(stack, Node) and stack.op.name == "stack" and stack.options["axis"] == 0:
        return stack.parents[index]
    return None


def _items_of_one_step(nodes: list[Node]) -> set[Any]:
    """The items of unstacked sequences that only a single time step uses: its inputs x_t."""
    steps: dict[Node, set[int | None]] = {}
    for node in nodes:
        for parent in node.parents:
            if isinstance(parent, Node) and parent.op.name == "item":
                whole: Any = parent.parents[0]
                inside = whole.op.name != "unstack" or step_of(whole.scope) is not None
                if not inside and _stacked(whole, parent.options["index"]) is None:
                    steps.setdefault(parent, set()).add(step_of(node.scope))
    return {item for item, users in steps.items() if len(users) == 1 and None not in users}


def _reached(roots: list[Vertex]) -> list[Vertex]:
    """The vertices from which `roots` are computed, renumbered, each knowing who uses it."""
    seen = set(roots)
    stack = list(roots)
    while stack:
        for parent, _, _ in stack.pop().inputs:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    found = sorted(seen, key=lambda vertex: vertex.number)
    for number, vertex in enumerate(found):
        vertex.number = number
        for parent, argument, _ in vertex.inputs:
            parent.outputs.append((vertex, argument))
    return found
