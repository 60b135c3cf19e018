"""char-lm: an LSTM character model and generator, against the n-gram models of every order.

    h_t, c_t = LSTM(E x_t, h_{t-1}, c_{t-1})        p(x_{t+1} | x_1 … x_t) = softmax(V h_t + b)

is trained on -log p by truncated backpropagation through time: the text is cut into streams that are read side by
side, a piece at a time, and the state goes on from piece to piece. What it then writes is drawn from p, and fed back.
(Graves, "Generating sequences with recurrent neural networks", 2013; Karpathy, "The unreasonable effectiveness of
recurrent neural networks", 2015.) The n-gram models count the same nine tenths of the text, smoothed by Kneser and
Ney, and are scored on the same last tenth (`ngram-baseline`).
"""

from __future__ import annotations

from ..data import NGram
from ..plotting import COLORS, axes
from ..systems import Figure, Lab, system
from ..training import Config, make_task
from ..training.launch import written_samples
from ..training.plots import plot_loss
from ..training.tasks.language import Language

PASSES, MOST = 30, 1320  # through the text, but no more updates than that


@system(
    data="the source of Python's standard library",
    merit="bits per character",
    seconds=470,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    config = Config(
        kind="characters",
        text=str(lab.data or ""),
        validation=lab.pick(0.1, 0.01),
        batch=64,
        length=64,
        hidden=lab.pick(512, 32),
        output_dropout=0.5,
        lr=3e-3,
        seed=lab.seed,
    )
    task = make_task(config)
    assert isinstance(task, Language)
    lab.say(f"Data: {task.describe()}.")
    counted = NGram(task.train, lab.pick(20, 2), len(task.model.vocabulary))
    grams = {n: counted.of_order(n).bits(task.validation) for n in range(1, counted.order + 1)}
    best = min(grams, key=grams.__getitem__)

    result = lab.train(task, config=config, steps=lab.pick(min(MOST, PASSES * task.epoch), 10))
    bits = result.figures["bits_per_character"]

    samples = written_samples(task, lab.pick(1000, 50))
    lab.write("samples.txt", samples, "what the model writes, at several temperatures")
    lab.say(samples)
    baseline = (f"Kneser–Ney of order {best}", grams[best])
    lab.save("loss.png", plot_loss(result.lines, task.metric, baseline), "the loss in training and validation")
    plot = axes("order: characters of history", "bits per held-out character", "one LSTM and the n-gram models")
    plot.plot(list(grams), list(grams.values()), marker="o", color=COLORS[1], label="n-gram models, Kneser–Ney")
    plot.axhline(bits, color=COLORS[0], linewidth=2, label=f"LSTM: {bits:.3f}")
    lab.save("orders.png", plot, "bits per character beside those of every order")
    return [
        Figure("bits per character", bits, "<", grams[best], f"the least of n-gram models of order 1 to {len(grams)}")
    ]
