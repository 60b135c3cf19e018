"""skip-gram: projections of words, learned by predicting each word's neighbours.

    p(neighbour | word) = softmax(V E_word + b)        loss = - mean of log p over the neighbours within reach

(Mikolov, Chen, Corrado and Dean 2013, "Efficient estimation of word representations in vector space", section 3.2.)
Words with like neighbours come to have like projections: the rows of E. The vocabulary is small enough for the whole
softmax, so that the loss is one of probabilities, and stands beside that of the unigram model, which takes neighbours
to be alike for all words. The commonest words are left out most of the time (Mikolov, Sutskever et al. 2013, eq. 5).
"""

from __future__ import annotations

import math
from typing import Any

import minigrad as mg

from ..data import NGram, Words, split, subsampled, text_of, windows
from ..projections import alike_in_python, familiar, neighbours, word_map
from ..systems import Figure, Lab, system
from ..training import Supervised

REACH, BATCH = 2, 256  # words on either side; windows in a batch


class SkipGram(mg.nn.Module):
    """Words (batch) -> scores of their neighbours (batch, vocabulary)."""

    def __init__(self, vocabulary: int, size: int):
        self.projection = mg.nn.Embedding(vocabulary, size)
        self.projection.weight = mg.nn.init.uniform((vocabulary, size), 0.5 / size)  # else chance says who is near
        self.head = mg.nn.Linear(size, vocabulary)

    def forward(self, words: Any) -> mg.Tensor:
        return self.head(self.projection(words))


def neighbours_loss(scores: mg.Tensor, around: Any) -> mg.Tensor:
    """-log p of the neighbours (batch, 2 reach), a mean."""
    return -mg.take_along_axis(mg.log_softmax(scores), around, axis=1).mean()


@system(
    data="the source of Python's standard library",
    merit="bits per held-out neighbour; nearest words",
    seconds=10,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    text = text_of(lab.data)[: lab.pick(None, 30_000)]
    vocabulary = Words.of(text, lab.pick(1500, 200))
    train, held_out = (windows(subsampled(half, lab.rng()), REACH) for half in split(vocabulary.encode(text)))
    model = SkipGram(len(vocabulary), 64)
    task = Supervised(model, train, held_out, neighbours_loss, batch=BATCH, seed=lab.seed)
    result = lab.train(task, steps=lab.pick(min(1000, 1 + 10 * len(train[0]) // BATCH), 10), lr=5e-3)
    bits = result.figures["loss"] / math.log(2)
    unigram = NGram(train[1].ravel(), 0, len(vocabulary)).bits(held_out[1].ravel())

    projections, words = model.projection.weight.numpy(), vocabulary.symbols
    near = neighbours(projections, words)
    lab.say(familiar(near))
    lab.write("neighbours.tsv", near, "each word, and those nearest to it")
    lab.save("map.png", word_map(projections, words), "a map of the commonest words")
    figures = [Figure("bits per neighbour", bits, "<", unigram, "the unigram model")]
    if lab.data is None:
        same, chance = alike_in_python(projections, words)
        figures.append(Figure("nearest word of the same class", same, ">", chance, "a word drawn at random"))
    return figures
