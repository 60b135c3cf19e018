"""init-and-relu: what helps a plain net to remember: where W starts, ReLU, and dropout between layers.

    h_t = φ(x_t U + h_{t-1} W + b)          ∂h_T/∂h_k = Π_t W diag(φ'(a_t))

The product keeps its size where W does and φ' is 1. An orthogonal W keeps the length of every vector (Saxe, McClelland
and Ganguli 2014), the identity the vector itself; tanh' is below 1, ReLU' is 1 for all units that are on. Both together
are the IRNN (Le, Jaitly and Hinton 2015). Each is set against the plain net, tanh and W after Glorot, in the adding
problem: always to answer 1 has an error of 1/6. Dropout between two layers (Zaremba, Sutskever and Vinyals 2014) leaves
the recurrence alone: it is no help to remember, and none is expected here, where there is no end of data.
"""

from __future__ import annotations

import minigrad as mg

from ..data.synthetic import adding_problem
from ..gradflow import gradflow, plot_gradflow
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import axes, legend_beside
from ..systems import Figure, Lab, system
from ..training import Supervised

LENGTH, HIDDEN = 80, 64
NETS = {  # φ, W's start, layers, dropout between them
    "plain: tanh, Glorot": ("tanh", "glorot", 1, 0.0),
    "tanh, orthogonal": ("tanh", "orthogonal", 1, 0.0),
    "tanh, identity": ("tanh", "identity", 1, 0.0),
    "ReLU, Glorot": ("relu", "glorot", 1, 0.0),
    "ReLU, orthogonal": ("relu", "orthogonal", 1, 0.0),
    "IRNN: ReLU, identity": ("relu", "identity", 1, 0.0),
    "IRNN, two layers": ("relu", "identity", 2, 0.0),
    "IRNN, two layers, dropout": ("relu", "identity", 2, 0.1),
}
PLAIN, IRNN = "plain: tanh, Glorot", "IRNN: ReLU, identity"


@system(data="the adding problem over 80 steps, made exactly", merit="squared error, held out", seconds=50)
def run(lab: Lab) -> list[Figure]:
    held_out = adding_problem(LENGTH, 500, lab.rng(1))
    errors, flows = {}, {}
    learning = axes("updates", "squared error, held out", "the adding problem over 80 steps", size=(10, 5))
    for name, (phi, start, layers, dropout) in NETS.items():
        recurrent = Recurrent("rnn", 2, HIDDEN, layers, dropout=dropout, nonlinearity=phi, recurrent_init=start)
        if layers == 1:
            flows[name] = gradflow(recurrent, held_out[0][:, :4])[0]
        model = SequenceModel(recurrent, 1, last=True)
        task = Supervised(
            model,
            lambda count, rng: adding_problem(LENGTH, count, rng),
            held_out,
            mg.nn.mse_loss,
            batch=64,
            seed=lab.seed,
            axis=(1, 0),
        )
        steps = lab.pick(1200, 4)
        result = lab.train(task, name, steps=steps, lr=1e-3, validate_every=max(1, steps // 12))
        errors[name] = result.figures["loss"]
        told = [(line["step"], line["validation_loss"]) for line in result.lines if "validation_loss" in line]
        learning.plot(*zip(*told), ".-", label=name)
    learning.axhline(1 / 6, color="#555555", linestyle="--", linewidth=1, label="always to answer 1")
    learning.set_yscale("log")
    legend_beside(learning)
    lab.save("learning.png", learning, "how each net learns to add what it saw long before")
    before = plot_gradflow(flows, axes(size=(10, 5)))
    before.set_title("what reaches back, before any training")
    legend_beside(before)
    lab.save("gradients.png", before, "how much of a change of the state is left so many steps later, before training")
    return [
        Figure("squared error, IRNN", errors[IRNN], "<", 1 / 60, "a tenth of always answering 1"),
        *(
            Figure(f"squared error, {name}", errors[name], "<", errors[PLAIN] / 2, "half the plain net's")
            for name in ("ReLU, Glorot", "ReLU, orthogonal", IRNN)
        ),
        *(
            Figure(f"squared error, {name}", errors[name], "beside", errors[PLAIN], "the plain net")
            for name in ("tanh, orthogonal", "tanh, identity")
        ),
        Figure(
            "squared error, IRNN of two layers, dropout between",
            errors["IRNN, two layers, dropout"],
            "beside",
            errors["IRNN, two layers"],
            "without dropout",
        ),
    ]
