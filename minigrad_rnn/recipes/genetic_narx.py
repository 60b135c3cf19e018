"""genetic-narx: a NARX net trained without gradients: by a genetic algorithm, and by simulated annealing.

    y_t = V tanh(U [x_t, x_{t-1}] + A [y_{t-1}, y_{t-2}, y_{t-3}] + b) + c

learns to be the plant of Narendra and Parthasarathy (1990, example 4). Its weights are one vector, and the mean squared
error is only asked for, at one vector after the other: by a genetic algorithm with blend crossover (Eshelman and
Schaffer 1993), and by annealing (Kirkpatrick, Gelatt and Vecchi 1983). Backpropagation from the same start is the
measure: it needs far fewer passes through the data, but a derivative; a search needs none.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells import NARXCell
from ..data import DataError, read_numbers
from ..data.forecasting import Scale
from ..data.plants import narendra_plant
from ..models import OpenLoop
from ..plotting import axes, legend_beside
from ..search import Annealing, Genetic, numbers_of, set_numbers
from ..systems import Figure, Lab, system
from ..training import Supervised

STEPS = 500  # of the series that are learned from, at most, and as many that are not
SHOWN = 60  # forecasts


def data_of(lab: Lab) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and outputs of a run to learn from, and of one that is held out: (time, 1, 2) each."""
    if lab.data is None:
        runs = [lab.rng(n).uniform(-1, 1, (STEPS, 1)) for n in range(2)]
        train, test = (np.stack([us, narendra_plant(us)], axis=-1).astype("float32") for us in runs)
        return train, test
    series = read_numbers(lab.data, columns=2, least=100)[-2 * STEPS :]
    train, test = np.array_split(series, 2)
    if (np.ptp(train, axis=0) == 0).any():
        raise DataError(f"{lab.data} has the same number in every row of a column: give inputs and outputs that change")
    scale = Scale(train)
    return scale(train)[:, None], scale(test)[:, None]


@system(
    data="a nonlinear plant and its inputs, made exactly",
    merit="held-out error beside that of gradient training",
    seconds=20,
    takes="a CSV file with two columns of numbers, input and output, in order of time; its last 1,000 rows",
)
def run(lab: Lab) -> list[Figure]:
    (xs, ys), (test_xs, test_ys) = ((run[..., :1], run[..., 1:]) for run in data_of(lab))
    cell = NARXCell(1, 8, input_taps=1, output_taps=3)
    start = numbers_of(cell)
    task = Supervised(
        OpenLoop(cell), (xs, ys, ys), (test_xs, test_ys, test_ys), mg.nn.mse_loss, seed=lab.seed, axis=1, inputs=2
    )
    inputs, outputs = mg.tensor(xs), mg.tensor(ys)

    def loss(numbers: np.ndarray) -> float:
        """The mean squared error of the net with these weights."""
        set_numbers(cell, numbers)
        with mg.no_grad():
            return mg.nn.mse_loss(cell.open_loop(inputs, outputs), outputs).item()

    lab.train(task, "gradient", steps=lab.pick(1500, 20), lr=1e-2)
    found, trained = {"gradient": task.predict()}, loss(numbers_of(cell))
    generations, temperatures = lab.pick((700, 100), (10, 2))
    searches = {
        "genetic": (Genetic(loss, start, population=40, decay=0.01 ** (1 / generations), rng=lab.rng(2)), generations),
        "annealing": (
            Annealing(loss, start, temperature=3e-4, cooling=0.01 ** (1 / temperatures), moves=5, rng=lab.rng(3)),
            temperatures,
        ),
    }
    plot = axes("vectors of weights that were tried", "mean squared error, learned from", "searches without gradients")
    for name, (search, steps) in searches.items():
        tried = []
        for _ in lab.progress(range(steps), name):
            search.step()
            tried.append((search.evaluations, search.best_loss))
        plot.loglog(*np.array(tried).T, label=name)
        set_numbers(cell, search.best)
        found[name] = task.predict()
    plot.axhline(trained, color="#555555", linestyle="--", label="gradient training, at its end")
    plot.legend(frameon=False)
    lab.save("searches.png", plot, "the best error so far, by how often it was asked for")

    shown = axes("step", "output", "held-out steps, each forecast from the true ones before", size=(11, 4.5))
    shown.plot(test_ys[:SHOWN, 0, 0], label="actual", color="#999999", linewidth=4)
    for name, forecasts in found.items():
        shown.plot(forecasts[:SHOWN, 0, 0], label=name, linewidth=1)
    legend_beside(shown)
    lab.save("forecasts.png", shown, "what each of the three nets makes of steps that none has seen")
    errors = {name: float(np.square(forecasts - test_ys).mean()) for name, forecasts in found.items()}
    return [
        Figure("held-out squared error, gradient", errors["gradient"], "<", test_ys.var(), "always the mean"),
        *(
            Figure(f"held-out squared error, {name}", errors[name], "<=", 5 * errors["gradient"], "5 × the gradient's")
            for name in searches
        ),
    ]
