"""narx: nonlinear autoregression with exogenous inputs, with one tap, with a few, and with all of the past.

    y_t = V φ(U [x_t … x_{t-L}] + A [y_{t-1} … y_{t-K}] + b) + c

(Lin, Horne, Tiňo and Giles 1996, eq. 1.) In training the true past outputs are given (open loop), and all steps are
computed at once; in use it goes on with its own (closed loop). It learns to be the plant of Narendra and Parthasarathy
(1990, example 4), which looks back on three outputs and one input:

    y_t = (y_{t-1} y_{t-2} y_{t-3} u_{t-1} (y_{t-3} - 1) + u_t) / (1 + y_{t-2}² + y_{t-3}²)

"Complete" has a tap for each step of the runs that are trained on, so that there it sees all of the past. The inputs
are random levels, held for a while, and then also the paper's two sines, of which no net has seen any.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells import NARXCell
from ..data.forecasting import LinearAutoregression, sliding_windows
from ..data.plants import held_levels, narendra_plant, two_sines
from ..data.series import inputs_and_outputs
from ..models import OpenLoop, closed_loop
from ..pictures import unrolled
from ..plotting import axes, legend_beside, plot_forecasts
from ..systems import Figure, Lab, system
from ..training import Supervised

LENGTH = 50  # of what is trained on
NETS = {"one tap": 1, "three taps": 3, "complete": LENGTH - 1}  # the past outputs that each sees


@system(
    data="a nonlinear plant and its inputs, made exactly",
    merit="error in closed loop",
    seconds=12,
    takes="a CSV file with two columns of numbers, input and output, in order of time",
)
def run(lab: Lab) -> list[Figure]:
    if lab.data is None:
        inputs = held_levels(5000, 1, lab.rng(0)), held_levels(1000, 1, lab.rng(1)), two_sines()[:, None]
        runs = [np.concatenate([us, narendra_plant(us)], axis=1).astype("float32") for us in inputs]
    else:
        runs = list(inputs_and_outputs(lab.data, least=4 * LENGTH, share=0.75))
    known, *unseen = runs
    windows = (sliding_windows(run, LENGTH, stride=10) for run in runs[:2])
    train, test = ((window[..., :1], window[..., 1:], window[..., 1:]) for window in windows)
    linear = LinearAutoregression(known[:, :1], known[:, 1:], input_taps=1, output_taps=3)
    rest = np.zeros((3, 1, 1), "float32")
    said = {"linear": [linear.forecast(np.concatenate([rest, run[:, None, :1]]), rest)[:, 0] for run in unseen]}
    for name, taps in NETS.items():
        cell = NARXCell(1, 32, input_taps=1, output_taps=taps)
        task = Supervised(OpenLoop(cell), train, test, mg.nn.mse_loss, seed=lab.seed, axis=1, inputs=2)
        lab.train(task, name, steps=lab.pick(1500, 5), lr=1e-2)
        said[name] = [closed_loop(cell, run[:, None, :1])[:, 0] for run in unseen]

    errors = {
        name: [np.sqrt(np.square(ys - run[:, 1:]).mean()) for ys, run in zip(found, unseen)]
        for name, found in said.items()
    }
    lines = {name: said[name][-1][:, 0] for name in ("three taps", "one tap", "linear")}
    plot = axes("step", "output", "in closed loop", size=(11, 4.5))
    legend_beside(plot_forecasts(unseen[-1][:, 1], lines, plot, "the plant"))
    lab.save("closed-loop.png", plot, "an input that was not trained on, and what each makes of it by itself")
    picture = unrolled("narx", steps=3, level="gate", backward=False, cell_options={"output_taps": 2}, title="two taps")
    lab.save("unrolled.svg", picture, "three steps in closed loop: two past outputs are handed on from step to step")
    figures = [
        Figure("error in closed loop, three taps", errors["three taps"][0], "<", errors["one tap"][0], "one tap"),
        *[
            Figure(f"error in closed loop, {name}", errors[name][0], "<", errors["linear"][0], "a linear one, 3 taps")
            for name in ("three taps", "complete")
        ],
    ]
    if lab.data is None:
        three, line = errors["three taps"][1], errors["linear"][1]
        figures.append(Figure("error of sines, three taps", three, "<", line, "a linear one, 3 taps"))
    return figures
