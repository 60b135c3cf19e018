"""Parts of arrays. Gradients of repeated indices add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import backend_of
from ..primitive import primitive
from ..tensor import Tensor

# fmt: off
__all__ = [
    "getitem", "setitem", "take", "take_along_axis",
]
# fmt: on


def _scatter(xp: Any, g: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with `g` added at `index`."""
    out = xp.zeros(shape, g.dtype)
    if _is_basic(index):
        out[index] = g
    elif xp is np and isinstance(index, np.ndarray) and index.dtype.kind in "iu" and g.ndim > index.ndim:
        _add_rows(out, index.reshape(-1), g.reshape(index.size, *shape[1:]))
    else:
        xp.add.at(out, index, g)
    return out


def _add_rows(out: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """out[rows[i]] += values[i], by sorting: NumPy's add.at takes many times as long for whole rows."""
    if rows.size:
        rows = rows % len(out)
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        out[ordered[starts]] = np.add.reduceat(values[order], starts, axis=0)


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None or part is Ellipsis or (isinstance(part, (int, np.integer, slice)) and not isinstance(part, bool))
        for part in parts
    )


def _assign(xp: Any, x: Any, value: Any, *, index: Any) -> Any:
    out = x.copy()
    out[index] = value
    return out


_getitem = primitive(
    "getitem",
    lambda xp, x, *, index: x[index],
    vjp=[lambda g, in_shape, index: _scatter_add(g, index=index, shape=in_shape)],
    view=True,
)
_scatter_add: Callable[..., Any] = primitive("scatter_add", _scatter, vjp=[lambda g, index: getitem(g, index)])
_setitem: Callable[..., Any] = primitive(
    "setitem", _assign, vjp=[lambda g, index: _setitem(g, 0, index=index), lambda g, index: getitem(g, index)]
)
_take_along_axis = primitive(
    "take_along_axis",
    lambda xp, x, *, indices, axis: xp.take_along_axis(x, indices, axis),
    vjp=[lambda g, in_shape, indices, axis: _scatter_add(g, index=_grid(indices, axis, in_shape), shape=in_shape)],
)


def _grid(indices: Any, axis: int, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The full index, one array an axis, that `take_along_axis` from an array of `shape` stands for."""
    axis %= indices.ndim
    xp: Any = backend_of(indices).xp  # type: ignore[union-attr]
    sides = [xp.arange(n).reshape((-1,) + (1,) * (indices.ndim - 1 - i)) for i, n in enumerate(shape)]
    return tuple(indices if i == axis else side for i, side in enumerate(sides))


def raw_index(index: Any) -> Any:
    """`index` with raw arrays for Tensors."""
    if isinstance(index, tuple):
        return tuple([raw_index(part) for part in index])
    return index.data if isinstance(index, Tensor) else index


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`, with basic, integer-array or boolean indices."""
    return _getitem(x, index=raw_index(index))


def setitem(x: Any, value: Any, index: Any) -> Any:
    """A copy of `x` with `value` at `index`."""
    return _setitem(x, value, index=raw_index(index))


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The items of `x` at the integer `indices` along `axis`; of `x` flattened if None."""
    if axis is None:
        return getitem(x.reshape(-1), indices)
    return getitem(x, (slice(None),) * (axis % x.ndim) + (indices,) if axis % x.ndim else indices)


def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    """For each line of `x` along `axis`, the items at that line of `indices`; shapes as in NumPy."""
    return _take_along_axis(x, indices=raw_index(indices), axis=axis)
