"""long-lag: sums and copies over long lags: the RNN fails, LSTM and GRU learn, the LSTM over more than 1,000 steps.

The adding problem: of many numbers two are marked, and their sum is asked at the end; to answer 1 always has a mean
squared error of 1/6 (Hochreiter and Schmidhuber 1997, experiment 4). The copy task: three symbols are to be written
again after a pause, of 1 to 100 steps in training, so that short ones are learned first. Recall: the first symbol is to
be told after 1,000 others. All learn by Adam at 0.01, the gradient's norm clipped to 1.

What makes the LSTM remember from the start is the bias b of its forget gate: it keeps σ(b) of its cell at each step, so
b = log T is a memory of about T steps. `chrono` draws b from log U(1, T - 1) (Tallec and Ollivier 2018, eq. 16).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg

from ..data.synthetic import SYMBOLS, Batch, adding_problem, copy_task, recall
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..plotting import panels, plot_bars
from ..systems import Figure, Lab, system
from ..training import Supervised

COUNT, KEPT = 3, 24  # symbols to be copied; symbols of which one is to be recalled


def end_loss(outputs: mg.Tensor, targets: Any) -> mg.Tensor:
    """The cross-entropy of the last steps, at which the copy is asked."""
    return mg.nn.cross_entropy(outputs[-COUNT:], targets[-COUNT:])


def copied(outputs: mg.Tensor, targets: Any) -> mg.Tensor:
    """The accuracy of the last steps."""
    return accuracy(outputs[-COUNT:], targets[-COUNT:])


class Problem(NamedTuple):
    """`without` is the figure of who remembers nothing, `goal` of who learns, `fails` of who does not."""

    make: Callable[..., Batch]
    sizes: tuple[int, int, int]  # hidden, outputs, steps of training
    judged: tuple[Any, Any]  # loss, metric
    measure: str
    without: float
    goal: tuple[str, float]
    fails: tuple[str, float]


ERROR, SHARE = (("<=", 0.01), (">=", 0.1)), ((">=", 0.99), ("<=", 0.5))
COPY, RECALL = partial(copy_task, count=COUNT), partial(recall, symbols=KEPT)
PROBLEMS = {
    "adding": Problem(adding_problem, (32, 1, 1000), (mg.nn.mse_loss, None), "squared error", 1 / 6, *ERROR),
    "copy": Problem(COPY, (64, SYMBOLS + 2, 1500), (end_loss, copied), "share right", 1 / SYMBOLS, *SHARE),
    "recall": Problem(RECALL, (32, KEPT, 1500), (mg.nn.cross_entropy, accuracy), "share right", 1 / KEPT, *SHARE),
}


@system(
    data="the adding problem, the copy task and recall, made exactly",
    merit="error and accuracy after long lags",
    seconds=170,
)
def run(lab: Lab) -> list[Figure]:
    def learn(what: str, cell: str, length: int, batch: int) -> float:
        """The figure of one cell, for sequences so long."""
        problem, copy = PROBLEMS[what], what == "copy"
        hidden, outputs, steps = problem.sizes
        test = problem.make(length, 512, lab.rng(length))
        bias = {"forget_bias": 5.0} if copy else {"chrono": length}
        recurrent = Recurrent(cell, test[0].shape[2], hidden, **(bias if cell == "lstm" else {}))

        def made(count: int, rng: np.random.Generator) -> Batch:
            return problem.make(int(rng.integers(1 if copy else length, length + 1)), count, rng)

        model, axis = SequenceModel(recurrent, outputs, last=not copy), (1, 1 if copy else 0)
        task = Supervised(model, made, test, *problem.judged, batch, lab.seed, axis)
        result = lab.train(task, f"{what} over {length:,}, {cell}", steps=lab.pick(steps, 5), lr=1e-2)
        return result.figures[task.metric]

    figures, bars = [], panels(4, size=(18, 4.5))
    lengths, batches = lab.pick((200, 100, 1000, 2200), (20, 10, 40, 60)), (32, 32, 32, 20)
    cells_of = ("rnn", "gru", "lstm"), ("rnn", "gru", "lstm"), ("rnn", "lstm"), ("rnn", "lstm")
    runs = zip(("adding", "copy", "recall", "adding"), lengths, cells_of, batches, bars, strict=True)
    for what, length, cells, batch, panel in runs:
        problem, found = PROBLEMS[what], {}
        for cell in cells:
            found[cell] = learn(what, cell, length, batch)
            (relation, least), why = (problem.fails, "it fails") if cell == "rnn" else (problem.goal, "the goal")
            name = f"{problem.measure}, {what} over {length:,} steps, {cell}"
            figures.append(Figure(name, found[cell], relation, least, f"{why} (without memory: {problem.without:.3g})"))
        plot_bars(found, panel, ("without memory", problem.without))
        panel.set(title=f"{what} over {length:,} steps", ylabel=problem.measure)
    lab.save("cells.png", bars[0], "how well each cell does at each problem")
    return figures
