"""The same numbers in another arrangement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..primitive import primitive

# fmt: off
__all__ = [
    "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "column_stack",
    "concatenate", "dsplit", "dstack", "expand_dims", "flip", "fliplr", "flipud", "hsplit", "hstack", "meshgrid",
    "moveaxis", "ravel", "reshape", "roll", "rot90", "split", "squeeze", "stack", "swapaxes", "tile", "transpose",
    "unstack", "vsplit", "vstack",
]
# fmt: on

Axis = int | tuple[int, ...] | None

_reshape = primitive(
    "reshape", lambda xp, x, *, shape: x.reshape(shape), vjp=[lambda g, in_shape: g.reshape(in_shape)], view=True
)
_transpose = primitive(
    "transpose",
    lambda xp, x, *, axes: x.transpose(axes),
    vjp=[
        lambda g, axes: g.transpose(
            None if axes is None else tuple(sorted(range(len(axes)), key=[a % len(axes) for a in axes].__getitem__))
        )
    ],
    view=True,
)
_broadcast_to = primitive(
    "broadcast_to", lambda xp, x, *, shape: xp.broadcast_to(x, shape), vjp=[lambda g: g], view=True
)
_flip = primitive("flip", lambda xp, x, *, axis: xp.flip(x, axis), vjp=[lambda g, axis: flip(g, axis)], view=True)
_roll: Callable[..., Any] = primitive(
    "roll",
    lambda xp, x, *, shift, axis: xp.roll(x, shift, axis),
    vjp=[lambda g, shift, axis: _roll(g, shift=tuple([-n for n in as_tuple(shift)]), axis=axis)],
)
_concatenate = primitive(
    "concatenate",
    lambda xp, *xs, axis, bounds: xp.concatenate(xs, axis),
    vjp=lambda g, i, axis, bounds: g[_along(axis, slice(bounds[i], bounds[i + 1]))],
)
_stack = primitive("stack", lambda xp, *xs, axis: xp.stack(xs, axis), vjp=lambda g, i, axis: g[_along(axis, i)])
_split = primitive(
    "split",
    lambda xp, x, *, bounds, axis: tuple([x[_along(axis, slice(*pair))] for pair in pairwise(bounds)]),
    vjp=[lambda g, axis: concatenate(g, axis)],
    view=True,
)
_unstack = primitive("unstack", lambda xp, x: tuple([x[i] for i in range(len(x))]), vjp=[lambda g: stack(g)], view=True)


def _along(axis: int, place: int | slice) -> Any:
    """The index of `place` on `axis`, everything on the axes before or after it."""
    return (slice(None),) * axis + (place,) if axis >= 0 else (..., place) + (slice(None),) * (-1 - axis)


def axes_of(what: str, axis: Axis, ndim: int) -> tuple[int, ...]:
    """`axis` as a tuple of numbers from 0 to ndim - 1; all of them if None. ShapeError for one that there is not."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    if not all(-ndim <= a < ndim for a in axes):
        there = f"choose from {-ndim} to {ndim - 1}" if ndim else "there is none"
        raise ShapeError(f"{what}: no axis {axis} in {ndim} axes: {there}")
    found = tuple([int(a) % ndim for a in axes])
    if len(set(found)) < len(found):
        raise ShapeError(f"{what}: axis {axis} names one axis twice: name each once")
    return found


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a Tensor or array, or that of the array which a number or list makes."""
    return x.shape if hasattr(x, "shape") else np.shape(x)


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """`x` with another shape of the same size; one entry may be -1."""
    return _reshape(x, shape=shape)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """`x` with its axes in the order `axes`; reversed if None."""
    return _transpose(x, axes=axes)


def ravel(a: Any) -> Any:
    """`a` with one axis, row by row."""
    return _reshape(a, shape=-1)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """`a` with `axis1` and `axis2` exchanged."""
    ndim = len(shape_of(a))
    (first,), (second,) = axes_of("swapaxes", axis1, ndim), axes_of("swapaxes", axis2, ndim)
    axes = list(range(ndim))
    axes[first], axes[second] = second, first
    return _transpose(a, axes=tuple(axes))


def moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """`a` with one axis, or several, moved from `source` to `destination`; the others stay in order."""
    ndim = len(shape_of(a))
    sources = axes_of("moveaxis", as_tuple(source), ndim)
    places = axes_of("moveaxis", as_tuple(destination), ndim)
    if len(sources) != len(places):
        raise ShapeError(f"moveaxis: {len(sources)} axes cannot move to {len(places)} places: give one for each")
    axes = [i for i in range(ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources)):
        axes.insert(place, axis)
    return _transpose(a, axes=tuple(axes))


def expand_dims(a: Any, axis: int | Sequence[int]) -> Any:
    """`a` with a new axis of length 1 at each `axis` of the result."""
    shape = shape_of(a)
    axes = axes_of("expand_dims", as_tuple(axis), len(shape) + len(as_tuple(axis)))
    lengths = iter(shape)
    return _reshape(a, shape=tuple([1 if i in axes else next(lengths) for i in range(len(shape) + len(axes))]))


def squeeze(a: Any, axis: Axis = None) -> Any:
    """`a` without its axes of length 1, or without those named; ShapeError if one of them is longer."""
    shape = shape_of(a)
    named = axes_of("squeeze", axis, len(shape))
    if axis is not None and any(shape[i] != 1 for i in named):
        raise ShapeError(f"squeeze: axis {axis} of shape {shape} is not of length 1: name axes of length 1, or none")
    return _reshape(a, shape=tuple([n for i, n in enumerate(shape) if not (i in named and n == 1)]))


def broadcast_to(x: Any, shape: int | Sequence[int]) -> Any:
    """`x` repeated along new and length-1 axes to `shape`, without a copy."""
    return _broadcast_to(x, shape=as_tuple(shape))


def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """The arrays, each broadcast to the shape that they have together."""
    try:
        shape = np.broadcast_shapes(*map(shape_of, args))
    except ValueError:
        told = ", ".join(str(shape_of(arg)) for arg in args)
        raise ShapeError(f"broadcast_arrays: shapes {told} do not broadcast together: reshape one") from None
    return tuple([broadcast_to(arg, shape) for arg in args])


def meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """A grid of the coordinates `xi`, one axis each; the first two in the order of `indexing`, "xy" or "ij".

    With `sparse` each array has length 1 along the axes of the others.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', not {indexing!r}")
    n = len(xi)
    grid = [_reshape(x, shape=(*(1,) * i, -1, *(1,) * (n - 1 - i))) for i, x in enumerate(xi)]
    if indexing == "xy" and n > 1:
        grid = [swapaxes(x, 0, 1) for x in grid]
    return tuple(grid) if sparse or not grid else broadcast_arrays(*grid)


