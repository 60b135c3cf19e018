"""Over axes: sums, extremes, and the normalised exponentials. `axis` is an int, a tuple of them, or None for all.

The axes that are reduced go; with `keepdims` they stay, with length 1. Equal extremes share the gradient evenly, and so
do NaNs, which are the extreme wherever there are any.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import primitive
from .pointwise import astype, exp, logical_or, where
from .shape import Axis, broadcast_to

# fmt: off
__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "log_softmax", "logsumexp", "max", "mean",
    "min", "ptp", "softmax", "std", "sum", "var",
]
# fmt: on


def _spread(reduced: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """A reduction's result, or its gradient, laid out over the array of `shape` that was reduced."""
    axes = (
        range(len(shape)) if axis is None else [a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    )
    return broadcast_to(reduced.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape))), shape)


def _share_among_equals(g: Any, out: Any, x: Any, axis: Axis) -> Any:
    equal = logical_or(x == _spread(out, x.shape, axis), x != x)  # where there is a NaN, the extreme is one
    return where(equal, _spread(g, x.shape, axis) / equal.sum(axis=axis, keepdims=True), 0)


_sum = primitive(
    "sum",
    lambda xp, x, *, axis, keepdims: x.sum(axis=axis, keepdims=keepdims),
    vjp=[lambda g, in_shape, axis: _spread(g, in_shape, axis)],
)
_mean = primitive(
    "mean",
    lambda xp, x, *, axis, keepdims: x.mean(axis=axis, keepdims=keepdims),
    vjp=[lambda g, in_shape, axis: _spread(g / (math.prod(in_shape) / (g.size or 1)), in_shape, axis)],
)
_max = primitive("max", lambda xp, x, *, axis, keepdims: x.max(axis=axis, keepdims=keepdims), vjp=[_share_among_equals])
_min = primitive("min", lambda xp, x, *, axis, keepdims: x.min(axis=axis, keepdims=keepdims), vjp=[_share_among_equals])
_argmax = primitive("argmax", lambda xp, x, *, axis, keepdims: xp.argmax(x, axis=axis, keepdims=keepdims))
_argmin = primitive("argmin", lambda xp, x, *, axis, keepdims: xp.argmin(x, axis=axis, keepdims=keepdims))
_all = primitive("all", lambda xp, x, *, axis, keepdims: xp.all(x, axis=axis, keepdims=keepdims))
_any = primitive("any", lambda xp, x, *, axis, keepdims: xp.any(x, axis=axis, keepdims=keepdims))
_count_nonzero = primitive("count_nonzero", lambda xp, x, *, axis, keepdims: (x != 0).sum(axis=axis, keepdims=keepdims))


def _deviation(x: Any, axis: Axis, ddof: float) -> Any:
    """What a variance is the mean square of, divided by how many numbers that mean counts."""
    center = mean(x, axis, keepdims=True)
    return (x - center) / (x.size / (center.size or 1) - ddof)


_var = primitive(
    "var",
    lambda xp, x, *, axis, ddof, keepdims: x.var(axis=axis, ddof=ddof, keepdims=keepdims),
    vjp=[lambda g, x, axis, ddof: _spread(g * 2, x.shape, axis) * _deviation(x, axis, ddof)],
)
# Of a constant the gradient is 0, as in PyTorch.
_std = primitive(
    "std",
    lambda xp, x, *, axis, ddof, keepdims: x.std(axis=axis, ddof=ddof, keepdims=keepdims),
    vjp=[
        lambda g, out, x, axis, ddof: (
            _spread(g * where(out == 0, 0, 1 / where(out == 0, 1, out)), x.shape, axis) * _deviation(x, axis, ddof)
        )
    ],
)


def _lse(xp: Any, x: Any, *, axis: Axis, keepdims: bool) -> Any:
    top = x.max(axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0)  # a row of -inf sums to -inf, not to NaN
    with np.errstate(divide="ignore"):
        total = xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return total if keepdims else total.squeeze(axis)


def _softmax(xp: Any, x: Any, *, axis: Axis) -> Any:
    powers = xp.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _log_softmax(xp: Any, x: Any, *, axis: Axis) -> Any:
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))


def _vjp_logsumexp(g: Any, out: Any, x: Any, axis: Axis) -> Any:
    """g softmax(x), which sums to g however `out` was rounded; of a row of nothing but -inf, 0."""
    empty = _spread(out == -math.inf, x.shape, axis)
    return where(empty, 0, _spread(g, x.shape, axis) * _softmax_of(where(empty, 0, x), axis=axis))


_logsumexp = primitive("logsumexp", _lse, vjp=[_vjp_logsumexp])
_softmax_of: Callable[..., Any] = primitive(
    "softmax", _softmax, vjp=[lambda g, out, axis: out * (g - (g * out).sum(axis=axis, keepdims=True))]
)
_log_softmax_of = primitive(
    "log_softmax", _log_softmax, vjp=[lambda g, out, axis: g - exp(out) * g.sum(axis=axis, keepdims=True)]
)


def sum(x: Any, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The sum over `axis`, added up in `dtype` if given."""
    return _sum(x if dtype is None else astype(x, dtype), axis=axis, keepdims=keepdims)


def mean(x: Any, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """The mean over `axis`, added up in `dtype` if given."""
    return _mean(x if dtype is None else astype(x, dtype), axis=axis, keepdims=keepdims)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest over `axis`; equal ones share the gradient evenly."""
    return _max(x, axis=axis, keepdims=keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest over `axis`; equal ones share the gradient evenly."""
    return _min(x, axis=axis, keepdims=keepdims)


amax, amin = max, min


def ptp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest less the smallest over `axis`."""
    return max(x, axis, keepdims) - min(x, axis, keepdims)


def var(x: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The variance over `axis`: the sum of squared deviations from the mean, divided by their number less `ddof`."""
    return _var(x, axis=axis, ddof=ddof, keepdims=keepdims)


def std(x: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """The square root of `var`; of a constant the gradient is 0."""
    return _std(x, axis=axis, ddof=ddof, keepdims=keepdims)


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the largest is over `axis`; the first of equal ones. Has no gradient."""
    return _argmax(x, axis=axis, keepdims=keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Where the smallest is over `axis`; the first of equal ones. Has no gradient."""
    return _argmin(x, axis=axis, keepdims=keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether all are true over `axis`. Has no gradient."""
    return _all(x, axis=axis, keepdims=keepdims)


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether one is true over `axis`. Has no gradient."""
    return _any(x, axis=axis, keepdims=keepdims)


def count_nonzero(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many are not 0 over `axis`. Has no gradient."""
    return _count_nonzero(x, axis=axis, keepdims=keepdims)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over `axis`, without overflow."""
    return _logsumexp(x, axis=axis, keepdims=keepdims)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) over `axis`, without overflow."""
    return _softmax_of(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """log(softmax(x)) over `axis`, without overflow or log of 0."""
    return _log_softmax_of(x, axis=axis)
