"""stop-symbol: a generated sequence ends when the network writes an end symbol.

    p(y_t) = softmax(V s_t + c) over the characters and one more, <end>

(Goodfellow, Bengio and Courville 2016, section 10.2.3, the first of three ways.) In training <end> stands behind every
target, so that when to stop is learned like any other symbol. "121" is written "one hundred and twenty-one": the length
hangs on the number, and is right only where <end> comes at the right step. The picture shows its probability by step.
"""

from __future__ import annotations

import numpy as np

from ..data import read_pairs
from ..data.numerals import number_pairs
from ..metrics import majority, matching
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.translation import Translation


@system(
    data="numbers up to 999 and their English words",
    merit="share of held-out sequences that end at the right length, and that are exactly right",
    seconds=9,
    takes="tab-separated pairs: a source and what is to be written on each line",
)
def run(lab: Lab) -> list[Figure]:
    pairs = number_pairs(lab.rng()) if lab.data is None else read_pairs(lab.data)
    config = Config(
        kind="pairs", validation=0.2, hidden=lab.pick(64, 8), embedding=24, attention="none", batch=64, lr=1e-2,
        steps=lab.pick(300, 3), seed=lab.seed,
    )  # fmt: skip
    task = Translation(config, pairs)
    lab.train(task, config=config)

    sources, references = map(list, zip(*task.texts))
    written = task.translate(sources)
    lengths = matching(map(len, written), map(len, references))
    commonest, always = majority((len(target) for _, target in task.known), map(len, references))

    ends = np.exp(task.log_probabilities(*task.texts[0])[:, task.model.end_symbol])
    title = f"{sources[0]} → {references[0]}"
    drawn = axes("character before which it would end", "p(<end>)", title, size=(11, 3.5))
    drawn.bar(range(len(ends)), ends)
    drawn.set_xticks(range(len(ends)), [*references[0], "end"])
    lab.save("end.png", drawn, "the probability of the end symbol at each step of a held-out sequence")
    asked = (">", ">=") if lab.data is None else ("beside", "beside")
    return [
        Figure("ended at the right length", lengths, asked[0], always, f"always after {commonest} characters"),
        Figure("exactly right", matching(written, references), asked[1], 0.9, "the goal"),
    ]
