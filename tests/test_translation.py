"""Pairs of texts: training on a list of them, translating, and what was read to write."""

import numpy as np
import pytest

import minigrad as mg
from minigrad_rnn.data import TextError
from minigrad_rnn.seq2seq import linear_decay
from minigrad_rnn.training import Config, fit
from minigrad_rnn.training.tasks.translation import Translation

PAIRS = [(str(n), str(n)[::-1]) for n in range(100, 180)]


def made(pairs=PAIRS, teacher_forcing=None, **values):
    config = Config(kind="pairs", hidden=16, embedding=8, batch=16, steps=4, sample=0, **values)
    mg.seed(config.seed)
    return Translation(config, pairs, teacher_forcing), config


def test_a_list_is_as_good_as_a_file(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS))
    (listed, config), (read, _) = made(), made(None, text=str(path))
    assert listed.digest == read.digest
    assert fit(listed, config).figures == fit(read, config).figures
    with pytest.raises(TextError, match="read from a file"):
        made(None)


def test_how_many_are_kept():
    many = [(str(n), str(n)) for n in range(3000)]
    assert made()[0].validation_rows == 8
    assert made(many)[0].validation_rows == 200
    assert made(many, validation=700)[0].validation_rows == 700
    with pytest.raises(TextError, match="none is left"):
        made(validation=80)


@pytest.mark.parametrize("attention", ["none", "dot", "bilinear", "additive"])
def test_translations_are_those_that_are_judged(attention):
    task, config = made(attention=attention, lr=0.02, validation=30)
    found = fit(task, config.but({"steps": 60})).figures["accuracy"]
    sources, targets = zip(*task.texts)
    written = task.translate(sources)
    assert found == np.mean([one == other for one, other in zip(written, targets)])
    assert task.sample(5).splitlines()[0] == f"{sources[0]} -> {written[0]}"
    with pytest.raises(TextError, match="'x'"):
        task.translate(["x"])


def test_alignment():
    task, config = made(attention="additive", lr=0.02)
    fit(task, config.but({"steps": 60}))
    read, written, weights = task.alignment("123")
    assert read == "123"
    assert written == task.translate(["123"])[0]
    assert weights.shape == (len(written), 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_shared_weights_have_the_symbols_of_both_sides():
    pairs = [(text, text.upper()) for text in ("ab", "ba", "aab", "bba", "abb")]
    options = {"shared": True, "feed_context": False}
    task, config = made(pairs, attention="none", options=options, validation=1)
    assert [vocabulary.symbols for vocabulary in task.vocabularies] == ["ABab", "ABab"]
    fit(task, config)


def test_the_schedule_of_teacher_forcing():
    task, config = made(teacher_forcing=lambda step: linear_decay(step, c=0.25))
    assert [task.batch(step, slice(None)).teacher_forcing for step in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]
    assert made()[0].batch(5, slice(None)).teacher_forcing == 1
    fit(task, config.but({"steps": 6}))


def test_log_probabilities():
    task, _ = made()
    assert task.known + task.texts == PAIRS
    found = task.log_probabilities("123", "321")
    assert found.shape == (4, 12)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-5)
    batch = task.encoded(["123"], ["321"])
    of_targets = found[np.arange(4), mg.tensor(batch.targets).numpy()[:, 0]]
    assert task.loss(batch, None)[0].item() == pytest.approx(-of_targets.mean(), rel=1e-5)
