"""Daily weather: the days that vega_datasets ships, and a file of the user's own."""

import numpy as np
import pytest

from minigrad_rnn.data import DataError
from minigrad_rnn.data.weather import daily_weather, moods

HEADER = "date,precipitation,temp_max,temp_min,wind,weather"
DAYS = ["2012-01-01,0.0,12.8,5.0,4.7,drizzle", "2012-01-02,10.9,10.6,2.8,4.5,rain", "2012-01-03,0.8,11.7,7.2,2.3,sun"]


def test_the_days_that_vega_datasets_ships():
    pytest.importorskip("vega_datasets", reason="the package vega_datasets of the extra data")
    weather = daily_weather()
    assert weather.shape == (1461, 5)
    np.testing.assert_array_equal(weather[1], [10.9, 10.6, 2.8, 4.5, 0])
    assert weather[:, 4].sum() == 714


def test_a_file(tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("\n".join([HEADER, *DAYS]))
    np.testing.assert_array_equal(
        daily_weather(path, least=3)[:, 1:], [[12.8, 5, 4.7, 0], [10.6, 2.8, 4.5, 0], [11.7, 7.2, 2.3, 1]]
    )


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([HEADER.replace("wind", "storm"), *DAYS], "has no column wind"),
        (DAYS, "has no column precipitation or temp_max or temp_min or wind or weather"),
        ([HEADER, *DAYS[:2]], "has 2 days: give at least 3"),
        ([HEADER, *DAYS[:2], DAYS[2].replace("7.2", "")], "row 4: '' is no number"),
        ([HEADER, *DAYS[:2], DAYS[2].replace("sun", "rain")], "has the same sun on every day"),
    ],
)
def test_wrong_files(tmp_path, lines, told):
    path = tmp_path / "days.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=told):
        daily_weather(path, least=3)


def test_a_mood_recalls_the_past_and_another_looks_forward_to_three_days():
    weather = np.tile([0.0, 15.0, 5.0, 0.0, 0.0], (50, 1))  # on such days comfort is 0
    weather[20, 4] = 1
    recalling, looking = moods(weather).T
    np.testing.assert_allclose(recalling[:20], 0, atol=1e-15)
    np.testing.assert_allclose(recalling[20:40], 0.2 * 0.8 ** np.arange(20))
    np.testing.assert_allclose((looking - recalling)[15:22], [0, 0, 0.1, 0.2, 0.3, 0, 0], atol=1e-15)
    weather[21] = [10.0, 25.0, 5.0, 4.0, 1.0]
    assert moods(weather)[21, 0] == pytest.approx(0.16 + 0.2 * (1 + np.tanh(1) - np.tanh(1) - 0.4))
