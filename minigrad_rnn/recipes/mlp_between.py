"""mlp-between: feed-forward layers between recurrent ones.

    h_t = U x_t + W h_{t-1} + b    m_t = B relu(A h_t + a) + d    s_t = U' m_t + W' s_{t-1} + b'    o_t = V s_t + c

Here the recurrences are linear. On top of each other they are one linear net, whatever their number; with a small net
between, that sees one step at a time, they are not (as in the deep linear recurrent units of Orvieto et al. 2023). The
task needs it: to count the double letters of a text. Is x_t the same as x_{t-1}? No sum of what each letter counts by
itself can say that; the first recurrence brings both letters into h_t, the net between says it, the second one counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Sequential

from ..data.letters import Tagged, lines_of, words_of
from ..data.text import text_of
from ..layers import Recurrent
from ..metrics import squared_error
from ..models import SymbolModel, as_large
from ..plotting import axes, plot_forecasts
from ..systems import Figure, Lab, system
from ..training import Supervised

EMBEDDING, WIDTH, LENGTH = 16, 32, 24


def between(width: int) -> Sequential:
    return Sequential(Linear(width, 2 * WIDTH), mg.relu, Linear(2 * WIDTH, width))


@system(
    data="words of Python's standard library",
    merit="squared error of the number of double letters",
    seconds=9,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    lines = lines_of(words_of(text_of(lab.data))[: lab.pick(30_000, 1_000)], LENGTH)
    data = Tagged.of(texts := [" ".join(line) for line in lines], texts, LENGTH)

    def counted(characters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Texts (time, N), and how many double letters each has so far, (time, N, 1)."""
        double = np.zeros_like(characters)
        double[1:] = (characters[1:] == characters[:-1]) & (characters[1:] != data.characters.encode(" "))
        return characters, double.cumsum(axis=0)[..., None].astype("float32")

    def model(width: int, middle: Callable[[int], Sequential] | None = None) -> SymbolModel:
        layers = Recurrent("rnn", EMBEDDING, width, 2, between=middle, nonlinearity="identity")
        return SymbolModel(len(data.characters), layers, 1)

    train, test = counted(data.train[0]), counted(data.test[0])
    with_net = model(WIDTH, between)
    without = model(as_large(model, with_net))
    line = int(test[1][-1].argmax())  # the one with most
    errors, said = [], {}
    for made, name in ((with_net, "with a feed-forward layer between"), (without, "without")):
        task = Supervised(made, train, test, mg.nn.mse_loss, squared_error, 64, lab.seed, axis=1, maximise=False)
        errors.append(lab.train(task, name, steps=lab.pick(800, 3), lr=5e-3).figures["squared_error"])
        said[name] = task.predict()[:, line, 0]
    plot = axes("letter", "double letters so far", "counted by linear recurrences")
    plot_forecasts(test[1][:, line, 0], said, plot, "true")
    plot.set_xticks(range(LENGTH), data.characters.decode(test[0][:, line]))
    lab.save("counted.png", plot, "double letters counted by either net")
    bent, linear = (Recurrent("rnn", 2, 2, 2, between=way, nonlinearity="identity") for way in (between, None))
    outputs, _ = bent(np.ones((3, 1, 2), "float32"))
    lab.save("unrolled.svg", mg.draw(outputs, level="cell", title="a layer between two"), "the unrolled network")
    xs, ys = (mg.tensor(lab.rng(n).normal(size=(LENGTH, 8, 2)), dtype="float32") for n in (1, 2))
    both, first, second, nothing = (linear(of)[0].numpy() for of in (xs + ys, xs, ys, xs * 0))
    off = np.abs(both - first - second + nothing).max() / np.abs(both).max()
    return [
        Figure("squared error of the count, with it", errors[0], "<", errors[1], "without it, as many parameters"),
        Figure("squared error of the count, with it", errors[0], "<", test[1].var() / 2, "half of the variance"),
        Figure("without it, f(x + y) - f(x) - f(y) + f(0)", off, "<=", 1e-5, "rounding", exact=True),
    ]
