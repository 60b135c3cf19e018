"""Nonlinear autoregression with exogenous inputs: outputs fed back."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.nn import init

from .base import Cell
from .open_loop import delayed, true_outputs
from .options import NONLINEARITIES, one_of


class NARXCell(Cell):
    """y_t = V φ(U [x_t … x_{t-L}] + A [y_{t-1} … y_{t-K}] + b) + b_y (Lin, Horne, Tiňo and Giles 1996, eq. 1).

    L is `input_taps`, K `output_taps`: 1 is the one-tap network, T - 1 the complete one, which sees all of its past. A
    run is the closed loop, the network's own outputs fed back; `open_loop` gives it the true ones, all steps at once,
    as in training. The state is the past outputs (K output), the latest first, and with L > 0 the past inputs
    (L input). U is weight_ih ((L + 1) input, hidden), A is weight_yh (K output, hidden), V is weight_hy (hidden,
    output); bias (hidden), bias_y (output). `nonlinearity` φ as for `JordanCell`. Raises ValueError for taps or a width
    that cannot be.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int = 1,
        input_taps: int = 0,
        output_taps: int = 1,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = "float32",
    ):
        if output_size < 1 or output_taps < 1 or input_taps < 0:
            raise ValueError(
                "output_size and output_taps are at least 1 and input_taps at least 0, "
                f"not {output_size}, {output_taps} and {input_taps}"
            )
        self.nonlinearity = one_of("nonlinearity", nonlinearity, NONLINEARITIES)
        self.output_size, self.input_taps, self.output_taps = output_size, input_taps, output_taps
        self.state_names = ("y", "x") if input_taps else ("y",)
        self.weight_ih = init.glorot((input_taps + 1) * input_size, hidden_size, dtype=dtype)
        self.weight_yh = init.glorot(output_taps * output_size, hidden_size, dtype=dtype)
        self.weight_hy = init.glorot(hidden_size, output_size, dtype=dtype)
        self.bias = init.constant(hidden_size, dtype=dtype) if bias else None
        self.bias_y = init.constant(output_size, dtype=dtype) if bias else None

    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        ys, xs = (self.output_taps * self.output_size,), (self.input_taps * self.input_size,)
        return (ys, xs) if self.input_taps else (ys,)

    def step(self, x: mg.Tensor, state: Any) -> tuple[mg.Tensor, Any]:
        ys, xs = state if self.input_taps else (state, None)
        window = x if xs is None else mg.concatenate([x, xs], axis=1)
        y = self._output(window, ys).named("y")
        ys = mg.concatenate([y, ys], axis=1)[:, : self.output_taps * self.output_size] if self.output_taps > 1 else y
        return y, (ys, window[:, : self.input_taps * self.input_size]) if self.input_taps else ys

    def _output(self, xs: mg.Tensor, ys: mg.Tensor) -> mg.Tensor:
        a = xs @ self.weight_ih + ys @ self.weight_yh
        if self.bias is not None:
            a = a + self.bias
        y = NONLINEARITIES[self.nonlinearity](a).named("h") @ self.weight_hy
        return y if self.bias_y is None else y + self.bias_y

    def open_loop(self, xs: Any, targets: Any) -> mg.Tensor:
        """The outputs (time, batch, output) for true past outputs `targets` (time, batch, output), not its own.

        Outputs and inputs before the first step are zeros. No step waits for another. Raises ShapeError for sequences
        of different lengths.
        """
        xs, targets = true_outputs(self, xs, targets)
        before = [delayed(targets, k) for k in range(1, self.output_taps + 1)]
        window = [delayed(xs, k) for k in range(self.input_taps + 1)]
        return self._output(mg.concatenate(window, axis=2), mg.concatenate(before, axis=2))

    def after(self, xs: Any, targets: Any) -> Any:
        """The state after steps of true inputs (time, batch, input) and outputs, `targets` (time, batch, output).

        From there on a run forecasts, its own outputs fed back. Raises ShapeError for sequences of different lengths,
        or shorter than the taps.
        """
        xs, targets = true_outputs(self, xs, targets)
        if len(xs) < max(self.output_taps, self.input_taps):
            raise ShapeError(
                f"{self.output_taps} past outputs and {self.input_taps} past inputs are not in {len(xs)} steps: "
                "give more"
            )
        ys = mg.concatenate([targets[-k] for k in range(1, self.output_taps + 1)], axis=1)
        past = [xs[-k] for k in range(1, self.input_taps + 1)]
        return (ys, mg.concatenate(past, axis=1)) if past else ys
