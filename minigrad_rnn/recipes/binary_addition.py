"""binary-addition: two binary numbers of any length are added with one carry; by hand, and learned on short ones.

The digits a_t and b_t come least significant first. Three threshold units count the ones of a_t, b_t and the carry:

    h1_t, h2_t, h3_t = [a_t + b_t + h2_{t-1} > 1/2, 3/2, 5/2]        digit y_t = h1_t - h2_t + h3_t

and h2, "at least two", is the next carry; this is exact for any length. A tanh RNN learns it from numbers of 8 bits,
and then adds 80. An MLP of fixed width, whose weights are each for one place, learns 8 bits too, and no place beyond.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Module, Sequential

from ..cells import RNNCell
from ..data import read_bits
from ..data.synthetic import as_number, binary_addition, side_by_side
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

SHORT, LONG, LONGEST = 8, 80, 1000  # bits


class AtOnce(Module):
    """An MLP that reads LONG + 1 places at once, zeros where there are fewer: (time, batch, 2) -> (time, batch, 1)."""

    def __init__(self, hidden: int):
        inputs, outputs = Linear(2 * (LONG + 1), hidden), Linear(hidden, LONG + 1)
        self.layers = Sequential(inputs, mg.relu, Linear(hidden, hidden), mg.relu, outputs)

    def forward(self, xs: Any) -> mg.Tensor:
        places = mg.pad(mg.tensor(xs), ((0, LONG + 1 - len(xs)), (0, 0), (0, 0)))
        return self.layers(mg.swapaxes(places, 0, 1).reshape(xs.shape[1], -1)).T[: len(xs), :, None]


@system(
    data="random numbers of 8 and of 80 bits; 11 + 3",
    merit="wrong digits; learned sums that are right to the last digit",
    seconds=6,
    takes="CSV rows of two binary numbers, as they are written: 1011,11",
)
def run(lab: Lab) -> list[Figure]:
    rows: Any = [[[1, 0, 1, 1], [1, 1]]] if lab.data is None else read_bits(lab.data, columns=2)
    pairs = [(as_number(np.array(a)[::-1]), as_number(np.array(b)[::-1])) for a, b in rows] + [(2**LONGEST - 1, 1)]
    cell, V = RNNCell(2, 3, nonlinearity="threshold", dtype="float64"), mg.tensor([[1.0], [-1.0], [1.0]], name="V")
    weights = {"weight_ih": [[1, 1, 1]] * 2, "weight_hh": [[0] * 3, [1] * 3, [0] * 3], "bias": [-0.5, -1.5, -2.5]}
    cell.load_state_dict(weights)
    by_hand = lambda digits: (unroll(cell, mg.tensor(digits, dtype="float64"))[0] @ V).named("y")
    exact = [binary_addition(bits, 100, lab.rng(bits)) for bits in (1, 2, 10, LONGEST)]
    wrong = sum(int((by_hand(digits).numpy() != sums).sum()) for digits, sums in exact)

    held_out = {bits: binary_addition(bits, 500, lab.rng(bits, 1)) for bits in (SHORT, LONG)}
    models = {"MLP": (AtOnce(128), 3000, 3e-3), "RNN": (SequenceModel(Recurrent("rnn", 2, 16), 1), 800, 1e-2)}
    make, loss, sums = lambda count, rng: binary_addition(SHORT, count, rng), mg.nn.bce_with_logits, {}
    plot = axes("place of the digit, from the least", "share of right digits", f"learned on numbers of {SHORT} bits")
    for name, (model, steps, lr) in models.items():
        task = Supervised(model, make, held_out[SHORT], loss, accuracy, batch=64, seed=lab.seed, axis=1)
        lab.train(task, name, steps=lab.pick(steps, 20), lr=lr)
        for bits, arrays in held_out.items():
            right = ((task.predict(arrays) > 0) == arrays[1])[..., 0]  # (place, number)
            sums[name, bits] = right.all(axis=0).mean()
        plot.plot(right.mean(axis=1), label=name)
    plot.axhline(0.5, color="#555555", linestyle="--", label="guessing")
    plot.axvspan(0, SHORT, alpha=0.15, label="places seen in training")
    lab.save("learned.png", plot, f"numbers of {LONG} bits: the right digits at each place")

    missed, lines = 0, ["a,b,by hand,learned"]
    for a, b in pairs:
        digits = side_by_side(a, b)
        found = as_number(by_hand(digits).numpy())
        learned = as_number(task.predict((digits, digits[..., :1])) > 0)  # by the RNN, the last that was trained
        missed += found != a + b
        lines.append(f"{a:b},{b:b},{found:b},{learned:b}")
    lab.write("sums.csv", "\n".join(lines) + "\n", "each two numbers, and their sum by hand and as it was learned")
    lab.say("\n".join(lines[:-1][:11]))
    picture = mg.draw(by_hand(side_by_side(*pairs[0])[:5]), level="gate", values=True, title="binary addition")
    lab.save("unrolled.svg", picture, "the unrolled threshold network, with every number")
    return [
        Figure("wrong digits by hand, numbers of 1, 2, 10 and 1,000 bits", wrong, "=", 0, "exact"),
        Figure(f"wrong sums by hand of {len(pairs):,}, one of 1,000 ones and 1", missed, "=", 0, "Python's"),
        Figure(f"sums of {LONG} bits right, RNN learned on {SHORT}", sums["RNN", LONG], ">=", 0.99, "the goal"),
        Figure(f"sums of {LONG} bits right, MLP alike", sums["MLP", LONG], "<=", 0.01, "what guessing can do"),
        Figure(f"sums of {SHORT} bits right, MLP", sums["MLP", SHORT], "beside", sums["RNN", SHORT], "the RNN"),
    ]
