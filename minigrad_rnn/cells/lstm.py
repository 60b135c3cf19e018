"""The long short-term memory cell."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell

LSTMState = tuple[mg.Tensor, mg.Tensor]


class LSTMCell(Cell):
    """The LSTM with a forget gate: c_t = f ∘ c_{t-1} + i ∘ g, h_t = o ∘ tanh(c_t).

    (Hochreiter and Schmidhuber 1997; the forget gate by Gers, Schmidhuber and Cummins 2000.)

        i, f, o = σ(x_t U_· + h_{t-1} W_· + b_·)    g = tanh(x_t U_g + h_{t-1} W_g + b_g)
        c_t = f ∘ c_{t-1} + i ∘ g                   h_t = o ∘ tanh(c_t)

    The state is (h, c). The gates' matrices stand side by side in the order i, f, g, o: weight_ih (input, 4 hidden),
    weight_hh (hidden, 4 hidden), bias (4 hidden). Recurrent matrices start orthogonal, the forget gate's bias at 1
    (Jozefowicz, Zaremba and Sutskever 2015).
    """

    state_names = ("h", "c")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=4, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=4, dtype=dtype)
        self.bias = None
        if bias:
            self.bias = init.constant(4 * hidden_size, dtype=dtype)
            self.bias.data[hidden_size : 2 * hidden_size] = 1

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        i, f, g, o = mg.split(a, 4, axis=1)
        i, f, o = mg.sigmoid(i).named("i"), mg.sigmoid(f).named("f"), mg.sigmoid(o).named("o")
        g = mg.tanh(g).named("g")
        c = f * c + i * g
        h = o * mg.tanh(c)
        return h, (h, c)
