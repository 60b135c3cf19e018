"""Series over time: what is shipped, and files of a user's own."""

import pytest

from minigrad_rnn.data import DataError
from minigrad_rnn.data.series import column, sea_temperatures, sunspots


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
