"""The LSTM with layer normalization."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import LayerNorm, init

from .base import Cell
from .lstm import LSTMState


class LSTMLayerNormCell(Cell):
    """The LSTM with layer normalization of what its gates add up and of its cell.

    (Ba, Kiros and Hinton 2016, supplementary material, eq. 20 to 22.)

        i, f, g, o = LN(x_t U) + LN(h_{t-1} W) + b
        c_t = σ(f) ∘ c_{t-1} + σ(i) ∘ tanh(g)       h_t = σ(o) ∘ tanh(LN(c_t))

    LN is `minigrad.nn.LayerNorm`; the first two, norm_ih and norm_hh, are over the four gates together, and b stands
    for their biases too. The state is (h, c). In the order i, f, g, o: weight_ih (input, 4 hidden), weight_hh (hidden,
    4 hidden), bias (4 hidden; the forget gate's starts at 1), and norm_c's weight and, with `bias`, bias (hidden).
    """

    state_names = ("h", "c")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=4, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=4, dtype=dtype)
        self.norm_ih = layer_norm("ih", 4 * hidden_size, bias=False, dtype=dtype)
        self.norm_hh = layer_norm("hh", 4 * hidden_size, bias=False, dtype=dtype)
        self.norm_c = layer_norm("c", hidden_size, bias=bias, dtype=dtype)
        self.bias = init.constant(4 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None:
            self.bias.data[hidden_size : 2 * hidden_size] = 1

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        a = self.norm_ih(x @ self.weight_ih) + self.norm_hh(h @ self.weight_hh)
        if self.bias is not None:
            a = a + self.bias
        i, f, g, o = mg.split(a, 4, axis=1)
        i, f, o = mg.sigmoid(i).named("i"), mg.sigmoid(f).named("f"), mg.sigmoid(o).named("o")
        g = mg.tanh(g).named("g")
        c = f * c + i * g
        h = o * mg.tanh(self.norm_c(c))
        return h, (h, c)


def layer_norm(place: str, size: int, bias: bool, dtype: Any) -> LayerNorm:
    """A LayerNorm whose weight is γ_place in drawings and equations, and its bias β_place."""
    norm = LayerNorm(size, bias=bias, dtype=dtype)
    for letter, parameter in (("gamma", norm.weight), ("beta", norm.bias)):
        if parameter is not None:
            parameter.name = f"{letter}_{place}"
    return norm
