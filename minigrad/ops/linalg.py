"""Products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import primitive

# fmt: off
__all__ = [
    "dot", "matmul", "outer",
]
# fmt: on


def _product(xp: Any, x: Any, y: Any) -> Any:
    if x.ndim > 2 and y.ndim == 2 and x.size:  # one large product instead of many small ones
        return (x.reshape(-1, x.shape[-1]) @ y).reshape(*x.shape[:-1], y.shape[-1])
    return x @ y


def _vjp_left(g: Any, y: Any, in_shape: tuple[int, ...]) -> Any:
    if y.ndim == 1:
        return g.reshape(*g.shape, 1) * y
    if len(in_shape) == 1:
        return (y @ g.reshape(*g.shape, 1)).reshape(*y.shape[:-1])
    y = y.swapaxes(-1, -2)
    return matmul(g, y) if g.ndim > 2 else g @ y


def _vjp_right(g: Any, x: Any, in_shape: tuple[int, ...]) -> Any:
    if x.ndim == 1:
        return x * g if len(in_shape) == 1 else x.reshape(-1, 1) * g.reshape(*g.shape[:-1], 1, g.shape[-1])
    if len(in_shape) == 1:
        return x * g.reshape(*g.shape, 1)
    if len(in_shape) == 2 and x.size and g.size:  # the sum over all leading axes as one product
        columns, rows = x.reshape(-1, x.shape[-1]).swapaxes(0, 1), g.reshape(-1, g.shape[-1])
        # NumPy keeps a column times a row from BLAS; element by element it takes a quarter of the time.
        return columns * rows if len(rows) == 1 else columns @ rows
    return x.swapaxes(-1, -2) @ g


matmul = primitive("matmul", _product, vjp=[_vjp_left, _vjp_right])


def dot(x: Any, y: Any) -> Any:
    """The product over the last axis of `x` and the last but one of `y` (its last, if `y` has one axis)."""
    dims = [a.ndim if hasattr(a, "ndim") else np.ndim(a) for a in (x, y)]
    if 0 in dims:
        return x * y
    if dims[1] > 2:
        lead = x.reshape(*x.shape[:-1], *(1,) * (y.ndim - 2), 1, x.shape[-1])
        return matmul(lead, y).reshape(*x.shape[:-1], *y.shape[:-2], y.shape[-1])
    return matmul(x, y)


def outer(x: Any, y: Any) -> Any:
    """All products of an item of `x` with an item of `y`, both flattened: shape (x.size, y.size)."""
    return x.reshape(-1, 1) * y.reshape(1, -1)
