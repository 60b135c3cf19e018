"""The scalar LSTM of xLSTM, with exponential gates."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .options import one_of

SLSTMState = tuple[mg.Tensor, mg.Tensor, mg.Tensor, mg.Tensor]


class SLSTMCell(Cell):
    """sLSTM, the LSTM with exponential gates: h_t = o ∘ c_t / n_t.

    (xLSTM: Beck et al. 2024, eq. 8 to 17, with one head.)

        ĩ, f̃, z̃, õ = x_t U_· + h_{t-1} W_· + b_·        z = tanh(z̃), o = σ(õ)
        m_t = max(log f + m_{t-1}, ĩ)                    log f = log σ(f̃), or f̃ with forget_gate="exp"
        f' = exp(log f + m_{t-1} - m_t)                  i' = exp(ĩ - m_t)
        c_t = f' ∘ c_{t-1} + i' ∘ z                      n_t = f' ∘ n_{t-1} + i'
        h_t = o ∘ c_t / n_t

    n is the normaliser: h is a weighted mean of all z. m is the stabiliser, of which h does not depend: it keeps the
    exponentials in range. The state is (h, c, n, m). Matrices stand in the order i, f, z, o: weight_ih (input,
    4 hidden), weight_hh (hidden, 4 hidden), bias (4 hidden). The bias of a sigmoid forget gate starts at 1.
    `forget_gate` is "sigmoid" or "exp", else ValueError.
    """

    state_names = ("h", "c", "n", "m")

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, forget_gate: str = "sigmoid", dtype: Any = "float32"
    ):
        self.forget_gate = one_of("forget_gate", forget_gate, ("sigmoid", "exp"))
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=4, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=4, dtype=dtype)
        self.bias = init.constant(4 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None and forget_gate == "sigmoid":
            self.bias.data[hidden_size : 2 * hidden_size] = 1

    def initial_state(self, batch_size: int) -> SLSTMState:
        """Zeros, but for m: so low that the first m is ĩ and the first n is 1, however small exp(ĩ) is."""
        h, c, n, m = super().initial_state(batch_size)
        return h, c, n, m - 1e4

    def step(self, x: mg.Tensor, state: SLSTMState) -> tuple[mg.Tensor, SLSTMState]:
        h, c, n, m_before = state
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        i, f, z, o = mg.split(a, 4, axis=1)
        z, o = mg.tanh(z).named("z"), mg.sigmoid(o).named("o")
        log_f = mg.log_sigmoid(f) if self.forget_gate == "sigmoid" else f
        m = mg.maximum(log_f + m_before, i)
        f, i = mg.exp(log_f + m_before - m).named("f"), mg.exp(i - m).named("i")
        c = f * c + i * z
        n = f * n + i
        h = o * c / n
        return h, (h, c, n, m)
