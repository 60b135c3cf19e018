"""The LSTM with a recurrent projection."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .lstm import LSTMState


class LSTMPCell(Cell):
    """The projected LSTM: h_t = (o ∘ tanh(c_t)) W_hr, narrower than c_t.

    (Sak, Senior and Beaufays 2014, without their peepholes: PyTorch's LSTM with proj_size.)

        i, f, o = σ(x_t U_· + h_{t-1} W_· + b_·)    g = tanh(x_t U_g + h_{t-1} W_g + b_g)
        c_t = f ∘ c_{t-1} + i ∘ g                   h_t = (o ∘ tanh(c_t)) W_hr

    The state is (h, c) of sizes (projection, hidden), and `output_size` is `projection_size`: from 1 to hidden - 1
    (ValueError), by default half of hidden. In the order i, f, g, o: weight_ih (input, 4 hidden), weight_hh
    (projection, 4 hidden), bias (4 hidden; the forget gate's starts at 1); weight_hr (hidden, projection). No recurrent
    matrix is square, so all start by Glorot.
    """

    state_names = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        projection_size: int | None = None,
        dtype: Any = "float32",
    ):
        self.output_size = hidden_size // 2 if projection_size is None else projection_size
        if not 1 <= self.output_size < hidden_size:
            raise ValueError(
                f"projection_size must be from 1 to hidden_size - 1, not {self.output_size} of {hidden_size}: "
                "choose such a one, or for none the cell 'lstm'"
            )
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=4, dtype=dtype)
        self.weight_hh = init.glorot(self.output_size, hidden_size, blocks=4, dtype=dtype)
        self.weight_hr = init.glorot(hidden_size, self.output_size, dtype=dtype)
        self.bias = init.constant(4 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None:
            self.bias.data[hidden_size : 2 * hidden_size] = 1

    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.output_size,), (self.hidden_size,)

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        i, f, g, o = mg.split(a, 4, axis=1)
        i, f, o = mg.sigmoid(i).named("i"), mg.sigmoid(f).named("f"), mg.sigmoid(o).named("o")
        g = mg.tanh(g).named("g")
        c = f * c + i * g
        h = (o * mg.tanh(c)) @ self.weight_hr
        return h, (h, c)
