"""parity: is the number of ones so far odd: two threshold units set by hand, and an LSTM that learns it.

The parity after x is x XOR the parity p before it, so there is a unit for "at least one of the two" and one for "both":

    h1_t = [x_t + p_{t-1} > 1/2]        h2_t = [x_t + p_{t-1} > 3/2]        p_t = h1_t - h2_t

which is exact for strings of any length. (Without hidden units no threshold computes parity: Minsky and Papert 1969.)
The LSTM learns from strings of 1 to 40 bits, with an answer asked at every step, and is tested on 1,000.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells import RNNCell
from ..data import DataError, read_bits
from ..data.synthetic import parity
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

SHORT, LONG = 40, 1000


@system(
    data="random bits",
    merit="wrong answers; accuracy of the learned net on 25 times longer strings",
    seconds=5,
    takes="a file of strings of 0 and 1, one a line, or of one bit a line",
)
def run(lab: Lab) -> list[Figure]:
    strings = [np.array([1, 1, 0, 1])] if lab.data is None else [row[0] for row in read_bits(lab.data, columns=1)]
    if max(map(len, strings)) == 1:
        strings = [np.concatenate(strings)]
    if sum(map(len, strings)) < 2:
        raise DataError(f"{lab.data}: one bit is no string: give at least two bits")
    cell, V = RNNCell(1, 2, nonlinearity="threshold", dtype="float64"), mg.tensor([[1.0], [-1.0]], name="V")
    cell.load_state_dict({"weight_ih": [[1, 1]], "weight_hh": [[1, 1], [-1, -1]], "bias": [-0.5, -1.5]})
    by_hand = lambda bits: (unroll(cell, mg.tensor(bits, dtype="float64"))[0] @ V).named("p")

    wrong = 0
    for length in (1, 2, 10, LONG):
        bits, odd = parity(length, 100, lab.rng(length))
        wrong += int((by_hand(bits).numpy() != odd).sum())

    model = SequenceModel(Recurrent("lstm", 1, 16), 1)
    make = lambda count, rng: parity(int(rng.integers(1, SHORT + 1)), count, rng)
    long = parity(LONG, 200, lab.rng(0))
    task = Supervised(model, make, long, mg.nn.bce_with_logits, accuracy, batch=64, seed=lab.seed, axis=1)
    result = lab.train(task, steps=lab.pick(1000, 30), lr=1e-2)

    missed, lines = 0, ["bits,by_hand,learned\n"]
    for bits in strings:
        xs, odd = bits[:, None, None], bits.sum() % 2
        answers = int(by_hand(xs).numpy()[-1].item()), int(task.predict((xs.astype("float32"), xs))[-1].item() > 0)
        missed += answers[0] != odd
        lines.append(f"{''.join(map(str, bits))},{','.join(('even', 'odd')[answer] for answer in answers)}\n")
    lab.write("answers.csv", "".join(lines), "each string, and what the two networks answer")
    lab.say("".join(lines[:11]).rstrip())

    picture = mg.draw(by_hand(strings[0][:4, None, None]), level="gate", values=True, title="parity, by two thresholds")
    lab.save("unrolled.svg", picture, "the unrolled threshold network, with every number")
    plot = axes("step", "share of right answers", f"learned on strings of up to {SHORT} bits")
    plot.plot(((task.predict() > 0) == task.validation[1]).mean(axis=(1, 2)), label="LSTM")
    plot.axhline(0.5, color="#555555", linestyle="--", label="guessing")
    plot.axvspan(0, SHORT, alpha=0.15, label="lengths seen in training")
    plot.set_ylim(0.4, 1.05)
    lab.save("learned.png", plot, "the learned network's answers, step by step")
    return [
        Figure("wrong answers by hand, strings of 1, 2, 10 and 1,000 bits", wrong, "=", 0, "exact"),
        Figure(f"wrong answers by hand of {len(strings):,}", missed, "=", 0, "counting the ones"),
        Figure("accuracy learned, over 1,000 bits", result.figures["accuracy"], ">=", 0.99, "the goal (guessing: 0.5)"),
    ]
