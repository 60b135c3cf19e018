"""From the recorded graph to the vertices of a drawing: results of one operation are joined, leaves are listed."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from ..detached import detached_from, with_what_was_cut
from ..graph import Node
from ..loop.expand import expand
from ..tensor import Tensor

STEP = re.compile(r"(\w+)=(-?\d+)")


class Vertex:
    """What is drawn as one thing: a node, a leaf, or several nodes, of which `source` is the last.

    `inputs` has (vertex, argument, label of the result) for each argument, `loops` those that come from another step
    in a picture that shows one step for all. `ports` says as which argument an argument of a node within it comes in.
    """

    __slots__ = (
        "band", "cuts", "inputs", "loops", "members", "number", "outputs", "ports", "results", "slot", "source",
        "stage", "start", "step", "title",
    )  # fmt: skip

    def __init__(self, source: Node | Tensor, number: int):
        self.source = source
        self.number = number
        self.inputs: list[tuple[Vertex, int, str]] = []
        self.loops: list[tuple[Vertex, int, str]] = []
        self.outputs: list[tuple[Vertex, int]] = []
        self.members: list[Vertex] = [self]
        self.ports: dict[tuple[Node, int], int] = {}
        self.step: int | None = step_of(source.scope) if isinstance(source, Node) else None
        self.stage = 0
        self.band = 0
        self.slot: int | None = None
        self.start = False  # does a recurrence start from it?
        self.cuts: set[int] = set()  # the arguments that were detached on their way here
        self.title = ""  # of a closed group
        self.results: dict[str, Vertex] = {}  # of a closed group, by their labels

    @property
    def is_leaf(self) -> bool:
        return isinstance(self.source, Tensor)

    @property
    def op(self) -> str:
        return "leaf" if isinstance(self.source, Tensor) else self.source.op.name

    @property
    def scope(self) -> tuple[str, ...]:
        return () if isinstance(self.source, Tensor) else self.source.scope


def step_of(scope: tuple[str, ...]) -> int | None:
    """The time step that tags such as "t=3" name: that of `t` if it is among them, else the innermost."""
    found = step_tag(scope)
    return None if found is None else int(found[2])


def step_tag(scope: tuple[str, ...]) -> re.Match[str] | None:
    """The tag that names the time step, as a match of `STEP`."""
    found = [match for match in map(STEP.fullmatch, scope) if match]
    chosen = [match for match in found if match[1] == "t"] or found
    return chosen[-1] if chosen else None


def collect(outputs: Sequence[Tensor]) -> list[Vertex]:
    """The vertices behind `outputs` in the order of computation, a leaf just before its first use."""
    roots = [tensor.node or tensor for tensor in outputs]
    computed = [root for root in roots if isinstance(root, Node)]
    nodes = with_what_was_cut(computed)
    if expand(nodes):
        nodes = with_what_was_cut(computed)
    kept = _items_of_one_step(nodes) | set(roots)
    read = _parts_read(nodes, kept)
    vertices: dict[Any, Vertex] = {}
    first: dict[Any, Any] = {}  # of several looks at the same part of a sequence

    def vertex(source: Any) -> Vertex:
        source = first.setdefault(_same_part(source) or source, source)
        if source not in vertices:
            vertices[source] = Vertex(source, len(vertices))
        return vertices[source]

    for node in nodes:
        if node.op.name == "item" and node not in kept:
            continue
        inputs, cuts = [], set()
        for i, parent in enumerate(node.parents):
            if isinstance(parent, (Node, Tensor)) and i in read.get(node, (i,)):
                origin = detached_from(parent)
                if origin is not None:
                    cuts.add(i)
                source, label = _behind(origin or parent, kept)
                inputs.append((vertex(source), i, label))
        made = vertex(node)
        made.inputs, made.cuts = inputs, cuts
        made.ports |= {(node, i): i for _, i, _ in inputs}
    return linked([vertex(root) for root in roots])


def _same_part(source: Any) -> Any:
    """Which part of which sequence this is, so that two looks at it, of both directions of a network say, are one."""
    if isinstance(source, Node):
        if source.op.name == "item" and (whole := _same_part(source.parents[0])):
            return (*whole, source.options["index"])
        outside = source.op.name == "unstack" and step_of(source.scope) is None
        return (id(source.parents[0]), source.options.get("axis")) if outside else None
    whole = source.view_of if source.node is None and not source.requires_grad else None
    place = getattr(source.data, "__array_interface__", None) or getattr(source.data, "__cuda_array_interface__", None)
    if whole is None or source.name or place is None:
        return None
    return id(whole), place["data"], source.shape, place["strides"]


def _behind(parent: Any, kept: set[Any]) -> tuple[Any, str]:
    """What an argument comes from, with the results of one operation standing for the operation.

    A sequence that was stacked only to be unstacked again, as between the layers of a deep network, is seen through; so
    is one of which a single step is taken.
    """
    while isinstance(parent, Node) and parent not in kept:
        if parent.op.name == "item":
            whole, index = parent.parents[0], parent.options["index"]
            if (inner := _stacked(whole, index)) is None:
                return whole, parent.name or str(index)
        elif parent.name or (inner := _taken(parent)) is None:
            break
        parent = inner
    return parent, ""


def _stacked(whole: Any, index: int) -> Any:
    """The part of which item `index` of an unstacked stack was made."""
    stack = whole.parents[0] if whole.op.name == "unstack" else None
    return stack.parents[index] if _is_stack(stack) else None


def _taken(node: Node) -> Any:
    """The part of a stack that `node` is, as hidden[-1] is."""
    stack, index = node.parents[0] if node.parents else None, node.options.get("index")
    if node.op.name == "getitem" and _is_stack(stack) and _is_index(index):
        return stack.parents[int(index)]
    return None


def _is_index(index: Any) -> TypeGuard[int]:
    return isinstance(index, (int, np.integer)) and not isinstance(index, bool)


def _is_stack(source: Any) -> TypeGuard[Node]:
    return isinstance(source, Node) and source.op.name == "stack" and source.options["axis"] == 0


def _parts_read(nodes: list[Node], kept: set[Any]) -> dict[Any, set[int]]:
    """The parts of each stack that anything reads, of stacks that are not drawn for themselves."""
    read: dict[Any, set[int]] = {}
    for node in nodes:
        for parent in node.parents:
            stack = detached_from(parent) or parent
            if _is_stack(stack) and stack not in kept:
                read.setdefault(stack, set()).update(_looked_at(node, len(stack.parents)))
    return read


def _looked_at(user: Node, count: int) -> range:
    """Which of the `count` parts of a stack a node looks at: all, but with an index or a slice of them."""
    index = user.options.get("index") if user.op.name == "getitem" else None
    first = index[0] if isinstance(index, tuple) and index else index
    if _is_index(first):
        return range(count)[first:][:1]
    return range(count)[first] if isinstance(first, slice) else range(count)


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


def linked(roots: list[Vertex]) -> list[Vertex]:
    """The vertices from which `roots` are computed, each after what it needs, each knowing who uses it."""
    seen = set(roots)
    stack = list(roots)
    while stack:
        for parent, _, _ in stack.pop().inputs:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    for vertex in seen:
        vertex.outputs = []
    for vertex in sorted(seen, key=lambda vertex: vertex.number):
        for parent, argument, _ in vertex.inputs:
            parent.outputs.append((vertex, argument))
    waiting = {vertex: len(vertex.inputs) for vertex in seen}
    ready = [(vertex.number, vertex) for vertex in seen if not vertex.inputs]
    heapq.heapify(ready)
    found: list[Vertex] = []
    while ready:
        _, vertex = heapq.heappop(ready)
        found.append(vertex)
        for user, _ in vertex.outputs:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, (user.number, user))
    for number, vertex in enumerate(found):
        vertex.number = number
    return found
