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
from minigrad.nn import Embedding, Linear, Module

from ..data import Vocabulary
from ..data.images import handwritten_digits, train_and_test
from ..decode import greedy
from ..layers import Recurrent
from ..losses import sequence_loss
from ..pictures import answering
from ..plotting import axes, plot_images
from ..seq2seq import padded
from ..systems import Figure, Lab, system
from ..training import Supervised

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
END = "."  # also what the first step reads
LETTERS = Vocabulary("".join(NAMES) + " " + END)
end = LETTERS.encode(END).item()


class Speller(Module):
    """Images (batch, pixels) and the letters before (time, batch) -> logits of the next, (time, batch, letters)."""

    def __init__(self, pixels: int, hidden: int, every_step: bool):
        self.every_step = every_step
        self.into, self.letters = Linear(pixels, hidden), Embedding(len(LETTERS), 12)
        self.recurrent = Recurrent("gru", 12 + hidden * every_step, hidden)
        self.head = Linear(hidden, len(LETTERS))

    def start(self, images: Any) -> tuple[mg.Tensor, mg.Tensor]:
        """What is read of the images, and the state to start with."""
        read = mg.tanh(self.into(mg.tensor(images)))
        return read, mg.zeros_like(read) if self.every_step else read

    def forward(self, images: Any, previous: Any) -> mg.Tensor:
        return self.follow(mg.tensor(previous), *self.start(images))[0]

    def follow(self, previous: mg.Tensor, read: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        xs = self.letters(previous)
        if self.every_step:
            xs = mg.concatenate([xs, mg.broadcast_to(read, (len(xs), *read.shape))], axis=2)
        outputs, state = self.recurrent(xs, mg.expand_dims(h, 0))
        return self.head(outputs), state[0]

    def step(self, symbols: Any, state: Any) -> tuple[mg.Tensor, Any]:
        read, h = state
        logits, h = self.follow(mg.expand_dims(mg.tensor(symbols), 0), read, h)
        return mg.log_softmax(logits[0]), (read, h)


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
    before = np.concatenate([np.full_like(words[:1], end), words[:-1]])
    halves = train_and_test(images.reshape(len(images), -1), classes, lab.rng())
    train, test = ((pixels, before[:, kinds], words[:, kinds], lengths[kinds]) for pixels, kinds in halves)
    held, kinds = halves[1]
    _, chosen = np.unique(kinds, return_index=True)
    chosen, right = chosen[:10], []
    for every_step, name in ((False, "the first state"), (True, "an input of every step")):
        model = Speller(held.shape[1], 48, every_step)
        task = Supervised(model, train, test, sequence_loss, batch=64, seed=lab.seed, axis=(0, 1, 1, 0), inputs=2)
        lab.train(task, f"the image is {name}", steps=lab.pick(700, 5), lr=1e-2)
        found = greedy(model, model.start(held), np.full(len(held), end), len(words) + 2, end)
        written = [LETTERS.decode(one.symbols) for one in found]
        right.append(np.mean([word == spelled[kind] for word, kind in zip(written, kinds)]))
        lab.save(f"unrolled-{'input' if every_step else 'state'}.svg", _shape(every_step, name), f"the image is {name}")
    plot = axes(title="written letter by letter", size=(10, 2))
    plot_images({"": held[chosen].reshape(-1, *images.shape[1:])}, plot, [written[n] for n in chosen])
    lab.save("written.png", plot, "held-out digits, and what the net writes of them")
    commonest = np.bincount(kinds).max() / len(kinds)
    return [
        Figure("names right, the image is the first state", right[0], ">=", 0.95, "the goal"),
        Figure("names right, the image is an input of every step", right[1], ">=", 0.95, "the goal"),
        Figure("names right, the image is an input of every step", right[1], ">", commonest, "the commonest name"),
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
