"""music: tunes written, and heard: a character model over ABC text writes folk tunes, which come out as MIDI.

    h_t, c_t = LSTM(E x_t, h_{t-1}, c_{t-1})        p(x_{t+1} | x_1 … x_t) = softmax(V h_t + b)

over the characters of tunes in ABC, as Sturm et al. (2016) wrote folk music. That the lengths of a bar's notes must sum
to the metre is said nowhere: it is found, and needs counting from bar line to bar line, in the units that the head of
the tune gives. So the share of bars that are full says what was learned. Beside it stand the tunes of the best n-gram
model, which sees the last few characters only; both draw from their p as it is.
"""

from __future__ import annotations

from collections import Counter
from itertools import takewhile

import numpy as np

from ..data import DataError, NGram
from ..data.tunes import Tune, folk_tunes, midi, parse
from ..decode import LanguageModel, sample
from ..evaluating import evaluating
from ..plotting import axes, plot_piano_roll
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.language import Language

HEADS, LONGEST = 8, 400  # kinds of metre, unit and key that tunes are written in; characters of a tune


def read(tune: str) -> Tune | None:
    """What is in the tune; None where it is none, or has no notes."""
    try:
        return parse(tune) if parse(tune).notes else None
    except DataError:
        return None


def fullness(tunes: list[str]) -> float:
    """The share of full bars in tunes; a text that is no tune counts as a bar that is not full."""
    found = [tune.full if tune else [False] for tune in map(read, tunes)]
    return float(np.mean([bar for full in found for bar in full] or [False]))


@system(
    data="7,189 folk songs of the Essen collection (music21)",
    merit="share of full bars in tunes written",
    seconds=140,
    takes="a file of tunes in ABC",
)
def run(lab: Lab) -> list[Figure]:
    tunes = folk_tunes(lab.data, most=lab.pick(None, 200))
    lab.rng().shuffle(tunes)
    config = Config(batch=32, length=128, hidden=lab.pick(256, 32), embedding=32, output_dropout=0.1, seed=lab.seed)
    task = Language(config, "".join(tunes))
    bits = lab.train(task, config=config, steps=lab.pick(1500, 10), lr=5e-3).figures["bits_per_character"]
    vocabulary = task.model.vocabulary
    counted = NGram(task.train, lab.pick(12, 3), len(vocabulary))
    grams = {n: counted.of_order(n).bits(task.validation) for n in range(1, counted.order + 1)}
    best = min(grams, key=grams.__getitem__)
    ngram = counted.of_order(best)

    each, decoder, end = lab.pick(8, 1), LanguageModel(task.model), int(vocabulary.encode("\n")[0])
    heads = Counter("\n".join(tune.split("\n")[:3]) + "\n" for tune in tunes).most_common(HEADS)
    by_lstm, by_ngram = [], []
    for number, (head, _) in enumerate(heads):
        codes = vocabulary.encode("\n" + head)
        given = np.repeat(codes[:, None], each, axis=1)
        with evaluating(task.model):
            drawn = sample(decoder, decoder.start(given[:-1]), given[-1], LONGEST, end, seed=lab.rng(1, number))
        by_lstm += [f"{head}{vocabulary.decode(one.symbols)}\n" for one in drawn]
        for n in range(each):
            drawn_codes = ngram.write(codes, LONGEST, int(lab.rng(2, number, n).integers(2**31)))
            symbols = takewhile(lambda code: code != end, drawn_codes)
            by_ngram.append(f"{head}{vocabulary.decode(symbols)}\n")
    best_first = sorted(by_lstm, key=lambda tune: fullness([tune]), reverse=True)
    text = "\n".join(f"X:{n}\nT:{n}\n{tune}" for n, tune in enumerate(best_first, 1))
    lab.write("tunes.abc", text, "the tunes written, those with the most full bars first")
    lab.say(best_first[0])
    if first := read(best_first[0]):
        lab.write("tune.mid", midi(first.notes), "the first of them, to be heard")
        notes = [(note.start / first.metre, note.length / first.metre, note.pitch) for note in first.notes]
        plot = plot_piano_roll(notes, axes(title="the first tune of tunes.abc", size=(11, 4.5)))
        lab.save("tune.png", plot, "the same as a piano roll")
    model = f"the n-gram model of order {best}"
    parsed, parsed_of_ngram = (
        float(np.mean([read(tune) is not None for tune in made])) for made in (by_lstm, by_ngram)
    )
    return [
        Figure("share of full bars in tunes written", fullness(by_lstm), ">", fullness(by_ngram), model),
        Figure("bits per character", bits, "<", grams[best], f"the least of n-gram models of order 1 to {len(grams)}"),
        Figure("share of texts written that are tunes", parsed, "beside", parsed_of_ngram, model),
    ]
