"""one-to-many: one input, a sequence out: from the image of a digit its name, letter by letter.

    h_{-1} = tanh(U image)      h_t = GRU(y_{t-1}, h_{t-1})                      the image is the first state
    h_{-1} = 0                  h_t = GRU([y_{t-1}, tanh(U image)], h_{t-1})     the image is an input of every step

p(y_t) = softmax(V h_t + c), until the end symbol comes. (Karpathy 2015; the second form is that of Goodfellow, Bengio
and Courville 2016, figure 10.9.) In training y_{t-1} is the true letter, in use the net's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Linear, Sequential

from ..data import Vocabulary
from ..data.images import handwritten_digits, train_and_test
from ..data.padding import padded, shifted
from ..decode import greedy
from ..layers import Recurrent
from ..losses import sequence_loss
from ..metrics import matching
from ..pictures import answering
from ..plotting import axes, plot_images
from ..seq2seq import OneToMany
from ..systems import Figure, Lab, system
from ..training import Supervised

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
END = "."  # also what the first step reads
LETTERS = Vocabulary("".join(NAMES) + " " + END)
end = LETTERS.encode(END).item()


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="names of held-out digits spelled right",
    seconds=7,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    spelled = [" ".join(NAMES[int(digit)] for digit in str(kind)) for kind in range(int(classes.max()) + 1)]
    words, lengths = padded([LETTERS.encode(name).tolist() for name in spelled], end)  # (time, classes), (classes,)
    before = shifted(words, end)
    halves = train_and_test(images.reshape(len(images), -1), classes, lab.rng())
    train, test = ((pixels, before[:, kinds], words[:, kinds], lengths[kinds]) for pixels, kinds in halves)
    held, kinds = halves[1]
    _, chosen = np.unique(kinds, return_index=True)
    chosen, right = chosen[:10], []
    for every_step, name in ((False, "the first state"), (True, "an input of every step")):
        reads = Sequential(Linear(held.shape[1], 48), mg.tanh)
        model = OneToMany(reads, "gru", len(LETTERS), 12, 48, every_step)
        task = Supervised(model, train, test, sequence_loss, batch=64, seed=lab.seed, axis=(0, 1, 1, 0), inputs=2)
        lab.train(task, f"the image is {name}", steps=lab.pick(700, 5), lr=1e-2)
        found = greedy(model, model.start(held), np.full(len(held), end), len(words) + 2, end)
        written = [LETTERS.decode(one.symbols) for one in found]
        right.append(matching(written, [spelled[kind] for kind in kinds]))
        lab.save(f"unrolled-{'input' if every_step else 'state'}.svg", _shape(every_step, name), f"the image is {name}")
    plot = axes(title="written letter by letter", size=(10, 2))
    plot_images({"": held[chosen].reshape(-1, *images.shape[1:])}, plot, [written[n] for n in chosen])
    lab.save("written.png", plot, "held-out digits, and what the net writes of them")
    return [
        Figure("names right, the image is the first state", right[0], ">=", 0.95, "the goal"),
        Figure("names right, the image is an input of every step", right[1], ">=", 0.95, "the goal"),
    ]


def _shape(every_step: bool, name: str) -> Any:
    """A small net of this shape, unrolled."""
    layer, head = Recurrent("gru", 2 + 2 * every_step, 2), Linear(2, 2)
    read = mg.tanh(Linear(2, 2)(mg.tensor([[0.0, 0.0]], name="image"))).named("read")
    xs = [mg.tensor([[0.0, 0.0]], name=f"y_{t}") for t in range(-1, 3)]
    if every_step:
        for t, letter in enumerate(xs):
            with mg.scope(f"t={t}", "[letter, image]"):
                xs[t] = mg.concatenate([letter, read], axis=1)
    state = None if every_step else mg.expand_dims(read, 0)
    return answering(layer, mg.stack(xs), head, slice(None), state, title=f"one to many: the image is {name}")
