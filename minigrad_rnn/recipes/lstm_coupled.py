"""lstm-coupled: one gate for what to forget and what to take in.

    f, o = σ(W_· [h_{t-1}, x_t] + b_·)    g = tanh(W_g [h_{t-1}, x_t] + b_g)
    c_t = f ∘ c_{t-1} + (1 - f) ∘ g       h_t = o ∘ tanh(c_t)

The LSTM with i = 1 - f (Greff et al. 2017, variant CIFG, without their peepholes): a cell takes in as much as it
forgets, and three quarters of the parameters are left. They found it as good as the plain LSTM. Here both add up two
marked numbers of a sequence (Hochreiter and Schmidhuber 1997, experiment 4): always to answer 1 is wrong by 1/6.
"""

from __future__ import annotations

from ..layers import Recurrent
from ..models import parameter_count
from ..pictures import unrolled
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Config, make_task

LENGTH, HIDDEN = 30, 48
NETS = {"coupled": "lstm-coupled", "plain": "lstm"}


@system(
    data="the adding problem over 30 steps, made exactly",
    merit="mean squared error, and the share of parameters",
    seconds=8,
)
def run(lab: Lab) -> list[Figure]:
    counts, errors = {}, {}
    plot = axes("update", "mean squared error", "the adding problem")
    for name, cell in NETS.items():
        counts[name] = parameter_count(Recurrent(cell, 2, HIDDEN))
        config = Config(kind="adding-problem", cell=cell, length=LENGTH, hidden=HIDDEN, seed=lab.seed)
        task = make_task(config)
        result = lab.train(task, f"{name} LSTM", config, steps=lab.pick(1000, 5), lr=1e-2)
        errors[name] = result.figures["loss"]
        lines = [line for line in result.lines if "loss" in line]
        plot.plot(
            [line["step"] for line in lines],
            [line["loss"] for line in lines],
            label=f"{name}, {counts[name]:,} parameters",
        )
    plot.axhline(1 / 6, color="#555555", linestyle="--", linewidth=1, label="always to answer 1")
    plot.set_yscale("log")
    lab.save("learning.png", plot, "how both learn")
    picture = unrolled("lstm-coupled", steps=2, level="gate", backward=False, title="one gate forgets and takes in")
    lab.save("unrolled.svg", picture, "two steps: f goes into c twice")
    return [
        Figure(
            "share of the plain LSTM's parameters", counts["coupled"] / counts["plain"], "=", 3 / 4, "three quarters"
        ),
        Figure("mean squared error", errors["coupled"], "<", 1 / 60, "a tenth of what always to answer 1 has"),
        Figure("mean squared error, again", errors["coupled"], "beside", errors["plain"], "the plain LSTM"),
    ]
