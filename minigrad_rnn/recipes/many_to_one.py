"""many-to-one: a sequence, and one answer when it has ended: rows of an image to its class.

    h_t = GRU(row_t, h_{t-1})        p(class) = softmax(V h_T + c)

(Karpathy 2015.) What all rows say must be in the last state. So the net is measured against nets that see one row only;
and it is asked too early, after 1, 2, 3 … rows, where its states mean nothing yet to V: no loss asked them to.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import Linear

from ..data.images import handwritten_digits, train_and_test
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..pictures import answering
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Supervised

HIDDEN = 48


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="accuracy on held-out digits",
    seconds=5,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    size, kinds = images.shape[1], int(classes.max()) + 1
    halves = [(np.moveaxis(part, 1, 0), own) for part, own in train_and_test(images, classes, lab.rng())]

    def learn(name: str, rows: slice, steps: int) -> tuple[Supervised, float]:
        """A net that reads some of the rows, and its accuracy."""
        model = SequenceModel(Recurrent("gru", size, HIDDEN), kinds, last=True)
        train, test = ((sequences[rows], own) for sequences, own in halves)
        task = Supervised(model, train, test, mg.nn.cross_entropy, accuracy, batch=64, seed=lab.seed, axis=(1, 0))
        return task, lab.train(task, name, steps=steps, lr=1e-2).figures["accuracy"]

    single = [learn(f"row {n} only", slice(n, n + 1), lab.pick(100, 2))[1] for n in range(size)]
    task, right = learn("all rows", slice(None), lab.pick(600, 20))
    sequences, own = halves[1]
    early = [np.mean(task.predict((sequences[:n], own)).argmax(axis=1) == own) for n in range(1, size + 1)]

    plot = axes("row of the image", "accuracy on held-out digits", "the answer comes with the last row")
    rows = range(1, size + 1)
    plot.bar(rows, single, color="#bdbdbd", label="a net that reads this row only")
    plot.plot(rows, early, "o-", label="the net of all rows, asked after this one")
    plot.set(ylim=(0, 1.05), xticks=rows)
    lab.save("early.png", plot, "how good the answer is after each row")
    layer, xs = Recurrent("gru", 2, 2), np.zeros((4, 1, 2), "float32")
    lab.save("unrolled.svg", answering(layer, xs, Linear(2, 2), slice(-1, None), title="many to one"), "unrolled")
    return [
        Figure("accuracy", right, ">", max(single), "the best single row"),
        Figure("accuracy", right, ">=", 0.95, "the goal"),
    ]
