"""Recurrent layers: any cell, stacked and in both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.nn import Dropout, Module, Parameter

from . import cells
from .cells import Cell, State, parts_of
from .cells.base import as_tensor
from .noise import Noise
from .unroll import unroll


class Recurrent(Module):
    """A stack of `num_layers` layers of one kind of cell, each in one direction, or in both if `bidirectional`.

    `cell` is a Cell subclass, a registered name or "module:Class", and further options go to its constructor with
    `hidden_size`; or it is one cell, already made, for one layer in one direction (then sizes are the cell's own).
    Called as `layer(xs, state=None, lengths=None)` with `xs` (time, batch, input_size), or (batch, time, input_size) if
    `batch_first`; returns (outputs, state). Outputs are (time, batch, output_size), both directions joined on the last
    axis. Each part of the state has a leading axis of num_layers * directions: layer 0 forward, layer 0 backward, layer
    1 forward … (a list of states where the layers' shapes differ). A list of sequences (time_i, input_size) is a batch
    of different lengths, and gives a list.

    Between layers: `dropout`, in training; `between`, a function of a width that makes a module for sequences of that
    width (a feed-forward layer); `residual` adds to a layer's outputs its inputs (Wu et al. 2016, eq. 5), from the
    second layer on; `skip` gives the input to every layer, and the outputs of every layer to the result (Graves 2013,
    section 2). `learned_state` makes the initial states parameters. `zoneout`, `input_dropout`, `state_dropout` and
    `weight_drop` are those of `Noise`. `compiled` is that of `unroll`: False, True, or "auto".
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
        residual: bool = False,
        skip: bool = False,
        between: Callable[[int], Module] | None = None,
        learned_state: bool = False,
        zoneout: float | Mapping[str, float] = 0.0,
        input_dropout: float = 0.0,
        state_dropout: float = 0.0,
        weight_drop: float | Mapping[str, float] = 0.0,
        compiled: bool | str = "auto",
        dtype: Any = "float32",
        **options: Any,
    ):
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bidirectional, self.batch_first = num_layers, bidirectional, batch_first
        self.residual, self.skip, self.compiled = residual, skip, compiled
        self.directions = 2 if bidirectional else 1
        self.dropout = Dropout(dropout)
        noisy = zoneout or input_dropout or state_dropout or weight_drop
        self.noise = Noise(zoneout, input_dropout, state_dropout, weight_drop) if noisy else None
        self.cells: list[Cell] = []
        self.between: list[Module] = []
        if isinstance(cell, Cell):
            if num_layers * self.directions != 1:
                raise ValueError("several layers or directions need cells of their own: give the class, not one cell")
            self.cells = [cell]
        else:
            if input_size < 1 or hidden_size < 1:
                raise ValueError(f"input_size and hidden_size must be at least 1, not {input_size} and {hidden_size}")
            if dtype != "float32":
                options["dtype"] = dtype
            self._make(cells.get(cell) if isinstance(cell, str) else cell, options, between)
        width = self.cells[-1].output_size * self.directions
        self.output_size = width * num_layers if skip else width
        self.initial = [_learned(cell) for cell in self.cells] if learned_state else None

    def _make(self, cell_class: type[Cell], options: dict[str, Any], between: Callable[[int], Module] | None) -> None:
        for layer in range(self.num_layers):
            size = self.cells[-1].output_size * self.directions if layer else self.input_size
            if layer and between is not None:
                self.between.append(between(size))
            size += self.input_size if layer and self.skip else 0
            self.cells += [cell_class(size, self.hidden_size, **options) for _ in range(self.directions)]
        if len(self.cells) > 1:  # in a picture weight_ih of layer 1, backward, is weight_ih_l1_reverse, as in PyTorch
            for n, made in enumerate(self.cells):
                layer, direction = divmod(n, self.directions)
                for name, parameter in made.named_parameters():
                    parameter.name = f"{name}_l{layer}{'_reverse' if direction else ''}"

    def forward(self, xs: Any, state: State = None, lengths: Any = None) -> tuple[Any, State]:
        if isinstance(xs, (list, tuple)) and xs and hasattr(xs[0], "shape"):
            return self._ragged(xs, state)
        xs = as_tensor(xs)
        if self.batch_first:
            xs = mg.swapaxes(xs, 0, 1)
        outputs, state = self._run(xs, state, lengths)
        return mg.swapaxes(outputs, 0, 1) if self.batch_first else outputs, state

    def _run(self, xs: mg.Tensor, state: State, lengths: Any) -> tuple[mg.Tensor, State]:
        starts = self._starts(xs) if state is None else _split_state(state, len(self.cells))
        ends, every, inputs = [], [], xs
        for layer in range(self.num_layers):
            if layer:
                with mg.scope(f"between {layer - 1} and {layer}"):
                    xs = self.dropout(self.between[layer - 1](xs) if self.between else xs)
            before = xs
            if layer and self.skip:
                xs = mg.concatenate([xs, inputs], axis=2)
            outputs = []
            for direction in range(self.directions):
                n = layer * self.directions + direction
                with mg.scope(f"layer {layer}", "backward" if direction else "forward"):
                    cell, reverse = self.cells[n], bool(direction)
                    out, end = unroll(cell, xs, starts[n], lengths, reverse, self.noise, self.compiled)
                outputs.append(out)
                ends.append(end)
            xs = outputs[0] if len(outputs) == 1 else mg.concatenate(outputs, axis=2)
            if layer and self.residual:
                xs = xs + before
            every.append(xs)
        return mg.concatenate(every, axis=2) if self.skip and len(every) > 1 else xs, _join_states(ends)

    def _starts(self, xs: mg.Tensor) -> list[State]:
        """The learned initial states for the batch of `xs`, None for cells that have none."""
        if self.initial is None:
            return [None] * len(self.cells)
        found = [[mg.broadcast_to(part, (xs.shape[1], *part.shape)) for part in parts] for parts in self.initial]
        return [parts[0] if len(parts) == 1 else tuple(parts) for parts in found]

    def _ragged(self, sequences: Any, state: State) -> tuple[list[mg.Tensor], State]:
        """A list of sequences as one padded batch, and its outputs as a list of the same lengths."""
        lengths = [len(sequence) for sequence in sequences]
        T = max(lengths)
        padded = []
        for sequence in sequences:
            sequence = as_tensor(sequence)
            if sequence.ndim != 2 or T == 0:
                raise ShapeError(
                    f"a list holds sequences (time, feature), one of them of at least one step, not {sequence.shape}"
                )
            padded.append(mg.pad(sequence, ((0, T - len(sequence)), (0, 0))))
        outputs, state = self._run(mg.stack(padded, axis=1), state, lengths)
        return [outputs[:length, n] for n, length in enumerate(lengths)], state


def _learned(cell: Cell) -> list[Parameter]:
    """The cell's initial state as parameters, without the axis of the batch."""
    state = cell.initial_state(1)
    return [
        Parameter(part.data[0], name=f"{name}_-1") for name, part in zip(cell.state_names, parts_of(state), strict=True)
    ]


def _join_states(states: list[State]) -> State:
    """The states of all layers and directions -> one state whose parts have them on a leading axis.

    A list of them, as they are, where their shapes differ.
    """
    shapes = {tuple(part.shape for part in parts_of(state)) for state in states}
    if len(shapes) > 1:
        return states
    if isinstance(states[0], tuple):
        return tuple(_join_states(list(parts)) for parts in zip(*states, strict=True))
    return mg.stack(states)


def _split_state(state: State, count: int) -> list[State]:
    if isinstance(state, list) and len(state) == count:
        return state
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
