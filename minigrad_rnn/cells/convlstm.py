"""The convolutional LSTM."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .lstm import LSTMState


class ConvLSTMCell(Cell):
    """The convolutional LSTM, whose input, output and state are images: its products with matrices are convolutions.

    (Shi et al. 2015, eq. 3, where * is a convolution.)

        i, f = σ(x_t * U_· + h_{t-1} * W_· + p_· ∘ c_{t-1} + b_·)    g = tanh(x_t * U_g + h_{t-1} * W_g + b_g)
        c_t = f ∘ c_{t-1} + i ∘ g
        o = σ(x_t * U_o + h_{t-1} * W_o + p_o ∘ c_t + b_o)           h_t = o ∘ tanh(c_t)

    Inputs are (batch, input, rows, columns), the state is (h, c), each (batch, hidden, rows, columns), and `size` is
    (rows, columns). Zeros around the images keep their size. In the order i, f, g, o: weight_ih (4 hidden, input,
    kernel, kernel), weight_hh (4 hidden, hidden, kernel, kernel), bias (4 hidden; the forget gate's starts at 1). With
    `peephole` weight_ch (3 hidden, rows, columns) in the order i, f, o, which starts at 0. Kernels start by Glorot.
    ValueError for a `kernel_size` that is not odd, and for a `size` that is not given or not two numbers from 1 up.
    """

    state_names = ("h", "c")
    input_axes = ("channel", "row", "column")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        size: tuple[int, int] | None = None,
        kernel_size: int = 3,
        peephole: bool = True,
        dtype: Any = "float32",
    ):
        if size is None or np.shape(size) != (2,) or min(size) < 1:
            raise ValueError(f"give the images' size=(rows, columns), each at least 1, not {size}")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, for as many pixels on either side: choose 3, not {kernel_size}")
        self.size = tuple(size)
        window = (kernel_size, kernel_size)
        self.weight_ih = _kernels(input_size, hidden_size, window, dtype)
        self.weight_hh = _kernels(hidden_size, hidden_size, window, dtype)
        self.weight_ch = init.zeros((3 * hidden_size, *self.size), dtype) if peephole else None
        self.bias = init.constant(4 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None:
            self.bias.data[hidden_size : 2 * hidden_size] = 1

    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.hidden_size, *self.size),) * 2

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        a = mg.conv2d(x, self.weight_ih, self.bias, padding="same") + mg.conv2d(h, self.weight_hh, padding="same")
        i, f, g, o = mg.split(a, 4, axis=1)
        if self.weight_ch is not None:
            p_i, p_f, p_o = mg.split(self.weight_ch, 3)
            i, f = i + p_i * c, f + p_f * c
        i, f = mg.sigmoid(i).named("i"), mg.sigmoid(f).named("f")
        g = mg.tanh(g).named("g")
        c = f * c + i * g
        if self.weight_ch is not None:
            o = o + p_o * c
        o = mg.sigmoid(o).named("o")
        h = o * mg.tanh(c)
        return h, (h, c)


def _kernels(channels: int, hidden: int, window: tuple[int, int], dtype: Any) -> Any:
    bound = math.sqrt(6 / (math.prod(window) * (channels + hidden)))
    return init.uniform((4 * hidden, channels, *window), bound, dtype)
