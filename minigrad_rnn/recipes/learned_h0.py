"""learned-h0: the state before the first step is a parameter, and is learned like all others.

    h_t = tanh(U x_t + W h_{t-1})        o_t = V h_t + c        h_{-1} = 0, or learned by ∂L/∂h_{-1}

The gradient of h_{-1} is what is left at the end of backpropagation through time, summed over the batch. The task:
sequences that all begin at the same place of a curve, seen through noise; what is its next value? Without biases in the
recurrence, what the net knows before it has read anything is h_{-1} alone: from zeros it must first find out where on
the curve it is.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..data.series import column
from ..layers import Recurrent
from ..metrics import squared_error
from ..models import SequenceModel
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Supervised

STEPS, PERIOD, NOISE, EARLY = 36, 12, 0.5, 3


@system(
    data="a sine wave that begins as it passes 0, and noise",
    merit="squared error of the first steps, with h_{-1} learned and with zeros",
    seconds=4,
    takes="a CSV file with a column of at least 10 numbers, in order of time: the curve",
)
def run(lab: Lab) -> list[Figure]:
    curve = np.sin(2 * np.pi * np.arange(STEPS + 1) / PERIOD) if lab.data is None else column(lab.data, 10)[: 2 * STEPS]
    curve = (curve - curve.mean()) / curve.std()

    def examples(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The curve through noise, and the next value of the curve itself, both (time, count, 1)."""
        clean = np.repeat(curve[:, None, None].astype("float32"), count, axis=1)
        return clean[:-1] + rng.normal(0, NOISE, clean[1:].shape).astype("float32"), clean[1:]

    test = examples(512, lab.rng(1))
    plot = axes("time step", "squared error (variance of the curve: 1)", "the next value of a curve, through noise")
    errors = []
    for learned, name in ((True, "h_{-1} learned"), (False, "h_{-1} = 0")):
        model = SequenceModel(Recurrent("rnn", 1, 24, bias=False, learned_state=learned), 1)
        task = Supervised(model, examples, test, mg.nn.mse_loss, squared_error, 64, lab.seed, axis=1, maximise=False)
        lab.train(task, name, steps=lab.pick(500, 5), lr=1e-2)
        by_step = np.square(task.predict() - test[1]).mean(axis=(1, 2))
        plot.plot(by_step, "o-", label=name.replace("h_{-1}", "h₋₁"))
        errors.append(by_step)
    plot.set(yscale="log")
    lab.save("errors.png", plot, "the error at each step")

    layer = Recurrent("rnn", 1, 2, bias=False, learned_state=True, dtype="float64")
    xs = mg.tensor(lab.rng(2).normal(size=(3, 1, 1)))

    def loss(first: np.ndarray | None = None) -> mg.Tensor:
        """That of the learned first state, or of another."""
        return mg.square(layer(xs, None if first is None else mg.tensor(first[None, None]))[0] - 1).sum().named("loss")

    found = loss()
    found.backward()
    picture = mg.draw(found, level="gate", backward=True, title="the state before the first step has a gradient")
    lab.save("unrolled.svg", picture, "the unrolled network, with the way of the gradients to the first state")
    start = dict(layer.named_parameters())["initial.0.0"]
    h, moves = start.numpy(), 1e-5 * np.eye(start.size)
    quotients = [(loss(h + move).item() - loss(h - move).item()) / 2e-5 for move in moves]
    assert start.grad is not None
    off = abs(start.grad.numpy() - quotients).max()
    early, late = ([by_step[:EARLY].mean() for by_step in errors], [by_step.mean() for by_step in errors])
    return [
        Figure(f"squared error of the first {EARLY} steps, learned", early[0], "<", early[1] / 3, "a third of zeros'"),
        Figure("squared error of all steps, learned", late[0], "<", late[1], "zeros'"),
        Figure("∂L/∂h_{-1}, from the difference quotient", off, "<=", 1e-7, "rounding", exact=True),
    ]
