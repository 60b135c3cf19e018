"""The training loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import minigrad as mg
from minigrad.nn import Module
from minigrad.optim import Optimizer, Schedule, clip_grad_norm, cosine

from ..cells import State


def detach(state: State) -> State:
    """The same state, cut from its past: no gradient crosses (truncated backpropagation through time)."""
    if isinstance(state, tuple):
        return tuple(detach(part) for part in state)
    return state if state is None else state.detach()


def fit(
    model: Module, batches: Iterable[tuple[Any, Any]], optimizer: Optimizer, steps: int, clip: float = 1.0
) -> Iterator[mg.Tensor]:
    """Train `model` for `steps` batches and yield the loss of each, in nats, as a Tensor (read it only to show it).

    `model(inputs, state)` returns (logits, state); the state is carried from batch to batch, without gradient. The
    gradient's norm is clipped to `clip`; the learning rate warms up and falls along a cosine to a tenth.
    """
    schedule = Schedule(optimizer, lambda step: cosine(step, steps, warmup=min(20, steps // 10), floor=0.1))
    state: State = None
    for inputs, targets in islice(batches, steps):
        logits, state = model(inputs, detach(state))
        loss = mg.nn.cross_entropy(logits, targets)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm(optimizer.parameters, clip)
        optimizer.step()
        schedule.step()
        yield loss.detach()
