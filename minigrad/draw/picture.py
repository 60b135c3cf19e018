"""A picture of a graph, as plain data: what is drawn, not where and not how."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Box:
    """One thing that is drawn: an operation, a leaf, or the steps that were folded away.

    `kind` says what it is: "op", "parameter", "input", "state" (where a recurrence starts), "output" or "fold".
    `step` is its time step (None outside of all), `slot` which part of a step it is, the same in every step; `stage`
    counts how often the graph has left the time steps before it. `value` and `gradient` are lines of
    numbers, empty where none are to be shown.
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
    value: tuple[str, ...] = ()
    gradient: tuple[str, ...] = ()
    note: str = ""

    @property
    def label(self) -> str:
        """What is written on it first: `f = σ`, or the sign or the name alone."""
        if self.name is None:
            return self.symbol
        return self.name if self.op is None or self.op == "item" else f"{self.name} = {self.symbol}"


@dataclass(frozen=True)
class Edge:
    """`source` is argument `argument` of `target` (both box ids).

    `kind`: "state" from one time step to another (or from the state that a recurrence starts from), "shared" from one
    box outside the steps into a step, "input" from an input of the step itself, "data" for all others. `label` says
    which of several results of the source it is.
    """

    source: str
    target: str
    argument: int
    kind: str
    label: str = ""


@dataclass(frozen=True)
class Group:
    """The boxes of one time step."""

    id: str
    label: str
    step: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """Boxes in the order in which they were computed, the edges between them, the time steps as groups.

    `folded` is the number of time steps that one "fold" box stands for.
    """

    title: str
    nodes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()
    folded: int = 0
    by_id: dict[str, Box] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {box.id: box for box in self.nodes})

    @property
    def description(self) -> str:
        """The picture in a sentence or two, for those who cannot see it."""
        kinds = Counter(box.kind for box in self.nodes)
        parts = [
            f"{n} {word}{'' if n == 1 else 's'}"
            for n, word in [
                (kinds["op"] + kinds["output"], "operation"),
                (kinds["parameter"], "parameter"),
                (kinds["input"] + kinds["state"], "input"),
            ]
            if n
        ]
        text = f"A graph of {', '.join(parts)}, joined by {len(self.edges)} edges"
        if self.groups:
            text += f", unrolled over {len(self.groups) + max(0, self.folded - 1)} time steps from left to right"
        text += "; values flow from bottom to top."
        if self.folded:
            text += f" The middle {self.folded} steps are folded into one panel."
        outputs = [box.name or box.symbol for box in self.nodes if box.kind == "output"]
        return text + (f" Results: {', '.join(outputs)}." if outputs else "")
