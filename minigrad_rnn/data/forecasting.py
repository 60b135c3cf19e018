"""Forecasts of series: splits in order of time, numbers to a scale, and what every model must be set beside.

A series is (time, feature), windows of it (time, N, feature), time first as everywhere.
"""

from __future__ import annotations

import itertools
from typing import Any, Self

import numpy as np

from minigrad.errors import ShapeError

from .errors import DataError


def rolling(count: int, folds: int, first: float = 0.5) -> list[tuple[int, int]]:
    """Where to cut `count` steps into `folds`: (cut, end) of each, to train on all before `cut`, and test up to `end`.

    The first cut leaves a share of `first` to train on; the tests follow each other, as long as each other but for a
    step, and go to the end: what is trained never sees what comes after (Tashman 2000, "rolling origin"). Raises
    ValueError for less than one fold, or a share that is not above 0 and below 1, and DataError where there are too few
    steps.
    """
    if folds < 1 or not 0 < first < 1:
        raise ValueError(f"give at least 1 fold, and a first share above 0 and below 1, not {folds} and {first}")
    cuts = (np.linspace(first * count, count, folds + 1) + 1e-9).astype(int)  # 0.29 · 100 is 29
    if cuts[0] < 2 or (np.diff(cuts) < 1).any():
        raise DataError(f"a series of {count} steps cannot be cut into {folds} folds: give a longer one")
    return [(int(cut), int(end)) for cut, end in itertools.pairwise(cuts)]


class Scale:
    """To a mean of 0 and a deviation of 1, feature by feature, as they are of `series`: of what is trained on, alone.

    The series are (…, feature). A feature that is the same throughout has a deviation of 1. Raises DataError for an
    empty series, and ShapeError for one without an axis of features.
    """

    def __init__(self, series: np.ndarray):
        series = _with_features(series)
        if not series.size:
            raise DataError("a series without numbers has no scale: give a longer one")
        series = series.reshape(-1, series.shape[-1])
        # Not by its deviation: rounded, that of what stays the same may be above 0.
        changes = series.max(axis=0) > series.min(axis=0)
        self.mean, self.deviation = series.mean(axis=0), np.where(changes, series.std(axis=0), 1.0)

    def __call__(self, series: np.ndarray) -> np.ndarray:
        """Numbers (…, feature) of the series -> scaled ones, float32."""
        return ((series - self.mean) / self.deviation).astype("float32")

    def back(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled numbers -> those of the series, float64."""
        return scaled.astype("float64") * self.deviation + self.mean


def _with_features(series: Any) -> np.ndarray:
    series = np.asarray(series)
    if series.ndim < 2:
        raise ShapeError(f"a series is (…, feature), not {series.shape}: give series[:, None] of a single feature")
    return series


def sliding_windows(series: np.ndarray, length: int, stride: int = 1) -> np.ndarray:
    """All windows of `length` steps, one every `stride`: (time, feature) -> (length, N, feature), in order of time.

    Raises ValueError for a length or a stride below 1, and DataError for a series that is shorter than the length.
    """
    if length < 1 or stride < 1:
        raise ValueError(f"length and stride must be at least 1, not {length} and {stride}")
    series = np.asarray(series)
    if len(series) < length:
        raise DataError(f"a series of {len(series)} steps has no window of {length}: give a longer one")
    starts = np.arange(0, len(series) - length + 1, stride)
    return series[np.arange(length)[:, None] + starts]


def persistence(past: np.ndarray, steps: int) -> np.ndarray:
    """It stays as it is: the last of `past` (time, N, feature), `steps` times. Raises DataError without a past."""
    if not len(past):
        raise DataError("persistence repeats the last of the past, and was given none")
    return np.repeat(past[-1:], steps, axis=0)


class LinearAutoregression:
    """y_t = b + Σ_{k=1..K} y_{t-k} A_k + Σ_{k=0..L} x_{t-k} B_k, fitted by least squares: what NARX is without φ.

    `xs` are the exogenous inputs (time, input), none of them where input is 0, and `ys` the outputs (time, output); L
    is `input_taps`, K `output_taps`. `weights` has the rows b, A_1 … A_K, B_0 … B_L. Raises ValueError for L below 0
    or K below 1, ShapeError for series without an axis of features, and DataError for series that are not as long as
    each other, or shorter than max(K, L) + 1.
    """

    def __init__(self, xs: np.ndarray, ys: np.ndarray, input_taps: int = 0, output_taps: int = 1):
        if input_taps < 0 or output_taps < 1:
            raise ValueError(f"give at least 0 input taps and 1 output tap, not {input_taps} and {output_taps}")
        xs, ys = _with_features(xs), _with_features(ys)
        if len(xs) != len(ys):
            raise DataError(f"inputs of {len(xs)} steps do not go with outputs of {len(ys)}")
        self.input_taps, self.output_taps = input_taps, output_taps
        length = max(input_taps, output_taps) + 1
        inputs, outputs = sliding_windows(xs.astype("float64"), length), sliding_windows(ys.astype("float64"), length)
        self.weights = np.linalg.lstsq(self._regressors(inputs, outputs[:-1]), outputs[-1], rcond=None)[0]

    @classmethod
    def univariate(cls, ys: np.ndarray, order: int) -> Self:
        """y_t from the `order` before it, nothing else."""
        return cls(_with_features(ys)[:, :0], ys, output_taps=order)

    def _regressors(self, xs: np.ndarray, past: np.ndarray) -> np.ndarray:
        """[1, y_{t-1} … y_{t-K}, x_t … x_{t-L}] of the step after `past`, the last of `xs`: (N, 1 + …)."""
        delayed = [past[-k] for k in range(1, self.output_taps + 1)] + [xs[-1 - k] for k in range(self.input_taps + 1)]
        return np.concatenate([np.ones((past.shape[1], 1)), *delayed], axis=1)

    def forecast(self, xs: np.ndarray, past: np.ndarray) -> np.ndarray:
        """The outputs after `past` (time, N, output), at each step for which `xs` (time + steps, N, input) goes on.

        Each is fed back into those after it: (steps, N, output), float64. One step is the forecast from the true past.
        Raises DataError for a past shorter than max(K, L), or inputs that do not go on after it.
        """
        if not max(self.output_taps, self.input_taps) <= len(past) < len(xs):
            raise DataError(
                f"a forecast of {self.output_taps} output taps and {self.input_taps} input taps cannot go on from "
                f"{len(past)} past steps with inputs of {len(xs)}: give a past as long as the taps, and longer inputs"
            )
        ys = list(past.astype("float64"))
        for t in range(len(past), len(xs)):
            ys.append(self._regressors(xs[: t + 1], np.stack(ys[-self.output_taps :])) @ self.weights)
        return np.stack(ys[len(past) :])
