"""seq2seq-attention: the decoder chooses at each step what it reads of the source.

Without attention all of a source must go into one vector C. With it, before each symbol the decoder's state s scores
each h_t of the encoder, and c = Σ_t α_t h_t with α = softmax(e) joins its input (Bahdanau, Cho and Bengio 2015, section
3.1):

    dot product     e_t = s · h_t          (Luong, Pham and Manning 2015, section 3.1)
    bilinear form   e_t = s · h_t W        (the same)
    a small net     e_t = tanh(s W + h_t U) · v

The task is to write words backwards. How many come out right is asked by length, also beyond that of the training. The
heat map shows α; what is to be written stands along its other diagonal, and how much of α lies there is asked too.
"""

from __future__ import annotations

import numpy as np

from ..data.pairs import read_pairs
from ..evaluating import evaluating
from ..plotting import axes, plot_alignments
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.translation import Translation

SCORES = {"none": "no attention", "dot": "dot product", "bilinear": "bilinear form", "additive": "a small net"}
LETTERS = list("abcdefghijkl")
LONG = range(8, 11)  # letters of the longest words in training, which are compared


@system(
    data="words of random letters, to be written backwards",
    merit="share of held-out words that are exactly right, with each score and without attention",
    seconds=20,
    takes="tab-separated pairs: a source and what is to be written on each line",
)
def run(lab: Lab) -> list[Figure]:
    rng, own = lab.rng(), lab.data is None
    words = ["".join(rng.choice(LETTERS, rng.integers(2, LONG.stop))) for _ in range(lab.pick(5000, 300))]
    tests = ["".join(rng.choice(LETTERS, n)) for n in range(2, LONG.stop + 4) for _ in range(lab.pick(100, 5))]
    chosen = [word for word in words if word not in tests] + tests  # the last are kept
    pairs = [(word, word[::-1]) for word in chosen] if lab.data is None else read_pairs(lab.data)

    alignments, right, straight = [], {}, {}
    curves = axes("characters of the source", "share exactly right")
    for score, name in SCORES.items():
        config = Config(
            kind="pairs", hidden=lab.pick(32, 8), embedding=16, attention=score, batch=64, lr=1e-2, seed=lab.seed,
            steps=lab.pick(350, 3), validation=len(tests) if own else 0.1, validate_every=10_000,
        )  # fmt: skip
        task = Translation(config, pairs)
        lab.train(task, name, config)
        sources, targets = map(list, zip(*task.texts))
        lengths = np.array([len(source) for source in sources])
        exact = np.array([written == target for written, target in zip(task.translate(sources), targets)])
        curves.plot(
            np.unique(lengths), [exact[lengths == n].mean() for n in np.unique(lengths)], marker="o", label=name
        )
        right[name] = exact[np.isin(lengths, LONG) if own else slice(None)].mean()
        if score != "none":
            alignments.append(
                task.alignment(max((s for s in sources if len(s) < LONG.stop), default=sources[0], key=len))
            )
            straight[name] = _on_diagonal(task) if own else 0.0
    if own:
        curves.axvspan(LONG.stop - 0.5, lengths.max() + 0.5, color="#dddddd", label="longer than in training", zorder=0)
    lab.save("by_length.png", curves, "how many held-out words of each length are right")
    maps = plot_alignments(alignments, list(straight), size=(15, 6))
    lab.save("attention.png", maps, "the weights α of each score: what is read to write each letter")
    what = f"words of {LONG[0]} to {LONG[-1]} letters" if own else "exactly right"
    plain, asked = right.pop(SCORES["none"]), ">" if own else "beside"
    figures = [Figure(f"{what}, {name}", share, asked, plain, SCORES["none"]) for name, share in right.items()]
    even = float(np.mean([1 / n for n in LONG]))
    diagonal = [Figure(f"α on the diagonal, {name}", a, ">", even, "spread evenly") for name, a in straight.items()]
    return figures + diagonal * own


def _on_diagonal(task: Translation) -> float:
    """How much of α lies on the letter that is to be written, a mean over the long words."""
    found = []
    for n in LONG:
        batch = task.encoded(*zip(*[pair for pair in task.texts if len(pair[0]) == n]))
        with evaluating(task.model):
            weights = task.model.alignment(batch.sources, batch.targets).numpy()
        found.append(weights[np.arange(n), :, np.arange(n)[::-1]].mean())
    return float(np.mean(found))
