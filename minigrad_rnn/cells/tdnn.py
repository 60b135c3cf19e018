"""The time-delay neural network: a finite past, and no recurrence."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .options import NONLINEARITIES, one_of


class TDNNCell(Cell):
    """y_t = φ([x_t, x_{t-1}, …, x_{t-N}] W + b), a one-dimensional convolution over time (Waibel et al. 1989).

    N is `taps`; the inputs before the first are zeros. The state is the past inputs (N input), the latest first. W is
    weight ((N + 1) input, hidden), x_t's block first; b is bias (hidden). `nonlinearity` φ is "tanh", "relu",
    "sigmoid" or "identity". Raises ValueError for another, and for less than one tap.
    """

    state_names = ("x",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        taps: int = 2,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = "float32",
    ):
        if taps < 1:
            raise ValueError(f"taps are past inputs, at least 1, not {taps}: without a past use Linear")
        self.taps = taps
        self.nonlinearity = one_of("nonlinearity", nonlinearity, NONLINEARITIES)
        self.weight = init.glorot((taps + 1) * input_size, hidden_size, dtype=dtype)
        self.bias = init.constant(hidden_size, dtype=dtype) if bias else None

    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.taps * self.input_size,),)

    def step(self, x: mg.Tensor, past: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        window = mg.concatenate([x, past], axis=1)
        a = window @ self.weight
        if self.bias is not None:
            a = a + self.bias
        return NONLINEARITIES[self.nonlinearity](a), window[:, : self.taps * self.input_size]
