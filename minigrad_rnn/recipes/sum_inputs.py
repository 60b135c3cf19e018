"""sum-inputs: a linear net that outputs the running sum, its weights set by hand.

    h_t = x_t + h_{t-1}        y_t = h_t

The input's weight and the recurrent one are 1, and there is no bias and no nonlinearity: what is read is added up, over
any length. Sums of eighths are exact in float64, so not one may be wrong; those of other numbers are as near to the
exact sums as additions one after the other can be, T 2^-53 Σ|x| (Higham 2002, section 4.2).
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
SHOWN = 4  # steps in the picture, at most


@system(
    data="random eighths; the inputs 2, -0.5, 1, 1",
    merit="wrong sums",
    seconds=1,
    takes="a CSV file with a column of numbers, at least two",
)
def run(lab: Lab) -> list[Figure]:
    own = np.array([2.0, -0.5, 1.0, 1.0])
    xs = own if lab.data is None else read_numbers(lab.data, columns=1, least=2).ravel()
    cell = RNNCell(1, 1, bias=False, nonlinearity="identity", dtype="float64")
    cell.load_state_dict({"weight_ih": [[1]], "weight_hh": [[1]]})

    wrong = 0
    for length in LENGTHS:
        strings = lab.rng(length).integers(-800, 801, (length, 50, 1)) / 8
        sums, _ = unroll(cell, strings)
        wrong += int((sums.numpy() != strings.cumsum(axis=0)).sum())

    outputs, _ = unroll(cell, xs.reshape(-1, 1, 1))
    found = outputs.numpy().ravel()
    exact = [float(total) for total in accumulate(map(Fraction, xs))]
    lab.write(
        "sums.csv", "x,sum\n" + "".join(f"{x},{y}\n" for x, y in zip(xs, found)), "each input, and the sum so far"
    )
    lab.say(f"the sums of {', '.join(map(str, xs[:10]))}: {', '.join(map(str, found[:10]))}")

    steps, _ = unroll(cell, mg.tensor(xs[:SHOWN].reshape(-1, 1, 1)))
    picture = mg.draw(steps.named("y"), level="gate", values=True, title="a linear unit adds up what it reads")
    lab.save("unrolled.svg", picture, "the unrolled network, with every number")
    rounding = len(xs) * 2**-53 * np.abs(xs).sum()
    return [
        Figure("wrong sums of strings of 1, 2, 10 and 1,000 numbers", wrong, "=", 0, "exact"),
        Figure(
            f"largest error of {len(xs):,} sums", np.abs(found - exact).max(), "<=", rounding, "rounding", exact=True
        ),
    ]
