"""rnn: the plain recurrent net, with each of its nonlinearities, with biases and without.

    a_t = b + W h_{t-1} + U x_t    h_t = φ(a_t)    o_t = c + V h_t    ŷ_t = softmax(o_t)

(Elman 1990; Goodfellow, Bengio and Courville 2016, eq. 10.8 to 10.11.) φ is tanh, or ReLU, the logistic function or
the identity. Read hour by hour, a day's demand for electricity tells the half of the year, which the net says at the
end. That it computes these equations, and no others, is checked with the sums written out in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

from ..cells import RNNCell
from ..data.labelled import power_demand
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..pictures import unrolled
from ..plotting import axes, plot_bars
from ..systems import Figure, Lab, system
from ..training import Supervised

PHI: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "identity": lambda a: a,
}


@system(
    data="1,096 days of 24 hourly demands for electricity in Italy (aeon)",
    merit="accuracy on days held out",
    seconds=8,
    takes="CSV rows of a sequence's numbers, then its class",
)
def run(lab: Lab) -> list[Figure]:
    (xs, _, classes), (test_xs, _, test_classes) = power_demand(lab.data, lab.rng())  # (hours, N, 1), (N,)
    kinds = int(max(classes.max(), test_classes.max())) + 1

    def learn(name: str, **options: Any) -> float:
        """The accuracy with these options of the cell."""
        model = SequenceModel(Recurrent("rnn", 1, 32, **options), kinds, last=True)
        halves = (xs, classes), (test_xs, test_classes)
        task = Supervised(model, *halves, mg.nn.cross_entropy, accuracy, batch=32, seed=lab.seed, axis=(1, 0))
        return lab.train(task, name, steps=lab.pick(400, 4), lr=3e-3).figures["accuracy"]

    forms = {f"{phi}{end}": (phi, not end) for phi in PHI for end in ("", ", no biases")}
    found = {name: learn(name, nonlinearity=phi, bias=bias) for name, (phi, bias) in forms.items()}
    commonest = np.bincount(test_classes).max() / len(test_classes)
    bars = plot_bars(found, axes(ylabel="accuracy", title="the nonlinearity", size=(9, 4.5)), ("commonest", commonest))
    bars.tick_params("x", rotation=20)
    lab.save("accuracy.png", bars, "the accuracy of each form")
    picture = unrolled("rnn", steps=3, level="gate", values=True)
    lab.save("unrolled.svg", picture, "three steps, every number, gradients")
    figures = [Figure(f"accuracy, {name}", right, ">", commonest, "the commonest") for name, right in found.items()]
    off = max(difference(lab.rng(), phi, bias) for phi in PHI for bias in (True, False))
    return [*figures, Figure("largest difference from the equations", off, "<=", 1e-12, "NumPy", exact=True)]


def difference(rng: np.random.Generator, phi: str, bias: bool) -> float:
    """The largest difference of ŷ from the equations in NumPy, over 10 steps in float64."""
    cell = RNNCell(3, 5, nonlinearity=phi, bias=bias, dtype="float64")
    model, xs = SequenceModel(Recurrent(cell), 4), rng.normal(size=(10, 2, 3))
    U, W, V = (p.numpy() for p in (cell.weight_ih, cell.weight_hh, model.head.weight))
    b, c = (0 if p is None else p.numpy() for p in (cell.bias, model.head.bias))
    h, found = np.zeros((2, 5)), 0.0
    for x, y in zip(xs, mg.softmax(model(xs), axis=2).numpy(), strict=True):
        h = PHI[phi](b + h @ W + x @ U)
        o = np.exp(c + h @ V)
        found = max(found, float(abs(y - o / o.sum(axis=1, keepdims=True)).max()))
    return found
