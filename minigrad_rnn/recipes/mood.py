"""mood: the mood of each day from a year of weather; in one direction or in both, and why.

Two moods are made of real weather: one recalls the days that have been, the other also looks forward to three that come
(`data.weather.moods` has the sums). A net in one direction, h_t = GRU(x_t, h_{t-1}), has seen all that makes the first,
and one that also reads backwards, from the year's last day to its first, can do no better. To the second mood it can
only guess what comes: there both directions win (Schuster and Paliwal 1997).

The reason is drawn: the influence |∂mood_t/∂x_{t+k}| of the weather k days later on a day's answer, from the graph.
In one direction it is 0 for each day that is still to come.
"""

from __future__ import annotations

import itertools

import numpy as np

import minigrad as mg

from ..data.forecasting import Scale, sliding_windows
from ..data.weather import EXPECTED, RECALLED, daily_weather, moods
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import axes, panels, plot_forecasts
from ..systems import Figure, Lab, system
from ..training import Supervised

DAYS, EDGE = 60, 14  # of a piece to train on; near its ends the past, or what comes, is not there to be read
REACH = 10  # days back and ahead in the picture
NAMES = ("one direction", "both directions")
MOODS = ("recalling", "looking forward")


def inner_loss(outputs: mg.Tensor, targets: np.ndarray) -> mg.Tensor:
    """The mean squared error without the days near the ends."""
    return mg.nn.mse_loss(outputs[EDGE:-EDGE], targets[EDGE:-EDGE])


def influence(model: SequenceModel, xs: np.ndarray) -> np.ndarray:
    """‖∂ŷ_t/∂x_{t+k}‖ of the middle day t for k from -REACH to REACH, as shares of their sum, the mean over `xs`."""
    given, middle = mg.tensor(xs, requires_grad=True), len(xs) // 2
    (gradient,) = mg.grad(model(given)[middle].sum(), [given])
    norms = np.linalg.norm(gradient.numpy(), axis=2).mean(axis=1)[middle - REACH : middle + REACH + 1]
    return norms / norms.sum()


@system(
    data="1,461 days of Seattle's weather (vega_datasets), and moods made of it",
    merit="share of the mood's variance that is explained",
    seconds=10,
    takes="a CSV file of days with the columns precipitation, temp_max, temp_min, wind and weather (sun, or else)",
)
def run(lab: Lab) -> list[Figure]:
    weather = daily_weather(lab.data)
    cut = 3 * len(weather) // 4
    felt = moods(weather)
    xs, ys = Scale(weather[:cut])(weather), Scale(felt[:cut])(felt)
    pieces, answers = sliding_windows(xs[:cut], DAYS, 5), sliding_windows(ys[:cut], DAYS, 5)
    year, asked = xs[cut:, None], ys[cut:, None]

    explained, shares, predicted = {}, {}, {}
    for (two, name), (n, mood) in itertools.product(enumerate(NAMES), enumerate(MOODS)):
        model = SequenceModel(Recurrent("gru", xs.shape[1], 16 if two else 32, bidirectional=bool(two)), 1)
        train, test = ((x, y[..., n : n + 1]) for x, y in ((pieces, answers), (year, asked)))
        task = Supervised(model, train, test, inner_loss, batch=32, seed=lab.seed, axis=1)
        lab.train(task, f"{name}, {mood}", steps=lab.pick(500, 5), lr=1e-2)
        said, truth = (found[EDGE:-EDGE, 0, 0] for found in (task.predict(), test[1]))
        predicted[name, mood] = said
        explained[name, mood] = 1 - np.square(said - truth).mean() / truth.var()
        shares[name, mood] = influence(model, pieces)

    lags, (one, both), (recalling, looking) = np.arange(-REACH, REACH + 1), NAMES, MOODS
    made = panels(2, "k: days ahead of the mood's own", titles=MOODS, size=(12, 4.5), share=True)
    for panel, mood, coming in zip(made, MOODS, (0 * EXPECTED, EXPECTED), strict=True):
        true = np.pad(np.concatenate([RECALLED[REACH::-1], coming]), (0, REACH - len(coming)))
        panel.bar(lags, true / true.sum(), color="#cccccc", label="what makes the mood")
        for name in NAMES:
            panel.plot(lags, shares[name, mood], marker="o", label=name)
    made[0].set(ylabel="influence |∂mood_t/∂x_{t+k}|, share")
    lab.save("influence.png", made[0], "which days' weather a day's mood depends on, in the nets and in truth")
    year_of = axes("day of the year that was not trained on", "mood, scaled", "looking forward", (12, 4.5))
    plot_forecasts(asked[EDGE:-EDGE, 0, 1], {name: predicted[name, looking] for name in NAMES}, year_of, "mood")
    lab.save("year.png", year_of, "the mood that looks forward, and what both nets say, on the days held out")
    ahead = {name: shares[name, looking][REACH + 1 :].sum() for name in NAMES}
    in_truth = EXPECTED.sum() / (EXPECTED.sum() + RECALLED[: REACH + 1].sum())
    of_one = explained[one, recalling]
    return [
        Figure(f"R², {recalling}, {one}", of_one, ">=", 0.97, "the goal"),
        Figure(f"R² gained, {recalling}, {both}", explained[both, recalling] - of_one, "<=", 0.01, "a hundredth"),
        Figure(f"R², {looking}, {both}", explained[both, looking], ">", explained[one, looking], one),
        Figure(f"influence of the days to come, {one}", ahead[one], "=", 0, "nothing"),
        Figure(f"influence of the days to come, {both}", ahead[both], "beside", in_truth, "their share in the mood"),
    ]
