"""The weather, day by day."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import DataError, package
from .table import numbers_of, read_rows

MEASURED = ("precipitation", "temp_max", "temp_min", "wind")  # mm, °C, °C, m/s
FEATURES = (*MEASURED, "sun")


def daily_weather(path: str | Path | None = None, least: int = 365) -> np.ndarray:
    """Precipitation (mm), highest and lowest temperature (°C), wind (m/s), was it sunny (0 or 1): (days, 5) float64.

    Of Seattle, 2012 to 2015 (1,461 days; NOAA, as vega_datasets ships it); or of a CSV file with a row for each day and
    columns of these names: precipitation, temp_max, temp_min, wind, and weather, which is "sun" of a sunny day. Raises
    DataError where vega_datasets or a column is missing, for what is no number, fewer days than `least`, and weather
    that is the same on all of them.
    """
    if path is None:
        table = package("vega_datasets").local_data.seattle_weather()
        measured, sunny = table[list(MEASURED)].to_numpy("float64"), (table["weather"] == "sun").to_numpy()
    else:
        header, rows = read_rows(path)
        missing = [name for name in (*MEASURED, "weather") if name not in header]
        if missing:
            raise DataError(
                f"{path} has no column {' or '.join(missing)}: give a CSV file whose first line has the names "
                f"{', '.join(MEASURED)} and weather"
            )
        if len(rows) < least:
            raise DataError(f"{path} has {len(rows)} days: give at least {least}")
        measured = numbers_of(path, rows, [header.index(name) for name in MEASURED], first=2)
        sunny = np.array([row[header.index("weather")] == "sun" for row in rows])
    weather = np.column_stack([measured, sunny])
    if 0 in np.ptp(weather, axis=0):
        same = FEATURES[int(np.ptp(weather, axis=0).argmin())]
        raise DataError(f"{path} has the same {same} on every day: give days that differ in it")
    return weather


RECALLED = 0.2 * 0.8 ** np.arange(30)  # of today's comfort, yesterday's …
EXPECTED = np.array([0.3, 0.2, 0.1])  # of tomorrow's, and the two days' after it


def moods(weather: np.ndarray) -> np.ndarray:
    """Two moods that `weather` (days, 5) makes, (days, 2): of what has been, and of what has been and what comes.

    Warmth and sun please, rain and wind do not: comfort_t = tanh((temp_max - 15 °C) / 10) + sun - tanh(rain / 10 mm) -
    wind / 10 m/s. The first mood recalls it, Σ_k 0.2 · 0.8^k comfort_{t-k}; the second looks forward to three days as
    well, + 0.3 comfort_{t+1} + 0.2 comfort_{t+2} + 0.1 comfort_{t+3}. Comfort before the first day and after the last
    is 0.
    """
    rain, warmest, _, wind, sun = weather.T
    comfort = np.tanh((warmest - 15) / 10) + sun - np.tanh(rain / 10) - wind / 10
    recalled = np.convolve(comfort, RECALLED)[: len(comfort)]
    expected = np.convolve(comfort, EXPECTED[::-1])[len(EXPECTED) :]
    return np.stack([recalled, recalled + np.append(expected, 0)], axis=1)
