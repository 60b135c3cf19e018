"""Metrics of sequences, and layers that see a step at a time."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad_rnn.metrics import (
    accuracy,
    chrf,
    confusion,
    edit_distances,
    error_rate,
    majority,
    matching,
    predictions,
    squared_error,
    step_accuracy,
)
from minigrad_rnn.models import PerStep


def test_error_rate():
    assert error_rate([[1, 2, 3], [4]], [[1, 2, 3], [4]]) == 0
    assert error_rate([[1, 3], [], [9, 9]], [[1, 2, 3], [4], [9]]) == pytest.approx(3 / 5)
    assert error_rate([np.array([7, 300])], [np.array([300])]) == 1
    for written, references in (([[1]], []), ([[1]], [[]])):
        with pytest.raises(ValueError, match="a reference for each"):
            error_rate(written, references)
    for label in (-1, 2**40, 1.5):
        with pytest.raises(ValueError, match="labels are numbers from 0 to 32,767"):
            error_rate([[label]], [[1]])


def levenshtein(one, other):
    """By the recursion as it is written."""
    if not one or not other:
        return len(one) + len(other)
    replaced = levenshtein(one[1:], other[1:]) + (one[0] != other[0])
    return min(replaced, levenshtein(one[1:], other) + 1, levenshtein(one, other[1:]) + 1)


def test_edit_distances():
    assert edit_distances("kitten", ["sitting", "kitten", "", "ki"]).tolist() == [3, 0, 6, 4]
    assert edit_distances("", ["ab", ""]).tolist() == [2, 0]
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ab日"), rng.integers(6))) for _ in range(30)]
    for text in texts[:10]:
        assert edit_distances(text, texts).tolist() == [levenshtein(text, other) for other in texts]


def test_chrf():
    """Of the second the value is sacreBLEU 2.6's."""
    assert chrf(["a b", "cd"], ["a b", "cd"]) == 1
    assert chrf(["in 3 Monat"], ["in 3 Monaten"]) == pytest.approx(0.7610249796742268, rel=1e-12)
    assert chrf(["abc"], ["xyz"]) == chrf([""], ["a"]) == 0
    with pytest.raises(ValueError, match="a reference for each"):
        chrf(["a"], [])


def test_matching():
    assert matching("abcd", "abdd") == 0.75
    with pytest.raises(ValueError, match="zip"):
        matching("a", "ab")
    with pytest.raises(ValueError, match="at least one of each"):
        matching([], [])


def test_confusion():
    assert confusion([1, 1, 1, 0], [1, 1, 0, 0], 2).tolist() == [[1, 1], [0, 2]]
    assert confusion([], [], 2).tolist() == [[0, 0], [0, 0]]
    for predicted, told in (([-1, 0], "are -1 to 1"), ([5, 0], "are 0 to 5"), ([1], "same shape")):
        with pytest.raises(ValueError, match=told):
            confusion(predicted, [1, 1], 2)


def test_accuracy_takes_what_goes_together():
    logits, classes = mg.tensor([[2.0], [-1.0], [3.0]]), np.array([1, 0, 0])
    assert accuracy(logits, classes[:, None]).numpy().tolist() == [[1], [1], [0]]
    assert accuracy(mg.tensor([2.0, -1.0, 3.0]), classes).numpy().tolist() == [1, 1, 0]
    assert predictions(mg.tensor([[0.0, 1.0], [1.0, 0.0]]), classes[:2]).numpy().tolist() == [1, 0]
    for scores, targets in ((logits, classes), (logits[:, 0], classes[:, None]), (mg.zeros((2, 4)), classes)):
        with pytest.raises(ShapeError, match="do not go with targets"):
            accuracy(scores, targets)
    with pytest.raises(ShapeError, match="mse_loss"):
        squared_error(logits, classes)


def test_step_accuracy_is_of_the_real_steps():
    outputs = mg.tensor(np.eye(3, dtype="float32")[[[0, 1], [2, 1], [2, 0]]])  # classes 0 2 2 and 1 1 0
    scores = step_accuracy(outputs, np.array([[0, 1], [1, 1], [2, 2]]), np.array([3, 2]))
    assert scores.numpy().tolist() == [1, 1, 0, 1, 1]  # step by step


def test_layers_per_step_see_each_step_by_itself():
    films = np.random.default_rng(0).normal(size=(4, 3, 2, 6, 5))
    conv = mg.nn.Conv2d(2, 5, 3, dtype="float64")
    outputs = PerStep(conv, mg.relu, mg.nn.Flatten())(films)
    assert outputs.shape == (4, 3, 5 * 4 * 3)
    for t in range(4):
        alone = mg.relu(conv(mg.tensor(films[t]))).numpy().reshape(3, -1)
        assert np.allclose(outputs[t].numpy(), alone, atol=1e-12)


def test_majority():
    assert majority([3, 5, 5, 3, 5], iter([5, 5, 3, 2])) == (5, 0.5)
