"""The LSTM whose input and forget gates are one."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .lstm import LSTMState


class LSTMCoupledCell(Cell):
    """The LSTM with coupled input and forget gates, i = 1 - f: c_t = f ∘ c_{t-1} + (1 - f) ∘ g.

    (Greff et al. 2017, variant CIFG, without their peepholes.)

        f, o = σ(x_t U_· + h_{t-1} W_· + b_·)     g = tanh(x_t U_g + h_{t-1} W_g + b_g)
        c_t = f ∘ c_{t-1} + (1 - f) ∘ g           h_t = o ∘ tanh(c_t)

    The state is (h, c). Matrices stand in the order f, g, o: weight_ih (input, 3 hidden), weight_hh (hidden, 3 hidden),
    bias (3 hidden; the forget gate's starts at 1).
    """

    state_names = ("h", "c")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=3, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=3, dtype=dtype)
        self.bias = init.constant(3 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None:
            self.bias.data[:hidden_size] = 1

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        f, g, o = mg.split(a, 3, axis=1)
        f, o = mg.sigmoid(f).named("f"), mg.sigmoid(o).named("o")
        g = mg.tanh(g).named("g")
        c = f * c + (1 - f) * g
        h = o * mg.tanh(c)
        return h, (h, c)
