"""Systems that have inputs and outputs, to be learned from these, and inputs to find out what they do."""

from __future__ import annotations

import numpy as np


def schmitt_trigger(xs: np.ndarray, low: float = -0.5, high: float = 0.5) -> np.ndarray:
    """A switch with hysteresis: on (1) from above `high` until below `low`, and off (0) at first; (time, …) float32.

    (Schmitt 1938.) Between the two it stays as it was: y_t depends on x_t and y_{t-1} alone.
    """
    ys = np.zeros(xs.shape, "float32")
    on = np.zeros(xs.shape[1:], bool)
    for t, x in enumerate(xs):
        on = (x > high) | (on & (x >= low))
        ys[t] = on
    return ys


def narendra_plant(inputs: np.ndarray) -> np.ndarray:
    """The outputs (time, …) of a nonlinear plant for `inputs` u (time, …), at rest before; float32.

    y_t = (y_{t-1} y_{t-2} y_{t-3} u_{t-1} (y_{t-3} - 1) + u_t) / (1 + y_{t-2}² + y_{t-3}²): example 4 of Narendra and
    Parthasarathy 1990, whose y(k + 1) and u(k) are y_t and u_t here.
    """
    us = np.concatenate([np.zeros((3, *inputs.shape[1:])), inputs])
    ys = np.zeros(us.shape)
    for t in range(3, len(us)):
        a, b, c = ys[t - 1], ys[t - 2], ys[t - 3]
        ys[t] = (a * b * c * us[t - 1] * (c - 1) + us[t]) / (1 + b**2 + c**2)
    return ys[3:].astype("float32")


def held_levels(length: int, batch: int, rng: np.random.Generator | int = 0, change: float = 0.25) -> np.ndarray:
    """Inputs to find out what a plant does: levels uniform in [-1, 1), (length, batch), held for 1 / `change` steps.

    That is the mean: at each step the level changes with that probability.
    """
    rng = np.random.default_rng(rng)
    levels, changes = rng.uniform(-1, 1, (length, batch)), rng.random((length, batch)) < change
    since = np.maximum.accumulate(np.where(changes, np.arange(length)[:, None], 0))
    return np.take_along_axis(levels, since, axis=0)


def two_sines(length: int = 800) -> np.ndarray:
    """What Narendra and Parthasarathy 1990 test their plant with: a sine, and from step 500 on the sum of two."""
    t = np.arange(length)
    slow, fast = np.sin(2 * np.pi * t / 250), np.sin(2 * np.pi * t / 25)
    return np.where(t < 500, slow, 0.8 * slow + 0.2 * fast)


def drifting(length: int, batch: int, rng: np.random.Generator | int = 0, keep: float = 0.95) -> np.ndarray:
    """Inputs that drift about 0 with a variance of 1: x_t = keep · x_{t-1} + normal noise; (length, batch) float32.

    Raises ValueError unless `keep` is from -1 to 1: beyond, no noise makes the variance 1.
    """
    if not -1 <= keep <= 1:
        raise ValueError(f"keep must be from -1 to 1, not {keep}")
    xs = np.random.default_rng(rng).normal(size=(length, batch))
    for t in range(1, length):
        xs[t] = keep * xs[t - 1] + (1 - keep**2) ** 0.5 * xs[t]
    return xs.astype("float32")
