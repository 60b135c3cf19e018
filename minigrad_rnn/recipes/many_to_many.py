"""many-to-many: an answer at every step of a sequence, with what was read up to there.

    h_t = LSTM(x_t, h_{t-1})        p(class of x_t) = softmax(V h_t + c)        L = the mean of -log p over all steps

The shape of tagging (Karpathy 2015). The task: is a character of Python source code, in a string, or in a comment? What
it is depends on quotes and hashes that may be many steps back. Python's own tokenizer says what is right.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import Embedding, Linear, Sequential

from ..data.letters import Tagged
from ..data.source import KINDS, tagged_source
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..pictures import answering
from ..plotting import axes, plot_tagged
from ..systems import Figure, Lab, system
from ..training import Supervised

EMBEDDING, LENGTH, SHOWN = 24, 100, 16


@system(
    data="the source of Python's standard library",
    merit="characters tagged right",
    seconds=13,
    takes="Python source",
)
def run(lab: Lab) -> list[Figure]:
    source, kinds = tagged_source(lab.data, lab.pick(300_000, 10_000))
    starts = range(0, len(source) - LENGTH + 1, LENGTH)
    data = Tagged.of([source[n : n + LENGTH] for n in starts], [kinds[n : n + LENGTH] for n in starts], LENGTH)

    recurrent = Recurrent("lstm", EMBEDDING, 64)
    model = Sequential(Embedding(len(data.characters), EMBEDDING), SequenceModel(recurrent, len(data.tags)))
    task = Supervised(model, data.train, data.test, mg.nn.cross_entropy, accuracy, batch=64, seed=lab.seed, axis=1)
    right = lab.train(task, steps=lab.pick(600, 5), lr=1e-2).figures["accuracy"]

    count = len(data.characters)
    seen = np.zeros((count * count, len(data.tags)))  # how often a pair of characters in a row has each tag
    characters, tags = data.train
    np.add.at(seen, (characters[:-1] * count + characters[1:], tags[1:]), 1)
    seen += 1e-3 * np.bincount(tags.ravel(), minlength=len(data.tags)) / tags.size  # the commonest for a new pair
    characters, tags = data.test
    by_pairs = (seen.argmax(axis=1)[characters[:-1] * count + characters[1:]] == tags[1:]).mean()

    said = task.predict().argmax(axis=2)
    rows = np.linspace(0, characters.shape[1] - 1, min(SHOWN, characters.shape[1])).astype(int)
    texts = [data.characters.decode(characters[:, n]) for n in rows]
    taken_for = [data.tags.decode(said[:, n]) for n in rows]
    named = dict(zip(KINDS, ("code", "in a string", "in a comment")))
    plot = axes(title=f"what the net takes characters for: {right:.1%} right", size=(12, 5))
    lab.save("tags.png", plot_tagged(texts, taken_for, named, plot), "held-out source, in colours of the net's tags")
    layer, xs = Recurrent("lstm", 2, 2), np.zeros((4, 1, 2), "float32")
    lab.save("unrolled.svg", answering(layer, xs, Linear(2, 2), slice(None), title="many to many"), "unrolled")
    return [
        Figure("characters right", right, ">", by_pairs, "the commonest kind for the last two characters"),
        Figure("characters right", right, ">=", 0.85, "the goal"),
    ]
