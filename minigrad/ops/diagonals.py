"""Diagonals and triangles of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..primitive import primitive
from .indexing import getitem
from .products import as_arrays
from .reduce import sum
from .shape import axes_of, moveaxis

# fmt: off
__all__ = [
    "diag", "diagonal", "trace", "tril", "triu",
]
# fmt: on

_triu: Callable[..., Any] = primitive("triu", lambda xp, m, *, k: xp.triu(m, k), vjp=[lambda g, k: _triu(g, k=k)])
_tril: Callable[..., Any] = primitive("tril", lambda xp, m, *, k: xp.tril(m, k), vjp=[lambda g, k: _tril(g, k=k)])
_diag = primitive("diag", lambda xp, v, *, k: xp.diag(v, k), vjp=[lambda g, k: diagonal(g, k)])


def triu(m: Any, k: int = 0) -> Any:
    """The last two axes with zeros below the diagonal `k` (1 is the one above the main one).

    An array of one axis stands for the matrix with that in each row.
    """
    return _triu(m, k=k)


def tril(m: Any, k: int = 0) -> Any:
    """The last two axes with zeros above the diagonal `k` (1 is the one above the main one).

    An array of one axis stands for the matrix with that in each row.
    """
    return _tril(m, k=k)


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of `axis1` and `axis2`, as the last axis of the result; `offset` 1 is the one above the main one."""
    (a,) = as_arrays(a)
    if a.ndim < 2:
        raise ShapeError(f"a diagonal is of two axes, not of shape {a.shape}: use diag to make a matrix of a vector")
    rows, columns = axes_of("diagonal", (axis1, axis2), a.ndim)
    length = max(0, min(a.shape[rows] + min(offset, 0), a.shape[columns] - max(offset, 0)))
    first, second = slice(max(-offset, 0), None), slice(max(offset, 0), None)
    corner = getitem(moveaxis(a, (rows, columns), (-2, -1)), (..., first, second))
    return _corner_diagonal(getitem(corner, (..., slice(length), slice(length))))


# Of square matrices.
_corner_diagonal: Callable[..., Any] = primitive(
    "diagonal", lambda xp, x: xp.diagonal(x, 0, -2, -1), vjp=[lambda g: _diagonal_matrix(g)], view=True
)
_diagonal_matrix: Callable[..., Any] = primitive(
    "diagonal_matrix",
    lambda xp, g: _lay_out(xp, g),
    vjp=[lambda g: _corner_diagonal(g)],
)


def _lay_out(xp: Any, g: Any) -> Any:
    out = xp.zeros((*g.shape, g.shape[-1]), g.dtype)
    places = xp.arange(g.shape[-1])
    out[..., places, places] = g
    return out


def diag(v: Any, k: int = 0) -> Any:
    """A matrix with `v` of one axis on its diagonal `k`, zeros elsewhere; of a matrix, that diagonal."""
    (v,) = as_arrays(v)
    if v.ndim not in (1, 2):
        raise ShapeError(f"diag takes a vector or a matrix, not shape {v.shape}: use diagonal, which names two axes")
    return _diag(v, k=k) if v.ndim == 1 else diagonal(v, k)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal, as `diagonal` finds it."""
    return sum(diagonal(a, offset, axis1, axis2), axis=-1)
