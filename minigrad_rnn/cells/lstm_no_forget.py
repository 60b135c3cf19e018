"""The LSTM of 1997, which cannot forget."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .lstm import LSTMState


class LSTMNoForgetCell(Cell):
    """The LSTM before its forget gate, a constant error carousel: c_t = c_{t-1} + i ∘ g.

    (Hochreiter and Schmidhuber 1997, section 4, with tanh for their two scaled sigmoids.)

        i, o = σ(x_t U_· + h_{t-1} W_· + b_·)    g = tanh(x_t U_g + h_{t-1} W_g + b_g)
        c_t = c_{t-1} + i ∘ g                    h_t = o ∘ tanh(c_t)

    Along c errors flow back unchanged, ∂c_t / ∂c_{t-1} = 1 but for the way through h. The state is (h, c). Matrices
    stand in the order i, g, o: weight_ih (input, 3 hidden), weight_hh (hidden, 3 hidden), bias (3 hidden).
    """

    state_names = ("h", "c")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=3, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=3, dtype=dtype)
        self.bias = init.constant(3 * hidden_size, dtype=dtype) if bias else None

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        i, g, o = mg.split(a, 3, axis=1)
        i, o = mg.sigmoid(i).named("i"), mg.sigmoid(o).named("o")
        g = mg.tanh(g).named("g")
        c = c + i * g
        h = o * mg.tanh(c)
        return h, (h, c)
