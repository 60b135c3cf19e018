"""The minimal LSTM, whose gates see the input only."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell


class MinLSTMCell(Cell):
    """minLSTM: h_t = (f ∘ h_{t-1} + i ∘ g) / (f + i), where f, i and g do not see h_{t-1}.

    (Feng et al. 2024, section 3.2.) It is linear in h, so a scan can run it over all steps at once; here it is a cell.

        f, i = σ(x_t U_· + b_·)    g = x_t U_g + b_g
        h_t = f' ∘ h_{t-1} + i' ∘ g,    f' = f / (f + i),    i' = i / (f + i)

    Matrices stand in the order i, f, g: weight_ih (input, 3 hidden), bias (3 hidden; the forget gate's starts at 1).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=3, dtype=dtype)
        self.bias = init.constant(3 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None:
            self.bias.data[hidden_size : 2 * hidden_size] = 1

    def step(self, x: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        a = x @ self.weight_ih
        if self.bias is not None:
            a = a + self.bias
        i, f, g = mg.split(a, 3, axis=1)
        i, f = mg.sigmoid(i).named("i"), mg.sigmoid(f).named("f")
        h = f / (f + i) * h + i / (f + i) * g
        return h, h
