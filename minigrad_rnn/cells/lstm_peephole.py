"""The LSTM whose gates see the cell."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .lstm import LSTMState
from .options import one_of


class LSTMPeepholeCell(Cell):
    """The LSTM with peepholes: i and f see c_{t-1}, o sees c_t.

    (Gers, Schraudolph and Schmidhuber 2002; the equations are Graves 2013, eq. 7 to 11.)

        i, f = σ(x_t U_· + h_{t-1} W_· + P_·(c_{t-1}) + b_·)    g = tanh(x_t U_g + h_{t-1} W_g + b_g)
        c_t = f ∘ c_{t-1} + i ∘ g
        o = σ(x_t U_o + h_{t-1} W_o + P_o(c_t) + b_o)           h_t = o ∘ tanh(c_t)

    `peephole` "diagonal" is P(c) = p ∘ c, weight_ch (3 hidden); "full" is P(c) = c P, weight_ch (hidden, 3 hidden);
    ValueError for others. Both in the order i, f, o, and both start at 0, where the cell is `LSTMCell`. The state is
    (h, c). In the order i, f, g, o: weight_ih (input, 4 hidden), weight_hh (hidden, 4 hidden), bias (4 hidden; the
    forget gate's starts at 1).
    """

    state_names = ("h", "c")

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, peephole: str = "diagonal", dtype: Any = "float32"
    ):
        full = one_of("peephole", peephole, ("diagonal", "full")) == "full"
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=4, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=4, dtype=dtype)
        self.weight_ch = init.zeros((hidden_size, 3 * hidden_size) if full else 3 * hidden_size, dtype)
        self.bias = init.constant(4 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None:
            self.bias.data[hidden_size : 2 * hidden_size] = 1

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        i, f, g, o = mg.split(a, 4, axis=1)
        p_i, p_f, p_o = mg.split(self.weight_ch, 3, axis=-1)
        i, f = mg.sigmoid(i + _peep(c, p_i)).named("i"), mg.sigmoid(f + _peep(c, p_f)).named("f")
        g = mg.tanh(g).named("g")
        c = f * c + i * g
        o = mg.sigmoid(o + _peep(c, p_o)).named("o")
        h = o * mg.tanh(c)
        return h, (h, c)


def _peep(c: mg.Tensor, weight: mg.Tensor) -> mg.Tensor:
    return c * weight if weight.ndim == 1 else c @ weight
