"""stop-symbol: a generated sequence ends when the network writes an end symbol.

    p(y_t) = softmax(V s_t + c) over the characters and one more, <end>

(Goodfellow, Bengio and Courville 2016, section 10.2.3, the first of three ways.) In training <end> stands behind every
target, so that when to stop is learned like any other symbol. "121" is written "one hundred and twenty-one": the length
hangs on the number, and is right only where <end> comes at the right step. The picture shows its probability by step.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from ..data import read_pairs
from ..data.numerals import number_words
from ..evaluating import evaluating
from ..metrics import matching
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.translation import Translation


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
    lab.train(task, config=config)

    sources, references = map(list, zip(*task.texts))
    written = task.translate(sources)
    lengths = matching(map(len, written), map(len, references))
    (commonest, _), *_ = Counter(len(target) for _, target in pairs[: -len(sources)]).most_common()
    always = matching([commonest] * len(references), map(len, references))

    text = references[0]
    batch = task.encoded(sources[:1], [text])
    with evaluating(task.model):
        outputs = task.model(batch.sources, batch.targets, batch.source_lengths)[:, 0].numpy()
    ends = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    ends = ends[:, task.model.end_symbol] / ends.sum(axis=1)
    drawn = axes("character before which it would end", "p(<end>)", f"{sources[0]} → {text}", size=(11, 3.5))
    drawn.bar(range(len(ends)), ends)
    drawn.set_xticks(range(len(ends)), [*text, "end"])
    lab.save("end.png", drawn, "the probability of the end symbol at each step of a held-out sequence")
    asked = (">", ">=") if own else ("beside", "beside")
    return [
        Figure("ended at the right length", lengths, asked[0], always, f"always after {commonest} characters"),
        Figure("exactly right", matching(written, references), asked[1], 0.9, "the goal"),
    ]
