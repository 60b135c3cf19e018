"""stock: share prices in, the next one or whether to invest out; TDNN, NARX and RNN.

Of the last 20 days' returns r_t = 100 log(p_t / p_{t-1}) and their sizes |r_t| each net forecasts the next return:

    TDNN  φ([x_t … x_{t-N}] W + b)             a window that slides over the days
    NARX  V φ(U [x_t …] + A [y_{t-1} …] + b)   the past outputs are the true returns, the inputs their sizes
    RNN   h_t = tanh(x_t U + h_{t-1} W + b)    a state that has read all of them

and says to invest where it forecasts a rise. The split rolls: each net is trained on all days before the two years
that it is tested on. Beside it: the price stays as it is (persistence), and a linear autoregression on the same days.
That returns can hardly be forecast from their past is the finding; nothing here is an advice, and trades cost nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Module

from ..cells.narx import NARXCell
from ..data.forecasting import LinearAutoregression, Scale, rolling, sliding_windows
from ..data.series import share_prices
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import panels, plot_forecasts
from ..systems import Figure, Lab, system
from ..training import Supervised

DAYS, K, SHOWN = 20, 5, 80  # that are read; the taps of TDNN, NARX and the linear autoregression; days of the picture


class NextOutput(Module):
    """The output of a NARX cell after days (time, batch, (return, size)): true returns fed back, sizes as inputs."""

    def __init__(self, cell: NARXCell):
        self.cell = cell

    def forward(self, xs: Any) -> mg.Tensor:
        returns, sizes = mg.split(mg.tensor(xs), 2, axis=2)
        return self.cell.step(sizes[-1], self.cell.after(sizes[:-1], returns[1:]))[0]


NETS = {
    "TDNN": lambda: SequenceModel(Recurrent("tdnn", 2, 16, taps=K - 1), 1, last=True),
    "NARX": lambda: NextOutput(NARXCell(1, 16, input_taps=K - 1, output_taps=K)),
    "RNN": lambda: SequenceModel(Recurrent("rnn", 2, 16), 1, last=True),
}
LINEAR = "linear autoregression"


@system(
    data="the S&P 500 on 5,031 days (arch)",
    merit="error of the next day's return, days on which to invest",
    seconds=11,
    takes="a CSV file with a row for each day, its last column of numbers the price",
)
def run(lab: Lab) -> list[Figure]:
    prices = share_prices(lab.data)
    returns = 100 * np.diff(np.log(prices))[:, None]  # per cent
    series = np.concatenate([returns, np.abs(returns)], axis=1)
    folds = rolling(len(series), lab.pick(5, 1))
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*NETS, LINEAR)}
    for fold, (cut, end) in enumerate(folds, 1):
        scale = Scale(series[:cut])
        scaled = scale(series[:end])
        known, unseen = (sliding_windows(days, DAYS + 1) for days in (scaled[:cut], scaled[cut - DAYS :]))
        learned, tested = ((days[:-1], days[-1, :, :1]) for days in (known, unseen))
        for name, make in NETS.items():
            task = Supervised(make(), learned, tested, mg.nn.mse_loss, batch=64, seed=lab.seed, axis=(1, 0))
            lab.train(task, f"{name}, fold {fold}", steps=lab.pick(400, 10), lr=2e-3)
            found[name].append(task.predict() * scale.deviation[0] + scale.mean[0])
        linear = LinearAutoregression(scaled[: cut - 1, 1:], scaled[1:cut, :1], K - 1, K)
        forecast = linear.forecast(unseen[:-1, :, 1:], unseen[1:-1, :, :1])[0]
        found[LINEAR].append(forecast * scale.deviation[0] + scale.mean[0])
    actual = returns[folds[0][0] :, 0]
    forecasts = {name: np.concatenate(parts)[:, 0] for name, parts in found.items()}

    prediction, wealth = panels(2, titles=["the next day's price", "100 invested"], size=(13, 5))
    before = prices[-SHOWN - 1 : -1]
    said = {name: before * np.exp(forecast[-SHOWN:] / 100) for name, forecast in forecasts.items()}
    plot_forecasts(prices[-SHOWN:], said, prediction, "price").set(xlabel="trading day, of the last", ylabel="price")
    made = {name: np.where(forecast > 0, actual, 0) for name, forecast in forecasts.items()}
    worth = {name: 100 * np.exp(np.cumsum(of_day) / 100) for name, of_day in ({"every day": actual} | made).items()}
    plot_forecasts(worth.pop("every day"), worth, wealth, "every day").set(xlabel="trading day", ylabel="worth")
    lab.save("forecasts.png", wealth, "rolling forecasts of the price, and what following them would have come to")

    forecasts["persistence"] = np.zeros_like(actual)
    error = {name: float(np.sqrt(np.square(actual - forecast).mean())) for name, forecast in forecasts.items()}
    figures = [Figure(f"error of {LINEAR}, % a day", error[LINEAR], "beside", error["persistence"], "persistence")]
    for name in NETS:
        right = ((forecasts[name] > 0) == (actual > 0)).mean()
        figures += [
            Figure(f"error of {name}, % a day", error[name], "<=", 1.03 * error["persistence"], "1.03 × persistence"),
            Figure(f"days on which {name} is right", right, "beside", (actual > 0).mean(), "days of rise"),
        ]
    return figures