def flip(m: Any, axis: Axis = None) -> Any:
    """`m` in reverse order along `axis`."""
    return _flip(m, axis=axis)


def flipud(m: Any) -> Any:
    """`m` with its first axis in reverse order."""
    return flip(m, 0)


def fliplr(m: Any) -> Any:
    """`m` with its second axis in reverse order."""
    return flip(m, 1)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """`m` turned by k quarters in the plane of two axes, from the first towards the second."""
    first, second = axes_of("rot90", tuple(axes), len(shape_of(m)))
    k %= 4
    if k % 2 == 0:
        return flip(m, (first, second) if k else ())
    return swapaxes(flip(m, second), first, second) if k == 1 else flip(swapaxes(m, first, second), second)


def roll(a: Any, shift: int | tuple[int, ...], axis: Axis = None) -> Any:
    """`a` moved by `shift` places along `axis`, the end coming round to the start; of `a` flattened if None.

    Several axes move by one shift each, or all by one; several shifts of one axis add up.
    """
    if axis is not None:
        axes_of("roll", axis, len(shape_of(a)))
    return _roll(a, shift=shift, axis=axis)


def tile(A: Any, reps: int | Sequence[int]) -> Any:
    """`A` repeated `reps` times along each axis, new axes first where there are more `reps` than axes."""
    counts, shape = as_tuple(reps), shape_of(A)
    depth = max(len(counts), len(shape))
    counts, shape = (1,) * (depth - len(counts)) + counts, (1,) * (depth - len(shape)) + tuple(shape)
    pairs = [n for pair in zip(counts, shape) for n in pair]
    apart = _reshape(A, shape=tuple([m for n in shape for m in (1, n)]))
    return _reshape(_broadcast_to(apart, shape=tuple(pairs)), shape=tuple([c * n for c, n in zip(counts, shape)]))


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    """The arrays joined along an axis that they have; all flattened if None. ShapeError if other lengths differ."""
    if axis is None:
        arrays, axis = [ravel(array) for array in arrays], 0
    bounds = [0]
    for array in arrays:
        shape = shape_of(array)
        bounds.append(bounds[-1] + (shape[axis] if -len(shape) <= axis < len(shape) else 0))
    try:
        return _concatenate(*arrays, axis=axis, bounds=bounds)
    except ShapeError as error:
        told = ", ".join(str(shape_of(array)) for array in arrays) or "nothing"
        raise ShapeError(
            f"'concatenate' along axis {axis} joins arrays that have this axis and are else of one shape, not {told}: "
            "reshape one, or give another axis"
        ) from error.__cause__


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """The arrays, all of one shape, joined along a new axis at `axis` of the result."""
    try:
        return _stack(*arrays, axis=axis)
    except ShapeError as error:
        told = ", ".join(str(shape_of(array)) for array in arrays) or "nothing"
        raise ShapeError(
            f"'stack' joins arrays of one shape along a new axis {axis}, not {told}: reshape one"
        ) from error.__cause__


