"""ngram-baseline: the unsmoothed order-n character model beside an LSTM: what each writes, and its bits per character.

    p(s | h) = c(h, s) / c(h)        h the n characters before s, c how often they are in the text

writes astonishingly well for nothing but counts (Goldberg, "The unreasonable effectiveness of character-level language
models", 2015, an answer to Karpathy's post on recurrent networks). But it holds for impossible what it has not seen: on
another text its bits per character are infinite. So each order is also scored with smoothed counts: by Witten and Bell
(1991), and by Kneser and Ney as modified by Chen and Goodman (1998), which was the best of its kind. The first nine
tenths of the text are counted and the last is scored. The LSTM reads the same, a few times over, in a minute; with
minutes more it passes all orders (`char-lm`).
"""

from __future__ import annotations

from ..data import NGram, text_of
from ..plotting import COLORS, panels
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.launch import written_samples
from ..training.tasks.language import Language

WRITTEN = (2, 4, 7, 10)  # the orders that write a sample
SHOWN = (1, 2, 3, 5)  # the orders whose bits are figures; all are in orders.csv


@system(
    data="the source of Python's standard library",
    merit="bits per character of counts, and of an LSTM",
    seconds=45,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    config = Config(batch=24, length=48, hidden=lab.pick(256, 32), output_dropout=0.1, seed=lab.seed)
    task = Language(config, text_of(lab.data)[: lab.pick(None, 30_000)])
    vocabulary, train, held_out = task.model.vocabulary, task.train, task.validation
    model = NGram(train, 20, len(vocabulary), "none")
    orders = range(1, model.order + 1)
    impossible = {n: (model.of_order(n).probabilities(held_out) == 0).mean() for n in orders}
    witten_bell = {n: model.of_order(n, "witten-bell").bits(held_out) for n in orders}
    kneser_ney = {n: model.of_order(n, "kneser-ney").bits(held_out) for n in orders}
    best = min(orders, key=kneser_ney.__getitem__)
    steps = lab.pick(min(1000, 30 * task.epoch), 10)
    lstm = lab.train(task, config=config, steps=steps, lr=8e-3).figures["bits_per_character"]

    length, samples = lab.pick(800, 80), []
    for n in WRITTEN:
        codes = model.of_order(n).write(train[:n], length, lab.seed)
        samples.append(f"=== order {n}, unsmoothed ===\n{vocabulary.decode([*train[:n], *codes])}\n")
    samples.append(f"=== LSTM ===\n\n{written_samples(task, length)}")
    lab.write("samples.txt", "\n".join(samples), "what the unsmoothed models write, and the LSTM")
    lab.say("\n".join(samples[-2:]))
    rows = [f"{n},{impossible[n]:.4f},{witten_bell[n]:.4f},{kneser_ney[n]:.4f}\n" for n in orders]
    head = "order,unsmoothed: share impossible,Witten–Bell: bits,Kneser–Ney: bits\n"
    lab.write("orders.csv", head + "".join(rows), "bits per held-out character of every order")

    left, right = panels(2, "order: characters of history", titles=("bits per held-out character", "unsmoothed"))
    for name, bits in (("Witten–Bell", witten_bell), ("Kneser–Ney", kneser_ney)):
        left.plot(orders, list(bits.values()), marker="o", label=name)
    left.axhline(lstm, color=COLORS[2], linewidth=2, label="LSTM")
    left.set(ylabel="bits", xticks=orders[::2])
    right.plot(orders, [100 * share for share in impossible.values()], marker="o")
    right.set(ylabel="held-out characters held for impossible, %", xticks=orders[::2], ylim=(0, None))
    lab.save("orders.png", left, "bits per character, and what was held for impossible, by order")
    return [
        *(Figure(f"order {n}: bits", kneser_ney[n], "beside", witten_bell[n], "Witten–Bell") for n in SHOWN),
        Figure(f"the best, order {best}: bits", kneser_ney[best], "<", kneser_ney[1], "order 1"),
        Figure(f"order {best}: unsmoothed, share impossible", impossible[best], "beside", impossible[1], "order 1"),
        Figure("LSTM: bits", lstm, "<", kneser_ney[3], "order 3"),
        Figure("LSTM: bits, again", lstm, "beside", kneser_ney[best], f"the best, order {best}"),
    ]
