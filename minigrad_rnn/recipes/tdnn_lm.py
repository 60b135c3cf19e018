"""tdnn-lm: the neural probabilistic language model: N past words, projected alike, tanh, and a softmax.

    x_t = (C(w_t), C(w_{t-1}), …, C(w_{t-N+1}))        p(w_{t+1} | …) = softmax(b + U tanh(d + H x_t))

(Bengio, Ducharme, Vincent and Jauvin 2003, "A neural probabilistic language model", eq. 1, without the direct
connections W.) The projections C are shared by all places, and the window moves along the text: a time-delay network.
It sees no further than an n-gram model of N words of history, smoothed by Kneser and Ney, that stands beside it; but
words that occur in like places come to have like projections, and what is learned of one says something of the other.
"""

from __future__ import annotations

import minigrad as mg

from ..data import NGram
from ..plotting import axes, plot_bars
from ..projections import alike_in_python, familiar, neighbours
from ..systems import Figure, Lab, system
from ..training import Config, make_task
from ..training.plots import plot_loss
from ..training.tasks.language import Language

PAST = 4  # words


@system(
    data="the source of Python's standard library",
    merit="perplexity; nearest words",
    seconds=40,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    config = Config(
        kind="words",
        text=str(lab.data or ""),
        vocabulary=lab.pick(3000, 200),
        validation=lab.pick(0.1, 0.01),
        batch=32,
        length=35,
        cell="tdnn",
        options={"taps": PAST - 1},
        embedding=lab.pick(64, 8),
        hidden=lab.pick(128, 16),
        output_dropout=0.5,
        lr=3e-3,
        seed=lab.seed,
    )
    task = make_task(config)
    assert isinstance(task, Language)
    lab.say(f"Data: {task.describe()}.")
    vocabulary = task.model.vocabulary
    small = mg.nn.init.uniform((len(vocabulary), config.embedding), 0.1)  # else chance says who is near
    task.model.embedding.weight = small
    counted = NGram(task.train, PAST, len(vocabulary))
    grams = {f"{n} words": 2 ** counted.of_order(n).bits(task.validation) for n in range(PAST + 1)}

    result = lab.train(task, config=config, steps=lab.pick(min(800, 30 * task.epoch), 10))
    perplexity = result.figures["perplexity"]
    lab.save("loss.png", plot_loss(result.lines, task.metric), "perplexity in training and validation")
    plot = plot_bars(grams | {"network": perplexity}, axes("words of history", "perplexity", "held-out words"))
    lab.save("perplexity.png", plot, "perplexity beside n-gram models")

    projections, words = task.model.embedding.weight.numpy(), vocabulary.symbols
    near = neighbours(projections, words)
    lab.say(familiar(near))
    lab.write("neighbours.tsv", near, "each word, and those nearest to it")
    bigram, longest = grams["1 words"], grams[f"{PAST} words"]
    figures = [
        Figure("perplexity", perplexity, "<", bigram, "the bigram model"),
        Figure(f"perplexity, {PAST} words of history", perplexity, "beside", longest, f"the {PAST + 1}-gram model"),
    ]
    if lab.data is None:
        same, chance = alike_in_python(projections, words)
        figures.append(Figure("nearest word of the same class", same, ">", chance, "a word drawn at random"))
    return figures
