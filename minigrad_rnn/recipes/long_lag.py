"""long-lag: sums and copies over long lags: the RNN fails, LSTM and GRU learn, the LSTM over more than 1,000 steps.

The adding problem: of many numbers two are marked, and their sum is asked at the end; to answer 1 always has a mean
squared error of 1/6 (Hochreiter and Schmidhuber 1997, experiment 4). The copy task: three symbols are to be written
again after a pause, of 1 to 100 steps in training, so that short ones are learned first. Recall: the first symbol is to
be told after 1,000 others. All learn by Adam at 0.01, with the gradient's norm clipped to 1.

What makes the LSTM remember from the start is the bias b of its forget gate: it keeps σ(b) of its cell at each step, so
b = log T is a memory of about T steps. `chrono` draws b from log U(1, T - 1) (Tallec and Ollivier 2018, eq. 16).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg

from ..data import synthetic
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..plotting import axes, panels, plot_bars
from ..systems import Figure, Lab, system
from ..training import Supervised

COUNT = 3  # symbols to be copied


class Copier(SequenceModel):
    """Its outputs are those of the last steps, at which the copy is asked: (COUNT, batch, outputs)."""

    def forward(self, xs: Any, lengths: Any = None) -> mg.Tensor:
        return super().forward(xs, lengths)[-COUNT:]


def copies(length: int, count: int, rng: Any) -> synthetic.Batch:
    """The copy task, of whose targets there are those of the last steps only: (COUNT, batch)."""
    inputs, symbols = synthetic.copy_task(length, count, rng, COUNT)
    return inputs, symbols[-COUNT:]


class Problem(NamedTuple):
    """How its sequences are made, the sizes of its model, its loss and its figure, and what the LSTM starts with."""

    make: Callable[[int, int, Any], synthetic.Batch]
    inputs: int
    hidden: int
    outputs: int
    loss: Callable[..., mg.Tensor]
    metric: Callable[..., mg.Tensor] | None
    options: Callable[[int], dict[str, Any]]


PROBLEMS = {
    "adding": Problem(synthetic.adding_problem, 2, 32, 1, mg.nn.mse_loss, None, lambda T: {"chrono": T}),
    "copy": Problem(copies, 10, 64, 10, mg.nn.cross_entropy, accuracy, lambda T: {"forget_bias": 5.0}),
    "recall": Problem(synthetic.recall, 16, 32, 8, mg.nn.cross_entropy, accuracy, lambda T: {"chrono": T}),
}


@system(
    data="the adding problem, the copy task and recall, made exactly",
    merit="error and accuracy after long lags",
    seconds=150,
)
def run(lab: Lab) -> list[Figure]:
    def learn(what: str, cell: str, length: int, steps: int, batch: int = 32) -> tuple[Supervised, float]:
        """The task and the figure of one cell, for sequences so long."""
        problem, copy = PROBLEMS[what], what == "copy"
        options = problem.options(length) if cell == "lstm" else {}
        recurrent = Recurrent(cell, problem.inputs, problem.hidden, **options)
        model = (Copier if copy else SequenceModel)(recurrent, problem.outputs, last=not copy)
        task = Supervised(
            model,
            lambda count, rng: problem.make(int(rng.integers(1 if copy else length, length + 1)), count, rng),
            problem.make(length, 512, lab.rng(length)),
            problem.loss,
            problem.metric,
            batch,
            lab.seed,
            axis=(1, 1 if copy else 0),
        )
        result = lab.train(task, f"{what} over {length:,}, {cell}", steps=lab.pick(steps, 5), lr=1e-2)
        return task, result.figures[task.metric]

    length, pause, lag, far = lab.pick((200, 100, 1000, 2200), (20, 10, 40, 60))
    added = {cell: learn("adding", cell, length, 1000)[1] for cell in ("rnn", "gru", "lstm")}
    copied = {cell: learn("copy", cell, pause, 1500)[1] for cell in ("rnn", "gru", "lstm")}
    recalled = {cell: learn("recall", cell, lag, 1500)[1] for cell in ("rnn", "lstm")}
    distant = {cell: learn("adding", cell, far, 1000, 20) for cell in ("rnn", "lstm")}

    titles = f"adding over {length} steps", f"copying over {pause}", f"recall over {lag:,}"
    plots = panels(3, "", "", titles)
    plot_bars(added, plots[0], ("always 1", 1 / 6)).set_ylabel("mean squared error")
    plot_bars(copied, plots[1], ("chance", 1 / 8)).set_ylabel("share of right symbols")
    plot_bars(recalled, plots[2], ("chance", 1 / 8)).set_ylabel("share of right symbols")
    lab.save("cells.png", plots[0], "how well each cell does at each problem")
    plot = axes("steps since the first marked number", "error of the sum", f"adding over {far:,} steps")
    for cell, (task, _) in distant.items():
        inputs, sums = task.validation
        plot.scatter(far - inputs[..., 1].argmax(axis=0), np.abs(task.predict() - sums), s=8, label=cell)
    plot.legend(frameon=False)
    lab.save("distance.png", plot, "the error of each sum, by how long its first number had to be remembered")
    figures = []
    for cell in ("lstm", "gru"):
        figures += [
            Figure(f"squared error, adding over {length} steps, {cell}", added[cell], "<=", 0.01, "the goal"),
            Figure(f"share of symbols copied over {pause} steps, {cell}", copied[cell], ">=", 0.99, "the goal"),
        ]
    return [
        *figures,
        Figure(
            f"squared error, adding over {length} steps, rnn", added["rnn"], ">=", 0.1, "it fails (always 1: 0.167)"
        ),
        Figure(
            f"share of symbols copied over {pause} steps, rnn", copied["rnn"], "<=", 0.5, "it fails (chance: 0.125)"
        ),
        Figure(f"share of symbols recalled after {lag:,} steps, lstm", recalled["lstm"], ">=", 0.99, "the goal"),
        Figure(f"share of symbols recalled after {lag:,} steps, rnn", recalled["rnn"], "beside", 1 / 8, "chance"),
        Figure(f"squared error, adding over {far:,} steps, lstm", distant["lstm"][1], "<=", 0.01, "the goal"),
        Figure(f"squared error, adding over {far:,} steps, rnn", distant["rnn"][1], ">=", 0.1, "it fails"),
    ]
