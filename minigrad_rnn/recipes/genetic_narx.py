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
from ..data.plants import narendra_plant
from ..data.series import inputs_and_outputs
from ..models import OpenLoop
from ..plotting import axes, legend_beside, plot_forecasts
from ..search import Annealing, Genetic, numbers_of, set_numbers
from ..systems import Figure, Lab, system
from ..training import Supervised

STEPS = 500  # that are learned from, and as many that are not
SHOWN = 60  # forecasts


@system(
    data="a nonlinear plant and its inputs, made exactly",
    merit="held-out error beside that of gradient training",
    seconds=20,
    takes="a CSV file with two columns of numbers, input and output, in order of time; its last 1,000 rows",
)
def run(lab: Lab) -> list[Figure]:
    if lab.data is None:
        inputs = (lab.rng(n).uniform(-1, 1, (STEPS, 1)) for n in range(2))
        runs = tuple(np.concatenate([us, narendra_plant(us)], axis=1).astype("float32") for us in inputs)
    else:
        runs = inputs_and_outputs(lab.data, least=100, most=2 * STEPS)
    train, test = ((run[:, None, :1], run[:, None, 1:], run[:, None, 1:]) for run in runs)  # (time, 1, 1) each
    cell = NARXCell(1, 8, input_taps=1, output_taps=3)
    start = numbers_of(cell)
    task = Supervised(OpenLoop(cell), train, test, mg.nn.mse_loss, seed=lab.seed, axis=1, inputs=2)
    xs, ys = map(mg.tensor, train[:2])

    def loss(numbers: np.ndarray) -> float:
        """The mean squared error of the net with these weights."""
        set_numbers(cell, numbers)
        with mg.no_grad():
            return mg.nn.mse_loss(cell.open_loop(xs, ys), ys).item()

    lab.train(task, "gradient", steps=lab.pick(1500, 20), lr=1e-2)
    found, trained = {"gradient": task.predict()}, loss(numbers_of(cell))
    generations, temperatures = lab.pick((700, 100), (10, 2))
    genetic = Genetic(loss, start, population=40, decay=0.01 ** (1 / generations), rng=lab.rng(2))
    annealing = Annealing(loss, start, 3e-4, cooling=0.01 ** (1 / temperatures), moves=5, rng=lab.rng(3))
    plot = axes("vectors of weights that were tried", "mean squared error, learned from", "searches without gradients")
    for name, search, steps in (("genetic", genetic, generations), ("annealing", annealing, temperatures)):
        tried = []
        for _ in lab.progress(range(steps), name):
            search.step()
            tried.append((search.evaluations, search.best_loss))
        plot.loglog(*np.array(tried).T, label=name)
        set_numbers(cell, search.best)
        found[name] = task.predict()
    plot.axhline(trained, color="#555555", linestyle="--", label="gradient training, at its end")
    lab.save("searches.png", plot, "the best error so far, by how often it was asked for")

    shown = axes("step", "output", "held-out steps, each forecast from the true ones before", size=(11, 4.5))
    plot_forecasts(test[1][:SHOWN, 0, 0], {name: said[:SHOWN, 0, 0] for name, said in found.items()}, shown)
    legend_beside(shown)
    lab.save("forecasts.png", shown, "what each of the three nets makes of steps that none has seen")
    error, *errors = (float(np.square(said - test[1]).mean()) for said in found.values())
    figures = [Figure("held-out squared error, gradient", error, "<", test[1].var(), "always the mean")]
    for name, of_search in zip(("genetic", "annealing"), errors):
        figures.append(Figure(f"held-out squared error, {name}", of_search, "<=", 5 * error, "5 × the gradient's"))
    return figures
