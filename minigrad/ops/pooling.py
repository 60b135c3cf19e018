"""The largest or the mean of each window, over the last one or two axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..primitive import primitive
from .products import as_arrays
from .windows import Ints, Slide, check_fit, for_each_axis

# fmt: off
__all__ = [
    "avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d",
]
# fmt: on


def _lowest(dtype: np.dtype[Any]) -> Any:
    """What no number of that dtype lies below."""
    return np.iinfo(dtype).min if dtype.kind in "iu" else 0 if dtype.kind == "b" else -math.inf


def _largest(xp: Any, x: Any, *, window: Ints, slide: Slide) -> Any:
    x = slide.pad(xp, x, _lowest(x.dtype))
    (_, first), *others = slide.places(slide.counts(x.shape[-len(window) :], window), window)
    out = x[first].copy()
    for _, items in others:
        out = xp.maximum(out, x[items])
    return out


def _equals(xp: Any, x: Any, largest: Any, window: Ints, slide: Slide) -> list[tuple[Any, Any]]:
    """For each place in the window: the index of the items there, and which of them are the largest of theirs."""
    x = slide.pad(xp, x, _lowest(x.dtype))
    return [(items, x[items] == largest) for _, items in slide.places(largest.shape[-len(window) :], window)]


def _share(xp: Any, g: Any, x: Any, largest: Any, *, window: Ints, slide: Slide) -> Any:
    """`g`, an item a window, brought to the largest of each, in equal shares."""
    equals = _equals(xp, x, largest, window, slide)
    g = g / xp.maximum(sum(equal.astype(g.dtype) for _, equal in equals), 1)
    lengths = x.shape[-len(window) :]
    out = xp.zeros((*x.shape[: -len(window)], *slide.padded(lengths)), g.dtype)
    for items, equal in equals:
        out[items] += xp.where(equal, g, 0)
    return out[slide.inside(lengths)]


def _collect(xp: Any, g: Any, x: Any, largest: Any, *, window: Ints, slide: Slide) -> Any:
    """The mean of `g`, of the shape of `x`, over the largest of each window."""
    equals, g = _equals(xp, x, largest, window, slide), slide.pad(xp, g)
    count = sum(equal.astype(g.dtype) for _, equal in equals)
    return sum(xp.where(equal, g[items], 0) for items, equal in equals) / xp.maximum(count, 1)


def _add_up(xp: Any, x: Any, *, window: Ints, slide: Slide) -> Any:
    x = slide.pad(xp, x)
    (_, first), *others = slide.places(slide.counts(x.shape[-len(window) :], window), window)
    out = x[first].copy()
    for _, items in others:
        out += x[items]
    return out


def _add_to_all(xp: Any, g: Any, *, lengths: Ints, window: Ints, slide: Slide) -> Any:
    out = xp.zeros((*g.shape[: -len(window)], *slide.padded(lengths)), g.dtype)
    for _, items in slide.places(g.shape[-len(window) :], window):
        out[items] += g
    return out[slide.inside(lengths)]


_max_pool = primitive(
    "max_pool",
    _largest,
    vjp=[lambda g, out, x, window, slide: _share_out(g, x, out, window=window, slide=slide)],
)
_share_out: Callable[..., Any] = primitive(
    "max_pool_back",
    _share,
    vjp=[lambda g, x, largest, window, slide: _gather(g, x, largest, window=window, slide=slide), None, None],
)
_gather: Callable[..., Any] = primitive(
    "max_pool_of",
    _collect,
    vjp=[lambda g, x, largest, window, slide: _share_out(g, x, largest, window=window, slide=slide), None, None],
)
_sum_pool: Callable[..., Any] = primitive(
    "sum_pool",
    _add_up,
    vjp=[lambda g, in_shape, window, slide: _spread(g, lengths=in_shape[-len(window) :], window=window, slide=slide)],
)
_spread: Callable[..., Any] = primitive(
    "sum_pool_back", _add_to_all, vjp=[lambda g, window, slide: _sum_pool(g, window=window, slide=slide)]
)


def _pool(name: str, axes: int, x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    (x,) = as_arrays(x)
    window = for_each_axis(name, "kernel_size", kernel_size, axes, 1)
    stride = window if stride is None else for_each_axis(name, "stride", stride, axes, 1)
    padding = for_each_axis(name, "padding", padding, axes, 0)
    if x.ndim < axes or any(2 * n > k for n, k in zip(padding, window)):
        raise ShapeError(
            f"{name} takes x of {axes} or more axes and padding of at most half the window, "
            f"not shape {x.shape}, window {window} and padding {padding}"
        )
    slide = Slide(stride, tuple([(n, n) for n in padding]), (1,) * axes)
    check_fit(name, x.shape[-axes:], window, slide)
    if name.startswith("max"):
        return _max_pool(x, window=window, slide=slide)
    return _sum_pool(x, window=window, slide=slide) / math.prod(window)


def max_pool1d(
    x: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
) -> Any:
    """The largest of each window of x (..., L): (..., L'), where L' = (L + 2 padding - kernel_size) // stride + 1.

    The stride is the window's length if None. Padding never is the largest. Equal ones share the gradient evenly, as in
    `max` (PyTorch gives it to the first). Raises ShapeError for what does not fit.
    """
    return _pool("max_pool1d", 1, x, kernel_size, stride, padding)


def max_pool2d(
    x: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
) -> Any:
    """The largest of each window of x (..., H, W): (..., H', W'). As `max_pool1d`; a pair gives each axis its own."""
    return _pool("max_pool2d", 2, x, kernel_size, stride, padding)


def avg_pool1d(
    x: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
) -> Any:
    """The mean of each window of x (..., L): (..., L'), where L' = (L + 2 padding - kernel_size) // stride + 1.

    The stride is the window's length if None. Zeros are padded, and count. Raises ShapeError for what does not fit.
    """
    return _pool("avg_pool1d", 1, x, kernel_size, stride, padding)


def avg_pool2d(
    x: Any,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
) -> Any:
    """The mean of each window of x (..., H, W): (..., H', W'). As `avg_pool1d`; a pair gives each axis its own."""
    return _pool("avg_pool2d", 2, x, kernel_size, stride, padding)
