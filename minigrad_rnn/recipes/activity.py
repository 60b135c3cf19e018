"""activity: an accelerometer's readings to what its wearer is doing, by an LSTM.

A watch is read ten times a second for ten seconds: x_t has six numbers, three of acceleration and three of rotation.
The LSTM reads them one moment after the other, and answers from what it holds at the end (or after each moment, as in
the picture): p(activity) = softmax(V h_T + c).

Beside it: the commonest activity, and an MLP of as many parameters that sees windows of one second, each by itself, and
answers with the mean of its scores over them: it knows what a second looks like, and nothing of what comes after what.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Module, Sequential

from ..data.activity import activities
from ..evaluating import evaluating
from ..layers import Recurrent
from ..metrics import accuracy, confusion
from ..models import OverWindows, SequenceModel, as_large
from ..plotting import axes, legend_beside, panels, plot_confusion
from ..systems import Figure, Lab, system
from ..training import Supervised

WINDOW = 10  # moments


@system(
    data="80 recordings of a smart watch (aeon)",
    merit="accuracy on held-out recordings",
    seconds=5,
    takes="a CSV file of readings over time, with the columns sequence and activity",
)
def run(lab: Lab) -> list[Figure]:
    train, test, names = activities(lab.data, lab.rng())
    sensors = train[0].shape[2]
    lstm = SequenceModel(Recurrent("lstm", sensors, 32), len(names), last=True, dropout=0.3)

    def mlp(hidden: int) -> Module:
        layers = Linear(WINDOW * sensors, hidden), mg.tanh, Linear(hidden, len(names))
        return OverWindows(Sequential(*layers), WINDOW)

    def learn(name: str, model: Module) -> tuple[float, np.ndarray]:
        """The accuracy of a model, and its confusion matrix."""
        options: dict[str, Any] = {"batch": 20, "seed": lab.seed, "axis": (1, 0, 0), "inputs": 2}
        task = Supervised(model, train, test, mg.nn.cross_entropy, accuracy, **options)
        right = lab.train(task, name, steps=lab.pick(300, 5), lr=5e-3).figures["accuracy"]
        return right, confusion(task.predict().argmax(axis=1), test[2], len(names))

    right, mistakes = learn("LSTM", lstm)
    by_mlp, _ = learn("MLP", mlp(as_large(mlp, lstm)))
    plot = plot_confusion(mistakes, names, axes(title=f"LSTM: {right:.1%} right", size=(6, 6)))
    lab.save("confusion.png", plot, "which activities are taken for which")
    shown = [int(np.argmax(test[2] == kind)) for kind in range(min(4, len(names)))]  # a recording of each
    with evaluating(lstm):
        scores = lstm.head(lstm.recurrent(mg.tensor(test[0][:, shown]))[0])
    opinions = mg.softmax(scores, axis=2).numpy()  # (time, recordings, classes)
    made = panels(len(shown), "moment", "p(activity)", names, (4 * len(shown), 4), share=True)
    for n, one in enumerate(made):
        for kind, name in enumerate(names):
            one.plot(opinions[: test[1][shown[n]], n, kind], label=name)
    legend_beside(made[-1])
    lab.save("opinions.png", made[0], "what the LSTM takes a recording for after each moment: one of each activity")
    return [
        Figure("accuracy", right, ">", np.bincount(test[2]).max() / len(test[2]), "the commonest activity"),
        Figure("accuracy", right, "beside", by_mlp, "an MLP over windows of a second, as many parameters"),
    ]
