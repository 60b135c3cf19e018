"""Made sequences: numbers or classes, at every step or at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend
from minigrad.nn import Dropout, Linear, Module

from ...cells import State
from ...data import synthetic
from ...evaluating import evaluating
from ...layers import Recurrent
from ..config import Config
from .base import Task

Make = Callable[[int, int, np.random.Generator], synthetic.Batch]
VALIDATION_ROWS = 512


class Made(NamedTuple):
    """A function that makes batches, how its outputs are trained, and the size of one."""

    make: Make
    loss: Callable[..., mg.Tensor]
    outputs: int = 1


TASKS = {
    "adding-problem": Made(synthetic.adding_problem, mg.nn.mse_loss),
    "copy-task": Made(synthetic.copy_task, mg.nn.cross_entropy, synthetic.SYMBOLS + 2),
    "parity": Made(synthetic.parity, mg.nn.bce_with_logits),
    "binary-addition": Made(synthetic.binary_addition, mg.nn.bce_with_logits),
    "running-sum": Made(synthetic.running_sum, mg.nn.mse_loss),
    "which-is-larger": Made(synthetic.which_is_larger, mg.nn.bce_with_logits),
}


class SequenceModel(Module):
    """Recurrent layers and a linear one: sequences (time, batch, feature) -> outputs (time, batch, outputs)."""

    def __init__(self, inputs: int, outputs: int, config: Config):
        self.recurrent = Recurrent(
            config.cell,
            inputs,
            config.hidden,
            config.layers,
            dropout=config.dropout,
            dtype=config.dtype,
            **config.options,
        )
        self.dropout = Dropout(config.output_dropout)
        self.head = Linear(self.recurrent.output_size, outputs, dtype=config.dtype)

    def forward(self, xs: Any, last: bool = False) -> mg.Tensor:
        """The outputs of all steps; with `last` (batch, outputs), those after the last alone."""
        hidden, _ = self.recurrent(xs)
        return self.head(self.dropout(hidden[-1] if last else hidden))


class Sequences(Task):
    """Sequences of `length` made anew for each batch, from the seed and the batch's number.

    Judged on 512 others: a squared error, or an accuracy (the share of right answers over all steps that are asked).
    """

    unit = "sequence"
    model: SequenceModel

    def __init__(self, config: Config):
        self.made = TASKS[config.kind]
        self.kind, self.length, self.rows, self.seed = config.kind, config.length, config.batch, config.seed
        self.dtype = config.dtype
        self.validation_rows = VALIDATION_ROWS
        self.metric = "loss" if self.made.loss is mg.nn.mse_loss else "accuracy"
        self.maximise = self.metric == "accuracy"
        inputs, targets = self.made.make(self.length, 1, np.random.default_rng(0))
        self.last = inputs.ndim == 3 and len(targets) != len(inputs)  # one answer for the whole sequence
        self.model = SequenceModel(inputs.shape[2], self.made.outputs, config)

    def batch(self, step: int, rows: slice) -> tuple[Any, Any]:
        return self._draw([self.seed, 0, step], self.rows, rows)

    def _draw(self, seed: list[int], count: int, rows: slice) -> tuple[Any, Any]:
        inputs, targets = self.made.make(self.length, count, np.random.default_rng(seed))
        targets = targets[rows] if self.last else targets[:, rows]
        if targets.dtype.kind == "f":
            targets = targets.astype(self.dtype)
        asarray = current_backend().asarray
        return asarray(inputs[:, rows].astype(self.dtype)), asarray(targets)

    def loss(self, batch: tuple[Any, Any], state: State) -> tuple[mg.Tensor, int, State]:
        inputs, targets = batch
        outputs = self.model(inputs, self.last)
        return self.made.loss(outputs, targets), inputs.shape[1], None

    def evaluate(self, rows: slice) -> np.ndarray:
        batch = self._draw([self.seed, 1], VALIDATION_ROWS, rows)
        with evaluating(self.model):
            loss, count, _ = self.loss(batch, None)
            right = 0.0
            if self.maximise:
                outputs, targets = self.model(batch[0], self.last), mg.tensor(batch[1])
                answers = mg.argmax(outputs, axis=-1) if self.made.outputs > 1 else outputs > 0
                right = (answers == targets).mean().item()
        return np.array([loss.item() * count, right * count, count])

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        figures = {"loss": float(sums[0] / sums[2])}
        return figures | ({"accuracy": float(sums[1] / sums[2])} if self.maximise else {})

    def describe(self) -> str:
        return f"the task {self.kind}, {self.length} long, made anew for each batch"
