"""The loop compiler: a step that is written once, run over a sequence as one fused loop, forward and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast

from . import scan as _module
from .threads import use_threads

if TYPE_CHECKING:
    from .explain import Explanation

__all__ = ["scan", "use_threads"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Explained(Protocol[P, R]):
    """A function that can say what became of a call of it."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def explain(
        self,
        step: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        init: Any = None,
        xs: Any = None,
        length: int | None = None,
        reverse: bool = False,
    ) -> Explanation: ...


def _explain(
    step: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    init: Any = None,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> Explanation:
    """Print what the compiler made of the last scan that ran, or of this one, and return it; `.save(path)` draws it.

    With `step`, `init` and `xs` (as for `scan`) that scan is planned, from two of its steps, and does not run. It tells
    what left the loop, what was merged and what was fused, what runs the loop, bytes kept, and FLOPs: one for each
    number that an operation yields (of a sum, that it adds), two for each number of a row times each column in a
    product of matrices; einsum and the like are not counted. Raises MinigradError if no scan ran yet, and if the step
    cannot be compiled: why, and at which line.
    """
    from .explain import explain  # and with it what writes formulas, not before it is wanted

    return explain(step, init, xs, length, reverse)


def _explained(function: Callable[P, R]) -> Explained[P, R]:
    function.explain = _explain  # type: ignore[attr-defined]
    return cast(Explained[P, R], function)


scan = _explained(_module.scan)
