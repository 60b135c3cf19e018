"""The time loop: a cell unrolled over a sequence.

Backpropagation through time is the reverse walk of what this loop records, and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import AnomalyError, ShapeError

from .cells import Cell, State, parts_of
from .cells.base import as_tensor
from .lengths import check_lengths
from .noise import Noise, Sequence

# From how many numbers of state on, over all steps, a compiled loop pays for being compiled within a run or two.
ENOUGH = 8192


class Step:
    """One step of a cell with all that comes from outside of it, `step(state, inputs) -> (state, output)`.

    `inputs` are x_t, which sequences are still running (None: all), and the noise's mask for each part of the state.
    """

    def __init__(self, cell: Cell, noise: Sequence | None):
        self.cell, self.noise = cell, noise

    def __call__(self, state: State, inputs: tuple[mg.Tensor, Any, Any]) -> tuple[State, mg.Tensor]:
        x, running, zoned = inputs
        weights = contextlib.nullcontext() if self.noise is None else self.noise.weights()
        with mg.scope(type(self.cell).__name__), weights:
            if self.noise is None:
                output, after = self.cell.step(x, state)
            else:
                output, after = self.cell.step(*self.noise.before(x, state))
                output, after = self.noise.after(output, after, state, zoned)
            if running is not None:
                output, after = mg.where(_spread(running, output), output, 0), _keep(running, after, state)
        return after, output


def unroll(
    cell: Cell,
    xs: Any,
    state: State = None,
    lengths: Any = None,
    reverse: bool = False,
    noise: Noise | None = None,
    compiled: bool | str = False,
) -> tuple[mg.Tensor, State]:
    """Run `cell` over `xs` and return the outputs of all steps and the state after the last.

    `xs` is (time, batch, feature); the outputs are (time, batch, size). `state` is where to start (the cell's initial
    state if None). With `lengths`, one integer a sequence, steps past a sequence's end leave its state alone and put
    out zeros. `reverse` runs from the last step to the first; outputs stay in the order of `xs`. `noise` is what
    regularises the recurrence. Every node is tagged with its step ("t=3") and its cell. `compiled` runs the steps as
    one loop (`mg.scan`), with the same outputs and gradients; "auto" does where there are enough numbers for it to pay.
    Raises ShapeError for shapes that do not fit, AnomalyError for an input that holds a NaN, ValueError for another
    `compiled`.
    """
    if compiled not in (True, False, "auto"):
        raise ValueError(f"compiled must be True, False or 'auto', not {compiled!r}")
    xs = as_tensor(xs)
    axes = ", ".join(("time", "batch", *cell.input_axes))
    if xs.ndim != 2 + len(cell.input_axes) or 0 in xs.shape[:2]:
        raise ShapeError(
            f"a sequence is ({axes}), all at least 1, not {xs.shape}: reshape it, with a batch axis of 1 for one alone"
        )
    if cell.input_size and xs.shape[2] != cell.input_size:
        raise ShapeError(
            f"{type(cell).__name__} takes {cell.input_size} {cell.input_axes[0]}s, and this sequence ({axes}) "
            f"has shape {xs.shape}"
        )
    refuse_nan(xs, f"the sequence ({axes})")
    T, B = xs.shape[:2]
    masks = None if lengths is None else _masks(lengths, T, B, xs)
    if state is None:
        state = cell.initial_state(B)
        _name(cell, state, -1 if not reverse else T)
    else:
        _check_state(state, cell, B)
    drawn = None if noise is None else noise.for_sequence(cell, xs, state)
    step = Step(cell, drawn)
    zoned = None if drawn is None else drawn.zoned
    if compiled == "auto":
        compiled = T * sum(part.size for part in parts_of(state)) >= ENOUGH
    if compiled:
        named = functools.partial(_name, cell)
        state, outputs = mg.scan(step, state, (xs, masks, zoned), reverse=reverse, named=named)
        return outputs, state
    steps: list[Any] = [None] * T
    items = mg.unstack(xs)
    for t in reversed(range(T)) if reverse else range(T):
        with mg.scope(f"t={t}"):
            running = None if masks is None else masks[t]
            keeping = None if zoned is None else [None if mask is None else mask[t] for mask in zoned]
            state, steps[t] = step(state, (items[t], running, keeping))
            _name(cell, state, t)
    return mg.stack(steps), state


def refuse_nan(xs: mg.Tensor, what: str) -> None:
    """AnomalyError if what was handed in holds a NaN; what was computed is not looked through, nor what is on a GPU.

    (There the answer would be waited for: `detect_anomaly` does.)
    """
    if xs.node is None and xs.backend.in_order and xs.dtype.kind == "f" and np.isnan(xs.data.sum()):
        found = np.argwhere(np.isnan(xs.numpy()))
        if len(found):
            raise AnomalyError(
                f"{what} of shape {xs.shape} holds a NaN, the first at {tuple(found[0].tolist())}: mend the data, "
                "or mask it"
            )


def _check_state(state: State, cell: Cell, B: int) -> None:
    """ShapeError for a state that has other parts than the cell's initial one, or is for another batch."""
    if type(cell).initial_state is Cell.initial_state:
        shapes = [(B, *shape) for shape in cell.state_shapes()]
    else:
        shapes = [(B, *part.shape[1:]) for part in parts_of(cell.initial_state(1))]
    given = [getattr(part, "shape", f"a {type(part).__name__}") for part in parts_of(state)]
    if given != shapes:
        names = ", ".join(f"{name} {shape}" for name, shape in zip(cell.state_names, shapes, strict=False))
        raise ShapeError(
            f"the state of {type(cell).__name__} for a batch of {B} has the parts {names}, and was given "
            f"{', '.join(map(str, given))}: give {'a tuple of them' if len(shapes) > 1 else 'one Tensor'}, or None"
        )


def _masks(lengths: Any, T: int, B: int, xs: mg.Tensor) -> mg.Tensor:
    """For each step, which sequences are still running: boolean (time, batch, 1)."""
    host = check_lengths(lengths, T, B)
    return mg.Tensor(xs.backend.xp.asarray(np.arange(T)[:, None, None] < host[None, :, None]))


def _spread(running: mg.Tensor, like: mg.Tensor) -> mg.Tensor:
    return running if like.ndim == 2 else running.reshape(-1, *(1,) * (like.ndim - 1))


def _keep(running: mg.Tensor, after: State, before: State) -> State:
    """The state after the step where a sequence is running, the state before it where it has ended."""
    if isinstance(after, tuple):
        return tuple(_keep(running, new, old) for new, old in zip(after, before, strict=True))
    return mg.where(_spread(running, after), after, before)


def _name(cell: Cell, state: State, t: int) -> None:
    """Call the parts of a state h_3, c_3 …, for drawings and messages."""
    for name, part in zip(cell.state_names, parts_of(state), strict=False):
        if part.name is None:
            part.name = f"{name}_{t}"
