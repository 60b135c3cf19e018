"""What regularises a recurrence in training, from outside of the cell: dropout over time, zoneout, dropped weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import minigrad as mg
from minigrad.nn import Module

from .cells import Cell, State, parts_of


class Noise(Module):
    """Noise for one cell, drawn anew for each sequence.

    `input_dropout` and `state_dropout` zero features of x_t and of the state's first part h_{t-1}, the same ones in all
    steps (variational dropout, Gal and Ghahramani 2016, eq. 7). `zoneout` keeps a unit's old state with that
    probability, drawn at each step, and in evaluation mixes old and new by it (Krueger et al. 2017, eq. 6); a number
    for all parts of the state, or one for each by name, {"h": 0.05, "c": 0.5}. `weight_drop` zeroes weights of the
    recurrent matrices, the same ones in all steps (Merity, Keskar and Socher 2018, section 2): a probability for
    parameters named weight_hh, or one for each by name. Raises ValueError for what is no probability.
    """

    def __init__(
        self,
        zoneout: float | Mapping[str, float] = 0.0,
        input_dropout: float = 0.0,
        state_dropout: float = 0.0,
        weight_drop: float | Mapping[str, float] = 0.0,
    ):
        self.zoneout = dict(zoneout) if isinstance(zoneout, Mapping) else zoneout
        self.input_dropout, self.state_dropout = input_dropout, state_dropout
        self.weight_drop = dict(weight_drop) if isinstance(weight_drop, Mapping) else {"weight_hh": weight_drop}
        for name, value in (("zoneout", zoneout), ("weight_drop", weight_drop)):
            for p in value.values() if isinstance(value, Mapping) else (value,):
                _probability(name, p)
        _probability("input_dropout", input_dropout)
        _probability("state_dropout", state_dropout)

    def for_sequence(self, cell: Cell, xs: mg.Tensor, state: State) -> Sequence:
        """The noise of one sequence `xs` (time, batch, …) that starts from `state`."""
        return Sequence(self, cell, xs, state)


class Sequence:
    """The noise of one sequence: `before` and `after` each step, and `weights` while it runs.

    `zoned` says for each part of the state, at each step, which units keep their old state; None for a part of which
    none do, or which is mixed instead.
    """

    def __init__(self, noise: Noise, cell: Cell, xs: mg.Tensor, state: State):
        training, parts = noise.training, parts_of(state)
        self.x_mask = _mask(xs[0], noise.input_dropout if training else 0.0)
        self.h_mask = _mask(parts[0], noise.state_dropout if training else 0.0)
        given = noise.zoneout
        zoneout = [given.get(name, 0.0) if isinstance(given, dict) else given for name in cell.state_names]
        self.mixed = None if training else zoneout
        self.zoned = tuple([_keeping(part, p, len(xs)) if training else None for part, p in zip(parts, zoneout)])
        self.dropped = {
            name: (weight * _mask(weight, p)).named(weight.name or name)
            for name, p in noise.weight_drop.items()
            if training and p and (weight := vars(cell).get(name)) is not None
        }
        self.cell = cell

    def before(self, x: mg.Tensor, state: State) -> tuple[mg.Tensor, State]:
        """What the cell is given in place of x_t and of the state before the step."""
        if self.x_mask is not None:
            x = x * self.x_mask
        if self.h_mask is not None:
            state = (state[0] * self.h_mask, *state[1:]) if isinstance(state, tuple) else state * self.h_mask
        return x, state

    def after(self, output: mg.Tensor, after: State, before: State, zoned: Any) -> tuple[mg.Tensor, State]:
        """The output and the state after the step; an output that is part of the state stays that part."""
        old, new = parts_of(before), parts_of(after)
        kept = list(new)
        for i, mask in enumerate(zoned):
            p = self.mixed[i] if self.mixed else 0.0
            if mask is not None:
                kept[i] = mg.where(mask, old[i], new[i])
            elif p:
                kept[i] = p * old[i] + (1 - p) * new[i]
            output = kept[i] if output is new[i] else output
        return output, tuple(kept) if isinstance(after, tuple) else kept[0]

    @contextlib.contextmanager
    def weights(self) -> Iterator[None]:
        """Put weights with some of them dropped in the place of the cell's own, for as long as the block runs."""
        own = {name: vars(self.cell)[name] for name in self.dropped}
        vars(self.cell).update(self.dropped)
        try:
            yield
        finally:
            vars(self.cell).update(own)


def _keeping(part: mg.Tensor, p: float, steps: int) -> mg.Tensor | None:
    """Which units of a part of the state keep it at each step: true with probability `p`; None if that is 0."""
    return mg.Tensor(part.backend.generator.random((steps, *part.shape), "float32") < p) if p else None


def _mask(like: mg.Tensor, p: float) -> Any:
    """Zeros with probability `p`, and 1 / (1 - p) elsewhere; None if nothing is dropped."""
    return mg.nn.Dropout(p)(mg.ones_like(like).detach()).detach() if p else None


def _probability(name: str, p: float) -> None:
    if not 0 <= p < 1:
        raise ValueError(f"{name} must be a probability in [0, 1), not {p}")
