"""Parts of arrays. Gradients of repeated indices add up; of repeated assignments the last one counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import backend_of
from ..bounds import watch
from ..errors import OutOfRangeError, ShapeError
from ..explain import refused
from ..mode import MODE
from ..primitive import primitive
from ..tensor import Tensor, on_host
from .pointwise import where
from .products import as_arrays
from .shape import axes_of, broadcast_to, shape_of

# fmt: off
__all__ = [
    "argwhere", "compress", "extract", "flatnonzero", "getitem", "nonzero", "pad", "repeat", "searchsorted",
    "select", "setitem", "take", "take_along_axis", "unique",
]
# fmt: on

PLAIN = {int, slice, type(None), type(Ellipsis)}  # what most indices are, and what holds no array


def _scatter(xp: Any, g: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with `g` added at `index`."""
    out = xp.zeros(shape, g.dtype)
    if _may_repeat(index):
        xp.add.at(out.reshape(-1), _places(xp, index, shape).reshape(-1), g.reshape(-1))
    else:
        out[index] = g
    return out


def _places(xp: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Where the items of `array[index]` lie in the flattened array: NumPy adds at one index far faster than at many."""
    parts = _parts(index)
    if not all(_is_number(part) or (hasattr(part, "dtype") and part.dtype.kind in "iu") for part in parts):
        return xp.arange(math.prod(shape)).reshape(shape)[index]
    places: Any = 0
    for part, n in zip(parts, shape):
        places = places * n + part % max(n, 1)
    row = math.prod(shape[len(parts) :])
    return places.reshape(*places.shape, 1) * row + xp.arange(row)


def _parts(index: Any) -> Sequence[Any]:
    return index if isinstance(index, tuple) else (index,)


def _is_number(part: Any) -> bool:
    return isinstance(part, (int, np.integer)) and not isinstance(part, bool)


def _may_repeat(index: Any) -> bool:
    """Whether the index may name an item twice: slices, numbers and masks do not."""
    return any(
        isinstance(part, list)
        or (hasattr(part, "dtype") and part.dtype.kind != "b" and not isinstance(part, np.generic))
        for part in _parts(index)
    )


def _assign(xp: Any, x: Any, value: Any, *, index: Any) -> Any:
    out = x.copy()
    _put(xp, out, value, index)
    return out


def _put(xp: Any, x: Any, value: Any, index: Any) -> None:
    """Put `value` at `index` in `x` itself; of those for one place the last stays, also where all are put at once."""
    if backend_of(x).in_order or not _may_repeat(index):  # type: ignore[union-attr]
        x[index] = value
        return
    places = _places(xp, index, x.shape)
    last = _last(xp, places, x.size)
    values = xp.broadcast_to(xp.asarray(value, x.dtype), x[index].shape).reshape(-1)
    if values.size:
        x[...] = xp.where(last < 0, x.reshape(-1), values[last]).reshape(x.shape)


def _last(xp: Any, places: Any, size: int) -> Any:
    """For each of `size` places the last of `places` that names it, counted through; -1 where none does."""
    last = xp.full(size, -1, np.int32)
    xp.maximum.at(last, places.reshape(-1), xp.arange(places.size, dtype=np.int32))
    return last


def _mark_last(xp: Any, x: Any, *, index: Any) -> Any:
    """For each item of `x[index]`: would an assignment of it there last?"""
    if not backend_of(x).in_order:  # type: ignore[union-attr]
        places = _places(xp, index, x.shape).reshape(-1)
        last = _last(xp, places, x.size)[places] == xp.arange(places.size, dtype=np.int32)
        return last.reshape(x[index].shape)
    written = xp.zeros(x.shape, int)
    number = xp.arange(written[index].size).reshape(written[index].shape)
    written[index] = number
    return written[index] == number


_getitem = primitive(
    "getitem",
    lambda xp, x, *, index: x[index],
    vjp=[lambda g, in_shape, index: _scatter_add(g, index=index, shape=in_shape)],
    view=True,
)
_scatter_add: Callable[..., Any] = primitive("scatter_add", _scatter, vjp=[lambda g, index: _getitem(g, index=index)])
_setitem: Callable[..., Any] = primitive(
    "setitem", _assign, vjp=[lambda g, index: _setitem(g, 0, index=index), lambda g, index: _get_what_lasts(g, index)]
)
_pad = primitive(
    "pad",
    lambda xp, x, *, widths, value: xp.pad(x, widths, constant_values=value),
    vjp=[lambda g, in_shape, widths: g[tuple([slice(w[0], w[0] + n) for w, n in zip(widths, in_shape)])]],
)
_lasts = primitive("lasts", _mark_last)


def _get_what_lasts(g: Any, index: Any) -> Any:
    """`g[index]`, with zeros where another assignment came later."""
    found = _getitem(g, index=index)
    return where(_lasts(g, index=index), found, 0) if _may_repeat(index) else found


def raw_index(index: Any) -> Any:
    """`index` with raw arrays for Tensors, and with copies: no gradient depends on what is written there later."""
    if index.__class__ in PLAIN:
        return index
    if isinstance(index, (tuple, list)):
        return type(index)([part if part.__class__ in PLAIN else raw_index(part) for part in index])
    raw = index.data if isinstance(index, Tensor) else index
    if not hasattr(raw, "copy"):
        return raw
    copied = raw.copy()
    if (tape := MODE.get().tape) is not None:
        tape.alias(copied, raw)
    return copied


def _index_into(x: Any, index: Any) -> Any:
    """`raw_index`, fit for `x`: what the library of `x` would not check is."""
    index = raw_index(index)
    if index.__class__ in PLAIN:
        return index
    backend = backend_of(x.data if isinstance(x, Tensor) else x)
    if backend is None or backend.in_order:
        return index
    with backend.here:
        index = _moved(backend, index, x.shape)
        watch(backend, index, x.shape, _named(x))
    return index


def _moved(backend: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """An index of the host's on the backend: lists and NumPy's arrays, checked here, where that costs nothing."""
    parts = list(_parts(index))
    hosts = [isinstance(part, (list, np.ndarray)) for part in parts]
    if not any(hosts):
        return index
    alike = [part if host or part.__class__ in PLAIN else slice(None) for part, host in zip(parts, hosts)]
    np.broadcast_to(np.empty(()), shape)[tuple(alike)]  # IndexError for what is out of range
    moved = [
        backend.xp.asarray(np.asarray(part, None if np.size(part) else int)) if host else part
        for part, host in zip(parts, hosts)
    ]
    return tuple(moved) if isinstance(index, tuple) else moved[0]


def getitem(x: Any, index: Any) -> Any:
    """`x[index]`, with any index of NumPy's: numbers, slices, None, ..., integer arrays, masks, and Tensors of these.

    Raises OutOfRangeError for one that is out of range or does not fit.
    """
    try:
        return _getitem(x, index=_index_into(x, index))
    except IndexError as error:
        raise _bad_index(error, x) from None


def setitem(x: Any, value: Any, index: Any) -> Any:
    """A copy of `x` with `value` at `index`. Where the index names an item twice, the last value stays, as in NumPy.

    Raises OutOfRangeError for an index that is out of range or does not fit.
    """
    try:
        return _setitem(x, value, index=_index_into(x, index))
    except IndexError as error:
        raise _bad_index(error, x) from None


def assign(x: Tensor, value: Any, index: Any) -> None:
    """Put `value` at `index` in the data of `x` itself; errors as of `setitem`."""
    raw = value.data if isinstance(value, Tensor) else value
    try:
        with x.backend.here:
            _put(x.backend.xp, x.data, raw, _index_into(x, index))
    except IndexError as error:
        raise _bad_index(error, x) from None
    except (ValueError, TypeError) as error:
        raise refused(error, "setitem", (x, raw), {"index": index}) from None


def _bad_index(error: IndexError, x: Any) -> OutOfRangeError:
    return OutOfRangeError(f"{_named(x)} of shape {shape_of(x)} has no such part: {error}")


def _named(x: Any) -> str:
    return f"{x.name!r}" if isinstance(x, Tensor) and x.name else "an array"


def _library(x: Any) -> Any:
    """The array library of a Tensor or array."""
    return backend_of(x.data if isinstance(x, Tensor) else x).xp  # type: ignore[union-attr]


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each item of `a` along `axis` `repeats` times, one number for all or one for each; of `a` flattened if None."""
    (a,) = as_arrays(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    (axis,) = axes_of("repeat", axis, a.ndim)
    counts = on_host(repeats)
    if counts.size == 1:
        apart = broadcast_to(
            a.reshape(*a.shape[: axis + 1], 1, *a.shape[axis + 1 :]),
            (*a.shape[: axis + 1], int(counts.item()), *a.shape[axis + 1 :]),
        )
        return apart.reshape(*a.shape[:axis], a.shape[axis] * int(counts.item()), *a.shape[axis + 1 :])
    if counts.shape != a.shape[axis : axis + 1]:
        raise ShapeError(f"repeat: {counts.size} numbers for axis {axis} of shape {a.shape}: give one, or one for each")
    return take(a, _library(a).asarray(np.repeat(np.arange(len(counts)), counts)), axis)


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """`array` with a border: `pad_width` is a number, (before, after), or one such pair for each axis.

    `mode` "constant" fills it with `constant_values`; "edge", "reflect", "symmetric" and "wrap" with items of `array`,
    whose gradients then add up. Raises ShapeError for widths that do not fit, ValueError for another mode.
    """
    (array,) = as_arrays(array)
    try:
        widths = np.broadcast_to(np.asarray(pad_width, int), (array.ndim, 2)).tolist()
    except ValueError:
        raise ShapeError(f"pad: {pad_width} does not fit shape {array.shape}: give a pair for each axis") from None
    if mode == "constant":
        return _pad(array, widths=widths, value=constant_values)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise ValueError(f"pad: mode must be constant, edge, reflect, symmetric or wrap, not {mode!r}")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            places = np.pad(np.arange(array.shape[axis]), (before, after), mode)  # type: ignore[call-overload]
            array = take(array, _library(array).asarray(places), axis)
    return array


def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """The items of `a` at the integer `indices` along `axis`; of `a` flattened if None.

    Raises OutOfRangeError for an index that is out of range, ShapeError for such an axis.
    """
    (a,) = as_arrays(a)
    if axis is None:
        return getitem(a.reshape(-1), indices)
    axis = _checked("take", a, axis)
    return getitem(a, (slice(None),) * axis + (indices,) if axis else indices)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """For each line of `arr` along `axis`, its items at that line of the integer `indices`; flattened if None.

    The other axes broadcast against each other. Raises ShapeError for another number of axes.
    """
    arr, indices = as_arrays(arr)[0], as_arrays(indices)[0]
    if axis is None:
        arr, axis = arr.reshape(-1), 0
    axis = _checked("take_along_axis", arr, axis)
    if indices.ndim != arr.ndim:
        raise ShapeError(f"take_along_axis of shape {arr.shape} takes as many axes of indices, not {indices.ndim}")
    xp = _library(arr)
    index = [xp.arange(n).reshape((-1,) + (1,) * (arr.ndim - 1 - i)) for i, n in enumerate(arr.shape)]
    index[axis] = indices
    return getitem(arr, tuple(index))


def _checked(name: str, x: Any, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"{name}: axis {axis} is out of range for shape {x.shape}")
    return axis % x.ndim


def compress(condition: Any, a: Any, axis: int | None = None) -> Any:
    """The items of `a` along `axis` (flattened if None) where the mask `condition`, which may be shorter, is true."""
    return take(a, flatnonzero(condition), axis)


def extract(condition: Any, arr: Any) -> Any:
    """The items of `arr`, flattened, where the mask `condition` of the same size is true; ShapeError for another."""
    (condition,), (arr,) = as_arrays(condition), as_arrays(arr)
    if condition.size != arr.size:
        raise ShapeError(f"extract takes a mask of the size of {arr.shape}, not {condition.shape}: use compress")
    return compress(condition.reshape(-1), arr)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Item by item, of `choicelist` the one whose condition in `condlist` is the first true; `default` if none is.

    Raises ShapeError unless there are as many choices as conditions.
    """
    if len(condlist) != len(choicelist):
        raise ShapeError(f"select takes as many conditions ({len(condlist)}) as choices ({len(choicelist)})")
    for condition, choice in zip(reversed(condlist), reversed(choicelist)):
        default = where(condition, choice, default)
    return default


# Of these the results are places, or whole numbers of them: they have no gradient.
argwhere = primitive(
    "argwhere",
    lambda xp, a: xp.argwhere(a),
    doc="The indices of the items of `a` that are not 0: integers (count, a.ndim).",
)
flatnonzero = primitive(
    "flatnonzero",
    lambda xp, a: xp.flatnonzero(a),
    doc="The indices in the flattened `a` of its items that are not 0: integers (count,).",
)
nonzero = primitive(
    "nonzero",
    lambda xp, a: xp.nonzero(a),
    doc="The indices of the items of `a` that are not 0: a tuple of integers (count,), one for each axis.",
)
_searchsorted = primitive("searchsorted", lambda xp, a, v, *, side: xp.searchsorted(a, v, side))
_unique = primitive(
    "unique",
    lambda xp, ar, *, return_index, return_inverse, return_counts: xp.unique(
        ar, return_index, return_inverse, return_counts
    ),
)


def searchsorted(a: Any, v: Any, side: str = "left") -> Any:
    """Before which items of the sorted `a` those of `v` would go: before equal ones, or after with `side="right"`.

    Has no gradient.
    """
    return _searchsorted(a, v, side=side)


def unique(ar: Any, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The distinct items of `ar`, sorted: an array (count,); or, if more is asked for, a tuple with it first.

    `return_index` adds where each comes first, `return_inverse` which of them each item is, `return_counts` how often
    each occurs: integers. Has no gradient.
    """
    return _unique(ar, return_index=return_index, return_inverse=return_inverse, return_counts=return_counts)
