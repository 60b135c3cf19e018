"""What is to be drawn, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..tensor import Tensor


@dataclass(frozen=True)
class Options:
    """The choices of `draw`."""

    level: str = "op"
    open: Sequence[str] = ()
    close: Sequence[str] = ()
    backward: bool | str = False
    values: bool = False
    grads: Mapping[Tensor, Any] = field(default_factory=dict)
    shapes: bool = False
    dtypes: bool = False
    names: bool = True
    formulas: bool = False
    locals: bool = False
    flow: bool = False
    theme: str = "light"
    title: str | None = None
    max_steps: int = 50

    @property
    def convention(self) -> str:
        """Formulas beside numbers are of the arrays as stored; those that stand alone are a textbook's."""
        return "rows" if self.values or self.backward else "columns"
