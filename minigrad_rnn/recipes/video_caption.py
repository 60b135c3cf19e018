"""video-caption: films in, a sentence out: convolutions see each frame, an LSTM reads them, an LSTM writes the words.

    x_t = features of frame t (convolutions)        h_t = LSTM(x_t, h_{t-1})        (s_{-1}, m_{-1}) = (h_T, c_T)
    s_i = LSTM([word_{i-1}, h_T], s_{i-1})          p(word_i) = softmax(V [s_i, h_T] + c)

(Venugopalan et al. 2015, section 3, there with one stack of LSTMs for both.) No frame by itself says which way a shape
moves. Of the 64 combinations of colour, shape and direction a quarter is never seen in training: the words must be put
together anew.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import Conv2d, Flatten, Linear

from ..data.moving_shapes import WORDS, kinds, moving_shapes
from ..data.padding import padded
from ..decode import greedy
from ..evaluating import evaluating
from ..metrics import majority, matching
from ..models import PerStep
from ..plotting import axes, plot_films
from ..seq2seq import Seq2Seq
from ..systems import Figure, Lab, system
from ..training import Supervised

START, END, *_ = SYMBOLS = ("<start>", "<end>", *WORDS)
FEATURES = 48


@system(
    data="films of moving shapes, made exactly", merit="captions exactly right, of combinations never seen", seconds=35
)
def run(lab: Lab) -> list[Figure]:
    seen, unseen = kinds(lab.seed % 4)

    def examples(shown: list, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Films, and their captions twice: as what the decoder reads, and as what it is to write."""
        captions, _ = padded([[SYMBOLS.index(word) for word in kind.caption] for kind in shown], SYMBOLS.index(END))
        return moving_shapes(shown, rng), captions, captions

    def batch(count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        return examples([seen[n] for n in rng.integers(len(seen), size=count)], rng)

    test = unseen * lab.pick(16, 1)
    held_out = examples(test, lab.rng(1))
    sees = PerStep(
        Conv2d(3, 12, 3, stride=2), mg.relu, Conv2d(12, 24, 3, stride=2), mg.relu, Flatten(), Linear(24 * 16, FEATURES)
    )
    model = Seq2Seq("lstm", sees, len(SYMBOLS), FEATURES, 64)
    task = Supervised(model, batch, held_out, mg.nn.cross_entropy, seed=lab.seed, axis=1, inputs=2)
    lab.train(task, steps=lab.pick(2000, 5), lr=4e-3)

    films = held_out[0]
    with evaluating(model):
        starts = np.full(len(test), SYMBOLS.index(START))
        written = greedy(model, model.start(films), starts, len(SYMBOLS), SYMBOLS.index(END))
    captions = [" ".join(SYMBOLS[symbol] for symbol in one.symbols) for one in written]
    true = [" ".join(kind.caption) for kind in test]
    few = slice(None, len(unseen), 5)  # one of each shape and colour
    lab.save(
        "captions.png",
        plot_films(
            films[:, few],
            [f"{a}\n(true: {b})" for a, b in zip(captions[few], true[few], strict=True)],
            axes(title="combinations never seen in training, and what is written of them", size=(11, 5)),
        ),
        "frames of films, with the caption written and the true one",
    )
    right, (_, commonest) = matching(captions, true), majority(true, true)
    return [
        Figure("captions exactly right", right, ">=", 0.98, "the goal, on combinations never seen"),
        Figure("captions exactly right", right, ">", commonest, "always the commonest caption"),
    ]
