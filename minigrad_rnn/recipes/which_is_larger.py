"""which-is-larger: of two inputs, which has the larger total so far, its weights set by hand.

    h_t = x1_t - x2_t + h_{t-1}        y_t = σ(5 h_t)

The one linear unit holds the difference of the two totals, and the logistic output is above 1/2 where the first is the
larger, below where the second is, and 1/2 where they are equal. Sums of eighths are exact in float64, so not one answer
may be wrong. In a file a difference below the rounding of 2 T additions, 2 T 2^-53 Σ|x|, counts for neither.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

import numpy as np

import minigrad as mg

from ..cells import RNNCell
from ..data import read_numbers
from ..systems import Figure, Lab, system
from ..unroll import unroll

LENGTHS = (1, 2, 10, 1000)
SHOWN = 3  # steps in the picture, at most
ANSWERS = ("second", "equal", "first")


@system(
    data="random eighths; the inputs (2, -2), (0, 3.5), (1, 2.2)",
    merit="wrong answers",
    seconds=1,
    takes="a CSV file with two columns of numbers, at least two rows",
)
def run(lab: Lab) -> list[Figure]:
    own = np.array([[2, -2], [0, 3.5], [1, 2.2]])
    xs = own if lab.data is None else read_numbers(lab.data, columns=2, least=2)
    cell = RNNCell(2, 1, bias=False, nonlinearity="identity", dtype="float64")
    cell.load_state_dict({"weight_ih": [[1], [-1]], "weight_hh": [[1]]})

    wrong = 0
    for length in LENGTHS:
        strings = lab.rng(length).integers(-16, 17, (length, 50, 2)) / 8
        totals = strings.cumsum(axis=0)
        outputs = mg.sigmoid(5 * unroll(cell, strings)[0]).numpy()[..., 0]
        wrong += int((np.sign(outputs - 0.5) != np.sign(totals[..., 0] - totals[..., 1])).sum())

    outputs = mg.sigmoid(5 * unroll(cell, xs[:, None])[0]).numpy().ravel()
    exact = np.array([float(total) for total in accumulate(Fraction(a) - Fraction(b) for a, b in xs)])
    told = np.abs(exact) > 2**-53 * max(1, 2 * len(xs) * np.abs(xs).sum())
    answers = [ANSWERS[1 + sign] for sign in (np.sign(outputs - 0.5) * told).astype(int)]
    missed = int((((outputs > 0.5) != (exact > 0)) & told).sum())
    lines = [f"{a},{b},{y:.6g},{answer}\n" for (a, b), y, answer in zip(xs, outputs, answers)]
    lab.write("answers.csv", "x1,x2,y,larger\n" + "".join(lines), "each pair of inputs, and which total is larger then")
    lab.say(f"the larger total after each pair: {', '.join(answers[:10])}")

    steps, _ = unroll(cell, mg.tensor(xs[:SHOWN, None]))
    picture = mg.draw(mg.sigmoid(5 * steps).named("y"), level="gate", values=True, title="which total is larger")
    lab.save("unrolled.svg", picture, "the unrolled network, with every number")
    return [
        Figure("wrong answers, strings of 1, 2, 10 and 1,000 pairs", wrong, "=", 0, "exact"),
        Figure(f"wrong answers of {len(xs):,}", missed, "=", 0, "exact sums"),
    ]
