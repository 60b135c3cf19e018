"""What slides over axes: windows, convolutions, pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .row import Row, apart, each

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def windows_of(
    x: np.ndarray, window: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, value: float = 0
) -> Any:
    """All windows over the last axes, (..., *places, *window), one by one."""
    axes = len(window)
    stride, padding, dilation = (np.broadcast_to(option, axes) for option in (stride, padding, dilation))
    x = np.pad(x, [(0, 0)] * (x.ndim - axes) + [(n, n) for n in padding], constant_values=value)
    span = dilation * (np.array(window) - 1) + 1
    counts = (np.array(x.shape[-axes:]) - span) // stride + 1
    out = np.empty((*x.shape[:-axes], *counts, *window))
    for place in np.ndindex(*counts):
        items = [slice(s * i, s * i + n, d) for i, s, n, d in zip(place, stride, span, dilation)]
        out[(..., *place, *[slice(None)] * axes)] = x[(..., *items)]
    return out


def numpy_conv(x: Any, w: Any, b: Any = None, padding: Any = 0, groups: int = 1, **slide: Any) -> np.ndarray:
    axes = x.ndim - 2
    if padding == "same":  # every window in the tests is as long on both sides of its middle
        padding = [slide.get("dilation", 1) * (k - 1) // 2 for k in w.shape[2:]]
    padding = 0 if padding == "valid" else padding
    windows = windows_of(x, w.shape[2:], padding=padding, **slide)
    made = []
    for part, weight in zip(np.split(windows, groups, axis=1), np.split(w, groups)):
        y = np.tensordot(part, weight, ([1, *range(-axes, 0)], list(range(1, axes + 2))))
        made.append(np.moveaxis(y, -1, 1))
    y = np.concatenate(made, axis=1)
    return y if b is None else y + b.reshape(-1, *(1,) * axes)


def numpy_pool(f: Any, value: float, axes: int) -> Any:
    def pool(x: np.ndarray, kernel_size: Any, stride: Any = None, padding: Any = 0) -> np.ndarray:
        window = (kernel_size,) * axes if isinstance(kernel_size, int) else kernel_size
        return f(
            windows_of(x, window, window if stride is None else stride, padding, 1, value), axis=tuple(range(-axes, 0))
        )

    return pool


def in_torch(name: str) -> Any:
    return lambda *arrays, **options: getattr(torch.nn.functional, name)(*arrays, **options)


def torch_windows(x: Any, window_shape: Any, axis: Any = None) -> Any:
    window = (window_shape,) if isinstance(window_shape, int) else window_shape
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    for k, a in zip(window, axes):
        x = x.unfold(a, k, 1)
    return x


ROWS = [
    Row(
        mg.sliding_window_view,
        np.lib.stride_tricks.sliding_window_view,
        torch_windows,
        "4, 3",
        each("window_shape", 1, 2, (3,)),
    ),
    Row(
        mg.sliding_window_view,
        np.lib.stride_tricks.sliding_window_view,
        torch_windows,
        "3x3, 3x3F, 3x3backwards, 3x3gaps",
        [{"window_shape": (2, 3)}, {"window_shape": 2, "axis": 0}, {"window_shape": (2, 2), "axis": (1, 0)}],
    ),
    Row(mg.conv1d, numpy_conv, in_torch("conv1d"), "2x2x5 2x2x3, 1x2x3F 1x2x3 1, 2x1x4gaps 2x1x1 2, 0x2x3 1x2x2"),
    Row(
        mg.conv1d,
        numpy_conv,
        in_torch("conv1d"),
        "1x2x6 2x1x3",
        [
            {"groups": 2, "stride": 2, "padding": 1},
            {"groups": 2, "dilation": 2, "padding": "same"},
            {"groups": 2, "padding": "valid", "stride": (3,)},
        ],
    ),
    Row(mg.conv2d, numpy_conv, in_torch("conv2d"), "2x2x3x3 2x2x2x2 2, 1x1x2x3F 2x1x1x2, 1x2x2x2gaps 1x2x1x1"),
    Row(
        mg.conv2d,
        numpy_conv,
        in_torch("conv2d"),
        "1x2x3x4 2x1x2x3",
        [
            {"groups": 2, "stride": (1, 2), "padding": (1, 2)},
            {"groups": 2, "stride": 2, "padding": 2, "dilation": (2, 1)},
        ],
    ),
    Row(mg.conv2d, numpy_conv, in_torch("conv2d"), "1x1x3x3 1x1x3x1", each("padding", "same")),
    Row(
        mg.max_pool1d,
        numpy_pool(np.max, -np.inf, 1),
        in_torch("max_pool1d"),
        "1x2x5, 2x4gaps, 0x1x4",
        [{"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1}, {"kernel_size": (2,), "stride": 3}],
        domain=apart,
    ),
    Row(
        mg.max_pool2d,
        numpy_pool(np.max, -np.inf, 2),
        in_torch("max_pool2d"),
        "1x2x3x4, 1x4x3F",
        [{"kernel_size": 2}, {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)}],
        domain=apart,
    ),
    Row(
        mg.avg_pool1d,
        numpy_pool(np.mean, 0, 1),
        in_torch("avg_pool1d"),
        "1x2x5, 2x4gaps",
        [{"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1}, {"kernel_size": (2,), "stride": 3}],
    ),
    Row(
        mg.avg_pool2d,
        numpy_pool(np.mean, 0, 2),
        in_torch("avg_pool2d"),
        "1x2x3x4, 1x4x3F",
        [{"kernel_size": 2}, {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)}],
    ),
]
