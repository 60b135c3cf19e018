"""Cell: one step of a recurrence, and nothing else."""

from __future__ import annotations

from typing import Any, Self

import minigrad as mg
from minigrad.nn import Module

State = Any  # a Tensor (batch, size), or a tuple of them


def parts_of(state: State) -> tuple[Any, ...]:
    """The parts of a state as a tuple, also of one that has a single part."""
    return state if isinstance(state, tuple) else (state,)


def as_tensor(x: Any) -> mg.Tensor:
    """`x` itself if it is a Tensor, whose gradients then pass; else one made of the array or lists that it is."""
    return x if isinstance(x, mg.Tensor) else mg.tensor(x)


class Cell(Module):
    """Base of recurrent cells. A subclass sets its parameters in `__init__` and writes `step`:

        class MyCell(Cell):
            def __init__(self, input_size, hidden_size):
                self.W = mg.nn.init.orthogonal(hidden_size)
                self.U = mg.nn.init.glorot(input_size, hidden_size)

            def step(self, x, h):
                h = mg.tanh(x @ self.U + h @ self.W)
                return h, h

    Called as `cell(x, state)`, which returns (output, state); `unroll` and `Recurrent` run it over sequences.
    `state_names` names the parts of the state, in drawings too; a state of several parts is a tuple. `input_axes`
    names the axes of one input after the batch's, of which the first has `input_size` entries. A cell whose output is
    not as wide as `hidden_size` sets `self.output_size` in `__init__`; one whose state is not, writes `state_shapes`.
    """

    state_names: tuple[str, ...] = ("h",)
    input_axes: tuple[str, ...] = ("feature",)
    input_size: int
    hidden_size: int
    output_size: int

    def __new__(cls, input_size: int = 0, hidden_size: int = 0, *args: Any, **options: Any) -> Self:
        cell = super().__new__(cls)  # the sizes are kept here, so that a subclass need not call super().__init__
        cell.input_size, cell.hidden_size, cell.output_size = input_size, hidden_size, hidden_size
        return cell

    def step(self, x: mg.Tensor, state: State) -> tuple[mg.Tensor, State]:
        """One time step: input (batch, input_size) and the state before it -> output and the state after it."""
        raise TypeError(f"{type(self).__name__} has no step(): write step(self, x, state) -> (output, state)")

    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each part of the state, after the batch's axis."""
        return ((self.hidden_size,),) * len(self.state_names)

    def initial_state(self, batch_size: int) -> State:
        """Zeros of (batch, *shape) for each of `state_shapes`, where the parameters are and in their dtype.

        Without parameters they are float32, where `use_backend` says.
        """
        like: Any = next(self.parameters(), None)
        if like is None:
            like = mg.zeros(())
        parts = tuple([mg.Tensor(like.backend.xp.zeros((batch_size, *s), like.dtype)) for s in self.state_shapes()])
        return parts[0] if len(parts) == 1 else parts

    def forward(self, x: mg.Tensor, state: State) -> tuple[mg.Tensor, State]:
        return self.step(x, state)
