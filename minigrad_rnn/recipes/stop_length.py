"""stop-length: a generated sequence is as long as was predicted before it began.

    p(τ) = softmax(A C + a)        s_t = GRU([y_{t-1}, C, τ - t], s_{t-1})        p(y_t) = softmax(V s_t + c)

C is what the encoder made of the source, τ is drawn from p(τ), and exactly τ symbols are written. What is left, τ - t,
is an input at every step: without it the network does not know that it is near the end, and may stop in the middle of
a word (Goodfellow, Bengio and Courville 2016, section 10.2.3, the third of three ways). To show that, each number is
written in two ways, "one hundred and five" and "one hundred five", and only τ says which is asked for.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Embedding, Linear, Module

from ..data import DataError, Vocabulary, read_pairs
from ..data.numerals import number_pairs
from ..data.padding import padded, shifted
from ..decode import draw, greedy
from ..evaluating import evaluating
from ..layers import Recurrent
from ..losses import sequence_loss
from ..plotting import axes, plot_bars
from ..systems import Figure, Lab, system
from ..training import Supervised


class Writer(Module):
    """An encoder, a decoder that is told how many symbols are left if `told`, and what predicts how many there are."""

    def __init__(self, sources: int, targets: int, longest: int, hidden: int, told: bool):
        self.told, self.first = told, targets  # a symbol more: what step 0 reads
        self.source, self.encoder = Embedding(sources, 16), Recurrent("gru", 16, hidden)
        self.length = Linear(hidden, longest + 1)
        self.previous, self.left = Embedding(targets + 1, 24), Embedding(longest + 1, 16)
        self.decoder = Recurrent("gru", 24 + hidden + 16 * told, hidden)
        self.output = Linear(hidden, targets)

    def forward(self, sources: Any, lengths: Any, previous: Any, left: Any) -> tuple[mg.Tensor, mg.Tensor]:
        """Symbols (time, batch) read, how many, those before each that is written, how many are left -> both logits."""
        C = self.start(sources, lengths)
        return self._write(C, C, previous, left)[0], self.length(C)

    def start(self, sources: Any, lengths: Any) -> mg.Tensor:
        return self.encoder(self.source(mg.tensor(sources)), lengths=lengths)[1][0]

    def step(self, symbols: Any, state: Any) -> tuple[mg.Tensor, Any]:
        C, hidden, left = state
        logits, hidden = self._write(C, hidden, symbols[None], left[None])
        return mg.log_softmax(logits[0]), (C, hidden, np.maximum(left - 1, 0))

    def _write(self, C: mg.Tensor, hidden: mg.Tensor, previous: Any, left: Any) -> tuple[mg.Tensor, mg.Tensor]:
        inputs = [self.previous(mg.tensor(previous)), mg.broadcast_to(C, (len(previous), *C.shape))]
        inputs += [self.left(mg.tensor(left))] * self.told
        outputs, hidden = self.decoder(mg.concatenate(inputs, axis=2), mg.expand_dims(hidden, 0))
        return self.output(outputs), hidden[0]


def _loss(outputs: tuple[mg.Tensor, mg.Tensor], targets: Any, lengths: Any) -> mg.Tensor:
    return sequence_loss(outputs[0], targets, lengths) + mg.nn.cross_entropy(outputs[1], lengths)


@system(
    data="numbers up to 999 and their English words, with and without 'and'",
    merit="share of held-out sequences that end at a right length, and that are exactly right",
    seconds=11,
    takes="tab-separated pairs: a source and what is to be written on each line, several for a source if there are",
)
def run(lab: Lab) -> list[Figure]:
    pairs = number_pairs(lab.rng(), ("and", "")) if lab.data is None else read_pairs(lab.data)
    forms: dict[str, list[str]] = {}
    for source, target in pairs:
        forms.setdefault(source, []).append(target)
    if len(forms) < 5:
        raise DataError(f"{lab.data} has {len(forms)} different sources: give at least 5")
    known, held = list(forms)[: -(len(forms) // 5)], list(forms)[-(len(forms) // 5) :]
    reads, writes = (Vocabulary("".join(pair[side] for pair in pairs)) for side in (0, 1))
    longest = max(len(target) for _, target in pairs)

    def arrays(chosen: list[str]) -> tuple[np.ndarray, ...]:
        both = [(reads.encode(source), writes.encode(target)) for source in chosen for target in forms[source]]
        (sources, read), (targets, lengths) = (padded([pair[side] for pair in both]) for side in (0, 1))
        left = np.maximum(lengths - np.arange(len(targets))[:, None], 0)
        return sources, read, shifted(targets, len(writes)), left, targets, lengths

    exact, samples = {}, {}
    for told, name in ((False, "not told"), (True, "told what is left")):
        mg.seed(lab.seed)
        model = Writer(len(reads), len(writes), longest, lab.pick(64, 8), told)
        axis = (1, 0, 1, 1, 1, 0)
        task = Supervised(model, arrays(known), arrays(held), _loss, batch=64, seed=lab.seed, axis=axis, inputs=4)
        lab.train(task, name, steps=lab.pick(500, 3), lr=1e-2)
        with evaluating(model):
            C = model.start(*padded([reads.encode(source) for source in held]))
            lengths = draw(mg.softmax(model.length(C)).numpy(), lab.rng(1))
            found = greedy(model, (C, C, lengths), np.full(len(held), model.first), lengths)
        samples[name] = [writes.decode(one.symbols) for one in found]
        exact[name] = float(np.mean([text in forms[source] for source, text in zip(held, samples[name])]))
    ended = float(np.mean([length in map(len, forms[source]) for source, length in zip(held, lengths)]))

    lab.save("exact.png", plot_bars(exact, axes(ylabel="share exactly right")), "with τ - t as an input, and without")
    lines = ["\t".join(row) for row in zip(held, *samples.values())]
    lab.write("written.tsv", "\n".join(["\t".join(["source", *samples]), *lines, ""]), "what both wrote")
    (commonest, _), *_ = Counter(len(target) for source in known for target in forms[source]).most_common()
    always = float(np.mean([commonest in map(len, forms[source]) for source in held]))
    asked = ">" if lab.data is None else "beside"
    return [
        Figure("ended at a right length", ended, asked, always, f"always after {commonest} characters"),
        Figure("exactly right, told what is left", exact["told what is left"], asked, exact["not told"], "not told"),
    ]
