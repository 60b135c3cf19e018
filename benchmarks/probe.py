"""Probe: something that is run again and again with a clock beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

UNITS = {"ms": 1e3, "µs": 1e6}  # how many make a second


@dataclass(frozen=True)
class Probe:
    """One sample runs all `phases` in turn: each takes what the one before returned, the first takes None.

    The first returns the tensor to start the backward walk from. `leaves` lose their gradients before each sample;
    `gradients` gives those that contenders are compared by. The time is divided by `per`, the number of operations.
    Where `memory` is not 0, so many samples are run first to see by how much they raise the peak of resident memory.
    With `first` it is the very first sample that counts, and how much longer it takes than later ones.
    """

    name: str
    phases: dict[str, Callable[[Any], Any]]
    leaves: list[Any]
    gradients: Callable[[], dict[str, Any]]
    unit: str = "ms"
    per: int = 1
    memory: int = 0
    first: bool = False


def training_step(
    name: str, loss: Callable[[], Any], leaves: list[Any], gradients: Callable[[], dict[str, Any]]
) -> Probe:
    """A probe of `loss()` and its backward walk; the graph is freed within the second phase."""
    phases: dict[str, Callable[[Any], Any]] = {"forward": lambda _: loss(), "backward": lambda value: value.backward()}
    return Probe(name, phases, leaves, gradients)
