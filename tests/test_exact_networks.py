"""Little networks whose weights are set by hand compute exactly what they are made for."""

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad_rnn.data import synthetic


def vanilla(nonlinearity, U, W, b):
    """A vanilla cell with these weights."""
    cell = mr.RNNCell(len(U), len(W), nonlinearity=nonlinearity, dtype="float64")
    cell.load_state_dict({"weight_ih": U, "weight_hh": W, "bias": b})
    return cell


def run(cell, xs, W_hy, b_y=0.0):
    """Hidden states (T, B, H) and linear outputs (T, B, K)."""
    hidden, _ = mr.unroll(cell, np.asarray(xs, "float64"))
    return hidden.numpy(), hidden.numpy() @ np.array(W_hy) + b_y


def test_one_logistic_unit():
    """W_xh = -0.1, W_hh = 0.5, W_hy = 0.25, hidden bias 0.4, output bias 0; x = 18, 9, -8, the state before them 0."""
    cell = vanilla("sigmoid", [[-0.1]], [[0.5]], [0.4])
    h, y = run(cell, np.array([18, 9, -8]).reshape(3, 1, 1), [[0.25]])
    h0 = 1 / (1 + math.exp(-(-0.1 * 18 + 0.5 * 0 + 0.4)))
    h1 = 1 / (1 + math.exp(-(-0.1 * 9 + 0.5 * h0 + 0.4)))
    h2 = 1 / (1 + math.exp(-(-0.1 * -8 + 0.5 * h1 + 0.4)))
    np.testing.assert_allclose(h.ravel(), [h0, h1, h2], rtol=1e-15)
    np.testing.assert_allclose(y.ravel(), [0.25 * h0, 0.25 * h1, 0.25 * h2], rtol=1e-15)
    assert (round(h0, 4), round(0.25 * h1, 4), round(0.25 * h2, 4)) == (0.1978, 0.1003, 0.2006)


def test_a_linear_unit_keeps_the_running_sum():
    _, y = run(vanilla("identity", [[1.0]], [[1.0]], [0.0]), np.array([2, -0.5, 1, 1]).reshape(4, 1, 1), [[1.0]])
    assert y.ravel().tolist() == [2.0, 1.5, 2.5, 3.5]
    xs, totals = synthetic.running_sum(200, 5)
    np.testing.assert_allclose(run(vanilla("identity", [[1.0]], [[1.0]], [0.0]), xs, [[1.0]])[1], totals, atol=1e-5)


def test_a_logistic_output_says_which_total_is_larger():
    cell = vanilla("identity", [[1.0], [-1.0]], [[1.0]], [0.0])
    hidden, a = run(cell, np.array([[2, -2], [0, 3.5], [1, 2.2]]).reshape(3, 1, 2), [[5.0]])
    assert hidden.ravel() == pytest.approx([4.0, 0.5, -0.7])
    y = mg.sigmoid(mg.tensor(a)).numpy().ravel()
    np.testing.assert_allclose(y, [1 / (1 + math.exp(-5 * d)) for d in (4.0, 0.5, -0.7)], rtol=1e-12)
    assert (y > 0.5).tolist() == [True, True, False]
    xs, larger = synthetic.which_is_larger(100, 20)
    np.testing.assert_array_equal(run(cell, xs, [[5.0]])[1] > 0, larger == 1)


class ThresholdCell(mr.Cell):
    """h_t = [h_{t-1} R + x_t U + b > 0], where R passes through a layer of thresholds of its own."""

    def __init__(self, input_size, hidden_size, U, R, b, out, b_out):
        weights = {"U": U, "R": R, "b": b, "out": out, "b_out": b_out}
        for name, value in weights.items():
            setattr(self, name, mg.nn.Parameter(mg.tensor(value, dtype="float64")))

    def step(self, x, h):
        seen = (x @ self.U + h @ self.R + self.b > 0).astype("float64")
        h = (seen @ self.out + self.b_out > 0).astype("float64")
        return h, h


