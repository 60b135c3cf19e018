"""The independently recurrent cell."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .options import NONLINEARITIES, one_of


class IndRNNCell(Cell):
    """The independently recurrent cell, each unit of which sees its own past only: h_t = φ(x_t U + w ∘ h_{t-1} + b).

    (Li et al. 2018, section 3.) U is weight_ih (input, hidden), w is weight_hh (hidden), b is bias (hidden).
    `nonlinearity` φ is "relu", "tanh", "sigmoid" or "identity", else ValueError. U starts by Glorot, w uniform in
    [0, 1), where no unit's past explodes, b at 0.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "relu", dtype: Any = "float32"
    ):
        self.nonlinearity = one_of("nonlinearity", nonlinearity, NONLINEARITIES)
        self.weight_ih = init.glorot(input_size, hidden_size, dtype=dtype)
        self.weight_hh = init.uniform(hidden_size, 0.5, dtype)
        self.weight_hh.data += 0.5
        self.bias = init.constant(hidden_size, dtype=dtype) if bias else None

    def step(self, x: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        a = x @ self.weight_ih + h * self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        h = NONLINEARITIES[self.nonlinearity](a)
        return h, h
