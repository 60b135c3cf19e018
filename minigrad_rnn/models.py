"""Models that sequence tasks want: recurrent layers and a linear one that answers; layers that see a step at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigrad as mg
from minigrad.nn import Dropout, Linear, Module, Sequential

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
