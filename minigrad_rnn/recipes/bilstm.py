"""bilstm: a forward and a backward LSTM over one sequence, their outputs joined (Graves and Schmidhuber 2005).

    h_t, c_t = LSTM(x_t, h_{t-1}, c_{t-1})    g_t, d_t = LSTM'(x_t, g_{t+1}, d_{t+1})    o_t = V [h_t, g_t] + c

The task: a text without its spaces; after which letters does a word end? "thenet" may be "then et" until the rest
is known, so that the net in both directions must do better than the one that reads forward. The measure is F1, the
harmonic mean of how many of the ends said are ends, and how many of the ends are said.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import Embedding, Sequential

from ..data.letters import Tagged, words_of
from ..data.text import text_of
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..pictures import unrolled
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

EMBEDDING, LENGTH = 24, 48
INSIDE, END = ".|"


@system(
    data="words of Python's standard library, run together",
    merit="F1 of word ends, both directions beside one",
    seconds=14,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    words = words_of(text_of(lab.data))[: lab.pick(40_000, 1_000)]
    text, tags = "".join(words), "".join([INSIDE * (len(word) - 1) + END for word in words])
    starts = range(0, len(text) - LENGTH + 1, LENGTH)
    data = Tagged.of([text[n : n + LENGTH] for n in starts], [tags[n : n + LENGTH] for n in starts], LENGTH)
    characters, is_end = data.test[0], data.test[1] == data.tags.encode(END)

    def learn(name: str, hidden: int, bidirectional: bool) -> tuple[Recurrent, np.ndarray]:
        """The recurrent layer, and where it says that a word ends, (time, N)."""
        recurrent = Recurrent("lstm", EMBEDDING, hidden, bidirectional=bidirectional)
        model = Sequential(Embedding(len(data.characters), EMBEDDING), SequenceModel(recurrent, len(data.tags)))
        task = Supervised(model, data.train, data.test, mg.nn.cross_entropy, accuracy, 64, lab.seed, axis=1)
        lab.train(task, name, steps=lab.pick(400, 5), lr=1e-2)
        return recurrent, task.predict().argmax(axis=2) == data.tags.encode(END)

    def f1(said: np.ndarray) -> float:
        return float(2 * (said & is_end).sum() / max(1, said.sum() + is_end.sum()))

    _, forward = learn("one direction", 90, False)
    layer, both = learn("both directions", 60, True)

    def spaced(ends: np.ndarray, n: int) -> str:
        letters = data.characters.decode(characters[:, n])
        return "".join(letter + " " * int(end) for letter, end in zip(letters, ends[:, n]))

    shown = [
        f"{name:16}{spaced(ends, n)}"
        for n in range(min(10, is_end.shape[1]))
        for name, ends in (("text", is_end), ("one direction", forward), ("both directions", both))
    ]
    lab.write("ends.txt", "\n".join(shown) + "\n", "held-out text with the spaces that either net puts in")
    picture = unrolled("lstm", steps=4, bidirectional=True, backward=False, level="cell", title="a bidirectional LSTM")
    lab.save("unrolled.svg", picture, "the unrolled network, forward and backward")

    xs = mg.tensor(lab.rng().normal(size=(LENGTH, 2, EMBEDDING)), dtype="float32")
    joined = layer(xs)[0].numpy()
    from_the_end, _ = unroll(layer.cells[1], xs[::-1])
    either = [unroll(layer.cells[0], xs)[0].numpy(), from_the_end.numpy()[::-1]]
    difference = np.abs(joined - np.concatenate(either, axis=2)).max()
    return [
        Figure("F1 of word ends, both directions", f1(both), ">", f1(forward), "one direction, as many parameters"),
        Figure("F1 of word ends, both directions", f1(both), ">", f1(np.ones_like(both)), "an end everywhere"),
        Figure("from two LSTMs, one reading from the end", difference, "<=", 1e-5, "rounding", exact=True),
    ]
