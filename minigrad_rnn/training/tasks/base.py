"""Task: a model, the data that it learns, and how well it does."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Module

from ...cells import State


class Task:
    """Base of what `fit` trains. A subclass sets `model`, and writes `batch` and `loss`; the rest where there is more:

        class Adding(mr.training.Task):
            rows = 32

            def __init__(self):
                self.model = mr.SequenceModel(mr.LSTM(2, 64), outputs=1, last=True)

            def batch(self, step, rows):
                xs, ys = synthetic.adding_problem(100, self.rows, np.random.default_rng(step))
                return xs[:, rows], ys[rows]

            def loss(self, batch, state):
                xs, ys = batch
                return mg.nn.mse_loss(self.model(xs), ys), len(ys), None

    What is trained are the parameters of `model`: a head beside it is not.

    `rows` is the number of sequences in a batch, `epoch` the number of batches in a pass through the data (None: there
    is no end to them). `validation_rows` are the sequences to validate on. `metric` is the figure, of `figures`, that
    says how good a model is, and `maximise` if more is better; `unit` is what is counted, for throughput. `digest` is
    of the data, where they can change: with others no run goes on.
    """

    model: Module
    rows: int = 1
    epoch: int | None = None
    validation_rows: int = 0
    metric: str = "loss"
    maximise: bool = False
    unit: str = "step"
    digest: str = ""
    carry: bool = False  # does a batch begin with the state that the one before it ended in, within a pass

    def batch(self, step: int, rows: slice) -> Any:
        """The sequences `rows` of batch `step`, from 0: always the same. What `loss` takes."""
        raise TypeError(f"{type(self).__name__} has no batch(): write batch(self, step, rows)")

    def loss(self, batch: Any, state: State) -> tuple[mg.Tensor, int, State]:
        """The mean loss over a batch that starts with `state`, over how many it is the mean, and the state after it."""
        raise TypeError(f"{type(self).__name__} has no loss(): write loss(self, batch, state)")

    def evaluate(self, rows: slice) -> np.ndarray:
        """Sums over the validation sequences `rows`, of which `figures` makes figures: numbers that may be added."""
        raise TypeError(f"{type(self).__name__} has no evaluate(): write it, or set validation_rows = 0")

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """Figures by name, of the sums of all validation sequences."""
        raise TypeError(f"{type(self).__name__} has no figures(): write it, or set validation_rows = 0")

    def sample(self, length: int) -> str:
        """Something that the model makes, to look at; "" if there is nothing."""
        return ""

    def describe(self) -> str:
        """The data in a line."""
        return type(self).__name__

    def metadata(self) -> dict[str, str]:
        """What a file of the model's weights needs beside them."""
        return {"kind": f"minigrad-rnn {type(self).__name__}"}


def perplexity(nats: float) -> float:
    """exp of a mean -ln p; infinite where it overflows."""
    return math.exp(nats) if nats < 700 else math.inf


def digest_of(text: str) -> str:
    """A text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