@pytest.mark.parametrize("length", [1, 2, 10, 1000])
def test_parity_by_thresholds(length):
    """The state is x XOR h = (x OR h) AND NOT (x AND h): two thresholds, and one over them."""
    cell = ThresholdCell(1, 1, [[1, 1]], [[1, 1]], [-0.5, -1.5], [[1], [-1]], [-0.5])
    bits, odd = synthetic.parity(length, 20)
    np.testing.assert_array_equal(mr.unroll(cell, bits.astype("float64"))[0].numpy(), odd)


@pytest.mark.parametrize("compiled", [False, True])
def test_parity_by_the_cell_of_thresholds(compiled):
    """One layer: at least one of x and the parity before it, both of them; their difference is the parity."""
    cell = vanilla("threshold", [[1, 1]], [[1, 1], [-1, -1]], [-0.5, -1.5])
    bits, odd = synthetic.parity(1000, 20)
    units = mr.unroll(cell, bits.astype("float64"), compiled=compiled)[0].numpy()
    np.testing.assert_array_equal(units[..., :1] - units[..., 1:], odd)
    assert set(np.unique(units)) == {0.0, 1.0}


@pytest.mark.parametrize("length", [1, 2, 10, 1000])
def test_parity_by_relus(length):
    """The library's cell: |x - h| = relu(x - h) + relu(h - x) is x XOR h, and h the sum of the two units."""
    cell = vanilla("relu", [[1.0, -1.0]], [[-1.0, 1.0], [-1.0, 1.0]], [0.0, 0.0])
    bits, odd = synthetic.parity(length, 20)
    np.testing.assert_array_equal(run(cell, bits, [[1.0], [1.0]])[1], odd)


@pytest.mark.parametrize("bits", [1, 8, 80, 1000])
def test_binary_addition_with_one_carry(bits):
    """Three thresholds say whether at least one, two, three of a, b and the carry are 1.

    The second is the next carry, which is all of the state that is read; the digit is first - second + third.
    """

    class Adder(mr.Cell):
        def __init__(self, input_size, hidden_size):
            self.levels = mg.nn.Parameter(mg.tensor([-0.5, -1.5, -2.5], dtype="float64"))

        def step(self, x, h):
            total = x.sum(axis=1, keepdims=True) + h[:, 1:2]
            h = (total + self.levels > 0).astype("float64")
            return h, h

    xs, total = synthetic.binary_addition(bits, 20)
    _, digits = run(Adder(2, 3), xs, [[1.0], [-1.0], [1.0]])
    np.testing.assert_array_equal(digits, total)


@pytest.mark.parametrize("bits", [1, 8, 80, 1000])
def test_binary_addition_by_steep_logistic_units(bits):
    """The library's cell with the same weights, 60 times as large: what is rounded off is below 1e-12 at every step."""
    k = 60.0
    W = np.zeros((3, 3))
    W[1] = k  # the second unit is the carry
    cell = vanilla("sigmoid", np.full((2, 3), k), W, [-0.5 * k, -1.5 * k, -2.5 * k])
    xs, total = synthetic.binary_addition(bits, 20)
    np.testing.assert_allclose(run(cell, xs, [[1.0], [-1.0], [1.0]])[1], total, rtol=0, atol=1e-12)


def test_carry_by_hand():
    """11 + 3 = 14, least significant bit first."""
    k = 60.0
    cell = vanilla("sigmoid", np.full((2, 3), k), [[0] * 3, [k] * 3, [0] * 3], [-0.5 * k, -1.5 * k, -2.5 * k])
    xs = np.array([[1, 1], [1, 1], [0, 0], [1, 0], [0, 0]]).reshape(5, 1, 2)
    hidden, digits = run(cell, xs, [[1.0], [-1.0], [1.0]])
    assert digits.ravel().round(9).tolist() == [0, 1, 1, 1, 0]
    assert hidden[:, 0, 1].round(9).tolist() == [1, 1, 0, 0, 0]
