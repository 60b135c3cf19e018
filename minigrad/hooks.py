"""Functions of the user's that see a gradient on its way, and may replace it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .backend import backend_of
from .errors import OperandError, ShapeError

if TYPE_CHECKING:
    from .tensor import Tensor


class Hook:
    """What `Tensor.register_hook` returns."""

    def __init__(self, function: Callable[[Tensor], Any], among: list[Hook]):
        self.function = function
        self.among = among
        among.append(self)

    def remove(self) -> None:
        """Take the hook away, if it is there still."""
        if self in self.among:
            self.among.remove(self)


def after_hooks(hooks: list[Hook], g: Any, recorded: bool) -> Any:
    """The gradient `g` after each hook has seen it and, where it returned something, put that in its place."""
    from .tensor import Tensor

    for hook in list(hooks):
        shown = g if recorded else Tensor(backend_of(g).copy(g))  # type: ignore[union-attr]
        answer = hook.function(shown)
        if answer is None:
            continue
        if not isinstance(answer, Tensor):
            if backend_of(answer) is None:
                raise OperandError(f"a hook returns None, a Tensor, an array or a number, not {type(answer).__name__}")
            answer = shown._like(answer)
        if answer.shape != g.shape:
            raise ShapeError(f"a hook returned shape {answer.shape} for a gradient of shape {g.shape}: mend the hook")
        g = answer if recorded else answer.data.astype(g.dtype)
    return g
