"""Backpropagation through time over long sequences, a stretch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import minigrad as mg
from minigrad.errors import OperandError

from .cells import State
from .layers import Recurrent


def truncated_bptt(
    layer: Recurrent,
    xs: Any,
    loss: Callable[[mg.Tensor, slice], mg.Tensor],
    k1: int,
    k2: int | None = None,
    state: State = None,
) -> Iterator[tuple[mg.Tensor, State]]:
    """Walk along `xs` (time, batch, feature), and after every `k1` steps back through the last `k2` of them.

    Yields after each backward walk (the loss, the state reached, detached); the gradients are added to the
    parameters' `.grad`, so the caller steps its optimiser and zeroes them. `loss(outputs, steps)` gives the loss of the
    new outputs (k1, batch, size), which are those of `xs[steps]`. `k2` is `k1` if None; where it is larger, the steps
    before the new ones are run again from the state that was reached there, with the parameters as they now are; where
    it is smaller, the first k1 - k2 of the new steps only carry the state, and are not part of the loss. (Williams and
    Peng 1990, algorithm BPTT(h; h'); Sutskever 2013, section 2.8.) The last stretch may be shorter. Raises ValueError
    for lengths that are no positive integers.
    """
    k2 = k1 if k2 is None else k2
    if min(k1, k2) < 1:
        raise ValueError(f"k1 and k2 are numbers of steps, at least 1, not {k1} and {k2}")
    xs = xs if isinstance(xs, mg.Tensor) else mg.tensor(xs)
    T = len(xs)
    reached = {0: state}  # the step before which a stretch may start -> the state there, detached
    for end in [*range(k1, T, k1), T]:
        new = (end - 1) // k1 * k1
        start, later = max(0, end - k2), max(0, min(end + k1, T) - k2)  # of this stretch, and of the next
        if start > max(reached):  # k2 < k1: no gradient is wanted from there
            before = max(reached)
            with mg.no_grad():
                reached[start] = layer(xs[before:start], reached[before])[1]
        first = max(new, start)
        outputs, end_state = _through(layer, xs, reached, start, end, later)
        value = loss(outputs[first - start :], slice(first, end))
        value.backward()
        reached[end] = detached(end_state)
        yield value.detach(), reached[end]
        reached = {step: at for step, at in reached.items() if step >= min(end, later)}


def _through(
    layer: Recurrent, xs: mg.Tensor, reached: dict[int, State], start: int, end: int, later: int
) -> tuple[mg.Tensor, State]:
    """The outputs from `start` to `end`, and the state there; the one before step `later` is kept in `reached`."""
    if not start < later < end:
        return layer(xs[start:end], reached[start])
    first, middle = layer(xs[start:later], reached[start])
    reached[later] = detached(middle)
    second, last = layer(xs[later:end], middle)
    return mg.concatenate([first, second], axis=0), last


def detached(state: State) -> State:
    """The state with nothing behind it: no gradient goes back through it."""
    if state is None or isinstance(state, mg.Tensor):
        return None if state is None else state.detach()
    if not isinstance(state, (tuple, list)):
        raise OperandError(f"a state is made of Tensors, tuples and lists, not of a {type(state).__name__}")
    return type(state)([detached(part) for part in state])
