"""Convolutions and pooling as modules. Their arguments are PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ShapeError
from ..ops import avg_pool1d, avg_pool2d, conv1d, conv2d, max_pool1d, max_pool2d
from ..ops.windows import for_each_axis
from ..tensor import Tensor
from . import init
from .module import Module

Ints = int | Sequence[int]


class _Conv(Module):
    axes: int
    function: Callable[..., Any]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: str | Ints = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = "float32",
    ):
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"{type(self).__name__}: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        window = for_each_axis(type(self).__name__, "kernel_size", kernel_size, self.axes, 1)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        fan_in = in_channels // groups * math.prod(window) or 1
        self.weight = init.uniform((out_channels, in_channels // groups, *window), math.sqrt(6 / fan_in), dtype)
        self.bias = init.zeros(out_channels, dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        options = (self.stride, self.padding, self.dilation, self.groups)
        return type(self).function(x, self.weight, self.bias, *options)


class Conv1d(_Conv):
    """`conv1d` with a trained weight (out_channels, in_channels / groups, kernel_size) and bias (out_channels,).

    (N, in_channels, L) -> (N, out_channels, L'). The weight starts uniform with bound √(6 / fan_in), where fan_in is
    in_channels / groups * kernel_size: the variance 2 / fan_in that keeps the size of signals through ReLU (He et al.
    2015, eq. 10). The bias starts at 0.
    """

    axes = 1
    function = conv1d


class Conv2d(_Conv):
    """`conv2d` with a trained weight (out_channels, in_channels / groups, KH, KW) and bias (out_channels,).

    (N, in_channels, H, W) -> (N, out_channels, H', W'). They start as those of `Conv1d`.
    """

    axes = 2
    function = conv2d


class _Pool(Module):
    function: Callable[..., Any]

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0):
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return type(self).function(x, self.kernel_size, self.stride, self.padding)


class MaxPool1d(_Pool):
    """The largest of each window over the last axis: `max_pool1d`."""

    function = max_pool1d


class MaxPool2d(_Pool):
    """The largest of each window over the last two axes: `max_pool2d`."""

    function = max_pool2d


class AvgPool1d(_Pool):
    """The mean of each window over the last axis: `avg_pool1d`."""

    function = avg_pool1d


class AvgPool2d(_Pool):
    """The mean of each window over the last two axes: `avg_pool2d`."""

    function = avg_pool2d
