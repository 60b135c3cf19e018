"""date-translation: written dates in many languages and forms to ISO 8601, by attention.

"sv lördag 5 februari 2028" -> "2028-02-05". An encoder reads the characters in both directions, h_1 … h_T; before it
writes a character, the decoder with state s weighs what it reads (Bahdanau, Cho and Bengio 2015, section 3.1):

    e_t = tanh(s W + h_t U) · v        α = softmax(e)        c = Σ_t α_t h_t        s' = LSTM([y, c], s)

The dates are written by Unicode's rules in fourteen locales and four forms, and each occurs once: those that are held
out the model has not seen in any language. The heat maps show the weights α: where it looks to write each character.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ..data import read_pairs
from ..data.dates import written_dates
from ..plotting import axes, plot_alignments, plot_bars
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.translation import Translation

SHOWN = 45  # characters of a source that is drawn, at most


@system(
    data="11,000 dates in fourteen locales (babel)",
    merit="share of held-out dates that are exactly right",
    seconds=60,
    takes="tab-separated pairs: a source and its translation on each line",
)
def run(lab: Lab) -> list[Figure]:
    own = lab.data is None
    pairs = written_dates(lab.pick(11_000, 400), lab.rng()) if lab.data is None else read_pairs(lab.data)
    config = Config(
        kind="pairs",
        validation=lab.pick(1000, 50) if own else 0.1,
        hidden=lab.pick(128, 16),
        embedding=32,
        attention="additive",
        options={"bidirectional": True},
        batch=64,
        steps=lab.pick(400, 4),
        seed=lab.seed,
    )
    task = Translation(config, pairs)
    lab.train(task, config=config)

    right = defaultdict(list)
    for (source, target), written in zip(task.texts, task.translate([source for source, _ in task.texts])):
        right[source.split()[0] if own else "all"].append(written == target)
    shares = {kind: float(np.mean(found)) for kind, found in sorted(right.items())}
    accuracy = float(np.mean(np.concatenate(list(right.values()))))
    if own:
        bars = plot_bars(shares, axes("locale", "share exactly right", "held-out dates", size=(11, 4.5)))
        lab.save("locales.png", bars, "how many of each locale's dates are right")

    readable = sorted((source for source, _ in task.texts if len(source) <= SHOWN), key=len)
    chosen = [task.alignment(readable[int(len(readable) * part)]) for part in (0.75, 0.97) if readable]
    lab.save("attention.png", plot_alignments(chosen, size=(15, 3.8)), "what is read to write each character")
    return [
        Figure("exactly right", accuracy, ">=" if own else "beside", 0.98, "the goal for dates"),
        *([Figure("in the hardest locale", min(shares.values()), "beside", accuracy, "all")] if own else []),
    ]
