"""mood: the mood of each day from a year of weather; in one direction or in both, and why.

Two moods are made of real weather: one recalls the days that have been, the other also looks forward to three that come
(`data.weather.moods` has the sums). A net in one direction, h_t = GRU(x_t, h_{t-1}), has seen all that makes the first,
and one that also reads backwards, from the year's last day to its first, can do no better. To the second mood it can
only guess what comes: there both directions win (Schuster and Paliwal 1997).

The reason is drawn: the influence |∂mood_t/∂x_{t+k}| of the weather k days later on a day's answer, from the graph.
In one direction it is 0 for each day that is still to come.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend

from ..data.forecasting import Scale, segments
from ..data.weather import EXPECTED, RECALLED, daily_weather, moods
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import panels
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
    given, middle = mg.tensor(current_backend().asarray(xs), requires_grad=True), len(xs) // 2
    (gradient,) = mg.grad(model(given)[middle].sum(), [given])
    norms = np.linalg.norm(gradient.numpy(), axis=2).mean(axis=1)[middle - REACH : middle + REACH + 1]
    return norms / norms.sum()


@system(
    data="1,461 days of Seattle's weather (vega_datasets), and moods made of it",
    merit="share of the mood's variance that is explained",
    seconds=20,
    takes="a CSV file of days with the columns precipitation, temp_max, temp_min, wind and weather (sun, or else)",
)
def run(lab: Lab) -> list[Figure]:
    weather = daily_weather(lab.data)
    cut = 3 * len(weather) // 4
    felt = moods(weather)
    xs, ys = Scale(weather[:cut])(weather), Scale(felt[:cut])(felt)
    pieces, answers = segments(xs[:cut], DAYS, 5), segments(ys[:cut], DAYS, 5)
    year, asked = xs[cut:, None], ys[cut:, None]

    explained, shares, predicted = {}, {}, {}
    for name in NAMES:
        for n, mood in enumerate(MOODS):
            two = name == NAMES[1]
            model = SequenceModel(Recurrent("gru", xs.shape[1], 16 if two else 32, bidirectional=two), 1)
            train, test = ((x, y[..., n : n + 1]) for x, y in ((pieces, answers), (year, asked)))
            task = Supervised(model, train, test, inner_loss, batch=32, seed=lab.seed, axis=1)
            lab.train(task, f"{name}, {mood}", steps=lab.pick(500, 5), lr=1e-2)
            predicted[name, mood] = task.predict()[EDGE:-EDGE, 0, 0]
            truth = test[1][EDGE:-EDGE, 0, 0]
            explained[name, mood] = 1 - np.mean((predicted[name, mood] - truth) ** 2) / truth.var()
            shares[name, mood] = influence(model, pieces)

    lags = np.arange(-REACH, REACH + 1)
    made = panels(2, "k: days ahead of the mood's own", titles=MOODS, size=(12, 4.5), share=True)
    for panel, mood, coming in zip(made, MOODS, (0 * EXPECTED, EXPECTED), strict=True):
        true = np.zeros(len(lags))
        true[: REACH + 1], true[REACH + 1 :][: len(coming)] = RECALLED[REACH::-1], coming
        panel.bar(lags, true / true.sum(), color="#cccccc", label="what makes the mood")
        for name in NAMES:
            panel.plot(lags, shares[name, mood], marker="o", label=name)
    made[0].set(ylabel="influence |∂mood_t/∂x_{t+k}|, share")
    made[0].legend(frameon=False, loc="upper left")
    lab.save("influence.png", made[0], "which days' weather a day's mood depends on, in the nets and in truth")
    year_of = panels(1, "day of the year that was not trained on", "mood, scaled", ["looking forward"], (12, 4.5))[0]
    year_of.plot(asked[EDGE:-EDGE, 0, 1], color="#bbbbbb", linewidth=4, label="mood")
    for name in NAMES:
        year_of.plot(predicted[name, MOODS[1]], linewidth=1.2, label=name)
    year_of.legend(frameon=False)
    lab.save("year.png", year_of, "the mood that looks forward, and what both nets say, on the days held out")
    one, both = NAMES
    recalling, looking = MOODS
    ahead = {name: shares[name, looking][REACH + 1 :].sum() for name in NAMES}
    in_truth = EXPECTED.sum() / (EXPECTED.sum() + RECALLED.sum())
    return [
        Figure(f"R², {recalling}, {one}", explained[one, recalling], ">=", 0.97, "the goal"),
        Figure(f"R², {recalling}, {both}", explained[both, recalling], "beside", explained[one, recalling], one),
        Figure(f"R², {looking}, {both}", explained[both, looking], ">", explained[one, looking], one),
        Figure(f"influence of the days to come, {one}", ahead[one], "=", 0, "nothing"),
        Figure(
            f"influence of the days to come, {both}", ahead[both], "beside", in_truth, "their share in what makes it"
        ),
    ]
