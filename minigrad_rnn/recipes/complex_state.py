"""complex-state: a state that sees several past steps and another layer's state; or its own past alone.

Any column that repeats is a cell. Here one of two layers, h and s, which see each other, and the lower also sees itself
as it was `lag` steps ago; and beside it the other extreme, a diagonal recurrence (IndRNN, Li et al. 2018):

    h_t = tanh(U x_t + W h_{t-1} + A h_{t-lag} + Q s_{t-1})    s_t = tanh(V h_t + R s_{t-1})
    h_t = relu(U x_t + w ∘ h_{t-1} + b)

(Lin, Horne, Tiňo and Giles 1996 give a network such delays of its own states or outputs, and gradients a shorter way
back.) The task: put out the input of many steps ago. What lies two taps back is as near as two steps; the plain net has
to pass it on 30 times, and has room for no more numbers than it has units. Both have as many weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..cells import Cell, IndRNNCell, State
from ..check import check_cell
from ..data.forecasting import Scale, sliding_windows
from ..data.series import column
from ..layers import Recurrent
from ..models import SequenceModel
from ..pictures import unrolled
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Supervised

LENGTH, LAG, BACK = 80, 15, (5, 15, 22, 30, 45)


class Columns(Cell):
    """Two layers that see each other; the lower also sees itself `lag` steps ago, and `past` is what lies between."""

    state_names = ("h", "past", "s")

    def __init__(self, input_size: int, hidden_size: int, lag: int = 2, dtype: str = "float32"):
        self.lag = lag
        self.U = mg.nn.init.glorot(input_size, hidden_size, dtype=dtype)
        self.V = mg.nn.init.glorot(hidden_size, hidden_size, dtype=dtype)
        self.W, self.A, self.Q, self.R = (mg.nn.init.orthogonal(hidden_size, dtype=dtype) for _ in range(4))

    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.hidden_size,), (self.hidden_size * (self.lag - 1),), (self.hidden_size,)

    def step(self, x: mg.Tensor, state: State) -> tuple[mg.Tensor, State]:
        h, past, s = state
        past = mg.concatenate([h, past], axis=1)
        delayed = past[:, -self.hidden_size :]
        h = mg.tanh(x @ self.U + h @ self.W + delayed @ self.A + s @ self.Q)
        s = mg.tanh(h @ self.V + s @ self.R)
        return s, (h, past[:, : -self.hidden_size], s)


@system(
    data="random numbers",
    merit="squared error of the input 30 steps ago",
    seconds=13,
    takes="a CSV file with a column of at least 800 numbers, in order of time",
)
def run(lab: Lab) -> list[Figure]:
    series = lab.rng().uniform(-1, 1, 20_000) if lab.data is None else column(lab.data, least=10 * LENGTH)
    known, unseen = np.split(series[:, None], [len(series) * 4 // 5])
    train, test = (sliding_windows(Scale(known)(part), LENGTH) for part in (known, unseen))

    def learn(name: str, recurrent: Recurrent, back: int) -> float:
        """The squared error, after training, of the input `back` steps ago, from the step on where there was one."""

        def error(outputs: mg.Tensor, inputs: Any) -> mg.Tensor:
            return mg.nn.mse_loss(outputs[back:], inputs[: LENGTH - back])

        halves = (train, train), (test[:, ::8], test[:, ::8])
        task = Supervised(SequenceModel(recurrent, 1), *halves, error, batch=32, seed=lab.seed, axis=1)
        return lab.train(task, f"{name}, {back} steps back", steps=lab.pick(400, 3), lr=1e-2).figures["loss"]

    with_tap = [learn("with the tap", Recurrent(Columns, 1, 8, lag=LAG), back) for back in BACK]
    without = [learn("without", Recurrent("rnn", 1, 17), back) for back in BACK]
    plot = axes("steps back", "squared error (variance of the input: 1)", "to put out what was read so many steps ago")
    plot.plot(BACK, with_tap, "o-", label="a tap at lag 15, two layers")
    plot.plot(BACK, without, "o-", label="h_{t-1} only, as many weights")
    plot.axhline(1, color="#555555", linestyle="--", label="always the mean")
    lab.save("steps-back.png", plot, "how far back either net remembers")
    picture = unrolled(Columns, steps=4, backward=False, level="gate", title="h sees h_{t-1}, h_{t-2} and s_{t-1}")
    lab.save("unrolled.svg", picture, "the unrolled cell, with a tap at lag 2")
    picture = unrolled("indrnn", steps=3, backward=False, level="gate", title="each unit sees its own past alone")
    lab.save("diagonal.svg", picture, "the unrolled cell with a diagonal recurrence")
    diagonal, x, h = IndRNNCell(3, 4, dtype="float64"), mg.ones((1, 3), dtype="float64"), np.ones((1, 4))
    jacobian = mg.jacobian(lambda h: diagonal.step(x, h)[1][0], mg.tensor(h)).numpy()[:, 0]
    others = np.abs(jacobian * (1 - np.eye(4))).max()
    tap, plain = (found[BACK.index(30)] for found in (with_tap, without))
    return [
        Figure("squared error, 30 steps back, with the tap", tap, "<", plain, "without, as many weights"),
        Figure("squared error, 30 steps back, with the tap", tap, "<", 0.2, "the goal (1: always the mean)"),
        Figure("checks of a cell that this one fails", len(check_cell(Columns, quiet=True).failed), "=", 0, "none"),
        Figure("diagonal recurrence: ∂h_t/∂h_{t-1} off the diagonal", others, "=", 0, "none"),
    ]
