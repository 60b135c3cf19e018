"""word-lm: a language model of words: one-hot, projected, through an LSTM, and a softmax over all words.

    e_t = x_t E        h_t, c_t = LSTM(e_t, h_{t-1}, c_{t-1})        p(x_{t+1} | x_1 … x_t) = softmax(V h_t + b)

x_t is one-hot, a row of zeros with a one at the word's number: its product with E is the row of that number, which is
how an embedding computes it. (Mikolov et al. 2010, "Recurrent neural network based language model", with an LSTM as in
Zaremba, Sutskever and Vinyals 2014, and their dropout.) Perplexity is exp of the mean of -log p, as if so many words
were equally likely. The n-gram models count the same words, smoothed by Kneser and Ney, and are scored on the same
last tenth.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..data import NGram
from ..plotting import axes, plot_bars
from ..systems import Figure, Lab, system
from ..training import Config, make_task
from ..training.launch import written_samples
from ..training.plots import plot_loss
from ..training.tasks.language import Language


@system(
    data="the source of Python's standard library",
    merit="perplexity",
    seconds=100,
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
        embedding=lab.pick(128, 16),
        hidden=lab.pick(256, 16),
        output_dropout=0.5,
        lr=3e-3,
        seed=lab.seed,
    )
    task = make_task(config)
    assert isinstance(task, Language)
    lab.say(f"Data: {task.describe()}.")
    words = len(task.model.vocabulary)
    counted = NGram(task.train, 4, words)
    grams = [2 ** counted.of_order(n).bits(task.validation) for n in range(5)]

    one_hot = np.eye(words, dtype="float32")[task.validation[:50]]
    projected = (mg.tensor(one_hot) @ task.model.embedding.weight).numpy()
    rows = task.model.embedding(task.validation[:50]).numpy()

    result = lab.train(task, config=config, steps=lab.pick(min(1000, 30 * task.epoch), 10))
    perplexity = result.figures["perplexity"]
    samples = written_samples(task, lab.pick(300, 50))
    lab.write("samples.txt", samples, "what the model writes, at several temperatures")
    lab.say(samples)
    lab.save("loss.png", plot_loss(result.lines, task.metric), "perplexity in training and validation")
    bars = {"unigram": grams[0], "bigram": grams[1], "trigram": grams[2], "5-gram": grams[4], "LSTM": perplexity}
    plot = plot_bars(bars, axes("", "perplexity", "held-out words"))
    lab.save("perplexity.png", plot, "perplexity beside n-gram models")
    return [
        Figure("one-hot · E - row of E, largest", np.abs(projected - rows).max(), "=", 0, "the same", exact=True),
        Figure("perplexity", perplexity, "<", grams[1], "the bigram model"),
        Figure("perplexity, all words before", perplexity, "<", grams[4], "the 5-gram model"),
    ]
