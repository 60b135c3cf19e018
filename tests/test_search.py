"""Searches without gradients find what is known to be the least, and use nothing of a loss but its values."""

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad_rnn.search import Annealing, Genetic, Search, numbers_of, set_numbers

LEAST = np.array([1.0, -2.0, 0.5])


def bowl(numbers):
    """A sphere around LEAST, in steps of 1e-6: its gradient is 0 everywhere."""
    return math.floor(1e6 * np.square(numbers - LEAST).sum()) / 1e6


def wells(numbers):
    """Two wells for each number: the deeper one at -1.036, behind a hill for who starts from 1."""
    return float(((numbers**2 - 1) ** 2 + 0.3 * numbers).sum())


SEARCHES = {
    "genetic": lambda loss, start, rng=0: (Genetic(loss, start, population=40, spread=2, decay=0.95, rng=rng), 100),
    "annealing": lambda loss, start, rng=0: (Annealing(loss, start, rng=rng), 100),
}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize(("loss", "least"), [(bowl, LEAST), (wells, [-1.0355, -1.0355, -1.0355])])
def test_the_least_is_found(name, loss, least):
    search, steps = SEARCHES[name](loss, [1.0, 1.0, 1.0])
    for _ in range(steps):
        search.step()
    np.testing.assert_allclose(search.best, least, atol=0.02)
    assert search.best_loss == loss(search.best)


@pytest.mark.parametrize("name", SEARCHES)
def test_what_is_counted_and_kept(name):
    asked = []

    def loss(numbers):
        asked.append(bowl(numbers))
        return asked[-1]

    search, _ = SEARCHES[name](loss, np.zeros(3))
    for _ in range(3):
        before = search.best_loss
        search.step()
        assert search.best_loss <= before
    assert search.evaluations == len(asked) == {"genetic": 40 + 3 * 38, "annealing": 1 + 3 * 10 * 3}[name]
    assert search.best_loss == min(asked)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_seed_gives_one_search(name):
    found = []
    for rng in (0, 0, 1):
        search, _ = SEARCHES[name](bowl, np.zeros(3), rng)
        search.step()
        found.append(search.best.tolist())
    assert found[0] == found[1] != found[2]


def test_a_loss_that_is_no_number_is_the_worst():
    search = Genetic(lambda numbers: bowl(numbers) if numbers[0] > 0 else math.nan, [0.5, 0, 0], population=10)
    for _ in range(20):
        search.step()
    assert search.best[0] > 0
    assert search.best_loss < 1
    with pytest.raises(ValueError, match="the loss at the start is no number"):
        Annealing(lambda numbers: math.nan, [0.0])


def test_annealing_takes_moves_for_the_worse_while_it_is_hot():
    """At a high temperature nearly all moves are made and the reach grows; at a low one it only goes down."""
    hot, cold = Annealing(bowl, LEAST + 1, temperature=1e6), Annealing(bowl, LEAST + 1, temperature=1e-9)
    for _ in range(5):
        hot.step()
        cold.step()
    assert (hot.reach > 0.5).all()
    assert cold.loss_here == cold.best_loss
    assert hot.loss_here > hot.best_loss
    assert hot.temperature == pytest.approx(1e6 * 0.9**5)


def test_the_numbers_of_a_model():
    cell = mr.cells.NARXCell(1, 4, output_taps=2)
    numbers = numbers_of(cell)
    assert numbers.shape == (1 * 4 + 2 * 4 + 4 + 4 + 1,)
    xs = mg.ones((5, 1, 1))
    before = cell.open_loop(xs, xs).numpy()
    set_numbers(cell, numbers + 1)
    assert not np.allclose(cell.open_loop(xs, xs).numpy(), before)
    set_numbers(cell, numbers)
    np.testing.assert_array_equal(cell.open_loop(xs, xs).numpy(), before)
    with pytest.raises(ValueError, match=r"21 numbers, and \(20,\) were given"):
        set_numbers(cell, numbers[1:])


def test_what_cannot_be():
    with pytest.raises(ValueError, match="at least 3, and more than its elite, not 4 with 4"):
        Genetic(bowl, LEAST, population=4, elite=4)
    with pytest.raises(ValueError, match=r"not from shape \(1, 3\)"):
        Annealing(bowl, [LEAST])
    with pytest.raises(ValueError, match="NARXless has no parameters"):
        numbers_of(type("NARXless", (mg.nn.Module,), {})())
    with pytest.raises(TypeError, match="write it"):
        Search(bowl, LEAST).step()


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        (Genetic, {"population": 2}, "a population is at least 3"),
        (Genetic, {"spread": -1}, "not -1, 0.5, 0.1 and 0.99"),
        (Genetic, {"blend": -1}, "not 0.5, -1, 0.1 and 0.99"),
        (Genetic, {"mutation": 2}, "mutation from 0 to 1"),
        (Genetic, {"decay": 0}, "decay above 0 and at most 1"),
        (Annealing, {"temperature": 0}, "temperature must be above 0, not 0"),
        (Annealing, {"cooling": 1.5}, "cooling must be above 0 and at most 1, not 1.5"),
        (Annealing, {"cooling": 0}, "cooling must be above 0 and at most 1, not 0"),
        (Annealing, {"moves": 0}, "moves must be at least 1, not 0"),
        (Annealing, {"reach": 0}, "reach must be above 0, not 0"),
    ],
)
def test_arguments_are_checked_before_a_loss_is_asked(kind, options, told):
    def loss(numbers):
        raise AssertionError("asked")

    with pytest.raises(ValueError, match=told):
        kind(loss, LEAST, **options)
