"""The same numbers in another arrangement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..primitive import primitive

# fmt: off
__all__ = [
    "broadcast_to", "concatenate", "expand_dims", "flip", "moveaxis", "reshape", "split", "squeeze", "stack",
    "swapaxes", "transpose", "unstack",
]
# fmt: on

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


def _shape_of(x: Any) -> tuple[int, ...]:
    return x.shape if hasattr(x, "shape") else np.shape(x)


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """`x` with another shape of the same size; one entry may be -1."""
    return _reshape(x, shape=shape)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """`x` with its axes in the order `axes`; reversed if None."""
    return _transpose(x, axes=axes)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """`x` with two axes exchanged."""
    axes = list(range(x.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return _transpose(x, axes=tuple(axes))


def moveaxis(x: Any, source: int, destination: int) -> Any:
    """`x` with one axis moved to another place."""
    axes = list(range(x.ndim))
    axes.insert(destination % x.ndim, axes.pop(source))
    return _transpose(x, axes=tuple(axes))


def expand_dims(x: Any, axis: int) -> Any:
    """`x` with a new axis of length 1 at `axis` of the result."""
    shape = list(x.shape)
    shape.insert(axis % (x.ndim + 1), 1)
    return _reshape(x, shape=tuple(shape))


def squeeze(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """`x` without its axes of length 1, or without those named; ShapeError if one of them is longer."""
    named = range(x.ndim) if axis is None else [a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))]
    if axis is not None and any(x.shape[a] != 1 for a in named):
        raise ShapeError(f"squeeze: axis {axis} of shape {x.shape} is not of length 1")
    return _reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if not (i in named and n == 1)))


def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """`x` repeated along new and length-1 axes to `shape`, without a copy."""
    return _broadcast_to(x, shape=tuple(shape))


def flip(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """`x` in reverse order along `axis`."""
    return _flip(x, axis=axis)


def concatenate(arrays: Sequence[Any], axis: int = 0) -> Any:
    """The arrays joined along an axis that they have."""
    bounds = [0]
    for array in arrays:
        shape = _shape_of(array)
        bounds.append(bounds[-1] + (shape[axis] if -len(shape) <= axis < len(shape) else 0))
    return _concatenate(*arrays, axis=axis, bounds=bounds)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """The arrays, all of one shape, joined along a new axis at `axis` of the result."""
    return _stack(*arrays, axis=axis)


def split(x: Any, sections: int | Sequence[int], axis: int = 0) -> Any:
    """`x` cut along `axis` into `sections` equal parts, or before each of the indices `sections`."""
    length = x.shape[axis]
    if isinstance(sections, int):
        if sections < 1 or length % sections:
            raise ShapeError(f"split: axis {axis} of shape {x.shape} cannot be cut into {sections} equal parts")
        sections = [length // sections * i for i in range(1, sections)]
    return _split(x, bounds=[0, *sections, length], axis=axis)


def unstack(x: Any) -> Any:
    """The items of `x` along its first axis, as a tuple; one node however many there are."""
    return _unstack(x)
