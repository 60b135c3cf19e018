"""Projections of words, and the windows that they are learned from."""

import numpy as np
import pytest

from minigrad_rnn.data import TextError, subsampled, windows
from minigrad_rnn.projections import (
    alike,
    alike_in_python,
    familiar,
    nearest,
    neighbours,
    plane,
    python_classes,
    word_map,
)

PROJECTIONS = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.3], [-0.1, 2.0], [0.0, 0.0]])


def test_the_nearest_are_so_by_the_angle():
    near = nearest(PROJECTIONS, 2)
    assert near[:4, 0].tolist() == [2, 3, 0, 1]
    assert near.shape == (5, 2)
    words = ["a", "b", "c", "\n", "("]
    table = neighbours(PROJECTIONS, words, 1)
    assert table == "a\tc\nb\t\\n\nc\ta\n"
    assert familiar(table, ["c", "missing", "b"], least=2).split() == ["b", "\\n", "c", "a"]
    assert familiar(table, ["c", "missing"], least=2).split() == table.split()
    shown = word_map(PROJECTIONS, words, count=2)
    assert [text.get_text() for text in shown.texts] == ["a", "b"]


def test_the_plane_is_that_of_the_largest_spread():
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((30, 2)) * [5, 2]
    turn, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    places = plane(np.hstack([flat, np.zeros((30, 4))]) @ turn + 3)
    between = lambda points: np.linalg.norm(points[:, None] - points, axis=2)
    np.testing.assert_allclose(between(places), between(flat), atol=1e-12)
    assert places[:, 0].std() > places[:, 1].std()
    assert plane(PROJECTIONS[:1]).tolist() == [[0, 0]]


def test_classes_of_words_in_python():
    words = ["if", "None", "ValueError", "KeyboardInterrupt", "len", "int", "42", "apple", "<unk>"]
    assert python_classes(words).tolist() == [1, 1, 2, 2, 3, 3, 4, 0, 0]


def test_how_often_the_nearest_is_alike():
    same, chance = alike(PROJECTIONS[:4], np.array([1, 2, 1, 2]))
    assert (same, chance) == (1.0, pytest.approx(1 / 3))
    same, chance = alike(PROJECTIONS[:4], np.array([1, 1, 2, 1]))
    assert (same, chance) == (0.5, pytest.approx(6 / 12))
    assert alike_in_python(PROJECTIONS, ["if", "len", "for", "int", "apple"]) == (1.0, pytest.approx(1 / 3))
    with pytest.raises(ValueError, match="two"):
        alike(PROJECTIONS[:1], np.array([1]))


def test_windows():
    words, around = windows(np.arange(7), 2)
    assert words.tolist() == [2, 3, 4]
    assert around.tolist() == [[0, 1, 3, 4], [1, 2, 4, 5], [2, 3, 5, 6]]
    with pytest.raises(TextError, match="longer"):
        windows(np.arange(4), 2)


def test_subsampled_keeps_the_rare_and_thins_the_common():
    codes = np.concatenate([np.zeros(90_000, int), np.arange(1, 10_001)])
    kept = subsampled(codes, np.random.default_rng(0), threshold=1e-2)
    assert (kept > 0).sum() == 10_000
    assert (kept == 0).sum() == pytest.approx(90_000 * np.sqrt(1e-2 / 0.9), rel=0.03)
    assert (np.diff(kept[kept > 0]) > 0).all()
