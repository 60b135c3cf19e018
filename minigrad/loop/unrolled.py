"""A scan as the graph of all its steps: for what cannot be traced, for higher derivatives, and to be drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..errors import ShapeError
from ..mode import scope
from ..ops import stack, unstack
from ..tensor import Tensor

NONE, LEAF = "none", "leaf"


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of nested tuples, lists and dicts, and how they hang together."""
    leaves: list[Any] = []
    return leaves, _take_apart(tree, leaves)


def _take_apart(part: Any, leaves: list[Any]) -> Any:
    if part is None:
        return NONE
    if isinstance(part, dict):
        return dict, tuple(part), tuple([_take_apart(part[name], leaves) for name in part])
    if isinstance(part, (tuple, list)):
        return type(part), tuple([_take_apart(one, leaves) for one in part])
    leaves.append(part)
    return LEAF


def labels(structure: Any, own: str | None = None) -> list[str | None]:
    """What dicts and named tuples call each leaf."""
    if structure in (NONE, LEAF):
        return [own] if structure == LEAF else []
    names = structure[1] if structure[0] is dict else getattr(structure[0], "_fields", [own] * len(structure[1]))
    return [label for name, part in zip(names, structure[-1], strict=True) for label in labels(part, name)]


def unflatten(structure: Any, leaves: Iterable[Any]) -> Any:
    """`leaves` hung together as `structure` says."""
    return _put_together(structure, iter(leaves))


def _put_together(part: Any, leaves: Iterator[Any]) -> Any:
    if part == NONE:
        return None
    if part == LEAF:
        return next(leaves)
    if part[0] is dict:
        return dict(zip(part[1], [_put_together(one, leaves) for one in part[2]], strict=True))
    made = [_put_together(one, leaves) for one in part[1]]
    return part[0](*made) if hasattr(part[0], "_fields") else part[0](made)


def unroll(
    step: Callable[..., Any],
    carry: Any,
    xs: Sequence[Any],
    structure: Any,
    steps: int,
    reverse: bool,
    named: Callable[[Any, int], Any] | None = None,
) -> tuple[Any, Any]:
    """Run `step` over all steps, one after the other, and stack what they put out; nodes are tagged "t=3".

    `named(carry, t)` is called after step t: it may give the parts of the carry their names.
    """
    items = [unstack(leaf if isinstance(leaf, Tensor) else Tensor(leaf)) for leaf in xs]
    outputs: list[list[Any]] = [[] for _ in range(steps)]
    y_structure: Any = NONE
    for t in reversed(range(steps)) if reverse else range(steps):
        with scope(f"t={t}"):
            carry, y = step(carry, unflatten(structure, [item[t] for item in items]))
        if named is not None:
            named(carry, t)
        outputs[t], y_structure = flatten(y)
    if len({len(leaves) for leaves in outputs}) > 1:
        raise ShapeError("the step returns more outputs at some steps than at others: return the same at each")
    return carry, unflatten(y_structure, [stack(list(leaves)) for leaves in zip(*outputs, strict=True)])
