"""seq2seq: an encoder reads a sequence into one vector C, from which a decoder writes another.

    encoder   h_t = LSTM(x_t, h_{t-1})            C = h_T
    decoder   s_t = LSTM([y_{t-1}, C], s_{t-1})   s_{-1} = h_T    p(y_t) = softmax(V [s_t, C] + c)

y_{-1} is the start symbol, and writing ends with the end symbol (Cho et al. 2014, section 2.2; Sutskever, Vinyals and
Le 2014). Lengths are different, and no input goes with any output: "one hundred and five" -> "105". Greedy decoding
takes the likeliest symbol each time, beam search keeps the four likeliest beginnings. With shared weights encoder and
decoder are one network with the same symbols, which C only starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..beam import beam
from ..data.numerals import number_words
from ..data.padding import padded
from ..data.pairs import nearest_targets, read_pairs
from ..decode import greedy
from ..evaluating import evaluating
from ..metrics import matching
from ..plotting import axes, plot_bars
from ..seq2seq import Seq2Seq
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.translation import Translation

NUMBERS = 10_000
WIDTH = 4


@system(
    data="numbers in English words",
    merit="share of held-out numbers that are exactly right",
    seconds=20,
    takes="tab-separated pairs: a source and what is to be written on each line",
)
def run(lab: Lab) -> list[Figure]:
    numbers = lab.rng().choice(NUMBERS, lab.pick(3000, 100), replace=False).tolist()
    pairs = [(number_words(n), str(n)) for n in numbers] if lab.data is None else read_pairs(lab.data)

    def learn(name: str, **options: bool) -> tuple[Translation, float]:
        config = Config(
            kind="pairs", hidden=lab.pick(96, 16), embedding=32, attention="none", options=options, batch=64, lr=1e-2,
            steps=lab.pick(300, 3), seed=lab.seed,
        )  # fmt: skip
        task = Translation(config, pairs)
        return task, lab.train(task, name, config).figures["accuracy"]

    task, separate = learn("separate weights")
    _, shared = learn("shared weights", shared=True, feed_context=False)
    sources, references = map(list, zip(*task.texts))
    copied = matching(nearest_targets(sources, task.known), references)

    model, batch = task.model, task.encoded(sources)
    with evaluating(model):
        start = model.start(batch.sources, batch.source_lengths)
        first = np.full(len(batch.source_lengths), model.start_symbol)
        plain = greedy(model, start, first, 20, model.end_symbol)
        best = [found[0] for found in beam(model, start, first, 20, model.end_symbol, width=WIDTH)]
    likely = [float(np.mean([found.log_probability for found in ways])) for ways in (best, plain)]
    found = {"separate weights": separate, "shared weights": shared, "the nearest source's": copied}
    lab.save("exact.png", plot_bars(found, axes(ylabel="share exactly right")), "separate and shared weights")
    lab.save("unrolled.svg", _drawn(), "encoder and decoder, unrolled")
    asked = ">" if lab.data is None else "beside"
    return [
        Figure("exactly right, separate weights", separate, asked, 0.9, "the goal"),
        Figure("exactly right, separate weights", separate, "beside", copied, "what the nearest source came to"),
        Figure("exactly right, shared weights", shared, asked, 0.5, "the goal"),
        Figure("mean log-probability, beam", likely[0], ">=", likely[1] - 1e-6, "greedy, less rounding"),
    ]


def _drawn() -> Any:
    """Three symbols in, two out and the end symbol, through a small model."""
    model = Seq2Seq("lstm", 5, 5, embedding=2, hidden=2)
    targets, _ = padded([[2, 3]], model.end_symbol)
    loss = mg.nn.cross_entropy(model(np.array([[2], [3], [4]]), targets), mg.tensor(targets)).named("loss")
    return mg.draw(loss, level="cell", title="three symbols into two and the end symbol")
