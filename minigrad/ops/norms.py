"""How long vectors are, and how large matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..primitive import primitive
from .decompositions import svd
from .pointwise import abs, astype, sign, where
from .products import as_arrays
from .reduce import max, min, sum
from .shape import reshape, transpose

# fmt: off
__all__ = [
    "norm",
]
# fmt: on


def _scale(xp: Any, x: Any, axis: tuple[int, ...]) -> Any:
    """The largest number, by which the others are divided before they are squared: no overflow, no underflow."""
    largest = xp.abs(x).max(axis=axis, keepdims=True) if x.size else xp.ones(1, x.dtype)
    return xp.where(largest > 0, xp.where(xp.isfinite(largest), largest, 1), 1)


def _euclidean(xp: Any, x: Any, *, axis: tuple[int, ...]) -> Any:
    scale = _scale(xp, x, axis)
    scaled = x / scale
    return xp.sqrt((scaled * scaled).sum(axis=axis, keepdims=True)) * scale


def _with_power(xp: Any, x: Any, *, p: float, axis: tuple[int, ...]) -> Any:
    scale = _scale(xp, x, axis)
    with np.errstate(divide="ignore"):  # 0 to a power below 0
        return (xp.abs(x / scale) ** p).sum(axis=axis, keepdims=True) ** (1 / p) * scale


# The gradient at 0 is 0, to any order.
_length = primitive(
    "norm", _euclidean, vjp=[lambda g, out, x: g * (x * where(out == 0, 0, 1 / where(out == 0, 1, out)))]
)
_p_norm = primitive(
    "norm",
    _with_power,
    vjp=[
        lambda g, out, x, p: g * (sign(x) * (where(x == 0, 1, abs(x)) / where(out == 0, 1, out)) ** (p - 1)),
    ],
)


def norm(x: Any, ord: Any = None, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The norm of the vectors along `axis`, of the matrices along a pair of axes, or of all of `x`.

    `ord` of a vector: 2 (default), inf or -inf (the largest or smallest size), 0 (how many are not 0), or any other p:
    sum(|x| ** p) ** (1 / p). Of a matrix: "fro" (default: of all numbers), "nuc" (the sum of the singular values), 2 or
    -2 (the largest or smallest of them), 1 or -1 (of the columns' sums of sizes), inf or -inf (of the rows'). With
    `keepdims` the axes stay, with length 1. The gradient at 0 is 0; equal largest or smallest ones share it evenly.
    Raises ShapeError for another `ord`.
    """
    (x,) = as_arrays(x)
    if x.dtype.kind in "biu":
        x = astype(x, float)
    if axis is None and ord is not None and x.ndim not in (1, 2):
        raise ShapeError(f"norm of shape {x.shape} with ord={ord!r}: say along which axis, or which two")
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if any(not -x.ndim <= a < x.ndim for a in axes) or len({a % x.ndim for a in axes}) < len(axes):
        raise ShapeError(f"norm: axis {axis} does not fit shape {x.shape}")
    axes = tuple([a % x.ndim for a in axes])
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        size = _length(x, axis=axes)
    elif len(axes) == 1 and not isinstance(ord, str):
        size = _of_vectors(x, ord, axes[0])
    elif len(axes) == 2 and ord in ("nuc", 1, -1, 2, -2, math.inf, -math.inf):
        size = _of_matrices(x, ord, *axes)
    else:
        raise ShapeError(f"norm has no ord={ord!r} for {len(axes)} axes: see its documentation for those that it has")
    kept = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
    return reshape(size, tuple(kept))


def _of_vectors(x: Any, ord: float, axis: int) -> Any:
    if math.isinf(ord):
        return (max if ord > 0 else min)(abs(x), axis=axis)
    if ord in (0, 1):
        return sum(abs(x) if ord else abs(sign(x)), axis=axis)
    return _p_norm(x, p=ord, axis=(axis,))


def _of_matrices(x: Any, ord: Any, rows: int, columns: int) -> Any:
    extreme = max if ord in (1, 2, math.inf) else min
    if ord in ("nuc", 2, -2):
        others = [i for i in range(x.ndim) if i not in (rows, columns)]
        values = svd(transpose(x, (*others, rows, columns)), compute_uv=False)
        return sum(values, axis=-1) if ord == "nuc" else extreme(values, axis=-1)
    summed, left = (rows, columns) if ord in (1, -1) else (columns, rows)
    return extreme(sum(abs(x), axis=summed, keepdims=True), axis=left)
