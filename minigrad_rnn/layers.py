"""Recurrent layers: any cell, stacked and in both directions."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.nn import Dropout, Module

from . import cells
from .cells import Cell, State
from .unroll import unroll


class Recurrent(Module):
    """A stack of `num_layers` layers of one kind of cell, each in one or both directions.

    `cell` is a Cell subclass, a registered name or "module:Class", and further options go to its constructor; or it
    is one cell, already made, for one layer in one direction (then sizes are the cell's own). Called as
    `layer(xs, state=None, lengths=None)` with `xs` (time, batch, input_size), or (batch, time, input_size) if
    `batch_first`; returns (outputs, state). Outputs are (time, batch, hidden_size), both directions joined on the last
    axis. Each part of the state has a leading axis of num_layers * directions: layer 0 forward, layer 0 backward,
    layer 1 forward … `dropout` is applied between layers, in training.
    """

    def __init__(
        self,
        cell: type[Cell] | str | Cell,
        input_size: int = 0,
        hidden_size: int = 0,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        batch_first: bool = False,
        dtype: Any = "float32",
        **options: Any,
    ):
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bidirectional, self.batch_first = num_layers, bidirectional, batch_first
        self.directions = 2 if bidirectional else 1
        self.dropout = Dropout(dropout)
        if isinstance(cell, Cell):
            if num_layers * self.directions != 1:
                raise ValueError("several layers or directions need cells of their own: give the class, not one cell")
            self.cells = [cell]
            return
        if input_size < 1 or hidden_size < 1:
            raise ValueError(f"input_size and hidden_size must be at least 1, not {input_size} and {hidden_size}")
        if dtype != "float32":
            options["dtype"] = dtype
        cell_class = cells.get(cell) if isinstance(cell, str) else cell
        self.cells = []
        for layer in range(num_layers):
            size = self.cells[-1].output_size * self.directions if layer else input_size
            self.cells += [cell_class(size, hidden_size, **options) for _ in range(self.directions)]
        if len(self.cells) > 1:  # in a picture weight_ih of layer 1, backward, is weight_ih_l1_reverse, as in PyTorch
            for n, made in enumerate(self.cells):
                layer, direction = divmod(n, self.directions)
                for name, parameter in made.named_parameters():
                    parameter.name = f"{name}_l{layer}{'_reverse' if direction else ''}"

    def forward(self, xs: Any, state: State = None, lengths: Any = None) -> tuple[mg.Tensor, State]:
        xs = xs if isinstance(xs, mg.Tensor) else mg.tensor(xs)
        if self.batch_first:
            xs = mg.swapaxes(xs, 0, 1)
        starts = [None] * len(self.cells) if state is None else _split_state(state, len(self.cells))
        ends = []
        for layer in range(self.num_layers):
            if layer:
                xs = self.dropout(xs)
            outputs = []
            for direction in range(self.directions):
                n = layer * self.directions + direction
                with mg.scope(f"layer {layer}", "backward" if direction else "forward"):
                    out, end = unroll(self.cells[n], xs, starts[n], lengths, reverse=bool(direction))
                outputs.append(out)
                ends.append(end)
            xs = outputs[0] if len(outputs) == 1 else mg.concatenate(outputs, axis=2)
        return mg.swapaxes(xs, 0, 1) if self.batch_first else xs, _join_states(ends)


def _join_states(states: list[State]) -> State:
    """The states of all layers and directions -> one state whose parts have them on a leading axis."""
    if isinstance(states[0], tuple):
        return tuple(_join_states(list(parts)) for parts in zip(*states, strict=True))
    return mg.stack(states)


def _split_state(state: State, count: int) -> list[State]:
    if isinstance(state, tuple):
        return list(zip(*(_split_state(part, count) for part in state), strict=True))
    if not isinstance(state, mg.Tensor) or state.ndim < 3 or len(state) != count:
        given = f"shape {state.shape}" if isinstance(state, mg.Tensor) else type(state).__name__
        raise ShapeError(
            f"a state's parts are Tensors of shape ({count}, batch, size), layers * directions first, not {given}: "
            "give None, or a state that was returned"
        )
    return list(mg.unstack(state))


class RNN(Recurrent):
    """Layers of `RNNCell`: RNN(input_size, hidden_size, num_layers=1, …); see `Recurrent`."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, **options: Any):
        super().__init__(cells.RNNCell, input_size, hidden_size, num_layers, **options)


class LSTM(Recurrent):
    """Layers of `LSTMCell`, state (h, c): LSTM(input_size, hidden_size, num_layers=1, …); see `Recurrent`."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, **options: Any):
        super().__init__(cells.LSTMCell, input_size, hidden_size, num_layers, **options)


class GRU(Recurrent):
    """Layers of `GRUCell`: GRU(input_size, hidden_size, num_layers=1, …); see `Recurrent`."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, **options: Any):
        super().__init__(cells.GRUCell, input_size, hidden_size, num_layers, **options)
