"""Windows that slide over the last axes of an array; what convolutions and pooling are made of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..primitive import primitive
from ..tensor import Tensor
from .products import as_arrays
from .shape import as_tuple, transpose

# fmt: off
__all__ = [
    "sliding_window_view",
]
# fmt: on

Ints = tuple[int, ...]  # one for each axis that windows slide over


class Slide(NamedTuple):
    """How windows slide: from one to the next by `stride`, each taking every `dilation`-th item.

    `padding` is how many items are added before and after; `groups`, of channels, a convolution keeps apart.
    """

    stride: Ints
    padding: tuple[tuple[int, int], ...]
    dilation: Ints
    groups: int = 1

    def padded(self, lengths: Ints) -> Ints:
        return tuple([n + before + after for n, (before, after) in zip(lengths, self.padding)])

    def counts(self, lengths: Ints, window: Ints) -> Ints:
        """How many windows there are in an array of these (padded) lengths."""
        each = zip(lengths, window, self.stride, self.dilation)
        return tuple([(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in each])

    def places(self, counts: Ints, window: Ints) -> Iterator[tuple[Ints, Any]]:
        """For each place in the window: it, and the index of the items that lie there, of all windows."""
        for place in itertools.product(*map(range, window)):
            each = zip(place, self.stride, self.dilation, counts)
            yield place, (..., *[slice(i * d, i * d + s * (n - 1) + 1, s) for i, s, d, n in each])

    def inside(self, lengths: Ints) -> Any:
        """The index of an array of these lengths in the padded one."""
        return (..., *[slice(before, before + n) for n, (before, _) in zip(lengths, self.padding)])

    def pad(self, xp: Any, x: Any, value: float = 0) -> Any:
        lengths = x.shape[x.ndim - len(self.padding) :]
        if self.padded(lengths) == lengths:
            return x
        out = xp.full((*x.shape[: x.ndim - len(lengths)], *self.padded(lengths)), value, x.dtype)
        out[self.inside(lengths)] = x
        return out


def every(axes: int) -> Slide:
    """Windows at every place, of adjacent items."""
    return Slide((1,) * axes, ((0, 0),) * axes, (1,) * axes)


def view(xp: Any, x: Any, window: Ints, slide: Slide) -> Any:
    """The windows of `x`, (..., *counts, *window), without a copy."""
    span = tuple([d * (k - 1) + 1 for k, d in zip(window, slide.dilation)])
    windows = xp.lib.stride_tricks.sliding_window_view(x, span, tuple(range(-len(window), 0)))
    return windows[(..., *[slice(None, None, step) for step in (*slide.stride, *slide.dilation)])]


def _overlap(xp: Any, g: Any, *, lengths: Ints, window: Ints) -> Any:
    lead = g.ndim - 2 * len(window)
    out = xp.zeros((*g.shape[:lead], *lengths), g.dtype)
    for place, items in every(len(window)).places(g.shape[lead : lead + len(window)], window):
        out[items] += g[(..., *place)]
    return out


_windows: Callable[..., Any] = primitive(
    "sliding_window_view",
    lambda xp, x, *, window: view(xp, x, window, every(len(window))),
    vjp=[lambda g, in_shape, window: _add_windows(g, lengths=in_shape[-len(window) :], window=window)],
)
_add_windows: Callable[..., Any] = primitive(
    "add_windows", _overlap, vjp=[lambda g, window: _windows(g, window=window)]
)


def sliding_window_view(x: Any, window_shape: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Any:
    """All windows of `x` along `axis` (every axis if None), as new last axes, without a copy; not to be written to.

    `window_shape` is the length of a window, or its lengths along the axes.
    An axis of length n becomes one of n - k + 1 windows of length k. Raises ShapeError for a window that does not fit.
    """
    (x,) = as_arrays(x)
    window = as_tuple(window_shape)
    axes = tuple(range(x.ndim)) if axis is None else as_tuple(axis)
    along = [a % x.ndim for a in axes if -x.ndim <= a < x.ndim]
    fits = len(along) == len(axes) == len(window) == len(set(along))
    if not fits or any(not 0 < k <= x.shape[a] for k, a in zip(window, along)):
        raise ShapeError(f"sliding_window_view: a window {window} along the axes {list(axes)} does not fit {x.shape}")
    order = [a for a in range(x.ndim) if a not in along] + along
    back = [*map(order.index, range(x.ndim)), *range(x.ndim, x.ndim + len(window))]
    result = transpose(_windows(transpose(x, order), window=window), back)
    if isinstance(x, Tensor):
        result.view_of = x if x.view_of is None else x.view_of  # which the library's own view does not tell
    return result


def for_each_axis(name: str, what: str, value: int | Sequence[int], axes: int, least: int) -> Ints:
    """`value`, or that number for each axis; ShapeError, in the name of the function `name`, for others."""
    values = (value,) * axes if isinstance(value, (int, np.integer)) else tuple(value)
    if len(values) != axes or any(n < least for n in values):
        raise ShapeError(f"{name}: {what} must be a whole number >= {least}, or {axes} of them, not {value!r}")
    return values


def check_fit(name: str, lengths: Ints, window: Ints, slide: Slide) -> None:
    """ShapeError, in the name of the function `name`, if there is not one window in an array of these lengths."""
    lengths = slide.padded(lengths)
    if min(window) < 1 or min(slide.counts(lengths, window)) < 1:
        spread = "" if set(slide.dilation) == {1} else f", dilated by {slide.dilation},"
        raise ShapeError(
            f"{name}: a window {window}{spread} does not fit the lengths {lengths} (with padding): pad more"
        )
