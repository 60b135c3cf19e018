"""Models that sequence tasks want: recurrent layers and a linear one that answers; layers that see a step at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import minigrad as mg
from minigrad.nn import Dropout, Linear, Module, Sequential

from .cells import JordanCell, NARXCell
from .layers import Recurrent
from .losses import last_steps


class SequenceModel(Module):
    """`recurrent` layers and a linear one: sequences (time, batch, feature) -> outputs (time, batch, outputs).

    With `last` there is one answer for a whole sequence, (batch, outputs), read off its last step: that of its own
    length where `lengths` are given. `dropout` is on what the linear layer reads. The layers are time first
    (`batch_first=False`).
    """

    def __init__(self, recurrent: Recurrent, outputs: int, last: bool = False, dropout: float = 0.0):
        self.recurrent, self.last = recurrent, last
        self.dropout = Dropout(dropout)
        dtype = next(recurrent.parameters()).dtype
        self.head = Linear(recurrent.output_size, outputs, dtype=dtype)

    def forward(self, xs: Any, lengths: Any = None) -> mg.Tensor:
        hidden, _ = self.recurrent(xs, lengths=lengths)
        if self.last:
            hidden = hidden[-1] if lengths is None else last_steps(hidden, lengths)
        return self.head(self.dropout(hidden))


class PerStep(Module):
    """Layers for batches, at each step of sequences by itself: (time, batch, …) -> (time, batch, …).

    PerStep(Conv2d(3, 8, 3), mg.relu, Flatten())  # films (time, batch, 3, height, width)
    """

    def __init__(self, *layers: Callable[..., Any]):
        self.layers = Sequential(*layers)

    def forward(self, xs: Any) -> mg.Tensor:
        xs = xs if isinstance(xs, mg.Tensor) else mg.tensor(xs)
        T, N, *shape = xs.shape
        outputs = self.layers(mg.reshape(xs, (T * N, *shape)))
        return mg.reshape(outputs, (T, N, *outputs.shape[1:]))


class OpenLoop(Module):
    """A cell whose past is its outputs (Jordan, NARX), given the true ones: teacher forcing, all steps at once.

    Inputs (time, batch, feature) and true outputs (time, batch, output) -> outputs (time - skip, batch, output); the
    first `skip` steps, whose past is not there, are only read.
    """

    def __init__(self, cell: JordanCell | NARXCell, skip: int = 0):
        self.cell, self.skip = cell, skip

    def forward(self, xs: Any, targets: Any) -> mg.Tensor:
        return self.cell.open_loop(xs, targets)[self.skip :]


def parameter_count(model: Module) -> int:
    """How many numbers are learned in a model."""
    return sum(parameter.size for parameter in model.parameters())


def as_large(make: Callable[[int], Module], as_model: Module, widths: range = range(4, 513)) -> int:
    """The width with which `make(width)` has as many parameters as `as_model`, or the nearest that there is.

    So that two architectures are compared at equal sizes. The wider a model, the more parameters it must have.
    """
    wanted = parameter_count(as_model)
    place = bisect_left(widths, wanted, key=lambda width: parameter_count(make(width)))
    return min(widths[max(0, place - 1) : place + 1], key=lambda width: abs(parameter_count(make(width)) - wanted))
