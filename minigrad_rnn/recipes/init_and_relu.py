"""init-and-relu: how a recurrent net starts, what its nonlinearity is, dropout between its layers; on a long lag.

    h_t = φ(x_t U + h_{t-1} W + b)        ∂h_T/∂h_k = product over t from k + 1 to T of (W diag φ'(a_t))

What the product leaves of a state is what can be learned from it. An orthogonal W keeps lengths (Saxe et al. 2014);
W = I with φ = relu keeps a state as it is until an input changes it (Le, Jaitly and Hinton 2015: "IRNN"). The plain net
is tanh with W drawn by Glorot's rule. How it starts is not all: relu nets learn, although at first they forget the
fastest. Dropout is between the layers, of which there must be two then, and not on the recurrence, so that what is
remembered is not disturbed (Zaremba, Sutskever and Vinyals 2014); where no sequence is seen twice, as here, there is
nothing to learn by heart, and it need not help. All on the adding problem.
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

PLAIN, LAYERED, DROPOUT = "tanh, Glorot", "relu, two layers", "relu, dropout"
NETS: dict[str, dict[str, Any]] = {
    PLAIN: {"nonlinearity": "tanh", "recurrent_init": "glorot"},
    "tanh, orthogonal": {"nonlinearity": "tanh", "recurrent_init": "orthogonal"},
    "relu, Glorot": {"nonlinearity": "relu", "recurrent_init": "glorot"},
    "relu, orthogonal": {"nonlinearity": "relu", "recurrent_init": "orthogonal"},
    "relu, identity": {"nonlinearity": "relu", "recurrent_init": "identity"},
    LAYERED: {"nonlinearity": "relu", "recurrent_init": "orthogonal", "num_layers": 2},
    DROPOUT: {"nonlinearity": "relu", "recurrent_init": "orthogonal", "num_layers": 2, "dropout": 0.2},
}


@system(data="the adding problem, made exactly", merit="squared error beside that of the plain tanh net", seconds=60)
def run(lab: Lab) -> list[Figure]:
    length = lab.pick(50, 10)
    held_out, few = adding_problem(length, 512, lab.rng(0)), adding_problem(length, 4, lab.rng(1))[0]
    started, learnt = panels(2, titles=("before training", f"adding over {length} steps"), size=(15, 4.5))
    errors = {}
    for name, options in NETS.items():
        recurrent = Recurrent("rnn", 2, 64, **options)
        if recurrent.num_layers == 1:
            kept = gradflow(recurrent, few)[0]
            started.semilogy(np.arange(length)[::-1], kept, label=name)
        model, train = SequenceModel(recurrent, 1, last=True), partial(adding_problem, length)
        task = Supervised(model, train, held_out, mg.nn.mse_loss, seed=lab.seed, axis=(1, 0))
        errors[name] = lab.train(task, name, steps=lab.pick(2500, 5), lr=1e-3).figures["loss"]
    started.set(xlabel="steps back from the last, T - k", ylabel="size of ∂h_T/∂h_k (largest singular value)")
    plot_bars({name.replace(", ", "\n"): error for name, error in errors.items()}, learnt, ("always 1", 1 / 6))
    learnt.set_ylabel("held-out squared error")
    lab.save("starts.png", started, "what is left of a state at the start, and the error after training")

    figures = [Figure(f"squared error, {PLAIN}", errors[PLAIN], "beside", 1 / 6, "always 1")]
    for name in list(NETS)[1:]:
        relation = "<" if name.startswith("relu") else "beside"
        figures.append(Figure(f"squared error, {name}", errors[name], relation, errors[PLAIN], "the plain net"))
    return [*figures, Figure(f"squared error, {DROPOUT}", errors[DROPOUT], "beside", errors[LAYERED], "without it")]
