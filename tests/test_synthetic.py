"""The made tasks are what their definitions say."""

import math

import numpy as np
import pytest

from minigrad_rnn.data import synthetic

TASKS = [
    synthetic.adding_problem,
    synthetic.copy_task,
    synthetic.recall,
    synthetic.parity,
    synthetic.binary_addition,
    synthetic.running_sum,
    synthetic.which_is_larger,
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_a_seed_gives_one_batch_and_a_generator_the_next(task):
    xs, targets = task(9, 4, 1)
    assert xs.dtype == np.float32
    assert xs.shape[1] == 4
    for same, other in zip((xs, targets), task(9, 4, 1), strict=True):
        np.testing.assert_array_equal(same, other)
    assert not np.array_equal(xs, task(9, 4, 2)[0])
    generator = np.random.default_rng(1)
    np.testing.assert_array_equal(task(9, 4, generator)[0], xs)
    assert not np.array_equal(task(9, 4, generator)[0], xs)
    with pytest.raises(ValueError, match="batch must be at least 1, not 0"):
        task(9, 0)
    with pytest.raises(ValueError, match="must be at least"):
        task(0, 4)


@pytest.mark.parametrize("length", [2, 7, 200])
def test_adding_problem(length):
    xs, targets = synthetic.adding_problem(length, 5000)
    assert xs.shape == (length, 5000, 2)
    assert targets.shape == (5000, 1)
    values, marks = xs[..., 0], xs[..., 1]
    assert (values >= 0).all()
    assert (values < 1).all()
    half = length // 2
    np.testing.assert_array_equal(marks[:half].sum(axis=0), 1)
    np.testing.assert_array_equal(marks[half:].sum(axis=0), 1)
    assert set(np.unique(marks)) <= {0, 1}
    np.testing.assert_allclose(targets[:, 0], (values * marks).sum(axis=0), rtol=1e-6)
    assert np.square(targets - 1).mean() == pytest.approx(1 / 6, abs=0.01)  # 0.167, what guessing gives


def test_copy_task():
    xs, targets = synthetic.copy_task(100, 64)
    assert xs.shape == (120, 64, 10)
    assert targets.shape == (120, 64)
    np.testing.assert_array_equal(xs.sum(axis=2), 1)
    codes = xs.argmax(axis=2)
    assert set(np.unique(codes[:10])) == set(range(8))
    np.testing.assert_array_equal(codes[10:109], 8)
    np.testing.assert_array_equal(codes[109], 9)
    np.testing.assert_array_equal(codes[110:], 8)
    np.testing.assert_array_equal(targets[:110], 8)
    np.testing.assert_array_equal(targets[110:], codes[:10])
    short, _ = synthetic.copy_task(1, 2, count=3)
    np.testing.assert_array_equal(short.argmax(axis=2)[3:], [[9, 9], [8, 8], [8, 8], [8, 8]])
    assert 10 * math.log(8) / 120 == pytest.approx(0.173, abs=1e-3)  # nats a step, without memory


@pytest.mark.parametrize("symbols", [8, 12])
def test_recall(symbols):
    """One of the first symbols, then only others; the target is the first."""
    inputs, targets = synthetic.recall(20, 500, 0, symbols)
    assert inputs.shape == (21, 500, symbols + 8)
    assert (inputs.sum(axis=2) == 1).all()
    told = inputs.argmax(axis=2)
    np.testing.assert_array_equal(told[0], targets)
    assert set(np.unique(targets)) == set(range(symbols))
    assert set(np.unique(told[1:])) == set(range(symbols, symbols + 8))


def test_recall_of_one_symbol_is_no_task():
    with pytest.raises(ValueError, match="symbols must be at least 2, not 1"):
        synthetic.recall(20, 5, symbols=1)


def test_parity():
    bits, odd = synthetic.parity(12, 50)
    assert bits.shape == odd.shape == (12, 50, 1)
    for n in range(50):
        assert [sum(bits[: t + 1, n, 0]) % 2 for t in range(12)] == odd[:, n, 0].tolist()
    _, last = synthetic.parity(12, 50, every_step=False)
    np.testing.assert_array_equal(last, odd[-1])


def test_binary_addition():
    xs, total = synthetic.binary_addition(80, 50)
    assert xs.shape == (81, 50, 2)
    assert total.shape == (81, 50, 1)

    def number(bits):
        return sum(int(bit) << t for t, bit in enumerate(bits))

    for n in range(50):
        assert number(xs[:, n, 0]) + number(xs[:, n, 1]) == number(total[:, n, 0])
    assert xs[:80].mean() == pytest.approx(0.5, abs=0.02)


def test_running_sum_and_which_is_larger():
    xs, totals = synthetic.running_sum(30, 20)
    for t in range(30):
        np.testing.assert_allclose(totals[t], xs[: t + 1].sum(axis=0), rtol=0, atol=1e-5)
    pairs, larger = synthetic.which_is_larger(30, 20)
    assert pairs.shape == (30, 20, 2)
    for t in range(30):
        first, second = pairs[: t + 1].sum(axis=0, dtype="float64").T
        np.testing.assert_array_equal(larger[t, :, 0], first > second)
    assert 0.3 < larger.mean() < 0.7


def test_cylinder_bell_funnel():
    classes, shapes = synthetic.cylinder_bell_funnel(30, 200)
    assert shapes.shape == (30, 200, 1)
    assert set(classes) == {0, 1, 2}
    for kind, shape in zip(classes, shapes[..., 0].T, strict=True):
        inside = np.flatnonzero(shape)
        first, last = inside[0], inside[-1]
        assert 2 <= first <= 15
        assert 5 <= last - first + 1 <= 12
        slopes = np.diff(shape[first : last + 1])
        np.testing.assert_allclose(slopes, slopes[0], rtol=0, atol=1e-6)  # one straight line
        assert np.sign(slopes[0]) == (0, 1, -1)[kind]
        assert shape.max() <= 1


def test_numbers_and_their_digits():
    digits = synthetic.side_by_side(0b1011, 0b11)
    assert digits[:, 0].T.tolist() == [[1, 1, 0, 1, 0], [1, 1, 0, 0, 0]]
    assert digits.dtype == np.float32
    assert [synthetic.as_number(digits[..., n]) for n in (0, 1)] == [0b1011, 0b11]
    assert synthetic.side_by_side(0, 0).tolist() == [[[0, 0]]]
    large = synthetic.side_by_side(2**1000 - 1, 1)
    assert synthetic.as_number(large[..., 0]) == 2**1000 - 1
    with pytest.raises(ValueError, match="a must be at least 0, not -1"):
        synthetic.side_by_side(-1, 0)
    for digits in ([], [2, 1], [0.9, 1]):
        with pytest.raises(ValueError, match="binary digits are 0 and 1"):
            synthetic.as_number(np.array(digits))
