"""Supervised: a model learns targets from inputs, by examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend
from minigrad.nn import Module

from ...cells import State
from ...evaluating import evaluating
from .base import Task

Arrays = tuple[np.ndarray, ...]
AT_ONCE = 256  # examples that are evaluated together


class Supervised(Task):
    """Examples in arrays (inputs …, targets …): the loss is the mean of `loss(model(*inputs), *targets)` over examples.

        images, classes = …  # (8, 1797, 8), time first, and (1797,)
        task = Supervised(model, (images, classes), held_out, mg.nn.cross_entropy, accuracy, axis=(1, 0))

    `loss` gives one number for each, or their mean; a mean over something else, as over the steps of sequences of
    several lengths (`sequence_loss`, but for its reduction "sequence"), depends on which are evaluated together.

    The first `inputs` of the arrays go into the model, the others into the loss. `axis` is that of the examples, one
    for all arrays or one for each, and `outputs_axis` that in the outputs (None: that of the first target). Each pass
    takes the examples of `train` in an order of its own, drawn from the seed, those that fill no batch left out;
    `train` may also be a function (count, generator) -> arrays, which makes each batch anew. `validation` is of arrays
    alike. `metric(outputs, *targets)` gives numbers whose mean is the figure, more of it being better unless
    `maximise` is False; its name is the function's, of a `functools.partial` that of what it calls, and else of its
    type. Without one the figure is the loss.
    """

    unit = "example"

    def __init__(
        self,
        model: Module,
        train: Arrays | Callable[[int, np.random.Generator], Arrays],
        validation: Arrays,
        loss: Callable[..., mg.Tensor],
        metric: Callable[..., mg.Tensor] | None = None,
        batch: int = 32,
        seed: int = 0,
        axis: int | tuple[int, ...] = 0,
        inputs: int = 1,
        maximise: bool = True,
        outputs_axis: int | None = None,
    ):
        self.model, self.train, self.validation, self.seed, self.inputs = model, train, validation, seed, inputs
        self.compare, self.measure, self.outputs_axis = loss, metric, outputs_axis
        self.axes = (axis,) * len(validation) if isinstance(axis, int) else axis
        self.validation_rows = self._count(validation)
        if not callable(train):
            examples = self._count(train)
            self.rows = min(batch, examples)
            self.epoch = examples // self.rows
        else:
            self.rows = batch
        if metric:
            self.metric, self.maximise = _name(metric), maximise

    def _count(self, arrays: Arrays) -> int:
        counts = {array.shape[axis] for array, axis in zip(arrays, self.axes, strict=True)}
        if len(counts) != 1 or 0 in counts:
            raise ValueError(
                f"arrays of {' and '.join(map(str, sorted(counts)))} examples (axes {self.axes}) do not go together: "
                "give as many in each, and at least one"
            )
        return counts.pop()

    def _chosen(self, arrays: Arrays, rows: Any) -> tuple[Any, ...]:
        """The examples `rows` of arrays, on the current backend."""
        asarray = current_backend().asarray
        return tuple(asarray(array[(slice(None),) * axis + (rows,)]) for array, axis in zip(arrays, self.axes))

    def _rng(self, number: int) -> np.random.Generator:
        """Random numbers that nothing else draws from the same seed."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(number,)))

    def batch(self, step: int, rows: slice) -> tuple[Any, ...]:
        if callable(self.train):
            return self._chosen(self.train(self.rows, self._rng(step)), rows)
        assert self.epoch
        epoch, number = divmod(step, self.epoch)
        order = self._rng(epoch).permutation(self._count(self.train))
        return self._chosen(self.train, order[number * self.rows :][: self.rows][rows])

    def loss(self, batch: tuple[Any, ...], state: State) -> tuple[mg.Tensor, int, State]:
        outputs = self.model(*batch[: self.inputs])
        return self.compare(outputs, *batch[self.inputs :]).mean(), batch[0].shape[self.axes[0]], None

    def predict(self, arrays: Arrays | None = None) -> np.ndarray:
        """The model's outputs for the examples of `arrays` (those of the validation), as it is used: no dropout.

        (…, N, …), with the examples on `outputs_axis`.
        """
        arrays = self.validation if arrays is None else arrays
        axes, inputs = self.axes[: self.inputs], arrays[: self.inputs]
        firsts = range(0, arrays[0].shape[axes[0]], AT_ONCE)
        with evaluating(self.model):
            found = [self.model(*self._chosen(inputs, slice(first, first + AT_ONCE))).numpy() for first in firsts]
        return np.concatenate(found, axis=self.axes[self.inputs] if self.outputs_axis is None else self.outputs_axis)

    def evaluate(self, rows: slice) -> np.ndarray:
        sums = np.zeros(4)
        with evaluating(self.model):
            for first in range(rows.start, rows.stop, AT_ONCE):
                batch = self._chosen(self.validation, slice(first, min(first + AT_ONCE, rows.stop)))
                outputs, targets = self.model(*batch[: self.inputs]), batch[self.inputs :]
                count = batch[0].shape[self.axes[0]]
                sums += [self.compare(outputs, *targets).mean().item() * count, count, 0, 0]
                if self.measure:
                    scores = self.measure(outputs, *targets)
                    sums += [0, 0, scores.sum().item(), scores.size]
        return sums

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        figures = {"loss": float(sums[0] / sums[1])}
        return figures | ({self.metric: float(sums[2] / sums[3])} if self.measure else {})


def _name(metric: Any) -> str:
    while isinstance(metric, partial):
        metric = metric.func
    return str(getattr(metric, "__name__", type(metric).__name__))
