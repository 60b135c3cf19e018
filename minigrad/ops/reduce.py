"""Over axes: sums, extremes, and the normalised exponentials. `axis` is an int, a tuple of them, or None for all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..primitive import primitive
from .pointwise import exp, where
from .shape import broadcast_to

# fmt: off
__all__ = [
    "argmax", "log_softmax", "logsumexp", "max", "mean", "min", "softmax", "sum",
]
# fmt: on

Axis = int | tuple[int, ...] | None


def _spread(reduced: Any, shape: tuple[int, ...], axis: Axis) -> Any:
    """A reduction's result, or its gradient, laid out over the array of `shape` that was reduced."""
    axes = (
        range(len(shape)) if axis is None else [a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    )
    return broadcast_to(reduced.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape))), shape)


def _share_among_equals(g: Any, out: Any, x: Any, axis: Axis) -> Any:
    equal = x == _spread(out, x.shape, axis)
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
_argmax = primitive("argmax", lambda xp, x, *, axis: x.argmax(axis=axis))


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


_logsumexp = primitive(
    "logsumexp",
    _lse,
    vjp=[lambda g, out, x, axis: _spread(g, x.shape, axis) * exp(x - _spread(out, x.shape, axis))],
)
_softmax_of = primitive(
    "softmax", _softmax, vjp=[lambda g, out, axis: out * (g - (g * out).sum(axis=axis, keepdims=True))]
)
_log_softmax_of = primitive(
    "log_softmax", _log_softmax, vjp=[lambda g, out, axis: g - exp(out) * g.sum(axis=axis, keepdims=True)]
)


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over `axis`."""
    return _sum(x, axis=axis, keepdims=keepdims)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over `axis`."""
    return _mean(x, axis=axis, keepdims=keepdims)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest over `axis`; equal ones share the gradient evenly."""
    return _max(x, axis=axis, keepdims=keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest over `axis`; equal ones share the gradient evenly."""
    return _min(x, axis=axis, keepdims=keepdims)


def argmax(x: Any, axis: int | None = None) -> Any:
    """Where the largest is over `axis`; the first of equal ones. Has no gradient."""
    return _argmax(x, axis=axis)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over `axis`, without overflow."""
    return _logsumexp(x, axis=axis, keepdims=keepdims)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) over `axis`, without overflow."""
    return _softmax_of(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """log(softmax(x)) over `axis`, without overflow or log of 0."""
    return _log_softmax_of(x, axis=axis)
