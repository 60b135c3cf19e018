"""The vanilla recurrent cell."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .options import NONLINEARITIES, one_of


class RNNCell(Cell):
    """The vanilla cell: h_t = φ(x_t U + h_{t-1} W + b) (Elman 1990).

    U is weight_ih (input, hidden), W is weight_hh (hidden, hidden), b is bias (hidden). `nonlinearity` φ is "tanh",
    "relu", "sigmoid" or "identity", else ValueError. U starts by Glorot, W orthogonal, b at 0.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", dtype: Any = "float32"
    ):
        self.nonlinearity = one_of("nonlinearity", nonlinearity, NONLINEARITIES)
        self.weight_ih = init.glorot(input_size, hidden_size, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, dtype=dtype)
        self.bias = init.constant(hidden_size, dtype=dtype) if bias else None

    def step(self, x: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        h = NONLINEARITIES[self.nonlinearity](a)
        return h, h
