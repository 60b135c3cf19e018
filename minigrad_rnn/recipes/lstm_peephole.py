"""lstm-peephole: gates that see the cell's inside, and so can tell the time.

    i, f = σ(U_· x_t + W_· h_{t-1} + P_· c_{t-1} + b_·)    g = tanh(U_g x_t + W_g h_{t-1} + b_g)
    c_t = f ∘ c_{t-1} + i ∘ g    o = σ(U_o x_t + W_o h_{t-1} + P_o c_t + b_o)    h_t = o ∘ tanh(c_t)

(Gers, Schraudolph and Schmidhuber 2002.) While the output gate is closed h is 0, and without P no gate knows what the
cell has counted to. With it one unit is a clock: c grows a little each step, and when it has come to a threshold o
opens once and f closes once, which starts it anew; such a unit, its weights set by hand, must be right for ever. P is a
diagonal matrix in the paper, or a full one. Nets with either, and with none, learn to answer a spike ten steps later;
W is 0 in all of them, so that nothing but P tells a gate of the past.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg

from ..cells import LSTMPeepholeCell
from ..data.synthetic import timed_spikes
from ..layers import Recurrent
from ..models import SequenceModel
from ..pictures import unrolled
from ..plotting import panels, plot_forecasts
from ..systems import Figure, Lab, system
from ..training import Supervised

LENGTH, PERIOD = 25, 10
NETS: dict[str, tuple[str, dict[str, Any]]] = {
    "no peepholes": ("lstm", {}),
    "diagonal peepholes": ("lstm-peephole", {"peephole": "diagonal"}),
    "full peepholes": ("lstm-peephole", {"peephole": "full"}),
}


@system(
    data="spikes to be answered ten steps later, made exactly",
    merit="a clock's wrong steps, and the error of learned ones",
    seconds=9,
)
def run(lab: Lab) -> list[Figure]:
    spikes = partial(timed_spikes, LENGTH, delay=PERIOD)
    test = spikes(200, lab.rng(1))
    errors, said = {}, {}
    for name, (cell, options) in NETS.items():
        model = SequenceModel(Recurrent(cell, 1, 8, compiled=True, **options), 1)
        W = dict(model.named_parameters())["recurrent.cells.0.weight_hh"]
        W.data[...] = 0
        W.requires_grad = False
        task = Supervised(model, spikes, test, mg.nn.mse_loss, seed=lab.seed, axis=1)
        errors[name] = lab.train(task, name, steps=lab.pick(1500, 5), lr=5e-2).figures["loss"]
        said[name] = task.predict()[:, 0, 0]

    steps = lab.pick(10_000, 1000)
    h, c = clock(steps)
    wrong = int(((h > 0.5) != (np.arange(1, steps + 1) % PERIOD == 0)).sum())
    titles = "learned, at the test's first sequence", "one unit, set by hand"
    learned, by_hand = panels(2, "step", titles=titles, size=(12, 4.5))
    plot_forecasts(test[1][:, 0, 0], said, learned, "target")
    shown = range(1, 4 * PERIOD + 1)
    by_hand.plot(shown, c[: len(shown)], label="c, which counts")
    by_hand.plot(shown, h[: len(shown)], label="h, which strikes")
    by_hand.margins(y=0.2)
    lab.save("clocks.png", by_hand, "what the nets learned, and the clock of one unit")
    for peephole in ("diagonal", "full"):
        picture = unrolled("lstm-peephole", steps=2, level="gate", backward=False, cell_options={"peephole": peephole})
        lab.save(f"{peephole}.svg", picture, f"two steps, {peephole} peepholes: c goes to the gates too")
    silent, without = float(np.square(test[1]).mean()), errors.pop("no peepholes")
    return [
        Figure(f"wrong steps of {steps:,}, clock of one unit", wrong, "=", 0, f"a strike every {PERIOD} steps"),
        *[
            Figure(f"mean squared error, {name}", error, "<", without / 10, "a tenth of that without any")
            for name, error in errors.items()
        ],
        Figure("mean squared error, no peepholes", without, "beside", silent, "to stay silent"),
    ]


def clock(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """h and c (steps,) of a unit that strikes every PERIOD steps: no input, no recurrence but that of c."""
    cell = LSTMPeepholeCell(1, 1, dtype="float64")
    threshold, steep = 1 - 0.5 / PERIOD, 50.0 * PERIOD  # c grows by 1 / PERIOD a step, up to 1
    peepholes = np.array([0, -steep, steep])  # to i, f, o
    bias = np.array([20, steep * threshold, math.atanh(1 / PERIOD), -steep * threshold])  # of i, f, g, o
    none, x = mg.zeros((1, 4), dtype="float64"), mg.zeros((1, 1), dtype="float64")
    weights = {"weight_ih": none, "weight_hh": none, "weight_ch": mg.tensor(peepholes), "bias": mg.tensor(bias)}
    cell.load_state_dict(weights)
    state, found = cell.initial_state(1), []
    with mg.no_grad():
        for _ in range(steps):
            h, state = cell.step(x, state)
            found.append((h.item(), state[1].item()))
    hs, cs = np.array(found).T
    return hs, cs
