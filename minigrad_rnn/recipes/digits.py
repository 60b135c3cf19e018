"""digits: images as sequences, of rows or of single pixels, to a class.

An image of 8 × 8 pixels is read as 8 rows, one a step: h_t = LSTM(row_t, h_{t-1}), p(class) = softmax(V h_8 + c); or
as 64 pixels, one a step, where what is seen first must be kept for 63 steps (Le, Jaitly and Hinton 2015, section 4.2).
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..data.images import handwritten_digits, train_and_test
from ..layers import Recurrent
from ..metrics import accuracy, confusion
from ..models import SequenceModel
from ..plotting import axes, plot_confusion
from ..systems import Figure, Lab, system
from ..training import Supervised


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="accuracy on held-out digits",
    seconds=16,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)  # (N, rows, columns), (N,)
    halves = train_and_test(images, classes, lab.rng())
    asked, kinds = halves[1][1], int(classes.max()) + 1

    def learn(name: str, features: int, steps: int) -> tuple[float, np.ndarray]:
        """The accuracy of an LSTM that reads so many pixels a step, and its confusion matrix."""
        model = SequenceModel(Recurrent("lstm", features, 64), kinds, last=True)
        learned, held = ((part.reshape(len(part), -1, features).swapaxes(0, 1), own) for part, own in halves)
        task = Supervised(model, learned, held, mg.nn.cross_entropy, accuracy, 64, lab.seed, axis=(1, 0))
        result = lab.train(task, name, steps=steps, lr=5e-3)
        return result.figures["accuracy"], confusion(task.predict().argmax(axis=1), asked, kinds)

    by_rows, mistakes = learn("rows", images.shape[2], lab.pick(1000, 20))
    by_pixels, _ = learn("pixels", 1, lab.pick(1500, 5))
    named = [str(kind) for kind in range(kinds)]
    lab.save(
        "confusion.png",
        plot_confusion(mistakes, named, axes(title=f"by rows: {by_rows:.1%} right", size=(6, 6))),
        "which digits are taken for which",
    )
    commonest = np.bincount(asked).max() / len(asked)
    return [
        Figure("accuracy by rows", by_rows, ">=", 0.97, "the goal"),
        Figure("accuracy by single pixels", by_pixels, ">", commonest, "the commonest class"),
    ]
