"""CTC decoding: the best path, and prefix beam search against the sum over all paths."""

import itertools
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad_rnn.ctc import ctc_greedy, ctc_prefix_beam


def scores(T, N, C, seed=0):
    x = np.random.default_rng(seed).normal(size=(T, N, C)) * 2
    return x - np.log(np.exp(x).sum(axis=2, keepdims=True))


def read(path, blank=0):
    return tuple(c for c, _ in itertools.groupby(path) if c != blank)


def all_labellings(log_probs, blank=0):
    """The probability of each labelling: the sum over every path that reads as it."""
    T, C = log_probs.shape
    found = {}
    for path in itertools.product(range(C), repeat=T):
        p = math.exp(sum(log_probs[t, c] for t, c in enumerate(path)))
        found[read(path, blank)] = found.get(read(path, blank), 0) + p
    return found


def sure_of(path, C=4):
    """Log-probabilities that are certain of one path."""
    return np.log(np.eye(C)[list(path)] * 0.9 + 0.1 / C).reshape(len(path), 1, C)


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ((0, 0, 0), []),
        ((1, 1, 1), [1]),
        ((1, 0, 1), [1, 1]),
        ((0, 2, 2, 0, 3, 3, 0), [2, 3]),
        ((3, 1, 1, 2, 0, 2), [3, 1, 2, 2]),
    ],
)
def test_repeats_are_one_and_blanks_are_left_out(path, labels):
    (found,) = ctc_greedy(sure_of(path))
    assert found.labels == labels
    np.testing.assert_allclose(found.log_probability, len(path) * math.log(0.925))
    ((best,),) = ctc_prefix_beam(sure_of(path))
    assert best.labels == labels


def test_another_blank():
    assert ctc_greedy(sure_of((0, 0, 3, 0, 1)), blank=3)[0].labels == [0, 0, 1]
    assert ctc_prefix_beam(sure_of((0, 0, 3, 0, 1)), blank=3)[0][0].labels == [0, 0, 1]


@pytest.mark.parametrize("blank", [0, 1])
@pytest.mark.parametrize(("T", "C"), [(1, 2), (2, 3), (4, 3), (5, 3), (3, 5)])
def test_a_full_beam_finds_every_labelling_and_its_probability(T, C, blank):
    log_probs = scores(T, 3, C, seed=T)
    found = ctc_prefix_beam(log_probs, blank=blank, width=1000, n_best=1000)
    for n, labellings in enumerate(found):
        expected = all_labellings(log_probs[:, n], blank)
        assert len(labellings) == len(expected)
        for labels, log_p in labellings:
            np.testing.assert_allclose(log_p, math.log(expected[tuple(labels)]), rtol=1e-10)
        ranks = [labelling.log_probability for labelling in labellings]
        assert ranks == sorted(ranks, reverse=True)


def test_it_agrees_with_the_loss():
    log_probs = scores(6, 2, 4)
    for n, (best,) in enumerate(ctc_prefix_beam(log_probs, width=200)):
        labels = np.array(best.labels).reshape(1, -1)
        loss = mg.nn.ctc_loss(mg.tensor(log_probs[:, n : n + 1]), labels, [6], [labels.size], reduction="sum")
        np.testing.assert_allclose(best.log_probability, -loss.item(), rtol=1e-8)


def test_the_likeliest_labelling_need_not_be_the_best_path():
    log_probs = np.log([[[0.6, 0.4]], [[0.6, 0.4]]])  # blanks 0.36; label 1 in three ways 0.64
    assert ctc_greedy(log_probs)[0].labels == []
    best = ctc_prefix_beam(log_probs)[0][0]
    assert best.labels == [1]
    np.testing.assert_allclose(best.log_probability, math.log(0.64))


def test_a_wider_beam_is_no_worse():
    log_probs = scores(12, 4, 5, seed=3)
    found = [[best.log_probability for (best,) in ctc_prefix_beam(log_probs, width=w)] for w in (1, 4, 16, 64)]
    for narrow, wide in itertools.pairwise(found):
        assert (np.array(wide) >= np.array(narrow) - 1e-9).all()


def test_lengths():
    log_probs = scores(6, 3, 3)
    lengths = [6, 0, 3]
    for decode in (ctc_greedy, lambda *args: [best for (best,) in ctc_prefix_beam(*args)]):
        together = decode(mg.tensor(log_probs), lengths)
        for n, length in enumerate(lengths):
            if length:
                assert together[n] == decode(log_probs[:length, n : n + 1])[0]
            else:
                assert together[n] == ([], 0.0)


def test_what_is_certain_not_to_come_is_not_found():
    log_probs = np.log(np.array([[[0.5, 0.5, 1e-320]], [[0.5, 0.5, 1e-320]]]))
    log_probs[:, :, 2] = -np.inf
    (found,) = ctc_prefix_beam(log_probs, width=50, n_best=50)
    assert sorted(labels for labels, _ in found) == [[], [1]]


def test_what_does_not_fit():
    log_probs = scores(3, 2, 4)
    for decode in (ctc_greedy, ctc_prefix_beam):
        with pytest.raises(ShapeError, match=r"\(time, batch, classes\)"):
            decode(log_probs[0])
        with pytest.raises(ShapeError, match="lengths must be 2 integers"):
            decode(log_probs, [3, 4])
        with pytest.raises(ValueError, match="one of the 4 classes, not 4"):
            decode(log_probs, blank=4)
    with pytest.raises(ValueError, match="n_best must be from 1 to the width"):
        ctc_prefix_beam(log_probs, width=2, n_best=3)
