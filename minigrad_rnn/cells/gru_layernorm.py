"""The GRU with layer normalization."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .lstm_layernorm import layer_norm


class GRULayerNormCell(Cell):
    """The GRU with layer normalization of what its gates and its candidate add up.

    (Ba, Kiros and Hinton 2016, supplementary material, with z and 1 - z the way round of `GRUCell`.)

        r, z = σ(LN(x_t U_rz) + LN(h_{t-1} W_rz) + b_rz)
        n = tanh(LN(x_t U_n) + b_n + r ∘ (LN(h_{t-1} W_n) + b_hn))
        h_t = (1 - z) ∘ n + z ∘ h_{t-1}

    LN is `minigrad.nn.LayerNorm`: norm_ih and norm_hh over the two gates together, norm_in and norm_hn over the
    candidate; b stands for their biases too, but b_hn, which is norm_hn's. In the order r, z, n: weight_ih (input,
    3 hidden), weight_hh (hidden, 3 hidden), bias (3 hidden).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=3, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=3, dtype=dtype)
        self.norm_ih = layer_norm("ih", 2 * hidden_size, bias=False, dtype=dtype)
        self.norm_hh = layer_norm("hh", 2 * hidden_size, bias=False, dtype=dtype)
        self.norm_in = layer_norm("in", hidden_size, bias=False, dtype=dtype)
        self.norm_hn = layer_norm("hn", hidden_size, bias=bias, dtype=dtype)
        self.bias = init.constant(3 * hidden_size, dtype=dtype) if bias else None

    def step(self, x: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        H = self.hidden_size
        x_gates, xn = mg.split(x @ self.weight_ih, [2 * H], axis=1)
        h_gates, hn = mg.split(h @ self.weight_hh, [2 * H], axis=1)
        gates, xn = self.norm_ih(x_gates) + self.norm_hh(h_gates), self.norm_in(xn)
        if self.bias is not None:
            b_gates, b_n = mg.split(self.bias, [2 * H])
            gates, xn = gates + b_gates, xn + b_n
        r, z = mg.split(gates, 2, axis=1)
        r, z = mg.sigmoid(r).named("r"), mg.sigmoid(z).named("z")
        n = mg.tanh(xn + r * self.norm_hn(hn)).named("n")
        h = (1 - z) * n + z * h
        return h, h
