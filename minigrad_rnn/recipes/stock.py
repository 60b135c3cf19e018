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
from ..data.forecasting import LinearAutoregression, Scale, rolling, segments
from ..data.series import share_prices
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import panels
from ..systems import Figure, Lab, system
from ..training import Supervised

DAYS, K = 20, 5  # that are read, and the taps of TDNN, NARX and the linear autoregression
SHOWN = 80


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
    seconds=25,
    takes="a CSV file with a row for each day, its last column of numbers the price",
)
def run(lab: Lab) -> list[Figure]:
    prices = share_prices(lab.data)
    returns = 100 * np.diff(np.log(prices))[:, None]  # per cent
    series = np.concatenate([returns, np.abs(returns)], axis=1)
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*NETS, LINEAR)}
    for fold, (cut, end) in enumerate(folds := rolling(len(series), lab.pick(5, 1)), 1):
        scale = Scale(series[:cut])
        scaled = scale(series[:end])
        known, unseen = segments(scaled[:cut], DAYS + 1), segments(scaled[cut - DAYS :], DAYS + 1)
        learned, tested = ((days[:-1], days[-1, :, :1]) for days in (known, unseen))
        forecasts: dict[str, np.ndarray] = {}
        for name, make in NETS.items():
            task = Supervised(make(), learned, tested, mg.nn.mse_loss, batch=64, seed=lab.seed, axis=(1, 0))
            lab.train(task, f"{name}, fold {fold}", steps=lab.pick(400, 10), lr=2e-3)
            forecasts[name] = task.predict()
        linear = LinearAutoregression(scaled[: cut - 1, 1:], scaled[1:cut, :1], K - 1, K)
        forecasts[LINEAR] = linear.forecast(unseen[:-1, :, 1:], unseen[1:-1, :, :1])[0]
        for name, made in forecasts.items():
            found[name].append(scale.back(np.repeat(made, 2, axis=1))[:, 0])
    first = folds[0][0]
    actual = returns[first:, 0]
    forecast = {name: np.concatenate(parts) for name, parts in found.items()}

    prediction, wealth = panels(2, "trading day", titles=["the next day's price", "100 invested"], size=(13, 5))
    days = np.arange(first, len(returns))
    prediction.plot(days[-SHOWN:], prices[1:][-SHOWN:], color="#999999", label="price", linewidth=3)
    wealth.plot(days, 100 * np.exp(np.cumsum(actual) / 100), color="#999999", label="every day", linewidth=3)
    for name, returned in forecast.items():
        prediction.plot(days[-SHOWN:], prices[:-1][-SHOWN:] * np.exp(returned[-SHOWN:] / 100), label=name, linewidth=1)
        wealth.plot(days, 100 * np.exp(np.cumsum(np.where(returned > 0, actual, 0)) / 100), label=f"as {name} says")
    for _, end in folds[:-1]:
        wealth.axvline(end, color="#bbbbbb", linestyle=":")
    prediction.set(ylabel=f"price: the last {SHOWN} days")
    wealth.set(ylabel="worth; a dotted line: trained anew")
    for one in (prediction, wealth):
        one.legend(frameon=False, fontsize="small")
    lab.save("forecasts.png", wealth, "rolling forecasts of the price, and what following them would have come to")

    compared = {**forecast, "persistence": np.zeros_like(actual)}
    error = {name: float(np.sqrt(np.mean((actual - returned) ** 2))) for name, returned in compared.items()}
    rises = float((actual > 0).mean())
    figures = [Figure(f"error of {LINEAR}, % a day", error[LINEAR], "beside", error["persistence"], "persistence")]
    for name in NETS:
        what, right = f"error of {name}, % a day", float(((forecast[name] > 0) == (actual > 0)).mean())
        figures += [
            Figure(what, error[name], "<=", 1.1 * error["persistence"], "1.1 × that of persistence"),
            Figure(what, error[name], "beside", error[LINEAR], LINEAR),
            Figure(f"days on which {name} is right", right, "beside", rises, "days of rise"),
        ]
    return figures
