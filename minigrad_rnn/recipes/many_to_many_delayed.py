"""many-to-many-delayed: first a whole sequence is read, then one is written: rows of an image, and back from the last.

    h_t = LSTM(x_t, h_{t-1}), x_t = 0 for t ≥ T        y_k = V h_{T+k} + c, k = 0 … T - 1        y_k is to be x_{T-1-k}

(Karpathy 2015.) The answer begins when the question has ended: zeros are read while it is written, and what is put out
while the image is read counts for nothing. All that is written comes out of the state after the last row. To write the
image in reverse is the autoencoder of Srivastava, Mansimov and Salakhutdinov (2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Module

from ..data.images import handwritten_digits, train_and_test
from ..layers import Recurrent
from ..metrics import squared_error
from ..pictures import answering
from ..plotting import axes, plot_images
from ..systems import Figure, Lab, system
from ..training import Supervised

SHOWN = 10


class ReadThenWrite(Module):
    """Sequences (T, batch, size) -> what is written after their end, (T, batch, size)."""

    def __init__(self, size: int, hidden: int):
        self.recurrent = Recurrent("lstm", size, hidden)
        self.head = Linear(hidden, size)

    def forward(self, xs: Any) -> mg.Tensor:
        outputs, _ = self.recurrent(mg.pad(mg.tensor(xs), ((0, len(xs)), (0, 0), (0, 0))))
        return self.head(outputs[len(xs) :])


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="squared error of the pixels written",
    seconds=9,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    (known, kinds), (new, new_kinds) = train_and_test(images, classes, lab.rng())
    train, test = ((rows, rows[::-1]) for rows in (np.moveaxis(part, 1, 0) for part in (known, new)))
    model = ReadThenWrite(images.shape[1], 96)
    task = Supervised(model, train, test, mg.nn.mse_loss, squared_error, 64, lab.seed, axis=1, maximise=False)
    error = lab.train(task, steps=lab.pick(1200, 20), lr=5e-3).figures["squared_error"]

    means = np.stack([known[kinds == kind].mean(axis=0) for kind in range(int(classes.max()) + 1)])
    by_class = np.square(means[new_kinds] - new).mean()
    written = np.moveaxis(task.predict()[::-1], 0, 1)
    _, chosen = np.unique(new_kinds, return_index=True)
    chosen = chosen[:SHOWN]
    rows = {"read": new[chosen], "written": written[chosen], "the class's mean": means[new_kinds[chosen]]}
    plot = plot_images(rows, axes(title="read row by row, then written from the last row up", size=(10, 3.6)))
    lab.save("written.png", plot, "held-out digits, what the net wrote of them, and their class's mean image")
    layer, xs = Recurrent("lstm", 2, 2), np.zeros((6, 1, 2), "float32")
    picture = answering(layer, xs, Linear(2, 2), slice(3, None), title="read, then write")
    lab.save("unrolled.svg", picture, "the unrolled network: three rows are read, then three written")
    return [
        Figure("squared error of a pixel (from 0 to 1)", error, "<", by_class, "the mean image of the digit's class"),
        Figure("squared error of a pixel (from 0 to 1)", error, "<", new.var(axis=0).mean(), "the mean of all images"),
    ]
