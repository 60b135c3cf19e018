"""A picture of a graph, as plain data: what is drawn, not where and not how."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .maths.expression import Expression


@dataclass(frozen=True)
class Box:
    """One thing that is drawn: an operation, a leaf, a group of operations, or the steps that were folded away.

    `kind` says what it is: "op", "parameter", "input", "state" (where a recurrence starts), "output", "cell" (a closed
    group) or "fold". `step` is its time step (None outside of all), `slot` which part of a step it is, the same in
    every step; `stage` counts how often the graph has left the time steps before it; `band` which layer and
    direction of a step it belongs to. `formula` is what it computes, `left` the symbol for it. `data` and `grad` are
    its numbers where they are few, else None; `value`, `gradient` and `incoming` (a gradient apart by where it comes
    from: a label, and lines) are lines of text, empty where none are to be shown. `count` is the number of operations
    that it stands for.
    """

    id: str
    kind: str
    symbol: str
    name: str | None
    op: str | None
    shape: tuple[int, ...]
    dtype: str
    scope: tuple[str, ...] = ()
    step: int | None = None
    slot: int | None = None
    stage: int = 0
    band: int = 0
    value: tuple[str, ...] = ()
    gradient: tuple[str, ...] = ()
    incoming: tuple[tuple[str, tuple[str, ...]], ...] = ()
    note: str = ""
    left: Expression | None = None
    formula: Expression | None = None
    data: np.ndarray | None = field(default=None, compare=False)
    grad: np.ndarray | None = field(default=None, compare=False)
    needs_gradient: bool = False
    count: int = 1

    @property
    def label(self) -> str:
        """What is written on it first: `f = σ`, or the sign or the name alone."""
        if self.name is None:
            return self.symbol
        return self.name if self.op in (None, "item") or not self.symbol else f"{self.name} = {self.symbol}"


@dataclass(frozen=True)
class Edge:
    """`source` is argument `argument` of `target` (both box ids).

    `kind`: "state" from one time step to another (or from the state that a recurrence starts from), "loop" the same in
    a picture that shows one step for all, "shared" from one box outside the steps into a step, "input" from an input
    of the step itself, "cut" where the source was detached, "data" for all others. `label` says which of several
    results of the source it is. `backward` says that a gradient comes back along it: the backward graph is
    these edges, reversed. `local` is the local derivative, `norm` the size of the message that came back (Euclidean).
    """

    source: str
    target: str
    argument: int
    kind: str
    label: str = ""
    backward: bool = False
    local: Expression | None = field(default=None, compare=False)
    norm: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Move:
    """One use of a VJP rule in the backward walk: the gradient `upstream` of box `box` became `message`, for `parent`.

    `edge` is the number of the edge along which it went, None if both ends are in one box. `rule` is the local
    derivative; `local` its numbers where the rule multiplies element by element, else None. `upstream` is a tuple of
    arrays for an operation of several results.
    """

    box: str
    parent: str
    edge: int | None
    rule: Expression | None
    upstream: Any
    local: np.ndarray | None
    message: np.ndarray


@dataclass(frozen=True)
class Group:
    """The boxes of one time step."""

    id: str
    label: str
    step: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Style:
    """How a picture is printed: `graph` is "forward", "backward" or "both"; `flow` shows the sizes of gradients."""

    theme: str = "light"
    graph: str = "forward"
    flow: bool = False


@dataclass(frozen=True)
class Picture:
    """Boxes in the order in which they were computed, the edges between them, the time steps as groups.

    `bands` names the layers and directions within a step; `folded` is the number of time steps that one "fold" box
    stands for, `rolled` the number that a picture of one step for all stands for.
    """

    title: str
    nodes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()
    bands: tuple[str, ...] = ()
    folded: int = 0
    rolled: int = 0
    style: Style = Style()
    by_id: dict[str, Box] = field(init=False, repr=False, compare=False)
    into: dict[str, list[Edge]] = field(init=False, repr=False, compare=False)  # edges by where they end

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {box.id: box for box in self.nodes})
        object.__setattr__(self, "into", {})
        for edge in self.edges:
            self.into.setdefault(edge.target, []).append(edge)

    @cached_property
    def _range(self) -> tuple[float, float] | None:
        norms = [edge.norm for edge in self.edges if edge.norm]
        top = math.log10(max(norms)) if norms else 0.0
        return (max(math.log10(min(norms)), top - 6.0), top) if norms else None

    def flow(self, edge: Edge) -> float | None:
        """How large what came back along an edge is: from 0 to 1, on a logarithmic scale of at most six decades.

        None where that is not to be shown, or not known.
        """
        if not self.style.flow or self._range is None:
            return None
        if not edge.norm:
            return 0.0
        low, top = self._range
        return min(1.0, max(0.0, (math.log10(edge.norm) - low) / (top - low))) if top > low else 1.0

    @property
    def description(self) -> str:
        """The picture in a sentence or two, for those who cannot see it."""
        kinds = Counter(box.kind for box in self.nodes)
        parts = [
            f"{n} {word}{'' if n == 1 else 's'}"
            for n, word in [
                (kinds["op"] + kinds["output"], "operation"),
                (kinds["cell"], "cell"),
                (kinds["parameter"], "parameter"),
                (kinds["input"] + kinds["state"], "input"),
            ]
            if n
        ]
        text = f"A graph of {', '.join(parts)}, joined by {len(self.edges)} edges"
        if self.rolled:
            text += f", one time step drawn for all {self.rolled}, with loops from step to step"
        elif self.groups:
            text += f", unrolled over {len(self.groups) + max(0, self.folded - 1)} time steps from left to right"
        text += "; values flow from bottom to top."
        if self.folded:
            text += f" The middle {self.folded} steps are folded into one panel."
        if self.style.graph != "forward":
            text += " Gradients come back along the edges, from top to bottom."
        outputs = [box.name or box.symbol for box in self.nodes if box.kind == "output"]
        return text + (f" Results: {', '.join(outputs)}." if outputs else "")
