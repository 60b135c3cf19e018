"""The LSTM as a textbook writes it."""

from __future__ import annotations

from typing import Any, Self

import minigrad as mg
from minigrad.nn import Parameter, init

from .base import Cell
from .lstm import LSTMCell, LSTMState


class LSTMSeparateCell(Cell):
    """The LSTM with one matrix a gate, over [h_{t-1}, x_t]: what `LSTMCell` computes, slower, as textbooks write it.

        i, f, o = σ([h_{t-1}, x_t] W_· + b_·)    g = tanh([h_{t-1}, x_t] W_g + b_g)
        c_t = f ∘ c_{t-1} + i ∘ g                h_t = o ∘ tanh(c_t)

    (Gers, Schmidhuber and Cummins 2000.) The state is (h, c). W_i, W_f, W_g, W_o are (hidden + input, hidden), the
    recurrent rows first; b_i, b_f, b_g, b_o (hidden), with `bias`; b_f starts at 1. W_f is columns hidden to 2 hidden
    of LSTMCell's weight_hh over those of its weight_ih, and so on in its order i, f, g, o: `from_stacked` takes them.
    """

    state_names = ("h", "c")

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        def matrix() -> Parameter:
            parts = init.orthogonal(hidden_size, dtype=dtype), init.glorot(input_size, hidden_size, dtype=dtype)
            return Parameter(mg.concatenate(parts))

        self.W_i, self.W_f, self.W_g, self.W_o = matrix(), matrix(), matrix(), matrix()
        self.b_i = init.zeros(hidden_size, dtype) if bias else None
        self.b_f = init.ones(hidden_size, dtype) if bias else None
        self.b_g = init.zeros(hidden_size, dtype) if bias else None
        self.b_o = init.zeros(hidden_size, dtype) if bias else None

    @classmethod
    def from_stacked(cls, cell: LSTMCell) -> Self:
        """The cell that computes what `cell` does, from a copy of its parameters taken apart."""
        made = cls(cell.input_size, cell.hidden_size, bias=cell.bias is not None, dtype=cell.weight_ih.dtype)
        stacked = {"W": mg.concatenate([cell.weight_hh, cell.weight_ih])}
        if cell.bias is not None:
            stacked["b"] = cell.bias
        made.load_state_dict(
            {f"{name}_{gate}": part for name in stacked for gate, part in zip("ifgo", mg.split(stacked[name], 4, -1))}
        )
        return made

    def step(self, x: mg.Tensor, state: LSTMState) -> tuple[mg.Tensor, LSTMState]:
        h, c = state
        hx = mg.concatenate([h, x], axis=1).named("hx")
        i = mg.sigmoid(_affine(hx, self.W_i, self.b_i)).named("i")
        f = mg.sigmoid(_affine(hx, self.W_f, self.b_f)).named("f")
        g = mg.tanh(_affine(hx, self.W_g, self.b_g)).named("g")
        o = mg.sigmoid(_affine(hx, self.W_o, self.b_o)).named("o")
        c = f * c + i * g
        h = o * mg.tanh(c)
        return h, (h, c)


def _affine(x: mg.Tensor, weight: mg.Tensor, bias: mg.Tensor | None) -> mg.Tensor:
    return x @ weight if bias is None else x @ weight + bias
