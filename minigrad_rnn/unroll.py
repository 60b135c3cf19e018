"""The time loop: a cell unrolled over a sequence.

Backpropagation through time is the reverse walk of what this loop records, and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError

from .cells import Cell, State


def unroll(
    cell: Cell, xs: Any, state: State = None, lengths: Any = None, reverse: bool = False
) -> tuple[mg.Tensor, State]:
    """Run `cell` over `xs` and return the outputs of all steps and the state after the last.

    `xs` is (time, batch, feature); the outputs are (time, batch, size). `state` is where to start (the cell's initial
    state if None). With `lengths`, one integer a sequence, steps past a sequence's end leave its state alone and put
    out zeros. `reverse` runs from the last step to the first; outputs stay in the order of `xs`. Every node is tagged
    with its step ("t=3") and its cell. Raises ShapeError for shapes that do not fit.
    """
    xs = xs if isinstance(xs, mg.Tensor) else mg.tensor(xs)
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
    T, B = xs.shape[:2]
    masks = None if lengths is None else _masks(lengths, T, B, xs)
    if state is None:
        state = cell.initial_state(B)
        _name(state, cell, -1 if not reverse else T)
    elif type(cell).initial_state is Cell.initial_state and _count(state) != len(cell.state_names):
        raise ShapeError(
            f"the state of {type(cell).__name__} has the parts ({', '.join(cell.state_names)}), each (batch, size), "
            f"and was given {_count(state)}: give {'a tuple' if len(cell.state_names) > 1 else 'one Tensor'}"
        )
    outputs: list[Any] = [None] * T
    items = mg.unstack(xs)
    kind = type(cell).__name__
    for t in reversed(range(T)) if reverse else range(T):
        with mg.scope(f"t={t}", kind):
            output, after = cell.step(items[t], state)
            if masks is not None:
                output = mg.where(masks[t].reshape(-1, *(1,) * (output.ndim - 1)), output, 0)
                after = _keep(masks[t], after, state)
            _name(after, cell, t)
        outputs[t], state = output, after
    return mg.stack(outputs), state


def _count(state: State) -> int:
    return len(state) if isinstance(state, tuple) else 1


def _masks(lengths: Any, T: int, B: int, xs: mg.Tensor) -> list[Any]:
    """For each step, which sequences are still running: raw boolean (batch, 1)."""
    host = mg.tensor(lengths).numpy()
    if host.shape != (B,) or host.dtype.kind not in "iu" or host.min() < 0 or host.max() > T:
        raise ShapeError(f"lengths must be {B} integers (one a sequence) from 0 to {T}, and are {host.tolist()}")
    return list(xs.backend.xp.asarray(np.arange(T)[:, None, None] < host[None, :, None]))


def _keep(running: Any, after: State, before: State) -> State:
    """The state after the step where a sequence is running, the state before it where it has ended."""
    if isinstance(after, tuple):
        return tuple(_keep(running, new, old) for new, old in zip(after, before, strict=True))
    return mg.where(running.reshape(-1, *(1,) * (after.ndim - 1)), after, before)


def _name(state: State, cell: Cell, t: int) -> None:
    """Call the parts of a state h_3, c_3 …, for drawings and messages."""
    for name, part in zip(cell.state_names, state if isinstance(state, tuple) else (state,), strict=False):
        if part.name is None:
            part.name = f"{name}_{t}"
