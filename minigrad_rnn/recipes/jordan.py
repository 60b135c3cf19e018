"""jordan: recurrence from the output, which trains in parallel over time.

    h_t = φ(U x_t + W ŷ_{t-1} + b)    ŷ_t = ψ(V h_t + c)

(Jordan 1986; Goodfellow, Bengio and Courville 2016, section 10.2.1.) All that it remembers is what it said before. So
in training the true y_{t-1} is put in its place (teacher forcing): no step waits for another, and all are computed at
once. In use it hears itself. The task is a switch with hysteresis, as in a thermostat: between its two thresholds
it stays as it was, so that what to say now depends on what was said before.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells import JordanCell
from ..data.forecasting import Scale
from ..data.plants import drifting, schmitt_trigger
from ..data.series import column
from ..models import OpenLoop, closed_loop
from ..pictures import unrolled
from ..plotting import legend_beside, panels, plot_forecasts
from ..systems import Figure, Lab, system
from ..training import Supervised

LENGTH, SHOWN = 100, 200
LOW, HIGH = -0.5, 0.5  # the thresholds


@system(
    data="a drifting input and a switch with hysteresis, made exactly",
    merit="accuracy in closed loop",
    seconds=8,
    takes="a CSV file with a column of numbers, in order of time, for the input",
)
def run(lab: Lab) -> list[Figure]:
    if lab.data is None:
        train, test = drifting(LENGTH, 64, lab.rng())[..., None], drifting(10 * LENGTH, 16, lab.rng(1))[..., None]
    else:
        series = column(lab.data, least=3 * LENGTH)[:, None, None]
        known, unseen = np.split(series, [len(series) // 2])
        train, test = Scale(known)(known), Scale(known)(unseen)
    truth, asked = (schmitt_trigger(xs, LOW, HIGH) for xs in (train, test))

    cell = JordanCell(1, 32, output_size=1, output="sigmoid")
    halves = (train, truth, truth), (test, asked, asked)
    task = Supervised(OpenLoop(cell), *halves, mg.nn.mse_loss, seed=lab.seed, axis=1, inputs=2)
    lab.train(task, steps=lab.pick(4000, 5), lr=1e-2)
    said = closed_loop(cell, test)
    right = float(((said > 0.5) == (asked > 0.5)).mean())
    without = max(float(((test > cut) == (asked > 0.5)).mean()) for cut in np.quantile(test, np.linspace(0, 1, 201)))
    off = difference(lab.rng(2))

    series, states = panels(2, "step", titles=["input", "output"], size=(13, 4))
    series.plot(test[:SHOWN, 0, 0])
    series.hlines([LOW, HIGH], 0, SHOWN, color="#555555", linestyle="--", linewidth=1)
    plot_forecasts(asked[:SHOWN, 0, 0], {"Jordan net, closed loop": said[:SHOWN, 0, 0]}, states, "the switch")
    legend_beside(states)
    lab.save("closed-loop.png", states, "the input with both thresholds, and what net and switch made of it")
    picture = unrolled("jordan", steps=3, level="gate", title="the output goes back in")
    lab.save("unrolled.svg", picture, "three steps: the green arrows come from the output")
    return [
        Figure("accuracy in closed loop", right, ">", without, "the best threshold, without memory"),
        Figure("largest difference, all steps at once", off, "<=", 1e-12, "one step after another", exact=True),
    ]


def difference(rng: np.random.Generator) -> float:
    """The largest difference that it makes to compute all steps at once, the true outputs given, in float64."""
    cell = JordanCell(1, 16, output_size=1, output="sigmoid", dtype="float64")
    xs = mg.tensor(rng.normal(size=(LENGTH, 8, 1)))
    ys = mg.tensor(schmitt_trigger(xs.numpy()), dtype="float64")
    before = [cell.initial_state(8), *mg.unstack(ys)[:-1]]
    stepwise = [cell.step(x, y)[0].numpy() for x, y in zip(mg.unstack(xs), before, strict=True)]
    return float(abs(np.stack(stepwise) - cell.open_loop(xs, ys).numpy()).max())
