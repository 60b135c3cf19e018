"""The cell whose past is its output."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell
from .open_loop import delayed, true_outputs
from .options import NONLINEARITIES, one_of

OUTPUTS = NONLINEARITIES | {"softmax": lambda a: mg.softmax(a, axis=-1)}


class JordanCell(Cell):
    """The Jordan network, whose hidden units see the output before: h_t = φ(x_t U + ŷ_{t-1} W + b).

    (Jordan 1986; Goodfellow, Bengio and Courville 2016, figure 10.4. His state units do not decay here.)

        h_t = φ(x_t U + ŷ_{t-1} W + b)    ŷ_t = ψ(h_t V + b_y)

    A run feeds its own outputs back; `open_loop` the true ones, all steps at once, as in training. The state is ŷ, of
    `output_size` entries (by default hidden). U is weight_ih (input, hidden), W is weight_yh (output, hidden), V is
    weight_hy (hidden, output); bias (hidden), bias_y (output). `nonlinearity` φ is "tanh", "relu", "sigmoid" or
    "identity", `output` ψ one of these or "softmax"; ValueError for others, and for an `output_size` below 1. Matrices
    start by Glorot, W too, since none need be square.
    """

    state_names = ("y",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        output_size: int | None = None,
        nonlinearity: str = "tanh",
        output: str = "identity",
        dtype: Any = "float32",
    ):
        if output_size is not None and output_size < 1:
            raise ValueError(f"output_size must be at least 1, not {output_size}: choose how wide ŷ is")
        self.nonlinearity = one_of("nonlinearity", nonlinearity, NONLINEARITIES)
        self.output = one_of("output", output, OUTPUTS)
        self.output_size = hidden_size if output_size is None else output_size
        self.weight_ih = init.glorot(input_size, hidden_size, dtype=dtype)
        self.weight_yh = init.glorot(self.output_size, hidden_size, dtype=dtype)
        self.weight_hy = init.glorot(hidden_size, self.output_size, dtype=dtype)
        self.bias = init.constant(hidden_size, dtype=dtype) if bias else None
        self.bias_y = init.constant(self.output_size, dtype=dtype) if bias else None

    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((self.output_size,),)

    def open_loop(self, xs: Any, targets: Any) -> mg.Tensor:
        """The outputs (time, batch, output) for true outputs `targets` before each step, not its own: teacher forcing.

        The output before the first step is zero. No step waits for another. Raises ShapeError for shapes that differ.
        """
        xs, targets = true_outputs(self, xs, targets)
        return self.step(xs, delayed(targets, 1))[0]

    def step(self, x: mg.Tensor, y: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        a = x @ self.weight_ih + y @ self.weight_yh
        if self.bias is not None:
            a = a + self.bias
        h = NONLINEARITIES[self.nonlinearity](a).named("h")
        a = h @ self.weight_hy
        if self.bias_y is not None:
            a = a + self.bias_y
        y = OUTPUTS[self.output](a)
        return y, y
