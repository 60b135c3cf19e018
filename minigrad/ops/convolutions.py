"""Convolutions, in the layouts of PyTorch: products of matrices whose columns are windows (Chellapilla et al. 2006).

The sum over x * weight * y, where y is the result, has three gradients: to each, of the two others. They are three
operations, each of which has the two others for its rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..primitive import primitive
from .products import as_arrays
from .shape import shape_of
from .windows import Ints, Slide, check_fit, for_each_axis, view

# fmt: off
__all__ = [
    "conv1d", "conv2d",
]
# fmt: on

AXES = {1: "L", 2: "H, W"}


def _columns(xp: Any, x: Any, window: Ints, slide: Slide) -> Any:
    """The windows of the padded `x`, (N, groups, channels of a group * items of a window, windows)."""
    windows, axes = view(xp, x, window, slide), len(window)
    windows = windows.transpose(0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes))
    items = x.shape[1] // slide.groups * math.prod(window)
    return windows.reshape(len(x), slide.groups, items, math.prod(windows.shape[2 + axes :]))


def _parts(xp: Any, n: int, size: int) -> list[slice]:
    """Examples 0 to n in parts, of which each has about as many numbers as a cache holds, at `size` an example."""
    step = max(1, (2**19 if xp is np else 2**27) // max(size, 1))
    return [slice(start, start + step) for start in range(0, n, step)]


def _matrices(weight: Any, groups: int) -> Any:
    """(groups, channels made of a group, channels taken of a group * items of a window)"""
    return weight.reshape(groups, len(weight) // groups, math.prod(weight.shape[1:]))


def _from_both(xp: Any, x: Any, weight: Any, *, slide: Slide) -> Any:
    x, w, window = slide.pad(xp, x), _matrices(weight, slide.groups), weight.shape[2:]
    counts = slide.counts(x.shape[2:], window)
    y = xp.empty((len(x), *w.shape[:2], math.prod(counts)), xp.result_type(x, weight))
    for part in _parts(xp, len(x), y.shape[-1] * w.size // max(w.shape[1], 1)):
        y[part] = w @ _columns(xp, x[part], window, slide)
    return y.reshape(len(x), len(weight), *counts)


def _from_weight(xp: Any, y: Any, weight: Any, *, lengths: Ints, slide: Slide) -> Any:
    w, window, counts = _matrices(weight, slide.groups).swapaxes(1, 2), weight.shape[2:], y.shape[2:]
    y = y.reshape(len(y), slide.groups, w.shape[2], math.prod(counts))
    x = xp.zeros((len(y), weight.shape[1] * slide.groups, *slide.padded(lengths)), xp.result_type(y, weight))
    for part in _parts(xp, len(y), y.shape[-1] * w.size // max(w.shape[2], 1)):
        some = x[part]
        columns = (w @ y[part]).reshape(*some.shape[:2], *window, *counts)
        for place, items in slide.places(counts, window):
            some[items] += columns[(slice(None), slice(None), *place)]
    return x[slide.inside(lengths)]


def _from_input(xp: Any, x: Any, y: Any, *, window: Ints, slide: Slide) -> Any:
    x, made, taken = slide.pad(xp, x), y.shape[1] // slide.groups, x.shape[1] // slide.groups
    y = y.reshape(len(y), slide.groups, made, math.prod(y.shape[2:])).swapaxes(2, 3)
    w = xp.zeros((slide.groups, taken * math.prod(window), made), xp.result_type(x, y))
    for part in _parts(xp, len(x), y.shape[2] * w.size // max(made, 1)):
        w += (_columns(xp, x[part], window, slide) @ y[part]).sum(axis=0)
    return w.swapaxes(1, 2).reshape(made * slide.groups, taken, *window)


_convolve: Callable[..., Any] = primitive(
    "convolve",
    _from_both,
    vjp=[
        lambda g, weight, in_shape, slide: _to_input(g, weight, lengths=in_shape[2:], slide=slide),
        lambda g, x, in_shape, slide: _to_weight(x, g, window=in_shape[2:], slide=slide),
    ],
)
_to_input: Callable[..., Any] = primitive(
    "convolve_to_input",
    _from_weight,
    vjp=[
        lambda g, weight, slide: _convolve(g, weight, slide=slide),
        lambda g, y, in_shape, slide: _to_weight(g, y, window=in_shape[2:], slide=slide),
    ],
)
_to_weight: Callable[..., Any] = primitive(
    "convolve_to_weight",
    _from_input,
    vjp=[
        lambda g, y, in_shape, slide: _to_input(y, g, lengths=in_shape[2:], slide=slide),
        lambda g, x, slide: _convolve(x, g, slide=slide),
    ],
)


def _convolution(
    axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    name = f"conv{axes}d"
    x, weight = as_arrays(x, weight)
    if x.ndim != axes + 2 or weight.ndim != axes + 2:
        lengths = ", ".join("K" + axis for axis in AXES[axes].split(", ")) if axes > 1 else "K"
        raise ShapeError(
            f"{name} takes x of shape (N, C, {AXES[axes]}) and weight of shape (O, C / groups, {lengths}), "
            f"not {x.shape} and {weight.shape}"
        )
    if groups < 1 or x.shape[1] != weight.shape[1] * groups or len(weight) % groups:
        raise ShapeError(
            f"{name} with groups={groups}: the channels of x {x.shape} must be groups times the second axis of weight "
            f"{weight.shape}, and its first axis a multiple of groups"
        )
    if bias is not None and shape_of(bias) != weight.shape[:1]:
        raise ShapeError(
            f"{name} takes a bias of shape {weight.shape[:1]} with weight {weight.shape}, not {shape_of(bias)}"
        )
    stride, dilation = (
        for_each_axis(name, what, value, axes, 1) for what, value in (("stride", stride), ("dilation", dilation))
    )
    if padding == "same" and stride == (1,) * axes:
        spare = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation)]
        padding = [(n // 2, n - n // 2) for n in spare]
    elif isinstance(padding, str) and padding != "valid":
        raise ShapeError(f"{name}: padding is a number, one an axis, 'valid', or with stride 1 'same', not {padding!r}")
    else:
        padding = [(n, n) for n in for_each_axis(name, "padding", 0 if padding == "valid" else padding, axes, 0)]
    slide = Slide(stride, tuple(padding), dilation, groups)
    check_fit(name, x.shape[2:], weight.shape[2:], slide)
    y = _convolve(x, weight, slide=slide)
    return y if bias is None else y + as_arrays(weight, bias)[1].reshape(-1, *(1,) * axes)


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Any:
    """The cross-correlation of x (N, C, L) with weight (O, C / groups, K), plus bias (O,): (N, O, L').

    L' = (L + 2 padding - dilation (K - 1) - 1) // stride + 1. Zeros are padded at both ends; padding="same" keeps the
    length, with an odd one at the end. Channels are divided into `groups` that do not mix. All as in PyTorch.
    Raises ShapeError for shapes and options that do not fit.
    """
    return _convolution(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Any:
    """The cross-correlation of x (N, C, H, W) with weight (O, C / groups, KH, KW), plus bias (O,): (N, O, H', W').

    As `conv1d`; an option is one number for both axes, or a pair.
    """
    return _convolution(2, x, weight, bias, stride, padding, dilation, groups)
