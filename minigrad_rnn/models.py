"""Models that sequence tasks want: recurrent layers and a linear one that answers; layers that see a step at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Dropout, Embedding, Linear, Module, Sequential

from .cells import Cell, JordanCell, NARXCell, State
from .cells.base import as_tensor
from .evaluating import evaluating
from .layers import Recurrent
from .losses import last_steps
from .unroll import unroll


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


class SymbolModel(SequenceModel):
    """A SequenceModel that reads symbols, (time, batch) integers below `symbols`, each first turned into a vector.

    That has as many numbers as `recurrent` reads, `recurrent.input_size`. All else as for `SequenceModel`.
    """

    def __init__(self, symbols: int, recurrent: Recurrent, outputs: int, last: bool = False, dropout: float = 0.0):
        super().__init__(recurrent, outputs, last, dropout)
        self.embedding = Embedding(symbols, recurrent.input_size)

    def forward(self, xs: Any, lengths: Any = None) -> mg.Tensor:
        return super().forward(self.embedding(xs), lengths)


class PerStep(Module):
    """Layers for batches, at each step of sequences by itself: (time, batch, …) -> (time, batch, …).

    PerStep(Conv2d(3, 8, 3), mg.relu, Flatten())  # films (time, batch, 3, height, width)
    """

    def __init__(self, *layers: Callable[..., Any]):
        self.layers = Sequential(*layers)

    def forward(self, xs: Any) -> mg.Tensor:
        xs = as_tensor(xs)
        T, N, *shape = xs.shape
        outputs = self.layers(mg.reshape(xs, (T * N, *shape)))
        return mg.reshape(outputs, (T, N, *outputs.shape[1:]))


class OverWindows(Module):
    """Layers over windows of `length` steps, each by itself: (time, batch, feature) -> their mean, (batch, classes).

    `layers` make scores (…, classes) of vectors (…, length · feature), and the mean is over the windows. These follow
    each other; those that are not whole in a sequence are left out, but for the first. Called as `model(xs, lengths)`,
    with the length of each sequence, (batch,).
    """

    def __init__(self, layers: Module, length: int):
        self.layers, self.length = layers, length

    def forward(self, xs: Any, lengths: Any) -> mg.Tensor:
        xs = as_tensor(xs)
        count, (T, N, features) = max(1, len(xs) // self.length), xs.shape
        xs = mg.pad(xs, ((0, max(0, self.length - T)), (0, 0), (0, 0)))[: count * self.length]
        windows = mg.swapaxes(xs.reshape(count, self.length, N, features), 1, 2).reshape(count, N, -1)
        whole = mg.clip(mg.tensor(lengths) // self.length, 1, count)
        inside = mg.tensor(xs.backend.xp.arange(count)[:, None]) < whole
        return mg.where(mg.expand_dims(inside, 2), self.layers(windows), 0).sum(axis=0) / mg.expand_dims(whole, 1)


class OpenLoop(Module):
    """A cell whose past is its outputs (Jordan, NARX), given the true ones: teacher forcing, all steps at once.

    Inputs (time, batch, feature) and true outputs (time, batch, output) -> outputs (time - skip, batch, output); the
    first `skip` steps, whose past is not there, are only read.
    """

    def __init__(self, cell: JordanCell | NARXCell, skip: int = 0):
        self.cell, self.skip = cell, skip

    def forward(self, xs: Any, targets: Any) -> mg.Tensor:
        return self.cell.open_loop(xs, targets)[self.skip :]


def closed_loop(cell: Cell, xs: Any, state: State = None) -> np.ndarray:
    """What a cell whose past is its outputs makes of inputs `xs` by itself: (time, batch, feature) to (…, output).

    Its own outputs are fed back, from `state` on (None: from rest); without gradients.
    """
    with evaluating(cell):
        return unroll(cell, mg.tensor(xs, dtype=next(cell.parameters()).dtype), state)[0].numpy()


def parameter_count(model: Module) -> int:
    """How many numbers are learned in a model."""
    return sum(parameter.size for parameter in model.parameters())


def as_large(make: Callable[[int], Module], as_model: Module, widths: range = range(4, 513)) -> int:
    """The width with which `make(width)` has as many parameters as `as_model`, or the nearest that there is.

    The width is one of `widths`, which rise. So two architectures are compared at equal sizes. The wider a model, the
    more parameters it must have. Models are made to be counted, which draws random numbers: seed after it.
    """
    wanted = parameter_count(as_model)
    place = bisect_left(widths, wanted, key=lambda width: parameter_count(make(width)))
    return min(widths[max(0, place - 1) : place + 1], key=lambda width: abs(parameter_count(make(width)) - wanted))
