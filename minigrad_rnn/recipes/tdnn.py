"""tdnn: a net with delays, which sees the last N + 1 inputs and has no state.

    y_t = φ(W_0 x_t + W_1 x_{t-1} + … + W_N x_{t-N} + b)

(Waibel et al. 1989.) It is a one-dimensional convolution over time, and its response is finite: what came more than N
steps ago has no effect, ∂y_t/∂x_{t-k} = 0 for k > N. With φ(a) = a it is a filter, whose taps it finds from what goes
in and comes out. With φ = tanh and a second layer it foretells sunspots, from the twelve years before: Weigend,
Huberman and Rumelhart (1990) trained such a net on 1700 to 1920 and tested it on 1921 to 1955, as is done here. The
measure is theirs too, the average relative variance: the mean squared error over the variance of the series.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells import State, TDNNCell
from ..data.forecasting import LinearAutoregression, Scale, sliding_windows
from ..data.series import sunspots
from ..layers import Recurrent
from ..models import SequenceModel
from ..pictures import unrolled
from ..plotting import panels, plot_forecasts
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

YEARS = 12
TAPS = np.array([-0.1, 0.2, 0.5, 0.8, 0.5, 0.2, -0.1])  # of a filter that smooths: what it does to x_t stands first
KNOWN, END, ALL = 221, 256, 280  # years: they are known up to 1920, asked for up to 1955; the variance is up to 1979


@system(
    data="sunspots of each year from 1700 to 1955 (statsmodels)",
    merit="average relative variance of the next year's",
    seconds=6,
    takes="a CSV file with a column of numbers, in order of time",
)
def run(lab: Lab) -> list[Figure]:
    every = sunspots(lab.data, least=5 * YEARS)[:, None]
    known, end, all_of_it = (KNOWN, END, ALL) if lab.data is None else (len(every) * 3 // 4, len(every), len(every))
    scale = Scale(every[:known])
    series, variance = scale(every[:end]), scale(every[:all_of_it]).var()
    windows = np.split(sliding_windows(series, YEARS + 1), [known - YEARS], axis=1)
    train, test = ((part[:-1], part[-1]) for part in windows)
    model = SequenceModel(Recurrent("tdnn", 1, 8, taps=YEARS - 1), 1, last=True)
    task = Supervised(model, train, test, mg.nn.mse_loss, seed=lab.seed, axis=(1, 0))
    lab.train(task, "sunspots", steps=lab.pick(2000, 5), lr=1e-2, optimizer="adamw", weight_decay=0.3)
    linear = LinearAutoregression.univariate(series[:known], YEARS)
    by_linear = linear.forecast(np.zeros((YEARS + 1, end - known, 0)), test[0])[0]
    by_net = task.predict()
    arv, linear_arv = (float(np.square(said - test[1]).mean() / variance) for said in (by_net, by_linear))

    found, finite, convolution = learned_filter(lab)
    taps, ahead = panels(2, titles=["the filter", "one step ahead"], size=(13, 4.5))
    taps.stem(range(len(TAPS)), TAPS, linefmt="#999999", basefmt=" ", label="it is")
    taps.plot(found, "x", markersize=10, color="#d94801", label="the TDNN found")
    taps.set(xlabel="steps ago", ylabel="tap")
    plot_forecasts(scale.back(test[1])[:, 0], {"TDNN": scale.back(by_net)[:, 0]}, ahead)
    ahead.set(xlabel="step held out", ylabel="number")
    lab.save("response.png", ahead, "the taps that were found, and the forecast of what was held out")
    window = unrolled("tdnn", 5, backward=False, cell_options={"taps": 2}, level="gate", title="two past inputs")
    lab.save("unrolled.svg", window, "five steps: each input goes to its own output, and to the two after it")
    return [
        Figure("average relative variance", arv, "<", linear_arv, "a linear autoregression of as many years"),
        Figure("average relative variance, again", arv, "beside", 0.086, "Weigend, Huberman and Rumelhart 1990"),
        Figure("largest error of a filter's tap", abs(found - TAPS).max(), "<", 0.01, "a hundredth"),
        Figure(f"largest ∂y_t/∂x_{{t-k}}, k > {len(TAPS) - 1}", finite, "=", 0, "a finite response"),
        Figure("largest difference from a convolution", convolution, "<=", 1e-12, "conv1d", exact=True),
    ]


def learned_filter(lab: Lab) -> tuple[np.ndarray, float, float]:
    """The taps that a linear TDNN finds; its largest ∂y_t/∂x_{t-k} beyond them; its difference from a convolution."""
    N = len(TAPS) - 1
    xs = lab.rng().normal(size=(200, 8, 1))
    ys = np.stack([np.convolve(column, TAPS)[: len(xs)] for column in xs[:, :, 0].T], axis=1)[..., None]
    cell = TDNNCell(1, 1, taps=N, nonlinearity="identity", bias=False, dtype="float64")

    def error(found: tuple[mg.Tensor, State], ys: mg.Tensor) -> mg.Tensor:
        return mg.nn.mse_loss(found[0], ys)

    task = Supervised(Recurrent(cell), (xs, ys), (xs, ys), error, batch=8, seed=lab.seed, axis=1)
    lab.train(task, "filter", steps=lab.pick(300, 5), lr=3e-2)
    reach = mg.jacobian(lambda x: unroll(cell, x)[0][-1], mg.tensor(xs[:30, :1])).numpy().ravel()  # of the last y
    before = np.pad(xs[:, :, 0].T, ((0, 0), (N, 0)))[:, None]  # (N, 1, time)
    slid = mg.conv1d(mg.tensor(before), mg.flip(cell.weight.detach().T[:, None], 2)).numpy()
    difference = abs(np.moveaxis(slid, 2, 0) - unroll(cell, xs)[0].numpy()).max()
    return cell.weight.numpy()[:, 0], float(abs(reach[: -N - 1]).max()), float(difference)
