"""Learning-rate schedules: plain functions of the step, from 0, whose value multiplies the base rate.

    schedule = optim.Schedule(optimizer, lambda step: optim.cosine(step, 10_000, warmup=500))

and then `schedule.step()` after each `optimizer.step()`.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .base import Optimizer


def constant(step: int, factor: float = 1.0) -> float:
    """Always `factor`."""
    return factor


def linear(step: int, steps: int, start: float = 1.0, end: float = 0.0) -> float:
    """From `start` at step 0 in a straight line to `end` at `steps`, and `end` from there on."""
    return end if step >= steps else start + (end - start) * (step / steps)


def warmup(step: int, steps: int) -> float:
    """Up in a straight line from 1 / steps at step 0 to 1, and 1 from there on (Goyal et al. 2017, section 2.2)."""
    return 1.0 if step >= steps else (step + 1) / steps


def step_decay(step: int, every: int, gamma: float = 0.1) -> float:
    """Times `gamma` after each `every` steps. Raises ValueError where these are none."""
    if every < 1:
        raise ValueError(f"step_decay: every must be at least 1, not {every}")
    return gamma ** (step // every)


def exponential(step: int, gamma: float) -> float:
    """Times `gamma` after each step."""
    return gamma**step


def inverse_sqrt(step: int, warmup: int) -> float:
    """Up linearly over `warmup` steps to 1, then down as 1 / √step (Vaswani et al. 2017, eq. 3, its peak put at 1).

    Raises ValueError for a `warmup` of no steps.
    """
    if warmup < 1:
        raise ValueError(f"inverse_sqrt: warmup must be at least 1, not {warmup}")
    return min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))


def cosine(step: int, steps: int, warmup: int = 0, floor: float = 0.0) -> float:
    """Up linearly over `warmup` steps to 1, then down half a cosine to `floor` at `steps`.

    (Loshchilov and Hutter 2017, eq. 5, without restarts.)
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return _half_cosine(1.0, floor, progress)


def one_cycle(step: int, steps: int, up: float = 0.3, start: float = 1 / 25, end: float = 1 / 250_000) -> float:
    """Up half a cosine from `start` to 1 over the share `up` of all steps, then down another to `end` at the last.

    (Smith and Topin 2018; the defaults are those of PyTorch's OneCycleLR, whose max_lr is the base rate here.)
    """
    peak, last = up * steps - 1, steps - 1
    if step < peak:
        return _half_cosine(start, 1.0, step / peak)
    return _half_cosine(1.0, end, min(1.0, (step - peak) / max(1e-9, last - peak)))


def piecewise(step: int, bounds: Sequence[int], parts: Sequence[float | Callable[[int], float]]) -> float:
    """`parts[0]` before step `bounds[0]`, then `parts[1]` until `bounds[1]` …, one part more than there are bounds.

    A part is a number, or a function of the steps since its own start: schedules one after the other.
    """
    if len(parts) != len(bounds) + 1 or list(bounds) != sorted(bounds):
        raise ValueError(f"piecewise: {len(bounds)} bounds, rising, want {len(bounds) + 1} parts, not {len(parts)}")
    i = bisect.bisect_right(bounds, step)
    part = parts[i]
    return part(step - (bounds[i - 1] if i else 0)) if callable(part) else part


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))


class Schedule:
    """Sets the rates of an optimiser: those it has now, times `function(step)`. Call `step()` after each of its own."""

    def __init__(self, optimizer: Optimizer, function: Callable[[int], float]):
        self.optimizer, self.function, self.steps = optimizer, function, 0
        self.rates = [group["lr"] for group in optimizer.groups]
        self._apply()

    def step(self) -> None:
        """Go on to the next step's rates."""
        self.steps += 1
        self._apply()

    def _apply(self) -> None:
        factor = self.function(self.steps)
        for group, rate in zip(self.optimizer.groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on from here, as `mg.save` takes it."""
        return {"steps": self.steps, "rates": list(self.rates)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the schedule that `state` came from was; its function is not part of it."""
        steps, self.rates = (np.asarray(state[name]).ravel().tolist() for name in ("steps", "rates"))
        self.steps = int(steps[0])
        self._apply()


class ReduceOnPlateau:
    """Multiplies an optimiser's rates by `factor` when a figure has not improved for more than `patience` steps.

    `step(figure)` is told the figure, a validation loss say; with `mode` "max" a larger one is better. Better is by
    more than the share `threshold` of the best so far. No rate falls below `min_lr`; for `cooldown` steps after a cut
    nothing is counted. As PyTorch's ReduceLROnPlateau.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        if mode not in ("min", "max") or not 0 < factor < 1:
            raise ValueError(f"ReduceOnPlateau: mode {mode!r} must be min or max, and factor {factor} between 0 and 1")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.cooldown, self.min_lr = threshold, cooldown, min_lr
        self.best = math.inf if mode == "min" else -math.inf
        self.bad = self.resting = 0  # steps without improvement, and steps left to cool down

    def step(self, figure: Any) -> None:
        """Take note of the figure, and cut the rates if it is time."""
        figure = float(figure)
        if self.mode == "min":
            better = figure < self.best * (1 - self.threshold)
        else:
            better = figure > self.best * (1 + self.threshold)
        if better:
            self.best, self.bad = figure, 0
        else:
            self.bad += 1
        if self.resting:
            self.resting, self.bad = self.resting - 1, 0
        if self.bad > self.patience:
            self.resting, self.bad = self.cooldown, 0
            for group in self.optimizer.groups:
                group["lr"] = min(group["lr"], max(group["lr"] * self.factor, self.min_lr))
