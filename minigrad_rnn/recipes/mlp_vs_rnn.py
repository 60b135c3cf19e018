"""mlp-vs-rnn: a net that sees one number of a series, beside one that also remembers those before.

    h = φ(U x + b)        h_t = φ(U x_t + W h_{t-1} + b)        (φ = tanh; ŷ = V h + c in both)

W h_{t-1} is all the difference (Elman 1990): an arrow from each step to the next. Both have to say next month's
temperature of the sea. The sea of 20 °C is on its way up in one half of the year and down in the other; which, no
single number says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Module, Sequential

from ..cells import RNNCell
from ..data.forecasting import Scale, persistence, sliding_windows
from ..data.series import sea_temperatures
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import axes, plot_forecasts
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

LENGTH, HIDDEN, SHOWN = 24, 16, 48  # numbers that the recurrent net reads; units; predictions in the plot


@system(
    data="the sea's temperature off Peru in each month from 1950 to 2010 (statsmodels)",
    merit="mean squared error of next month's",
    seconds=4,
    takes="a CSV file with a column of numbers, in order of time",
)
def run(lab: Lab) -> list[Figure]:
    series = sea_temperatures(lab.data, least=3 * LENGTH)[:, None]
    known = len(series) - len(series) // 4
    scale = Scale(series[:known])
    runs = sliding_windows(scale(series), LENGTH + 1)  # (time, N, 1): the last of each is to be foretold
    train, test = ((part[:-1], part[-1]) for part in np.split(runs, [known - LENGTH], axis=1))

    def learn(name: str, model: Module) -> np.ndarray:
        """The predictions (N, 1) of the months held out, in the series' own unit."""
        task = Supervised(model, train, test, mg.nn.mse_loss, batch=64, seed=lab.seed, axis=(1, 0))
        lab.train(task, name, steps=lab.pick(800, 10), lr=5e-3)
        return scale.back(task.predict())

    by_mlp = learn("MLP", Sequential(lambda xs: xs[-1], Linear(1, HIDDEN), mg.tanh, Linear(HIDDEN, 1)))
    by_rnn = learn("RNN", SequenceModel(Recurrent("rnn", 1, HIDDEN), 1, last=True))
    actual, same = scale.back(test[1]), scale.back(persistence(test[0], 1)[0])
    errors = [float(np.square(predicted - actual).mean()) for predicted in (by_mlp, by_rnn, same)]

    lab.save("side-by-side.svg", side_by_side(), "the two nets: the arrows from step to step are the recurrence")
    said = {"MLP, from one number": by_mlp[:SHOWN, 0], "RNN": by_rnn[:SHOWN, 0]}
    plot = plot_forecasts(actual[:SHOWN, 0], said, axes("step held out", "temperature, °C", "one step ahead"))
    lab.save("predictions.png", plot, "what both predict, and what came")
    return [
        Figure("mean squared error, RNN", errors[1], "<", errors[0], "the MLP that sees one number"),
        Figure("mean squared error, MLP", errors[0], "beside", errors[2], "to say the same as before"),
    ]


def side_by_side(steps: int = 3) -> Any:
    """Both nets over a few steps, in one drawing."""
    xs = mg.tensor(np.linspace(-1, 1, steps).reshape(steps, 1, 1), dtype="float32")
    cell, layer = RNNCell(1, 2), Linear(1, 2)
    names = "U", "W", "b", "U of the MLP", "b of the MLP"
    for name, parameter in zip(names, (*cell.parameters(), *layer.parameters()), strict=True):
        parameter.name = name
    recurrent, _ = unroll(cell, xs)
    alone = []
    for t, x in enumerate(mg.unstack(xs)):
        with mg.scope(f"t={t}", "MLP"):
            alone.append(mg.tanh(layer(x)).named(f"h_{t}"))
    both = [mg.stack(alone).named("MLP"), recurrent.named("RNN")]
    return mg.draw(both, level="cell", title="h = φ(U x) beside h_t = φ(U x_t + W h_{t-1})")
