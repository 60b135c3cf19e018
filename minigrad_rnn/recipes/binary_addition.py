"""binary-addition: two binary numbers of any length are added with one carry; by hand, and learned on short ones.

The digits a_t and b_t come least significant first. Three threshold units count the ones of a_t, b_t and the carry:

    h1_t, h2_t, h3_t = [a_t + b_t + h2_{t-1} > 1/2, 3/2, 5/2]        digit y_t = h1_t - h2_t + h3_t

and h2, "at least two", is the next carry; this is exact for any length. A tanh RNN learns it from numbers of 8 bits,
and then adds 80. An MLP of fixed width, whose weights are each for one place, learns 8 bits too, and no place beyond.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Module, Sequential

from ..cells import RNNCell
from ..data import read_bits
from ..data.synthetic import binary_addition
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

SHORT, LONG = 8, 80  # bits
SHOWN = 5  # steps in the picture, at most


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
    seconds=15,
    takes="CSV rows of two binary numbers, as they are written: 1011,11",
)
def run(lab: Lab) -> list[Figure]:
    pairs = [[np.array([1, 0, 1, 1]), np.array([1, 1])]] if lab.data is None else read_bits(lab.data, columns=2)
    cell = RNNCell(2, 3, nonlinearity="threshold", dtype="float64")
    weights = {"weight_ih": [[1, 1, 1]] * 2, "weight_hh": [[0] * 3, [1] * 3, [0] * 3], "bias": [-0.5, -1.5, -2.5]}
    cell.load_state_dict(weights)

    def by_hand(digits: np.ndarray) -> mg.Tensor:
        """The digits of the sums (time, batch, 1) of pairs of digits (time, batch, 2)."""
        units, _ = unroll(cell, mg.tensor(digits, dtype="float64"))
        return (units @ mg.tensor([[1.0], [-1.0], [1.0]], dtype="float64", name="V")).named("y")

    wrong = 0
    for bits in (1, 2, 10, 1000):
        digits, sums = binary_addition(bits, 100, lab.rng(bits))
        wrong += int((by_hand(digits).numpy() != sums).sum())

    def learn(name: str, model: Module, steps: int, lr: float) -> tuple[Supervised, dict[int, np.ndarray]]:
        """A model taught on SHORT bits; of held-out numbers of so many bits, is a digit right: (place, number)."""
        held_out = {bits: binary_addition(bits, 500, lab.rng(bits, 1)) for bits in (SHORT, LONG)}
        make, loss = functools.partial(binary_addition, SHORT), mg.nn.bce_with_logits
        task = Supervised(model, make, held_out[SHORT], loss, accuracy, batch=64, seed=lab.seed, axis=1)
        lab.train(task, name, steps=steps, lr=lr)
        return task, {n: ((task.predict(arrays) > 0) == arrays[1])[..., 0] for n, arrays in held_out.items()}

    rnn, by_rnn = learn("RNN", SequenceModel(Recurrent("rnn", 2, 16), 1), lab.pick(800, 20), 1e-2)
    _, by_mlp = learn("MLP", AtOnce(128), lab.pick(3000, 20), 3e-3)

    missed, lines = 0, ["a,b,by hand,learned"]
    for a, b in pairs:
        digits = side_by_side(a, b)
        found, guess = written(by_hand(digits).numpy()), written(rnn.predict((digits, digits[..., :1])) > 0)
        missed += int(found, 2) != int(written(a[::-1]), 2) + int(written(b[::-1]), 2)
        lines.append(f"{written(a[::-1])},{written(b[::-1])},{found},{guess}")
    lab.write("sums.csv", "\n".join(lines) + "\n", "each two numbers, and their sum by hand and as it was learned")
    lab.say("\n".join(lines[:11]))

    shown = by_hand(side_by_side(*pairs[0])[:SHOWN])
    picture = mg.draw(shown, level="gate", values=True, title="two numbers added, by three thresholds")
    lab.save("unrolled.svg", picture, "the unrolled threshold network, with every number")
    plot = axes("place of the digit, from the least", "share of right digits", f"learned on numbers of {SHORT} bits")
    plot.plot(by_rnn[LONG].mean(axis=1), label="RNN")
    plot.plot(by_mlp[LONG].mean(axis=1), label="MLP")
    plot.axhline(0.5, color="#555555", linestyle="--", label="guessing")
    plot.axvspan(0, SHORT, alpha=0.15, label="places seen in training")
    plot.legend(frameon=False, loc="center right")
    lab.save("learned.png", plot, f"numbers of {LONG} bits: the right digits at each place")
    (short, long), (mlp_short, mlp_long) = ([n.all(axis=0).mean() for n in one.values()] for one in (by_rnn, by_mlp))
    return [
        Figure("wrong digits by hand, numbers of 1, 2, 10 and 1,000 bits", wrong, "=", 0, "exact"),
        Figure(f"wrong sums by hand of {len(pairs):,}", missed, "=", 0, "Python's"),
        Figure(f"sums of {LONG} bits right, RNN learned on {SHORT}", long, ">=", 0.99, "the goal"),
        Figure(f"sums of {LONG} bits right, MLP learned on {SHORT}", mlp_long, "<=", 0.01, "what guessing can do"),
        Figure(f"sums of {SHORT} bits right, MLP", mlp_short, "beside", short, "the RNN"),
    ]


def side_by_side(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Two numbers' digits as they are written -> (time, 1, 2), from the least significant on, and one more place."""
    digits = np.zeros((max(len(a), len(b)) + 1, 1, 2), "float32")
    digits[: len(a), 0, 0], digits[: len(b), 0, 1] = a[::-1], b[::-1]
    return digits


def written(digits: np.ndarray) -> str:
    """Digits from the least significant on, as a number is written."""
    return "".join(str(int(digit)) for digit in digits.ravel()[::-1]).lstrip("0") or "0"
