"""stop-bernoulli: a generated sequence ends when an extra logistic output says so.

    p(stop before y_t) = σ(l_t)        p(y_t) = (1 - σ(l_t)) softmax(V s_t + c)        l_t = w · s_t + b

(Goodfellow, Bengio and Courville 2016, section 10.2.3, the second of three ways: it is more general than an end symbol,
as a network whose outputs are numbers can have it too.) With `with_stop` both are one distribution, whose cross-entropy
is that of stopping plus that of the symbol where there is one; so the library's own loss trains it. "121" is written
"one hundred and twenty-one"; the picture shows σ(l_t) by step.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import Module

from ..data import read_pairs
from ..data.numerals import number_pairs
from ..decode import with_stop
from ..metrics import majority, matching
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
    seconds=11,
    takes="tab-separated pairs: a source and what is to be written on each line",
)
def run(lab: Lab) -> list[Figure]:
    pairs = number_pairs(lab.rng()) if lab.data is None else read_pairs(lab.data)
    config = Config(
        kind="pairs", validation=0.2, hidden=lab.pick(64, 8), embedding=24, attention="none", batch=64, lr=1e-2,
        steps=lab.pick(300, 3), seed=lab.seed,
    )  # fmt: skip
    task = Translation(config, pairs)
    end = task.model.end_symbol
    task.model.output = BernoulliStop(task.model.output, end)
    lab.train(task, config=config)

    sources, references = map(list, zip(*task.texts))
    written = task.translate(sources)
    lengths = matching(map(len, written), map(len, references))
    commonest, always = majority((len(target) for _, target in task.known), map(len, references))

    stops = np.exp(task.log_probabilities(*task.texts[0])[:, end])
    title = f"{sources[0]} → {references[0]}"
    drawn = axes("character before which it would stop", "σ(l)", title, size=(11, 3.5))
    drawn.bar(range(len(stops)), stops)
    drawn.set_xticks(range(len(stops)), [*references[0], "stop"])
    lab.save("stop.png", drawn, "the probability of stopping at each step of a held-out sequence")
    asked = (">", ">=") if lab.data is None else ("beside", "beside")
    return [
        Figure("ended at the right length", lengths, asked[0], always, f"always after {commonest} characters"),
        Figure("exactly right", matching(written, references), asked[1], 0.9, "the goal"),
    ]
