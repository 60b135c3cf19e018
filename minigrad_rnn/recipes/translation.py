"""translation: phrases of one language into another, character by character, by attention.

"2 weeks ago" -> "vor 2 Wochen". An encoder reads in both directions, h_1 … h_T, a decoder writes; what it reads before
each character is c = Σ_t α_t h_t, α = softmax of e_t = tanh(s W + h_t U) · v (Bahdanau, Cho and Bengio 2015, section
3.1). Words change their places, and plurals and cases come in.

The phrases are messages of Unicode's CLDR that people have translated, with numbers and names put in by the package
`babel`; those held out do not occur in training, though their words do. How close a translation is says chrF, the
F-score of its character n-grams (Popović 2015), beside the source left as it is and the translation of that phrase of
the training which the fewest edits make of it.
"""

from __future__ import annotations

from ..data.pairs import nearest_targets, read_pairs
from ..data.phrases import phrases
from ..metrics import chrf, matching
from ..plotting import panels, plot_alignments, plot_bars
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.translation import Translation

SHOWN = 30  # characters of a source that is drawn, at most


@system(
    data="8,200 phrases in English and German (babel)",
    merit="chrF of held-out phrases, and share exactly right",
    seconds=120,
    takes="tab-separated pairs: a source and its translation on each line",
)
def run(lab: Lab) -> list[Figure]:
    own = lab.data is None
    pairs = phrases(lab.pick(8200, 300), lab.rng()) if lab.data is None else read_pairs(lab.data)
    config = Config(
        kind="pairs",
        validation=lab.pick(200, 20) if own else 0.1,
        hidden=lab.pick(128, 16),
        embedding=48,
        attention="additive",
        options={"bidirectional": True},
        batch=64,
        steps=lab.pick(400, 3),
        seed=lab.seed,
    )
    task = Translation(config, pairs)
    lab.train(task, config=config)

    sources, references = map(list, zip(*task.texts))
    ways = {
        "the source as it is": sources,
        "of the nearest": nearest_targets(lab.progress(sources, "nearest"), task.known),
        "the model": task.translate(sources),
    }
    close = {way: chrf(written, references) for way, written in ways.items()}
    right = {way: matching(written, references) for way, written in ways.items()}

    shown = panels(2, titles=["chrF", "share exactly right"], size=(10, 4))
    for found, one in zip((close, right), shown):
        plot_bars(found, one).set_ylim(0, 1.1)
    lab.save("scores.png", shown[0], "the model beside two that learn nothing")
    lines = [f"{source}\t{written}\t{truth}" for source, written, truth in zip(sources, ways["the model"], references)]
    lab.write("translations.tsv", "\n".join(["source\tthe model\tright", *lines, ""]), "all held-out translations")
    readable = sorted((source for source in sources if len(source) <= SHOWN), key=len)
    chosen = [task.alignment(source) for source in readable[len(readable) // 2 :: max(1, (len(readable) - 1) // 2)]]
    lab.save("attention.png", plot_alignments(chosen, size=(15, 9.5)), "what is read to write each character")
    asked = ">" if own else "beside"
    return [
        Figure("chrF", close["the model"], asked, close["of the nearest"], "the translation of the nearest phrase"),
        Figure("chrF beside the source", close["the model"], asked, close["the source as it is"], "copying"),
        Figure("exactly right", right["the model"], asked, right["of the nearest"], "the nearest phrase's"),
    ]
