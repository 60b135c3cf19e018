"""jordan: recurrence from the output, which trains in parallel over time.

    h_t = φ(U x_t + W ŷ_{t-1} + b)    ŷ_t = ψ(V h_t + c)

(Jordan 1986; Goodfellow, Bengio and Courville 2016, section 10.2.1.) All that it remembers is what it said before. So
in training the true y_{t-1} is put in its place (teacher forcing): no step waits for another, and all are computed at
once. In use it hears itself. The task is a switch with hysteresis, as in a thermostat: between its two thresholds
it stays as it was, so that what to say now depends on what was said before.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

import minigrad as mg

from ..cells import JordanCell
from ..data.plants import schmitt_trigger
from ..data.series import column
from ..models import OpenLoop
from ..pictures import unrolled
from ..plotting import legend_beside, panels
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

LENGTH = 100
SHOWN = 200


def wandering(length: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers that drift about 0 with a variance of 1, (length, count, 1): x_t = 0.95 x_{t-1} + noise."""
    xs = rng.normal(size=(length, count, 1))
    for t in range(1, length):
        xs[t] = 0.95 * xs[t - 1] + (1 - 0.95**2) ** 0.5 * xs[t]
    return xs.astype("float32")


@system(
    data="a wandering input and a switch with hysteresis, made exactly",
    merit="accuracy in closed loop",
    seconds=8,
    takes="a CSV file with a column of numbers, in order of time, for the input",
)
def run(lab: Lab) -> list[Figure]:
    if lab.data is None:
        train, test = wandering(LENGTH, 64, lab.rng()), wandering(10 * LENGTH, 16, lab.rng(1))
    else:
        series = column(lab.data, least=3 * LENGTH)
        series = ((series - series.mean()) / series.std()).astype("float32")[:, None, None]
        train, test = np.split(series, [len(series) // 2])
    truth, asked = schmitt_trigger(train), schmitt_trigger(test)

    cell = JordanCell(1, 32, output_size=1, output="sigmoid")
    task = Supervised(
        OpenLoop(cell), (train, truth, truth), (test, asked, asked), mg.nn.mse_loss, seed=lab.seed, axis=1, inputs=2
    )
    lab.train(task, steps=lab.pick(4000, 5), lr=1e-2)
    with mg.no_grad():
        said = unroll(cell, test)[0].numpy()
    right = float(((said > 0.5) == (asked > 0.5)).mean())
    without = max(float(((test > cut) == (asked > 0.5)).mean()) for cut in np.quantile(test, np.linspace(0, 1, 201)))

    largest, waits, at_once = both_ways(lab)
    series, states = panels(2, "step", titles=["input", "output"], size=(13, 4))
    series.plot(test[:SHOWN, 0, 0])
    for threshold in (-0.5, 0.5):
        series.axhline(threshold, color="#555555", linestyle="--", linewidth=1)
    states.plot(asked[:SHOWN, 0, 0], label="the switch", linewidth=3, alpha=0.4)
    states.plot(said[:SHOWN, 0, 0], label="Jordan net, closed loop")
    legend_beside(states)
    lab.save("closed-loop.png", states, "the input with both thresholds, and what net and switch made of it")
    picture = unrolled("jordan", steps=3, level="gate", title="the output goes back in")
    lab.save("unrolled.svg", picture, "three steps: the green arrows come from the output")
    return [
        Figure("accuracy in closed loop", right, ">", without, "the best threshold, without memory"),
        Figure("largest difference, all steps at once", largest, "<=", 1e-12, "one step after another", exact=True),
        Figure("ms for a gradient, all steps at once", 1e3 * at_once, "beside", 1e3 * waits, "one step after another"),
    ]


def both_ways(lab: Lab) -> tuple[float, float, float]:
    """Teacher forcing step by step, and all steps at once: the largest difference, and the seconds of each."""
    cell = JordanCell(1, 16, output_size=1, output="sigmoid", dtype="float64")
    xs = mg.tensor(lab.rng(2).normal(size=(LENGTH, 8, 1)))
    ys = mg.tensor(schmitt_trigger(xs.numpy()), dtype="float64")

    def stepwise() -> mg.Tensor:
        before, outputs = cell.initial_state(8), []
        for x, y in zip(mg.unstack(xs), mg.unstack(ys), strict=True):
            outputs.append(cell.step(x, before)[0])
            before = y
        return mg.stack(outputs)

    def seconds(forward: Callable[[], mg.Tensor]) -> float:
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            mg.nn.mse_loss(forward(), ys).backward()
            taken.append(time.perf_counter() - started)
        return min(taken)

    largest = float(abs(stepwise().numpy() - cell.open_loop(xs, ys).numpy()).max())
    return largest, seconds(stepwise), seconds(lambda: cell.open_loop(xs, ys))
