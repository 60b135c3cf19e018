"""teacher-forcing: in training the decoder reads the truth, in use what it wrote itself.

    s_t = GRU(y'_{t-1}, s_{t-1})      y_t = V s_t + c      y' = the truth (teacher forcing) or the y before

Fed with the truth a network learns to go on from right values; left alone it goes on from its own, which it has never
seen, and errors grow. Scheduled sampling (Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4) tosses a coin for each
step: the truth with probability ε_i at update i, which falls from 1 to 0. Here outputs are numbers, so gradients pass
through them. The task: to read ten values of a noisy sine of unknown frequency and phase, and write the next thirty.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Module

from ..data import read_numbers
from ..evaluating import evaluating
from ..metrics import squared_error
from ..plotting import panels
from ..seq2seq import Seq2Seq, inverse_sigmoid_decay, linear_decay
from ..systems import Figure, Lab, system
from ..training import Supervised

READ, WRITE = 10, 30  # steps
NOISE = 0.05  # standard deviation
HELD = 300  # sequences
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


class Writer(Module):
    """Reads the truth with the probability `schedule(update)` in training, and its own outputs in use."""

    def __init__(self, schedule: Callable[[int], float], hidden: int):
        self.schedule, self.updates = schedule, 0
        self.seq2seq = Seq2Seq(
            "gru", Linear(1, 16), Linear(1, 16), 16, hidden, feed_context=False, output=Linear(hidden, 1)
        )

    def forward(self, read: mg.Tensor, truth: mg.Tensor) -> mg.Tensor:
        probability = self.schedule(self.updates) if self.training else 0.0
        self.updates += self.training
        return self.seq2seq(read, truth, teacher_forcing=probability)


def sines(count: int, rng: np.random.Generator) -> Arrays:
    """What is read (10, count, 1) of noisy sines, and twice what comes after, (30, count, 1)."""
    angles = rng.uniform(0.2, 0.6, count) * np.arange(READ + WRITE)[:, None] + rng.uniform(0, 2 * np.pi, count)
    values = np.sin(angles) + rng.normal(0, NOISE, angles.shape)
    return _parted(values)


def _parted(values: np.ndarray) -> Arrays:
    values = values[..., None].astype("float32")
    return values[:READ], values[READ:], values[READ:]  # the model reads the truth, and the loss does


@system(
    data="noisy sines, made",
    merit="squared error of thirty values written without the truth, for each way of training",
    seconds=20,
    takes="a CSV file with a column of numbers: a series, of which pieces are gone on with",
)
def run(lab: Lab) -> list[Figure]:
    train: Callable[[int, np.random.Generator], Arrays] = sines
    held = sines(lab.pick(HELD, 20), lab.rng(1))
    if lab.data is not None:
        series = read_numbers(lab.data, columns=1, least=10 * (READ + WRITE))[:, 0]
        windows = np.lib.stride_tricks.sliding_window_view(series, READ + WRITE)
        cut = len(series) * 4 // 5
        learned = windows[: cut - READ - WRITE]  # what is held out has no value in common with them
        mean, spread = series[:cut].mean(), series[:cut].std() or 1.0
        held = _parted((windows[cut:][:HELD].T - mean) / spread)

        def train(count: int, rng: np.random.Generator) -> Arrays:
            return _parted((learned[rng.integers(len(learned), size=count)].T - mean) / spread)

    steps, hidden = lab.pick(300, 3), lab.pick(32, 8)
    ways: dict[str, Callable[[int], float]] = {
        "the truth": lambda i: 1.0,
        "linear decay": lambda i: linear_decay(i, c=1 / steps),
        "inverse sigmoid decay": lambda i: inverse_sigmoid_decay(i, max(1.0, steps / 10)),
        "its own output": lambda i: 0.0,
    }
    schedules, one, errors = panels(
        3, "update", "", ["probability of the truth", "one of them", "left alone"], (16, 4.5)
    )
    one.set(xlabel="step", ylabel="value")
    errors.set(xlabel="steps written", ylabel="mean squared error")
    one.plot(held[1][:, 0, 0], color="black", linewidth=3, alpha=0.3, label="truth")
    alone, forced = {}, {}
    for name, schedule in ways.items():
        mg.seed(lab.seed)
        model = Writer(schedule, hidden)
        task = Supervised(
            model, train, held, mg.nn.mse_loss, squared_error, 32, lab.seed, axis=1, inputs=2, maximise=False
        )
        alone[name] = lab.train(task, name, steps=steps, lr=5e-3).figures["squared_error"]
        with evaluating(model):
            ahead = model.seq2seq(*map(mg.tensor, held[:2])).numpy()
        forced[name] = float(np.mean((ahead - held[1]) ** 2))
        written = task.predict()
        schedules.plot([schedule(i) for i in range(steps)], label=name)
        one.plot(written[:, 0, 0], label=name)
        errors.plot(np.arange(1, WRITE + 1), np.mean((written - held[1]) ** 2, axis=(1, 2)), label=name)
    schedules.legend(frameon=False, fontsize="small")
    lab.save("free.png", schedules, "the schedules, one sequence written without the truth, and the error by step")
    asked = "<" if lab.data is None else "beside"
    one_step, worst, against = forced["the truth"], alone.pop("the truth"), "trained on the truth"
    return [
        *[Figure(f"error left alone, {name}", error, asked, worst, against) for name, error in alone.items()],
        Figure("error one step ahead, trained on the truth", one_step, asked, worst, "the same left alone"),
    ]
