"""Examples are held out class by class."""

import numpy as np
import pytest

from minigrad_rnn.data import DataError
from minigrad_rnn.data.splits import held_out, share_of

CLASSES = np.repeat([0, 1, 2, 3], [25, 15, 10, 3])


def test_a_share_of_each_class_is_held_out():
    for share, counts in ((0.2, [5, 3, 2, 0]), (0.3, [7, 4, 3, 0]), (0.5, [12, 7, 5, 1])):
        train, test = held_out(CLASSES, share)
        assert np.bincount(CLASSES[test], minlength=4).tolist() == counts
        assert sorted([*train, *test]) == list(range(len(CLASSES)))


def test_a_share_is_what_it_would_be_of_exact_numbers():
    assert [share_of(share, 100) for share in (0.29, 0.57, 0.1, 0.999)] == [29, 57, 10, 99]


def test_the_order_is_random_and_the_seed_says_which():
    first, again, other = (np.concatenate(held_out(CLASSES, 0.2, seed)).tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other
    train, _ = held_out(CLASSES, 0.2, np.random.default_rng(1))
    assert train.tolist() == first[: len(train)]
    assert (np.diff(CLASSES[train]) < 0).sum() > 5  # the classes are mixed


def test_names_are_classes_too():
    _, test = held_out(["b", "a", "a", "b"], 0.5)
    assert sorted(["b", "a", "a", "b"][n] for n in test) == ["a", "b"]


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match=f"share must be above 0 and below 1, not {share}"):
        held_out(CLASSES, share)


def test_classes_that_are_too_small():
    with pytest.raises(DataError, match="no class has 5 examples"):
        held_out([0, 0, 0, 0, 1], 0.2)
