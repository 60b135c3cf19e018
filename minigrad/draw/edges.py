"""The edges of a picture, and what came back along them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..graph import Node
from ..replay import Event
from .collect import Vertex
from .maths import formulas
from .picture import Edge

Place = tuple[Node, int]  # an argument of a node


class Edges:
    """The edges between vertices whose boxes are `ids`; `of` says which of `list` an argument of a node comes in by."""

    def __init__(self, vertices: list[Vertex], ids: Mapping[Vertex, str], folded: set[int], locals: str | None):
        self.list: list[Edge] = []
        self.of: dict[Place, int] = {}
        self.locals = locals  # the convention that local derivatives are written in, if they are
        self._numbers: dict[tuple[str, str, int, str], int] = {}
        self._counts: Counter[int] = Counter()
        for vertex in vertices:
            for parent, argument, label in vertex.inputs:
                self._add(parent, vertex, argument, label, ids, folded)
            for parent, argument, label in vertex.loops:
                self._put(
                    (ids[parent], ids[vertex], argument, "loop"), self._edge(parent, vertex, argument, label, "loop")
                )

    def _add(
        self, parent: Vertex, vertex: Vertex, argument: int, label: str, ids: Mapping[Vertex, str], folded: set[int]
    ) -> None:
        source, target = ids[parent], ids[vertex]
        if source == target:
            return
        edge = self._edge(parent, vertex, argument, label, _kind(parent, vertex, argument))
        if parent.step in folded or vertex.step in folded:
            # All edges between two boxes become one, but an edge out of the fold still says where it arrives.
            inner = vertex.step not in folded and vertex.step is not None
            edge = replace(edge, source=source, target=target, label="", local=None)
            number = self._put((source, target, argument if inner else -1, ""), edge)
            self._counts[number] += 1
            if self._counts[number] > 1 and not inner:
                self.list[number] = replace(edge, label=f"×{self._counts[number]}")
        else:
            number = self._put((source, target, argument, ""), replace(edge, source=source, target=target))
        for place in _places(vertex, argument):
            self.of[place] = number

    def _put(self, key: tuple[str, str, int, str], edge: Edge) -> int:
        number = self._numbers.setdefault(key, len(self.list))
        edge = replace(edge, source=key[0], target=key[1])
        if number == len(self.list):
            self.list.append(edge)
        else:
            self.list[number] = edge
        return number

    def _edge(self, parent: Vertex, vertex: Vertex, argument: int, label: str, kind: str) -> Edge:
        places = _places(vertex, argument)
        needed = argument not in vertex.cuts and parent.source.requires_grad
        back = needed and any(_has_rule(node, i) for node, i in places)
        local = None
        if self.locals and back and len(places) == 1 and places[0][0].op.name != "item":
            local = formulas.local_derivative(*places[0], self.locals)
        return Edge("", "", argument, kind, label, back, local)

    def measure(self, events: list[Event]) -> dict[int, np.ndarray]:
        """Set the size of what came back along each edge; return the messages by the number of the edge."""
        found: dict[int, np.ndarray] = {}
        for event in events:
            number = self.of.get((event.node, event.argument))
            if number is not None:
                before = found.get(number)
                found[number] = event.message if before is None else before + event.message
        for number, message in found.items():
            self.list[number] = replace(self.list[number], norm=float(np.linalg.norm(message.reshape(-1))))
        return found


def _places(vertex: Vertex, argument: int) -> list[Place]:
    return [place for place, port in vertex.ports.items() if port == argument]


def _has_rule(node: Node, i: int) -> bool:
    return node.op.name == "item" or any(i == argument for argument, _ in node.plan.rules)


def _kind(source: Vertex, target: Vertex, argument: int) -> str:
    if argument in target.cuts:
        return "cut"
    if source.start or (None not in (source.step, target.step) and source.step != target.step):
        return "state"
    if target.step is not None and source.step is None:
        return "shared"
    return "input" if source.step is not None and (source.is_leaf or source.op == "item") else "data"
