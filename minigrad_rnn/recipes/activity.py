"""activity: an accelerometer's readings to what its wearer is doing, by an LSTM.

A watch is read ten times a second for ten seconds: x_t has six numbers, three of acceleration and three of rotation.
The LSTM reads them one moment after the other, and answers from what it holds at the end (or after each moment, as in
the picture): p(activity) = softmax(V h_T + c).

Beside it: the commonest activity, and an MLP that sees windows of one second, each by itself, and answers with the mean
of its scores over them: it knows what a second looks like, and nothing of what comes after what.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend
from minigrad.nn import Linear, Module, Sequential

from ..data.activity import activities
from ..evaluating import evaluating
from ..layers import Recurrent
from ..metrics import accuracy, confusion
from ..models import SequenceModel
from ..plotting import axes, legend_beside, panels, plot_confusion
from ..systems import Figure, Lab, system
from ..training import Supervised

WINDOW = 10  # moments


class WindowedMLP(Module):
    """Sequences (time, N, sensor) -> the mean over their whole windows of an MLP's scores, (N, classes)."""

    def __init__(self, sensors: int, classes: int):
        self.mlp = Sequential(Linear(WINDOW * sensors, 32), mg.tanh, Linear(32, classes))

    def forward(self, xs: Any, lengths: Any) -> mg.Tensor:
        xs = mg.tensor(xs)
        count, (_, N, sensors) = max(1, len(xs) // WINDOW), xs.shape
        xs = mg.pad(xs, ((0, max(0, WINDOW - len(xs))), (0, 0), (0, 0)))[: count * WINDOW]
        scores = self.mlp(mg.swapaxes(xs.reshape(count, WINDOW, N, sensors), 1, 2).reshape(count, N, -1))
        whole = mg.clip(mg.tensor(lengths) // WINDOW, 1, count)
        xp = xs.backend.xp
        inside = mg.tensor(xp.arange(count)[:, None]) < whole
        return mg.where(mg.expand_dims(inside, 2), scores, 0).sum(axis=0) / mg.expand_dims(whole, 1)


@system(
    data="80 recordings of a smart watch (aeon)",
    merit="accuracy on held-out recordings",
    seconds=8,
    takes="a CSV file of readings over time, with the columns sequence and activity",
)
def run(lab: Lab) -> list[Figure]:
    train, test, names = activities(lab.data, lab.seed)
    sensors = train[0].shape[2]
    lstm = SequenceModel(Recurrent("lstm", sensors, 32), len(names), last=True, dropout=0.3)
    tasks = {}
    for name, model in {"LSTM": lstm, "MLP": WindowedMLP(sensors, len(names))}.items():
        tasks[name] = Supervised(
            model, train, test, mg.nn.cross_entropy, accuracy, batch=20, seed=lab.seed, axis=(1, 0, 0), inputs=2
        )
    found = {
        name: lab.train(task, name, steps=lab.pick(300, 5), lr=5e-3).figures["accuracy"] for name, task in tasks.items()
    }
    mistakes = confusion(tasks["LSTM"].predict().argmax(axis=1), test[2], len(names))
    title = f"LSTM: {found['LSTM']:.1%} right"
    shows = "which activities are taken for which"
    lab.save("confusion.png", plot_confusion(mistakes, names, axes(title=title, size=(6, 6))), shows)
    shown = [int(np.argmax(test[2] == kind)) for kind in range(min(4, len(names)))]  # a recording of each
    with evaluating(lstm):
        scores = lstm.head(lstm.recurrent(current_backend().asarray(test[0][:, shown]))[0])
    opinions = mg.softmax(scores, axis=2).numpy()  # (time, recordings, classes)
    made = panels(len(shown), "moment", "p(activity)", names, (4 * len(shown), 4), share=True)
    for n, one in enumerate(made):
        for kind, name in enumerate(names):
            one.plot(opinions[: test[1][shown[n]], n, kind], label=name)
    legend_beside(made[-1])
    lab.save("opinions.png", made[0], "what the LSTM takes a recording for after each moment: one of each activity")
    return [
        Figure("accuracy", found["LSTM"], ">", np.bincount(test[2]).max() / len(test[2]), "the commonest activity"),
        Figure("accuracy", found["LSTM"], "beside", found["MLP"], "an MLP over windows of a second"),
    ]
