"""Series over time: what is shipped, and files of a user's own."""

import numpy as np
import pytest

from minigrad_rnn.data import DataError
from minigrad_rnn.data.series import column, inputs_and_outputs, sea_temperatures, sunspots


def test_what_statsmodels_ships():
    pytest.importorskip("statsmodels", reason="it ships the series")
    spots = sunspots()
    assert spots.shape == (309,)
    assert spots[:3].tolist() == [5, 11, 16]
    assert spots.max() == 190.2  # of 1957
    sea = sea_temperatures()
    assert sea.shape == (732,)
    assert sea[:2].tolist() == [23.11, 24.2]


def test_a_column_of_a_file(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text("day,price\n" + "\n".join(f"2024-01-{n:02},{n / 2}" for n in range(1, 11)))
    assert column(path, least=10).tolist() == [n / 2 for n in range(1, 11)]
    assert sunspots(path, least=5).shape == sea_temperatures(path, least=5).shape == (10,)
    with pytest.raises(DataError, match="10 rows: give at least 11"):
        column(path, least=11)
    path.write_text("price\n" + "1\n" * 60)
    with pytest.raises(DataError, match="the same number in every row"):
        column(path)


def test_inputs_and_outputs_are_scaled_as_in_training(tmp_path):
    path = tmp_path / "plant.csv"
    path.write_text("u,y\n" + "\n".join(f"{n},{n % 2}" for n in range(12)))
    known, unseen = inputs_and_outputs(path, least=12, share=0.75)
    assert known.shape == (9, 2)
    assert known.dtype == "float32"
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(unseen[:, 0] * np.arange(9).std() + 4, [9, 10, 11], rtol=1e-6)
    known, unseen = inputs_and_outputs(path, least=12, most=8)
    assert len(known) == len(unseen) == 4
    np.testing.assert_allclose(unseen[:, 0] * np.arange(4).std() + 5.5, [8, 9, 10, 11], rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([f"{n},{n}" for n in range(9)], "has 9 rows: give at least 10"),
        ([f"{n}" for n in range(10)], "has 1 column of numbers: give a CSV file with 2 columns"),
        ([f"{n},{n // 5}" for n in range(10)], "the same number in each of the 5 rows of a column"),
    ],
)
def test_inputs_and_outputs_that_are_none(tmp_path, rows, told):
    path = tmp_path / "plant.csv"
    path.write_text("\n".join(rows))
    with pytest.raises(DataError, match=told):
        inputs_and_outputs(path, least=10)