def atleast_1d(*arys: Any) -> Any:
    """Each array with at least one axis; one array, or a tuple of several."""
    return _each(arys, lambda x: _reshape(x, shape=x.shape or (1,)))


def atleast_2d(*arys: Any) -> Any:
    """Each array with at least two axes, new ones first; one array, or a tuple of several."""
    return _each(arys, lambda x: _reshape(x, shape=x.shape if x.ndim > 1 else (1, -1)))


def atleast_3d(*arys: Any) -> Any:
    """Each array with at least three axes, (N,) as (1, N, 1), (M, N) as (M, N, 1); one array, or a tuple of several."""
    return _each(
        arys, lambda x: _reshape(x, shape=x.shape if x.ndim > 2 else (*x.shape, 1) if x.ndim == 2 else (1, -1, 1))
    )


def vstack(tup: Sequence[Any]) -> Any:
    """The arrays below each other: joined along the first axis, those of one axis as rows."""
    return concatenate([atleast_2d(x) for x in tup], 0)


def hstack(tup: Sequence[Any]) -> Any:
    """The arrays side by side: joined along the second axis, or the first where that is the only one."""
    parts = [atleast_1d(x) for x in tup]
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1)


def dstack(tup: Sequence[Any]) -> Any:
    """The arrays behind each other: joined along the third axis."""
    return concatenate([atleast_3d(x) for x in tup], 2)


def column_stack(tup: Sequence[Any]) -> Any:
    """The arrays side by side, those of one axis as columns."""
    return concatenate([_reshape(x, shape=(-1, 1)) if len(shape_of(x)) < 2 else x for x in tup], 1)


def split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> Any:
    """`ary` cut along `axis` into equal parts, or before each of some indices: a tuple.

    `indices_or_sections` is their number, or a rising sequence of indices. Raises ShapeError where that cannot be.
    """
    shape = shape_of(ary)
    (axis,) = axes_of("split", axis, len(shape))
    if isinstance(indices_or_sections, (int, np.integer)):
        sections, length = indices_or_sections, shape[axis]
        if sections < 1 or length % sections:
            raise ShapeError(
                f"split: axis {axis} of shape {shape} cannot be cut into {sections} equal parts: give a number "
                f"that divides {length}, or the indices to cut at, or use array_split"
            )
    return array_split(ary, indices_or_sections, axis)


def array_split(ary: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> Any:
    """As `split`, but the number of parts need not divide the length: the first are then longer by 1."""
    shape = shape_of(ary)
    (axis,) = axes_of("array_split", axis, len(shape))
    length = shape[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        if indices_or_sections < 1:
            raise ShapeError(f"array_split: {indices_or_sections} parts are none: give a number above 0")
        size, longer = divmod(length, indices_or_sections)
        cuts = [i * size + min(i, longer) for i in range(1, indices_or_sections)]
    else:
        cuts = [slice(int(cut)).indices(length)[1] for cut in indices_or_sections]
        if cuts != sorted(cuts):
            raise ShapeError(f"the indices to split at, {list(indices_or_sections)}, must rise: put them in order")
    return _split(ary, bounds=[0, *cuts, length], axis=axis)


def vsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> Any:
    """`split` along the first axis."""
    return split(ary, indices_or_sections, 0)


def hsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> Any:
    """`split` along the second axis, or the first where that is the only one."""
    return split(ary, indices_or_sections, 1 if len(shape_of(ary)) > 1 else 0)


def dsplit(ary: Any, indices_or_sections: int | Sequence[int]) -> Any:
    """`split` along the third axis."""
    return split(ary, indices_or_sections, 2)


def _each(arrays: tuple[Any, ...], function: Callable[[Any], Any]) -> Any:
    found = tuple([function(_reshape(x, shape=np.shape(x)) if not hasattr(x, "ndim") else x) for x in arrays])
    return found[0] if len(found) == 1 else found


def as_tuple(numbers: int | Sequence[int]) -> tuple[int, ...]:
    """A whole number as a tuple of one, a sequence of them as a tuple."""
    return (numbers,) if isinstance(numbers, (int, np.integer)) else tuple(numbers)


def unstack(x: Any) -> Any:
    """The items of `x` along its first axis, as a tuple; one node however many there are."""
    return _unstack(x)
