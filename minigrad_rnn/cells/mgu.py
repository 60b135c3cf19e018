"""The minimal gated unit."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell


class MGUCell(Cell):
    """The minimal gated unit, a GRU of one gate: h_t = (1 - f) ∘ h_{t-1} + f ∘ n.

    (Zhou et al. 2016, table 1.)

        f = σ(x_t U_f + h_{t-1} W_f + b_f)
        n = tanh(x_t U_n + (f ∘ h_{t-1}) W_n + b_n)
        h_t = (1 - f) ∘ h_{t-1} + f ∘ n

    Matrices stand in the order f, n: weight_ih (input, 2 hidden), weight_hh (hidden, 2 hidden), bias (2 hidden).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=2, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=2, dtype=dtype)
        self.bias = init.constant(2 * hidden_size, dtype=dtype) if bias else None

    def step(self, x: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        a = x @ self.weight_ih
        if self.bias is not None:
            a = a + self.bias
        xf, xn = mg.split(a, 2, axis=1)
        w_f, w_n = mg.split(self.weight_hh, 2, axis=1)
        f = mg.sigmoid(xf + h @ w_f).named("f")
        n = mg.tanh(xn + (f * h) @ w_n).named("n")
        h = (1 - f) * h + f * n
        return h, h
