"""Products of vectors and matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..primitive import primitive
from .shape import moveaxis

# fmt: off
__all__ = [
    "cross", "dot", "kron", "matmul", "outer", "vdot",
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


matmul = primitive(
    "matmul",
    _product,
    vjp=[_vjp_left, _vjp_right],
    doc=(
        "`x @ y`, of matrices (..., M, K) and (..., K, N), or stacks of them, which broadcast: (..., M, N).\n\n"
        "An array of one axis is a row before, a column after, and its axis is not in the result."
    ),
)

_cross: Callable[..., Any] = primitive(
    "cross", lambda xp, a, b: xp.cross(a, b), vjp=[lambda g, b: _cross(b, g), lambda g, a: _cross(g, a)]
)
_together = primitive(
    "asarray",
    lambda xp, *operands: tuple([xp.array(x, xp.result_type(*operands)) for x in operands]),
    vjp=lambda g, i: g[i],
)


def as_arrays(*operands: Any) -> Any:
    """Tensors and arrays as they are; if there are lists or numbers among them, all as arrays of one library."""
    return operands if all(hasattr(x, "shape") for x in operands) else _together(*operands)


def dot(a: Any, b: Any) -> Any:
    """The product over the last axis of `a` and the last but one of `b` (its last, if `b` has one axis)."""
    a, b = as_arrays(a, b)
    if 0 in (a.ndim, b.ndim):
        return a * b
    if b.ndim > 2:
        lead = a.reshape(*a.shape[:-1], *(1,) * (b.ndim - 2), 1, a.shape[-1])
        return matmul(lead, b).reshape(*a.shape[:-1], *b.shape[:-2], b.shape[-1])
    return matmul(a, b)


def vdot(a: Any, b: Any) -> Any:
    """The sum of the products of the items of `a` and `b`, both flattened."""
    a, b = as_arrays(a, b)
    return matmul(a.reshape(-1), b.reshape(-1))


def outer(a: Any, b: Any) -> Any:
    """All products of an item of `a` with an item of `b`, both flattened: shape (a.size, b.size)."""
    a, b = as_arrays(a, b)
    return a.reshape(-1, 1) * b.reshape(1, -1)


def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: `b` times each item of `a`, laid out in blocks; axis by axis the lengths multiply."""
    a, b = as_arrays(a, b)
    ndim = max(a.ndim, b.ndim)
    rows, columns = (1,) * (ndim - a.ndim) + a.shape, (1,) * (ndim - b.ndim) + b.shape
    blocks = a.reshape([n for m in rows for n in (m, 1)]) * b.reshape([n for m in columns for n in (1, m)])
    return blocks.reshape(tuple(m * n for m, n in zip(rows, columns)))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """a × b, of the 3-vectors along `axisa` and `axisb`, as 3-vectors along `axisc`; `axis` stands for all.

    Raises ShapeError for vectors that have not three components.
    """
    a, b = as_arrays(a, b)
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    if not a.shape[-1] == b.shape[-1] == 3:
        raise ShapeError(f"cross takes vectors of 3 components, not of {a.shape[-1]} and {b.shape[-1]}")
    return moveaxis(_cross(a, b), -1, axisc)
