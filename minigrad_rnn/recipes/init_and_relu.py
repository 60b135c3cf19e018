"""init-and-relu: how a recurrent net starts, what its nonlinearity is, dropout between its layers; on a long lag.

    h_t = φ(x_t U + h_{t-1} W + b)        ∂h_T/∂h_k = product over t from k + 1 to T of (W diag φ'(a_t))

What the product leaves of a state is what can be learned from it. An orthogonal W keeps lengths (Saxe et al. 2014);
W = I with φ = relu keeps a state as it is until an input changes it (Le, Jaitly and Hinton 2015: "IRNN"). The plain net
is tanh with W drawn by Glorot's rule. How it starts is not all: relu nets learn, although at first they forget the
fastest. Dropout between the layers, not on the recurrence (Zaremba, Sutskever and Vinyals 2014), is for few examples,
which two layers otherwise learn by heart: it is shown on 60 sequences. All on the adding problem.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import minigrad as mg

from ..data.synthetic import adding_problem
from ..gradflow import gradflow
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import panels, plot_bars
from ..systems import Figure, Lab, system
from ..training import Supervised

STARTS = {  # nonlinearity and recurrent matrix
    "tanh, Glorot": ("tanh", "glorot"),
    "tanh, orthogonal": ("tanh", "orthogonal"),
    "relu, Glorot": ("relu", "glorot"),
    "relu, orthogonal": ("relu", "orthogonal"),
    "relu, identity": ("relu", "identity"),
}
PLAIN = "tanh, Glorot"
FEW, NETS = 60, 3  # sequences to learn from with dropout, and nets that learn from them


@system(
    data="the adding problem, made exactly",
    merit="squared error beside that of the plain tanh net",
    seconds=40,
)
def run(lab: Lab) -> list[Figure]:
    length, short = lab.pick((50, 30), (10, 8))

    def learn(name: str, recurrent: Recurrent, train: Any, length: int, steps: int, lr: float) -> float:
        """The error on held-out sequences of that length."""
        model, held_out = SequenceModel(recurrent, 1, last=True), adding_problem(length, 512, lab.rng(length))
        task = Supervised(model, train, held_out, mg.nn.mse_loss, seed=lab.seed, axis=(1, 0))
        return lab.train(task, name, steps=lab.pick(steps, 5), lr=lr).figures["loss"]

    errors, kept = {}, {}
    for name, (nonlinearity, start) in STARTS.items():
        recurrent = Recurrent("rnn", 2, 64, nonlinearity=nonlinearity, recurrent_init=start)
        kept[name] = gradflow(recurrent, adding_problem(length, 4, lab.rng(0))[0])[0]
        errors[name] = learn(name, recurrent, partial(adding_problem, length), length, 2500, 1e-3)

    by_dropout = {}
    for dropout in (0.0, 0.5):
        found = []
        for n in range(lab.pick(NETS, 1)):
            recurrent = Recurrent("rnn", 2, 64, num_layers=2, dropout=dropout, nonlinearity="relu")
            few = adding_problem(short, FEW, lab.rng(1, n))
            found.append(learn(f"dropout {dropout:g}", recurrent, few, short, 800, 2e-3))
        by_dropout[f"dropout {dropout:g}"] = float(np.mean(found))

    plots = panels(2, titles=("before training", f"adding over {length} steps"), size=(13, 4.5))
    for name, norms in kept.items():
        plots[0].semilogy(np.arange(len(norms))[::-1], norms, label=name)
    plots[0].set(xlabel="steps back from the last, T - k", ylabel="size of ∂h_T/∂h_k (largest singular value)")
    plots[0].legend(frameon=False)
    plot_bars({name.replace(", ", "\n"): error for name, error in errors.items()}, plots[1], ("always 1", 1 / 6))
    plots[1].set_ylabel("held-out squared error")
    lab.save("starts.png", plots[0], "what is left of a state at the start, and the error after training")
    (plot,) = panels(1, titles=[f"adding over {short} steps, {FEW} sequences to learn from"])
    plot_bars(by_dropout, plot, ("always 1", 1 / 6))
    plot.set_ylabel(f"held-out squared error, mean of {NETS} nets")
    lab.save("dropout.png", plot, "dropout between the layers, where there are few examples")
    figures = [Figure(f"squared error, {PLAIN}", errors[PLAIN], "beside", 1 / 6, "always 1")]
    for name in list(STARTS)[1:]:
        relation = "<" if name.startswith("relu") else "beside"
        figures.append(Figure(f"squared error, {name}", errors[name], relation, errors[PLAIN], "the plain net"))
    without, dropped = by_dropout.values()
    return [
        *figures,
        Figure(f"squared error learned from {FEW} sequences, dropout", dropped, "<", without, "without it"),
    ]
