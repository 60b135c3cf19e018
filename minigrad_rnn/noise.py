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

    def for_sequence(self, cell: Cell, x: mg.Tensor, state: State) -> Sequence:
        """The noise of one sequence, whose first input is `x` (batch, …) and first state `state`."""
        return Sequence(self, cell, x, state)


class Sequence:
    """The noise of one sequence: `before` and `after` each step, and `weights` while it runs."""

    def __init__(self, noise: Noise, cell: Cell, x: mg.Tensor, state: State):
        self.noise, self.cell = noise, cell
        self.x_mask = _mask(x, noise.input_dropout if noise.training else 0.0)
        self.h_mask = _mask(parts_of(state)[0], noise.state_dropout if noise.training else 0.0)

    def before(self, x: mg.Tensor, state: State) -> tuple[mg.Tensor, State]:
        """What the cell is given in place of x_t and of the state before the step."""
        if self.x_mask is not None:
            x = x * self.x_mask
        if self.h_mask is not None:
            state = (state[0] * self.h_mask, *state[1:]) if isinstance(state, tuple) else state * self.h_mask
        return x, state

    def after(self, output: mg.Tensor, after: State, before: State) -> tuple[mg.Tensor, State]:
        """The output and the state after the step; an output that is part of the state stays that part."""
        if not self.noise.zoneout:
            return output, after
        old, new = parts_of(before), parts_of(after)
        kept = tuple([self._zoned(name, a, b) for name, a, b in zip(self.cell.state_names, old, new, strict=True)])
        for part, zoned in zip(new, kept, strict=True):
            output = zoned if output is part else output
        return output, kept if isinstance(after, tuple) else kept[0]

    def _zoned(self, name: str, old: mg.Tensor, new: mg.Tensor) -> mg.Tensor:
        p = self.noise.zoneout
        p = p.get(name, 0.0) if isinstance(p, dict) else p
        if p == 0:
            return new
        if not self.noise.training:
            return p * old + (1 - p) * new
        return mg.where(new.backend.generator.random(new.shape, "float32") < p, old, new)

    @contextlib.contextmanager
    def weights(self) -> Iterator[None]:
        """Put weights with some of them dropped in the place of the cell's own, for as long as the block runs."""
        own = {
            name: vars(self.cell)[name]
            for name, p in self.noise.weight_drop.items()
            if self.noise.training and p and name in vars(self.cell)
        }
        for name, weight in own.items():
            vars(self.cell)[name] = (weight * _mask(weight, self.noise.weight_drop[name])).named(weight.name or name)
        try:
            yield
        finally:
            vars(self.cell).update(own)


def _mask(like: mg.Tensor, p: float) -> Any:
    """Zeros with probability `p`, and 1 / (1 - p) elsewhere; None if nothing is dropped."""
    return mg.nn.Dropout(p)(mg.ones_like(like).detach()).data if p else None


def _probability(name: str, p: float) -> None:
    if not 0 <= p < 1:
        raise ValueError(f"{name} must be a probability in [0, 1), not {p}")
