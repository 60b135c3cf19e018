"""What the quantities of a picture are called and computed from: the equations' own symbols and formulas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import DrawingError
from ...graph import Node
from ...tensor import Tensor
from . import algebra as al
from .expression import Expression
from .fold import Folded, Part
from .formulas import formula
from .forward import Forward, in_step


class Quantities:
    """The quantities of the graph behind some Tensors; none of a graph too large for equations.

    `convention` is that of `equations`.
    """

    def __init__(self, outputs: Sequence[Tensor], convention: str):
        self.convention = convention
        self.shown: set[Any] = set()  # the nodes that have an equation
        self._parts: dict[Any, Part] = {}
        try:
            self.forward = Forward(Folded(outputs))
        except DrawingError:
            return
        for part in self.forward.folded.parts:
            if part.is_leaf or part.key in self.forward.shown:
                self._parts[part.source] = part
        self.shown = {source for source, part in self._parts.items() if not part.is_leaf}

    def equation(self, source: Node | Tensor, inputs: Iterable[Any]) -> tuple[Expression | None, Expression | None]:
        """The symbol of a node or leaf, and a node's formula, in those `inputs` and others; None for what it has not.

        The links of a running sum, which the equations write as one Σ, have neither.
        """
        part = self._parts.get(source)
        if part is None:
            several = isinstance(source, Node) and source.op.name != "add"
            return None, formula(source, set(inputs), self.convention) if several else None  # type: ignore[arg-type]
        left = self.forward.symbols.of(part.key)
        right = None if part.is_leaf else self.forward.formula(self.forward.folded.representative(part))
        if part.step is not None:
            left, right = in_step(left, part.step), right and in_step(right, part.step)
        if right and self.convention == "columns":
            right = al.textbook(right, not self.forward.columns)
        return left, right
