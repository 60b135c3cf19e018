"""seq2seq-attention: the decoder chooses at each step what it reads of the source.

Without attention all of a source must go into one vector C. With it, before each symbol the decoder's state s scores
each h_t of the encoder, and c = Σ_t α_t h_t with α = softmax(e) joins its input (Bahdanau, Cho and Bengio 2015, section
3.1):

    dot product     e_t = s · h_t          (Luong, Pham and Manning 2015, section 3.1)
    bilinear form   e_t = s · h_t W        (the same)
    a small net     e_t = tanh(s W + h_t U) · v

The task is to write words backwards. How many come out right is asked by length, also beyond that of the training;
the heat map shows α, which here must run along the other diagonal.
"""

from __future__ import annotations

import numpy as np

from ..data import read_pairs
from ..plotting import axes, panels, plot_attention
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.translation import Translation

SCORES = {"none": "no attention", "dot": "dot product", "bilinear": "bilinear form", "additive": "a small net"}
LETTERS = list("abcdefghijkl")
LONGEST = 10  # letters of a word in training
LONG = range(8, LONGEST + 1)  # the lengths that are compared


@system(
    data="words of random letters, to be written backwards",
    merit="share of held-out words that are exactly right, with each score and without attention",
    seconds=20,
    takes="tab-separated pairs: a source and what is to be written on each line",
)
def run(lab: Lab) -> list[Figure]:
    rng = lab.rng()

    def words(count: int, lengths: range) -> list[tuple[str, str]]:
        drawn = ("".join(rng.choice(LETTERS, rng.choice(lengths))) for _ in range(count))
        return [(word, word[::-1]) for word in drawn]

    if own := lab.data is None:
        tests = {length: words(lab.pick(100, 5), range(length, length + 1)) for length in range(2, LONGEST + 5)}
        known = {word for test in tests.values() for word, _ in test if len(word) > 3}  # short ones are few
        pairs = [pair for pair in words(lab.pick(5000, 300), range(2, LONGEST + 1)) if pair[0] not in known]
    else:
        pairs = read_pairs(lab.data)

    right: dict[str, float] = {}
    curves, maps = axes("letters", "share exactly right", "words written backwards"), panels(3, size=(15, 6))
    for number, (score, name) in enumerate(SCORES.items()):
        config = Config(
            kind="pairs", hidden=lab.pick(32, 8), embedding=16, attention=score, batch=64, lr=1e-2,
            steps=lab.pick(350, 3), seed=lab.seed,
        )  # fmt: skip
        task = Translation(config, pairs)
        right[name] = lab.train(task, name, config).figures["accuracy"]
        if own:
            shares = {}
            for length, test in tests.items():
                written = task.translate([source for source, _ in test])
                shares[length] = float(np.mean([found == target for found, (_, target) in zip(written, test)]))
            curves.plot(list(shares), list(shares.values()), marker="o", label=name)
            right[name] = float(np.mean([shares[length] for length in LONG]))
        if score != "none":
            source = max((source for source, _ in task.texts), key=len)
            made, weights = task.alignment(source)
            plot_attention(weights, list(source), list(made), maps[number - 1]).set_title(name)
    if own:
        curves.axvspan(LONGEST + 0.5, max(tests) + 0.5, color="#dddddd", label="longer than in training", zorder=0)
        curves.legend(frameon=False)
        lab.save("by_length.png", curves, "how many words of each length are right")
    lab.save("attention.png", maps[0], "the weights α of each score: what is read to write each letter")
    what = f"words of {LONG[0]} to {LONG[-1]} letters" if own else "exactly right"
    plain = right.pop(SCORES["none"])
    return [
        Figure(f"{what}, {name}", share, ">" if own else "beside", plain, SCORES["none"])
        for name, share in right.items()
    ]
