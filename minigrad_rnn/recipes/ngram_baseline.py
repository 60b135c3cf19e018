"""ngram-baseline: the unsmoothed order-n character model, its samples, and what counting comes to in bits.

    p(s | h) = c(h, s) / c(h)        h the n characters before s, c how often they are in the text

writes astonishingly well for nothing but counts (Goldberg, "The unreasonable effectiveness of character-level language
models", 2015, an answer to Karpathy's post on recurrent networks). But it holds for impossible what it has not seen: on
another text its bits per character are infinite. So each order is also scored with smoothed counts: by Witten and Bell
(1991), and by Kneser and Ney as modified by Chen and Goodman (1998), which was the best of its kind. The first nine
tenths of the text are counted and the last is scored: the split of `char-lm`.
"""

from __future__ import annotations

from ..data import NGram, Vocabulary, split, text_of
from ..plotting import panels
from ..systems import Figure, Lab, system

WRITTEN = (2, 4, 7, 10)  # the orders that write a sample


@system(
    data="the source of Python's standard library",
    merit="bits per character of every order",
    seconds=5,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    text = text_of(lab.data)[: lab.pick(None, 30_000)]
    vocabulary = Vocabulary(text)
    train, held_out = split(vocabulary.encode(text))
    model = NGram(train, 12, len(vocabulary), "none")
    orders = range(1, model.order + 1)

    samples = []
    for n in WRITTEN:
        codes = model.of_order(n).write(train[:n], lab.pick(800, 80), lab.seed)
        samples.append(f"=== order {n}, unsmoothed ===\n{vocabulary.decode([*train[:n], *codes])}\n")
    lab.write("samples.txt", "\n".join(samples), "what the unsmoothed models write")
    lab.say(samples[-1])

    impossible = {n: (model.of_order(n).probabilities(held_out) == 0).mean() for n in orders}
    witten_bell = {n: model.of_order(n, "witten-bell").bits(held_out) for n in orders}
    kneser_ney = {n: model.of_order(n, "kneser-ney").bits(held_out) for n in orders}

    left, right = panels(2, "order: characters of history", titles=("smoothed", "unsmoothed"))
    for name, bits in (("Witten–Bell", witten_bell), ("Kneser–Ney", kneser_ney)):
        left.plot(orders, list(bits.values()), marker="o", label=name)
    left.set(ylabel="bits per held-out character")
    left.legend(frameon=False)
    right.plot(orders, [100 * share for share in impossible.values()], marker="o")
    right.set(ylabel="held-out characters held for impossible, %", ylim=(0, None))
    lab.save("orders.png", left, "bits per character, and what was held for impossible, by order")

    best = min(orders, key=kneser_ney.__getitem__)
    return [
        *(Figure(f"order {n}: bits", kneser_ney[n], "beside", witten_bell[n], "Witten–Bell") for n in orders),
        Figure(f"the best, order {best}: bits", kneser_ney[best], "<", kneser_ney[1], "order 1"),
        Figure(f"order {best}: unsmoothed, share impossible", impossible[best], "beside", impossible[1], "order 1"),
    ]
