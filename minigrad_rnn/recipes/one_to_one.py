"""one-to-one: one input, one output, and no time: an image to its class.

    h = relu(U x + b)        p(class) = softmax(V h + c)

The first of the five shapes of sequence processing (Karpathy 2015), a network without recurrence: beside it stands what
a recurrent one of a single step is, h_0 = relu(U x_0 + W h_{-1} + b), which with h_{-1} = 0 is exactly the same.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Sequential

from ..cells import RNNCell
from ..data.images import handwritten_digits, train_and_test
from ..metrics import accuracy, confusion
from ..plotting import axes, plot_confusion
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="accuracy on held-out digits",
    seconds=3,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    pixels, kinds, hidden = images.reshape(len(images), -1), int(classes.max()) + 1, 64
    train, test = train_and_test(pixels, classes, lab.rng())

    into, head = Linear(pixels.shape[1], hidden), Linear(hidden, kinds)
    model = Sequential(into, mg.relu, head)
    task = Supervised(model, train, test, mg.nn.cross_entropy, accuracy, batch=64, seed=lab.seed)
    right = lab.train(task, steps=lab.pick(1000, 20), lr=5e-3).figures["accuracy"]

    means = np.stack([train[0][train[1] == kind].mean(axis=0) for kind in range(kinds)])
    nearest = np.square(test[0][:, None] - means).sum(axis=2).argmin(axis=1)

    cell = RNNCell(pixels.shape[1], hidden, nonlinearity="relu")
    cell.weight_ih, cell.bias = into.weight, into.bias
    of_one_step, _ = unroll(cell, test[0][None])
    difference = np.abs(head(of_one_step[0]).numpy() - task.predict()).max()

    mistakes = confusion(task.predict().argmax(axis=1), test[1], kinds)
    plot = plot_confusion(mistakes, [str(kind) for kind in range(kinds)], axes(title=f"{right:.1%} right", size=(6, 6)))
    lab.save("confusion.png", plot, "which digits are taken for which")
    scores = model(mg.tensor(test[0][:1])).named("scores")
    lab.save("graph.svg", mg.draw(scores, level="gate", shapes=True, title="one to one"), "the network: no time in it")
    return [
        Figure("accuracy", right, ">", np.mean(nearest == test[1]), "the class whose mean image is nearest"),
        Figure("accuracy", right, ">=", 0.95, "the goal"),
        Figure("from a recurrent net of one step", difference, "<=", 1e-5, "rounding", exact=True),
    ]
