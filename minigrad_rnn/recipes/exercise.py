"""exercise: one logistic hidden unit and a linear output, computed by hand.

    h_t = σ(W_xh x_t + W_hh h_{t-1} + hbias)        y_t = W_hy h_t + ybias

with W_xh = -0.1, W_hh = 0.5, W_hy = 0.25, hbias = 0.4, ybias = 0 and h_{-1} = 0; what are h_0, y_1 and y_2 for the
inputs 18, 9, -8? The network is the library's own cell with these weights, and the picture shows every number of it.
"""

from __future__ import annotations

import math

import numpy as np

import minigrad as mg

from ..cells import RNNCell
from ..data import read_numbers
from ..systems import Figure, Lab, system
from ..unroll import unroll

W_xh, W_hh, W_hy, hbias, ybias = -0.1, 0.5, 0.25, 0.4, 0.0
SHOWN = 4  # steps in the picture, at most


@system(
    data="the inputs 18, 9, -8",
    merit="h_0, y_1, y_2",
    seconds=1,
    takes="a CSV file with a column of inputs, at least two",
)
def run(lab: Lab) -> list[Figure]:
    xs = np.array([18.0, 9.0, -8.0]) if lab.data is None else read_numbers(lab.data, columns=1, least=2).ravel()
    cell = RNNCell(1, 1, nonlinearity="sigmoid", dtype="float64")
    weights = {"weight_ih": [[W_xh]], "weight_hh": [[W_hh]], "bias": [hbias]}
    cell.load_state_dict({name: mg.tensor(value, dtype="float64") for name, value in weights.items()})
    h, _ = unroll(cell, xs.reshape(-1, 1, 1))
    y = h * W_hy + ybias

    by_hand, state = [], 0.0
    for x in xs:
        state = (1 + math.tanh((W_xh * x + W_hh * state + hbias) / 2)) / 2  # σ, which cannot overflow so
        by_hand.append(state)

    outputs, _ = unroll(cell, mg.tensor(xs[:SHOWN].reshape(-1, 1, 1)))
    picture = mg.draw((outputs * W_hy).named("y"), level="gate", values=True, title="one logistic unit")
    lab.save("unrolled.svg", picture, "the unrolled network, with every number")
    asked = [("h_0", h[0].item(), by_hand[0])]
    asked += [(f"y_{t}", y[t].item(), W_hy * by_hand[t] + ybias) for t in range(1, len(xs))][:SHOWN]
    for what, found, _ in asked:
        lab.say(f"{what} = {found:.10f}")
    return [Figure(what, found, "beside", exact, "by hand") for what, found, exact in asked] + [
        Figure("largest difference", max(abs(y - h) for _, y, h in asked), "<=", 1e-15, "rounding", exact=True)
    ]
