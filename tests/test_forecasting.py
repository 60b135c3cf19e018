"""Splits in order of time, scales, and the forecasts that models are set beside."""

import numpy as np
import pytest

from minigrad.errors import ShapeError
from minigrad_rnn.data import DataError
from minigrad_rnn.data.forecasting import LinearAutoregression, Scale, persistence, rolling, sliding_windows
from minigrad_rnn.data.series import share_prices

rng = np.random.default_rng(0)


def test_a_rolling_split_tests_each_step_once_and_never_on_the_past():
    folds = rolling(103, 4, first=0.4)
    assert folds == [(41, 56), (56, 72), (72, 87), (87, 103)]
    assert rolling(100, 1, first=0.29) == [(29, 100)]
    with pytest.raises(DataError, match="a series of 3 steps cannot be cut into 4 folds"):
        rolling(3, 4)


def test_a_scale_comes_from_what_it_was_made_of_alone():
    series = np.array([[1.0, 5.0], [3.0, 5.0], [100.0, 5.0]])
    scale = Scale(series[:2])
    np.testing.assert_allclose(scale(series), [[-1, 0], [1, 0], [98, 0]])
    assert scale(series).dtype == "float32"
    np.testing.assert_allclose(scale.back(scale(series)), series)
    np.testing.assert_array_equal(Scale(series.reshape(3, 1, 2)).mean, series.mean(axis=0))
    assert Scale(np.full((6, 1), 20.1)).deviation.tolist() == [1]  # though its std is 4e-15, rounded


def test_windows_are_time_first():
    series = np.arange(12.0).reshape(6, 2)
    found = sliding_windows(series, 3, stride=2)
    assert found.shape == (3, 2, 2)
    np.testing.assert_array_equal(found[:, 0], series[:3])
    np.testing.assert_array_equal(found[:, 1], series[2:5])
    np.testing.assert_array_equal(persistence(found, 2), [found[2], found[2]])
    np.testing.assert_array_equal(sliding_windows(series.tolist(), 3, stride=2), found)
    with pytest.raises(DataError, match="6 steps has no window of 7"):
        sliding_windows(series, 7)


def test_least_squares_finds_the_system_that_made_a_series():
    """y_t = 1 + 0.5 y_{t-1} - 0.3 y_{t-2} + 2 x_t - x_{t-1}: every weight, and a forecast of any length."""
    xs, ys = rng.normal(size=(60, 1)), np.zeros((60, 1))
    for t in range(2, 60):
        ys[t] = 1 + 0.5 * ys[t - 1] - 0.3 * ys[t - 2] + 2 * xs[t] - xs[t - 1]
    model = LinearAutoregression(xs[2:], ys[2:], input_taps=1, output_taps=2)
    np.testing.assert_allclose(model.weights[:, 0], [1, 0.5, -0.3, 2, -1], atol=1e-10)
    inputs, outputs = sliding_windows(xs[2:], 9), sliding_windows(ys[2:], 9)
    forecast = model.forecast(inputs, outputs[:4])
    assert forecast.shape == (5, 50, 1)
    np.testing.assert_allclose(forecast, outputs[4:], atol=1e-10)


def test_without_inputs_it_is_an_autoregression():
    ys = 0.9 ** np.arange(30.0)[:, None]
    model = LinearAutoregression.univariate(ys, 1)
    np.testing.assert_allclose(model.weights[:, 0], [0, 0.9], atol=1e-10)
    past = sliding_windows(ys, 3)
    np.testing.assert_allclose(model.forecast(past[:, :, :0], past[:2])[0], past[2], atol=1e-10)


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (lambda: rolling(100, 0), ValueError, "at least 1 fold.* not 0 and 0.5"),
        (lambda: rolling(100, 4, first=1.0), ValueError, "not 4 and 1.0"),
        (lambda: Scale(np.zeros((0, 2))), DataError, "has no scale"),
        (lambda: Scale(np.zeros(5)), ShapeError, r"not \(5,\): give series\[:, None\]"),
        (lambda: LinearAutoregression.univariate(np.zeros(5), 1), ShapeError, r"not \(5,\): give series\[:, None\]"),
        (lambda: LinearAutoregression(np.zeros((5, 1)), np.zeros(5)), ShapeError, r"give series\[:, None\]"),
        (lambda: sliding_windows(np.zeros((5, 1)), 0), ValueError, "at least 1, not 0 and 1"),
        (lambda: sliding_windows(np.zeros((5, 1)), 2, 0), ValueError, "at least 1, not 2 and 0"),
        (lambda: persistence(np.zeros((0, 3, 1)), 2), DataError, "was given none"),
        (lambda: LinearAutoregression.univariate(np.zeros((9, 1)), 0), ValueError, "not 0 and 0"),
        (lambda: LinearAutoregression(np.zeros((9, 1)), np.zeros((8, 1))), DataError, "of 9 steps do not go with .* 8"),
        (lambda: LinearAutoregression.univariate(np.zeros((3, 1)), 3), DataError, "3 steps has no window of 4"),
        (lambda: fitted().forecast(np.zeros((4, 1, 0)), np.zeros((1, 1, 1))), DataError, "from 1 past steps"),
        (lambda: fitted().forecast(np.zeros((2, 1, 0)), np.zeros((2, 1, 1))), DataError, "inputs of 2"),
    ],
)
def test_what_cannot_be(wrong, error, told):
    with pytest.raises(error, match=told):
        wrong()


def fitted():
    return LinearAutoregression.univariate(rng.normal(size=(20, 1)), 2)


def test_share_prices(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("day,price\n" + "\n".join(f"d{n},{100 + n}" for n in range(300)))
    np.testing.assert_array_equal(share_prices(path), np.arange(100.0, 400))
    path.write_text("price\n" + "\n".join(str(n - 5) for n in range(300)))
    with pytest.raises(DataError, match="has the price -5 in its last column"):
        share_prices(path)


def test_the_prices_that_arch_ships():
    pytest.importorskip("arch", reason="the package arch of the extra data")
    prices = share_prices()
    assert prices.shape == (5031,)
    assert prices[0] == pytest.approx(1228.10, abs=0.01)
