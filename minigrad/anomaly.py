"""Where the first NaN or infinity comes from: what `detect_anomaly` looks at."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from .backend import backend_of
from .errors import AnomalyError, users_line
from .graph import Node
from .primitive import Op
from .tensor import Tensor

# The line of the user's that made a node, for nodes made while anomalies are looked for.
lines: WeakKeyDictionary[Node, str | None] = WeakKeyDictionary()


def check_result(op: Op, args: tuple[Any, ...], results: Any) -> None:
    """Raise AnomalyError if the operation made a NaN, or an infinity of finite operands, or was handed a NaN."""
    found = _worst(results)
    given = [_worst(arg) for arg in args]
    if found == "NaN" and "NaN" in given:
        i = given.index("NaN")
        told = f"operand {i} of {op.name!r} ({_told(args[i])}) already holds a NaN: look at where it came from"
    elif found == "NaN" or (found and not any(given)):
        told = (
            f"{op.name!r} made {_article(found)} of {', '.join(_told(arg) for arg in args)}: keep its operands where "
            "it is defined and does not overflow (clip them, or use a stable form such as log_softmax or logaddexp)"
        )
    else:
        return
    raise AnomalyError(told)


def check_gradient(node: Node, i: int, g: Any, saved: Any, message: Any) -> None:
    """Raise AnomalyError if the rule of `node` for argument `i` made a NaN, or an infinity of finite values."""
    found, given = _worst(message), _worst(g)
    if found == "NaN" and given == "NaN":
        told = (
            f"the gradient that reached {node.op.name!r} {node.shape} already holds a NaN: look at what it started from"
        )
    elif found == "NaN" or (found and not given and not any(_worst(value) for value in saved)):
        place = f" in {' / '.join(node.scope)}" if node.scope else ""
        told = (
            f"the gradient of {node.op.name!r}{place} for its operand {i}, of shape {node.parents[i].shape}, "  # type: ignore[union-attr]
            f"became {_article(found)} on the way back: the operand lies where the derivative is infinite or undefined "
            "(sqrt or log at 0, a division by 0); keep it away from there, with where() around the operand, say"
        )
    else:
        return
    raise AnomalyError(told, lines.get(node) or (None if node.of is None else lines.get(node.of)))


def _worst(values: Any) -> str | None:
    """ "NaN" if there is one among the numbers, else "infinity" if there is one, else None."""
    parts = values if isinstance(values, (tuple, list)) else [values]
    found = None
    for part in parts:
        raw = part.data if isinstance(part, Tensor) else part
        backend = backend_of(raw)
        if backend is None:
            continue
        array = backend.xp.asarray(raw)
        if array.dtype.kind == "f" and not backend.xp.isfinite(array).all():
            if (array != array).any():
                return "NaN"
            found = "infinity"
    return found


def _article(found: str) -> str:
    return f"a{'n' if found == 'infinity' else ''} {found}"


def _told(arg: Any) -> str:
    if not isinstance(arg, Tensor):
        return f"an array of shape {arg.shape}" if hasattr(arg, "shape") else repr(arg)
    return f"{arg.name or 'a Tensor'} of shape {arg.shape}"


def remember(node: Node) -> None:
    """Note which line of the user's made `node`."""
    lines[node] = users_line()
