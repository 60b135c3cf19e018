"""cbow: projections of words, learned by predicting each word from the bag of its neighbours.

    p(word | neighbours) = softmax(V · mean of the neighbours' E + b)        loss = -log p(word | neighbours)

(Mikolov, Chen, Corrado and Dean 2013, "Efficient estimation of word representations in vector space", section 3.1.) The
neighbours are a bag: their order is lost in the mean. Its loss stands beside those of the unigram model, which sees no
neighbour, and of the trigram model, which sees the two before the word, but in their order. As for `skip-gram`, the
commonest words are left out most of the time (Mikolov, Sutskever et al. 2013, eq. 5), and the softmax is whole.
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


class BagOfWords(mg.nn.Module):
    """Neighbours (batch, 2 reach) -> scores of the word between them (batch, vocabulary)."""

    def __init__(self, vocabulary: int, size: int):
        self.projection = mg.nn.Embedding(vocabulary, size)
        self.projection.weight = mg.nn.init.uniform((vocabulary, size), 0.5 / size)  # else chance says who is near
        self.head = mg.nn.Linear(size, vocabulary)

    def forward(self, around: Any) -> mg.Tensor:
        return self.head(self.projection(around).mean(axis=1))


@system(
    data="the source of Python's standard library",
    merit="bits per held-out word; nearest words",
    seconds=8,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    text = text_of(lab.data)[: lab.pick(None, 30_000)]
    vocabulary = Words.of(text, lab.pick(1500, 200))
    halves = [subsampled(half, lab.rng()) for half in split(vocabulary.encode(text))]
    train, held_out = (windows(half, REACH)[::-1] for half in halves)  # neighbours, words
    model = BagOfWords(len(vocabulary), 64)
    task = Supervised(model, train, held_out, mg.nn.cross_entropy, batch=BATCH, seed=lab.seed)
    result = lab.train(task, steps=lab.pick(min(1000, 1 + 10 * len(train[0]) // BATCH), 10), lr=5e-3)
    bits = result.figures["loss"] / math.log(2)
    counted = NGram(halves[0], REACH, len(vocabulary))
    unigram, trigram = (counted.of_order(n).bits(halves[1]) for n in (0, REACH))

    projections, words = model.projection.weight.numpy(), vocabulary.symbols
    near = neighbours(projections, words)
    lab.say(familiar(near))
    lab.write("neighbours.tsv", near, "each word, and those nearest to it")
    lab.save("map.png", word_map(projections, words), "a map of the commonest words")
    figures = [
        Figure("bits per word", bits, "<", unigram, "the unigram model"),
        Figure("bits per word, from both sides", bits, "beside", trigram, "the trigram model, from the two before"),
    ]
    if lab.data is None:
        same, chance = alike_in_python(projections, words)
        figures.append(Figure("nearest word of the same class", same, ">", chance, "a word drawn at random"))
    return figures
