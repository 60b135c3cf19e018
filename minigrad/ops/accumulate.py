"""Along an axis, one after the other: running sums and products, differences, and the product of all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..primitive import primitive
from .indexing import getitem
from .pointwise import astype, not_equal, nothing, subtract
from .products import as_arrays
from .reduce import sum
from .shape import Axis, axes_of, concatenate, flip, moveaxis, transpose

# fmt: off
__all__ = [
    "cumprod", "cumsum", "diff", "prod", "trapezoid",
]
# fmt: on


def _recurrence(xp: Any, g: Any, a: Any) -> Any:
    out = xp.array(g)
    for t in range(1, len(out)):
        out[t] += a[t] * out[t - 1]
    return out


# s[t] = g[t] + a[t] s[t - 1] along the first axis; the way back is such a recurrence in the other direction.
_follow: Callable[..., Any] = primitive(
    "recurrence",
    _recurrence,
    vjp=[lambda g, a: _follow_back(g, a), lambda g, out, a: _follow_back(g, a) * _shifted(out)],
)
_cumsum: Callable[..., Any] = primitive(
    "cumsum",
    lambda xp, x, *, axis: xp.cumsum(x, axis=axis),
    vjp=[lambda g, axis: flip(_cumsum(flip(g, axis), axis=axis), axis)],
)
# Along the first axis. The gradient divides by nothing, so zeros do no harm: that of x[i] is the product of all x[j]
# before it times the sum over k ≥ i of g[k] times the product of the x[j] between i and k.
_cumprod: Callable[..., Any] = primitive(
    "cumprod", lambda xp, x: xp.cumprod(x, axis=0), vjp=[lambda g, x: _before(x) * _follow_back(g, x)]
)
_prod = primitive(
    "prod", lambda xp, x: xp.prod(x, axis=0), vjp=[lambda g, x: g * _before(x) * flip(_before(flip(x, 0)), 0)]
)


def _shifted(x: Any) -> Any:
    """0, x[0], x[1] … to the last but one."""
    return concatenate([nothing(x[:1]), x[:-1]])


def _follow_back(g: Any, a: Any) -> Any:
    """s[t] = g[t] + a[t + 1] s[t + 1]."""
    return flip(_follow(flip(g, 0), _shifted(flip(a, 0))), 0)


def _before(x: Any) -> Any:
    """For each item along the first axis, the product of those before it."""
    return concatenate([nothing(x[:1]) + 1, _cumprod(x)[:-1]])


def cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running sums along `axis`, in `dtype` if given; of `a` flattened if None."""
    (a,) = as_arrays(a if dtype is None else astype(a, dtype))
    if axis is None:
        return _cumsum(a.reshape(-1), axis=0)
    (axis,) = axes_of("cumsum", axis, a.ndim)
    return _cumsum(a, axis=axis)


def cumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """The running products along `axis`, in `dtype` if given; of `a` flattened if None.

    The gradient is right where there are zeros too.
    """
    (a,) = as_arrays(a if dtype is None else astype(a, dtype))
    if axis is None:
        return _cumprod(a.reshape(-1))
    (axis,) = axes_of("cumprod", axis, a.ndim)
    return moveaxis(_cumprod(moveaxis(a, axis, 0)), 0, axis)


def prod(a: Any, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The product over `axis`, in `dtype` if given. The gradient is right where there are zeros too.

    With `keepdims` the axes stay, with length 1.
    """
    (a,) = as_arrays(a if dtype is None else astype(a, dtype))
    axes = axes_of("prod", axis, a.ndim)
    others = [i for i in range(a.ndim) if i not in axes]
    lengths = [a.shape[i] for i in others]
    made = _prod(transpose(a, (*axes, *others)).reshape(math.prod([a.shape[i] for i in axes]), *lengths))
    return made.reshape([1 if i in axes else n for i, n in enumerate(a.shape)]) if keepdims else made


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Each item along `axis` less the one before it, `n` times over. Raises ValueError for an `n` below 0."""
    if n < 0:
        raise ValueError(f"diff: n must be at least 0, not {n}")
    (a,) = as_arrays(a)
    (axis,) = axes_of("diff", axis, a.ndim)
    step = not_equal if a.dtype.kind == "b" else subtract
    for _ in range(n):
        a = step(getitem(a, _part(axis, slice(1, None))), getitem(a, _part(axis, slice(-1))))
    return a


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral of `y` along `axis` by the trapezoidal rule, at points `x`, or `dx` apart."""
    (y,) = as_arrays(y)
    (axis,) = axes_of("trapezoid", axis, y.ndim)
    if x is not None:
        (x,) = as_arrays(x)
        dx = diff(x, axis=axis if x.ndim > 1 else 0)
        if x.ndim == 1:
            dx = dx.reshape(-1, *(1,) * (y.ndim - 1 - axis))  # type: ignore[attr-defined]
    middles = getitem(y, _part(axis, slice(1, None))) + getitem(y, _part(axis, slice(-1)))
    return sum(middles * dx / 2, axis=axis)


def _part(axis: int, places: slice) -> tuple[slice, ...]:
    return (slice(None),) * axis + (places,)
