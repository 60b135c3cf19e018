"""solar-wind: NARX with exogenous temperature forecasts wind (and sun).

    y_t = V φ(U [x_t … x_{t-L}] + A [y_{t-1} … y_{t-K}] + b) + b_y          (Lin, Horne, Tiňo and Giles 1996, eq. 1)

What is forecast, y, is the wind and whether the sun shines; the exogenous input x is the day's highest and lowest
temperature: those measured stand for the weather service's forecast of them. In training the loop is open: the net is
given the true past y, and no day waits for another. To forecast several days the loop is closed: from the last true day
on it is given its own y.

The split rolls: what is trained on ends before what is tested on begins, and each test becomes training for the next.
Beside it, with the same split: tomorrow is as today (persistence), or as all days so far (the mean); and with the same
inputs, least squares (the net without φ).
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells.narx import NARXCell
from ..data.forecasting import LinearAutoregression, Scale, persistence, rolling, sliding_windows
from ..data.weather import daily_weather
from ..models import OpenLoop, closed_loop
from ..plotting import panels
from ..systems import Figure, Lab, system
from ..training import Supervised

L, K = 2, 3  # past days' inputs and outputs
DAYS = 7  # that are forecast in closed loop
NAMES = ("NARX", "least squares", "persistence", "the mean so far")


@system(
    data="1,461 days of Seattle's weather (vega_datasets)",
    merit="error of the wind and the sun, one day and seven ahead",
    seconds=4,
    takes="a CSV file of days with the columns precipitation, temp_max, temp_min, wind and weather (sun, or else)",
)
def run(lab: Lab) -> list[Figure]:
    weather = daily_weather(lab.data)
    inputs, outputs = weather[:, 1:3], weather[:, 3:]  # °C; m/s, and 1 for sun
    squares: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    for fold, (cut, end) in enumerate(rolling(len(weather), lab.pick(4, 1)), 1):
        x_scale, y_scale = Scale(inputs[:cut]), Scale(outputs[:cut])
        xs, ys = x_scale(inputs[:end]), y_scale(outputs[:end])

        cell = NARXCell(2, 16, 2, input_taps=L, output_taps=K)
        known, unseen = (
            (sliding_windows(xs[part], K + DAYS), sliding_windows(ys[part], K + DAYS))
            for part in (slice(cut), slice(cut - K, end))
        )
        learned, tested = ((x, y, y[K:]) for x, y in (known, unseen))
        task = Supervised(
            OpenLoop(cell, skip=K), learned, tested, mg.nn.mse_loss, batch=64, seed=lab.seed, axis=1, inputs=2
        )
        lab.train(task, f"fold {fold}", steps=lab.pick(600, 20), lr=3e-3)
        x, y = unseen
        closed = closed_loop(cell, x[K:], cell.after(x[:K], y[:K]))
        linear = LinearAutoregression(xs[:cut], ys[:cut], L, K)
        found = closed, linear.forecast(x, y[:K]), persistence(y[:K], DAYS), np.zeros_like(y[K:])
        for name, forecast in zip(NAMES, found, strict=True):
            squares[name].append((y_scale.back(forecast) - y_scale.back(y[K:])) ** 2)
    errors = {name: np.sqrt(np.concatenate(found, axis=1).mean(axis=1)) for name, found in squares.items()}

    titles = ["wind", "sun (1) or none (0)"]
    for part, one in enumerate(made := panels(2, "days ahead", titles=titles, size=(11, 4.5))):
        for name in NAMES:
            one.plot(range(1, DAYS + 1), errors[name][:, part], marker="o", label=name)
        one.set(ylabel=("root mean squared error, m/s", "root mean squared error")[part], ylim=(0, None))
    lab.save("horizons.png", made[0], "the error of forecasts of 1 to 7 days, in closed loop")
    figures = []
    for ahead in (1, DAYS):
        for part, unit in enumerate(("wind, m/s", "sun")):
            error = {name: errors[name][ahead - 1, part] for name in NAMES}
            what = f"error of {unit}, {ahead} day{'s' * (ahead > 1)} ahead"
            figures += [Figure(what, error["NARX"], "<", error[name], name) for name in NAMES[2:]]
            figures.append(Figure(what, error["NARX"], "beside", error["least squares"], "least squares"))
    return figures
