"""The vanilla recurrent cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .options import NONLINEARITIES, one_of

UNITS: dict[str, Callable[[mg.Tensor], mg.Tensor]] = NONLINEARITIES | {"threshold": lambda a: mg.heaviside(a, 0)}
STARTS: dict[str, Callable[..., Any]] = {
    "orthogonal": init.orthogonal,
    "identity": init.identity,
    "glorot": lambda size, dtype: init.glorot(size, size, dtype=dtype),
}


class RNNCell(Cell):
    """The vanilla cell: h_t = φ(x_t U + h_{t-1} W + b) (Elman 1990).

    U is weight_ih (input, hidden), W is weight_hh (hidden, hidden), b is bias (hidden). `nonlinearity` φ is "tanh",
    "relu", "sigmoid", "identity" or "threshold", else ValueError; a threshold is 1 above 0 and else 0, through which no
    gradient comes (McCulloch and Pitts 1943). U starts by Glorot, b at 0, and W as `recurrent_init` says: "orthogonal"
    (Saxe et al. 2014), "identity" (for "relu": Le, Jaitly and Hinton 2015) or "glorot", else ValueError.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = "float32",
        recurrent_init: str = "orthogonal",
    ):
        self.nonlinearity = one_of("nonlinearity", nonlinearity, UNITS)
        self.weight_ih = init.glorot(input_size, hidden_size, dtype=dtype)
        self.weight_hh = STARTS[one_of("recurrent_init", recurrent_init, STARTS)](hidden_size, dtype=dtype)
        self.bias = init.constant(hidden_size, dtype=dtype) if bias else None

    def step(self, x: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        a = x @ self.weight_ih + h @ self.weight_hh
        if self.bias is not None:
            a = a + self.bias
        h = UNITS[self.nonlinearity](a)
        return h, h
