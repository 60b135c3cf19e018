"""The long short-term memory cell."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .options import NONLINEARITIES, one_of

LSTMState = tuple[mg.Tensor, mg.Tensor]


class LSTMCell(Cell):
    """The LSTM with a forget gate: c_t = f ∘ c_{t-1} + i ∘ g, h_t = o ∘ tanh(c_t).

    (Hochreiter and Schmidhuber 1997; the forget gate by Gers, Schmidhuber and Cummins 2000.)

        i, f, o = σ(x_t U_· + h_{t-1} W_· + b_·)    g = tanh(x_t U_g + h_{t-1} W_g + b_g)
        c_t = f ∘ c_{t-1} + i ∘ g                   h_t = o ∘ tanh(c_t)

    The state is (h, c). The gates' matrices stand side by side in the order i, f, g, o: weight_ih (input, 4 hidden),
    weight_hh (hidden, 4 hidden), bias (4 hidden). Recurrent matrices start orthogonal, the forget gate's bias at
    `forget_bias` (1: Jozefowicz, Zaremba and Sutskever 2015) or, if `chrono` is the longest time T_max over which to
    remember, at log U(1, T_max - 1) and the input gate's at its negative (Tallec and Ollivier 2018, eq. 16).
    `candidate` is the function of g, "tanh" or "sigmoid" (Goodfellow, Bengio and Courville 2016, eq. 10.41).
    ValueError for another one, and for `chrono` without `bias`.
    """

    state_names = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        candidate: str = "tanh",
        forget_bias: float = 1.0,
        chrono: float | None = None,
        dtype: Any = "float32",
    ):
        if chrono is not None and not bias:
            raise ValueError("chrono sets biases, and there are none: choose bias=True, or leave chrono out")
        self.candidate = one_of("candidate", candidate, ("tanh", "sigmoid"))
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=4, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=4, dtype=dtype)
        self.bias = init.constant(4 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None:
            self.bias.data[hidden_size : 2 * hidden_size] = forget_bias
            if chrono is not None:
                times = init.chrono(hidden_size, chrono, dtype).data
                self.bias.data[:hidden_size], self.bias.data[hidden_size : 2 * hidden_size] = -times, times

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        i, f, g, o = mg.split(a, 4, axis=1)
        i, f, o = mg.sigmoid(i).named("i"), mg.sigmoid(f).named("f"), mg.sigmoid(o).named("o")
        g = NONLINEARITIES[self.candidate](g).named("g")
        c = f * c + i * g
        h = o * mg.tanh(c)
        return h, (h, c)
