"""The minimal GRU, whose gate sees the input only."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell


class MinGRUCell(Cell):
    """minGRU: h_t = (1 - z) ∘ h_{t-1} + z ∘ n, where z and n do not see h_{t-1}.

    (Feng et al. 2024, section 3.1.) It is linear in h, so a scan can run it over all steps at once; here it is a cell.

        z = σ(x_t U_z + b_z)    n = x_t U_n + b_n    h_t = (1 - z) ∘ h_{t-1} + z ∘ n

    Matrices stand in the order z, n: weight_ih (input, 2 hidden), bias (2 hidden).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=2, dtype=dtype)
        self.bias = init.constant(2 * hidden_size, dtype=dtype) if bias else None

    def step(self, x: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        a = x @ self.weight_ih
        if self.bias is not None:
            a = a + self.bias
        z, n = mg.split(a, 2, axis=1)
        z = mg.sigmoid(z).named("z")
        h = (1 - z) * h + z * n
        return h, h
