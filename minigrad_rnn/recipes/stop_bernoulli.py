"""stop-bernoulli: a generated sequence ends when an extra logistic output says so.

    p(stop before y_t) = σ(l_t)        p(y_t) = (1 - σ(l_t)) softmax(V s_t + c)        l_t = w · s_t + b

(Goodfellow, Bengio and Courville 2016, section 10.2.3, the second of three ways: it is more general than an end symbol,
as a network whose outputs are numbers can have it too.) With `with_stop` both are one distribution, whose cross-entropy
is that of stopping plus that of the symbol where there is one; so the library's own loss trains it. "121" is written
"one hundred and twenty-one"; the picture shows σ(l_t) by step.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

import minigrad as mg
from minigrad.nn import Module

from ..data import read_pairs
from ..data.numerals import number_words
from ..decode import with_stop
from ..evaluating import evaluating
from ..metrics import matching
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.translation import Translation


class BernoulliStop(Module):
    """The outputs of `linear`, that of the symbol `end` taken for the logit of stopping, as log-probabilities."""

    def __init__(self, linear: Module, end: int):
        self.linear, self.end = linear, end

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        logits = self.linear(x)
        symbols = [n for n in range(logits.shape[-1]) if n != self.end]
        log_p = with_stop(logits[..., symbols], logits[..., self.end])  # stopping comes last
        return log_p[..., np.argsort([*symbols, self.end]).tolist()]


@system(
    data="numbers up to 999 and their English words",
    merit="share of held-out sequences that end at the right length, and that are exactly right",
    seconds=15,
    takes="tab-separated pairs: a source and what is to be written on each line",
)
def run(lab: Lab) -> list[Figure]:
    own = lab.data is None
    numbers = lab.rng().permutation(1000).tolist()
    pairs = [(str(n), number_words(n)) for n in numbers] if lab.data is None else read_pairs(lab.data)
    config = Config(
        kind="pairs", validation=0.2, hidden=lab.pick(64, 8), embedding=24, attention="none", batch=64, lr=1e-2,
        steps=lab.pick(300, 3), seed=lab.seed,
    )  # fmt: skip
    task = Translation(config, pairs)
    model, end = task.model, task.model.end_symbol
    model.output = BernoulliStop(model.output, end)
    lab.train(task, config=config)

    sources, references = map(list, zip(*task.texts))
    written = task.translate(sources)
    (commonest, _), *_ = Counter(len(target) for _, target in pairs[: -len(sources)]).most_common()
    always = matching([commonest] * len(references), map(len, references))

    text = references[0]
    batch = task.encoded(sources[:1], [text])
    with evaluating(model):
        log_p = model(batch.sources, batch.targets, batch.source_lengths)[:, 0].numpy()
    drawn = axes("character before which it would stop", "σ(l)", f"{sources[0]} → {text}", size=(11, 3.5))
    drawn.bar(range(len(log_p)), np.exp(log_p[:, end]))
    drawn.set_xticks(range(len(log_p)), [*text, "stop"])
    lab.save("stop.png", drawn, "the probability of stopping at each step of a held-out sequence")
    asked = (">", ">=") if own else ("beside", "beside")
    return [
        Figure("ended at the right length", matching(map(len, written), map(len, references)), asked[0], always,
               f"always after {commonest} characters"),
        Figure("exactly right", matching(written, references), asked[1], 0.9, "the goal"),
        Figure("loss less those of its two parts", _difference(lab.rng(1)), "<=", 1e-12, "rounding", exact=True),
    ]  # fmt: skip


def _difference(rng: np.random.Generator) -> float:
    """The cross-entropy of `with_stop`, less the logistic one of stopping and the softmax one of symbols, at most."""
    logits, stops = mg.tensor(rng.normal(size=(50, 7))), mg.tensor(rng.normal(size=50))
    targets = rng.integers(8, size=50)  # 7: stop
    ended = mg.tensor((targets == 7).astype(float))
    together = mg.nn.cross_entropy(with_stop(logits, stops), targets, reduction="none")
    parts = mg.nn.bce_with_logits(stops, ended, reduction="none")
    parts = parts + (1 - ended) * mg.nn.cross_entropy(logits, np.minimum(targets, 6), reduction="none")
    return float(abs(together - parts).numpy().max())
