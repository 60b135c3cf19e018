"""deep-rnn: layers on top of each other, each with a recurrence of its own.

    h_t^1 = cell(x_t, h_{t-1}^1)        h_t^l = cell(h_t^{l-1}, h_{t-1}^l)        o_t = V h_t^L + c

(Graves, Mohamed and Hinton 2013, eq. 11.) What depth adds is plain where a layer's gate sees its input of the same step
and no more, as in the minimal GRU (Feng et al. 2024, section 3.1), z_t = σ(U_z x_t + b_z): one layer cannot know that a
letter comes right after a space. The second layer's gate sees the first layer's state, and can. The task: at each
letter of a text, say with which letter its word began. The widths are such that all depths have as many parameters.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import minigrad as mg
from minigrad.nn import Embedding, Sequential

from ..data.letters import Tagged, lines_of, words_of
from ..data.text import text_of
from ..layers import Recurrent
from ..models import SequenceModel, as_large, parameter_count
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Supervised

EMBEDDING, LENGTH, DEPTHS = 24, 40, (1, 2, 3)


@system(
    data="words of Python's standard library",
    merit="first letters right, three layers beside one",
    seconds=19,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    lines = lines_of(words_of(text_of(lab.data))[: lab.pick(30_000, 1_000)], LENGTH)
    first_letters = [" ".join(word[0] * len(word) for word in line) for line in lines]
    data = Tagged.of([" ".join(line) for line in lines], first_letters, LENGTH)

    def deep(layers: int, width: int) -> Sequential:
        recurrent = Recurrent("mingru", EMBEDDING, width, layers)
        return Sequential(Embedding(len(data.characters), EMBEDDING), SequenceModel(recurrent, len(data.tags)))

    characters, tags = data.test
    place = np.zeros_like(characters)  # of each letter in its word: 1, 2 …
    for t, letter in enumerate(characters != data.characters.encode(" ")):
        place[t] = letter * (place[t - 1] + 1)
    places = range(1, 13)
    plot = axes("letter of the word", "share right", "with which letter did the word begin?")
    plot.set(ylim=(0, 1.05), xticks=places)

    right = []
    for layers in DEPTHS:
        width = as_large(partial(deep, layers), deep(1, 160))
        model = deep(layers, width)
        task = Supervised(model, data.train, data.test, mg.nn.cross_entropy, data.letters_right, 64, lab.seed, axis=1)
        name = f"{layers} layer{'s' * (layers > 1)} of {width}, {parameter_count(model):,} parameters"
        right.append(lab.train(task, name, steps=lab.pick(400, 5), lr=1e-2).figures["letters_right"])
        hits = task.predict().argmax(axis=2) == tags
        shares = [hits[place == n].mean() if (place == n).any() else np.nan for n in places]
        plot.plot(places, shares, "o-", linewidth=7 - 2 * layers, label=name)
    lab.save("depth.png", plot, "how long the first letter is known, by depth")

    outputs, _ = Recurrent("mingru", 2, 2, DEPTHS[-1])(mg.tensor(np.ones((4, 1, 2), "float32")))
    picture = mg.draw(outputs.named("h"), level="cell", title="three layers, each with its own recurrence")
    lab.save("unrolled.svg", picture, "the unrolled network of three layers")
    return [
        Figure("first letters right, 3 layers", right[-1], ">", right[0], "one layer, as many parameters"),
        Figure("first letters right, 3 layers", right[-1], ">=", 0.99, "the goal"),
    ]
