"""Made sequences: numbers or classes, at every step or at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import minigrad as mg

from ...data import synthetic
from ...layers import Recurrent
from ...metrics import accuracy
from ...models import SequenceModel
from ..config import Config
from .supervised import Supervised

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


class Sequences(Supervised):
    """Sequences of `length` made anew for each batch, from the seed and the batch's number.

    Judged on 512 others: a squared error, or an accuracy (the share of right answers over all steps that are asked).
    """

    unit = "sequence"

    def __init__(self, config: Config):
        made = TASKS[config.kind]
        self.kind, self.length = config.kind, config.length

        def make(count: int, rng: np.random.Generator) -> synthetic.Batch:
            inputs, targets = made.make(config.length, count, rng)
            return inputs.astype(config.dtype), targets.astype(config.dtype) if targets.dtype.kind == "f" else targets

        inputs, targets = make(1, np.random.default_rng(0))
        last = len(targets) != len(inputs)  # one answer for the whole sequence
        recurrent = Recurrent(
            config.cell,
            inputs.shape[2],
            config.hidden,
            config.layers,
            dropout=config.dropout,
            dtype=config.dtype,
            **config.options,
        )
        super().__init__(
            SequenceModel(recurrent, made.outputs, last, config.output_dropout),
            make,
            make(VALIDATION_ROWS, np.random.default_rng([config.seed, 1])),
            made.loss,
            None if made.loss is mg.nn.mse_loss else accuracy,
            config.batch,
            config.seed,
            axis=(1, 0 if last else 1),
        )

    def describe(self) -> str:
        return f"the task {self.kind}, {self.length} long, made anew for each batch"
