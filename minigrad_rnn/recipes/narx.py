"""narx: nonlinear autoregression with exogenous inputs, with one tap, with a few, and with all of the past.

    y_t = V φ(U [x_t … x_{t-L}] + A [y_{t-1} … y_{t-K}] + b) + c

(Lin, Horne, Tiňo and Giles 1996, eq. 1.) In training the true past outputs are given (open loop), and all steps are
computed at once; in use it goes on with its own (closed loop). It learns to be the plant of Narendra and Parthasarathy
(1990, example 4), which looks back on three outputs and one input:

    y_t = (y_{t-1} y_{t-2} y_{t-3} u_{t-1} (y_{t-3} - 1) + u_t) / (1 + y_{t-2}² + y_{t-3}²)

The inputs are random levels, held for a while, and then also the paper's two sines, of which no net has seen any.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells import NARXCell
from ..data import DataError, read_numbers
from ..data.forecasting import LinearAutoregression, Scale, segments
from ..data.plants import held_levels, narendra_plant, two_sines
from ..models import OpenLoop
from ..pictures import unrolled
from ..plotting import axes, legend_beside
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

LENGTH = 50
NETS = {"one tap": 1, "three taps": 3, "complete": LENGTH - 1}  # the past outputs that each sees


def data_of(lab: Lab) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs and outputs (…, 2): of one long run (time, 2), and of runs to train on and to test on (LENGTH, N, 2)."""
    if lab.data is None:
        shapes = (2000, 1), (LENGTH, 512), (LENGTH, 64)
        runs = [held_levels(*shape, lab.rng(n)) for n, shape in enumerate(shapes)]
        long, train, test = (np.stack([us, narendra_plant(us)], axis=-1).astype("float32") for us in runs)
        return long[:, 0], train, test
    series = read_numbers(lab.data, columns=2, least=4 * LENGTH)
    if (np.ptp(series, axis=0) == 0).any():
        raise DataError(f"{lab.data} has the same number in every row of a column: give inputs and outputs that change")
    known = len(series) * 3 // 4
    series = Scale(series[:known])(series)
    return series[:known], segments(series[:known], LENGTH, 10), segments(series[known:], LENGTH, 10)


@system(
    data="a nonlinear plant and its inputs, made exactly",
    merit="error in closed loop",
    seconds=8,
    takes="a CSV file with two columns of numbers, input and output, in order of time",
)
def run(lab: Lab) -> list[Figure]:
    long, train, test = data_of(lab)
    (xs, ys), (test_xs, test_ys) = ((runs[..., :1], runs[..., 1:]) for runs in (train, test))
    cells = {}
    for name, taps in NETS.items():
        cells[name] = NARXCell(1, 32, input_taps=1, output_taps=taps)
        halves = (xs, ys, ys), (test_xs, test_ys, test_ys)
        task = Supervised(OpenLoop(cells[name]), *halves, mg.nn.mse_loss, seed=lab.seed, axis=1, inputs=2)
        lab.train(task, name, steps=lab.pick(1500, 5), lr=1e-2)
    linear = LinearAutoregression(long[:, :1], long[:, 1:], input_taps=1, output_taps=3)

    def closed_loop(name: str, inputs: np.ndarray) -> np.ndarray:
        """The outputs (time, N, 1) for these inputs, each net's own fed back; at rest before."""
        if name == "linear":
            rest = np.zeros((3, *inputs.shape[1:]), "float32")
            return linear.forecast(np.concatenate([rest, inputs]), rest)
        with mg.no_grad():
            return unroll(cells[name], inputs.astype("float32"))[0].numpy()

    def error(name: str, inputs: np.ndarray, outputs: np.ndarray) -> float:
        return float(np.sqrt(np.square(closed_loop(name, inputs) - outputs).mean()))

    errors = {name: error(name, test_xs, test_ys) for name in (*NETS, "linear")}
    figures = [
        Figure(f"error in closed loop, {name}", errors[name], "<", errors["linear"], "a linear one of three taps")
        for name in ("three taps", "complete")
    ]
    figures.append(Figure("error in closed loop, one tap", errors["one tap"], "beside", errors["three taps"], "three"))
    inputs, outputs = test_xs[:, :1], test_ys[:, :1]
    if lab.data is None:
        inputs = two_sines()[:, None, None]
        outputs = narendra_plant(inputs)
        of_sines = {name: error(name, inputs, outputs) for name in ("three taps", "linear")}
        figures.append(Figure("error of sines, three taps", of_sines["three taps"], "<", of_sines["linear"], "linear"))
    plot = axes("step", "output", "in closed loop", size=(11, 4.5))
    plot.plot(outputs[:, 0, 0], label="the plant" if lab.data is None else "actual", color="#999999", linewidth=4)
    for name in ("three taps", "one tap", "linear"):
        plot.plot(closed_loop(name, inputs)[:, 0, 0], label=name, linewidth=1)
    legend_beside(plot)
    lab.save("closed-loop.png", plot, "an input that was not trained on, and what each makes of it by itself")
    picture = unrolled(
        "narx", steps=3, level="gate", backward=False, cell_options={"output_taps": 2}, title="two taps, closed loop"
    )
    lab.save("unrolled.svg", picture, "three steps: two past outputs are handed on from step to step")
    return figures
