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

from ..data import NGram
from ..data.tunes import folk_tunes, full_bars, midi, parsed
from ..decode import LanguageModel, sample
from ..evaluating import evaluating
from ..plotting import axes, plot_piano_roll
from ..systems import Figure, Lab, system
from ..training import Config
from ..training.tasks.language import Language

HEADS, LONGEST = 8, 400  # kinds of metre, unit and key that tunes are written in; characters of a tune


@system(
    data="7,189 folk songs of the Essen collection (music21)",
    merit="share of full bars in tunes written",
    seconds=150,
    takes="a file of tunes in ABC",
)
def run(lab: Lab) -> list[Figure]:
    tunes = folk_tunes(lab.data, most=lab.pick(None, 200))
    lab.rng().shuffle(tunes)
    config = Config(batch=32, length=128, hidden=lab.pick(256, 32), embedding=32, output_dropout=0.1, seed=lab.seed)
    task = Language(config, "".join(tunes))
    bits = lab.train(task, config=config, steps=lab.pick(1500, 10), lr=5e-3).figures["bits_per_character"]
    vocabulary = task.model.vocabulary
    counted = NGram(task.train, lab.pick(20, 3), len(vocabulary))
    grams = {n: counted.of_order(n).bits(task.validation) for n in range(1, counted.order + 1)}
    best = min(grams, key=grams.__getitem__)
    ngram, decoder, end = counted.of_order(best), LanguageModel(task.model), int(vocabulary.encode("\n")[0])

    heads = Counter("\n".join(tune.split("\n")[:3]) + "\n" for tune in tunes).most_common(HEADS)
    texts, texts_of_ngram = [], []
    for number, (head, _) in enumerate(heads):
        codes = vocabulary.encode("\n" + head)
        given = np.repeat(codes[:, None], lab.pick(8, 1), axis=1)
        with evaluating(task.model):
            drawn = sample(decoder, decoder.start(given[:-1]), given[-1], LONGEST, end, seed=lab.rng(1, number))
        texts += [f"{head}{vocabulary.decode(one.symbols)}\n" for one in drawn]
        for n in range(len(drawn)):
            symbols = ngram.write(codes, LONGEST, int(lab.rng(2, number, n).integers(2**31)))
            texts_of_ngram.append(f"{head}{vocabulary.decode(takewhile(lambda code: code != end, symbols))}\n")

    best_first = sorted(texts, key=lambda text: full_bars([tune]) if (tune := parsed(text)) else -1, reverse=True)
    abc = "\n".join(f"X:{n}\nT:{n}\n{text}" for n, text in enumerate(best_first, 1))
    lab.write("tunes.abc", abc, "the tunes written, those with the most full bars first")
    if first := parsed(best_first[0]):
        lab.say(best_first[0])
        lab.write("tune.mid", midi(first.notes), "the first of them, to be heard")
        notes = [(note.start / first.metre, note.length / first.metre, note.pitch) for note in first.notes]
        plot = plot_piano_roll(notes, axes(title="the first tune of tunes.abc", size=(11, 4.5)))
        lab.save("tune.png", plot, "the same as a piano roll")
    else:
        lab.say("None of the texts that were written is a tune: there is none to be heard.")
    read, read_of_ngram = ([tune for tune in map(parsed, made) if tune] for made in (texts, texts_of_ngram))
    model, least = f"the n-gram model of order {best}", f"the least of n-gram models of order 1 to {len(grams)}"
    share, share_of_ngram = len(read) / len(texts), len(read_of_ngram) / len(texts)
    return [
        Figure("share of full bars in tunes written", full_bars(read), ">", full_bars(read_of_ngram), model),
        Figure("bits per character", bits, "<", grams[best], least),
        Figure("share of texts written that are tunes", share, ">=", 0.9, "the goal"),
        Figure("share of texts, again", share, "beside", share_of_ngram, model),
    ]
