"""Series of numbers over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import DataError, package
from .forecasting import Scale
from .splits import share_of
from .table import read_numbers


def sunspots(path: str | Path | None = None, least: int = 50) -> np.ndarray:
    """The sunspot number of each year from 1700 to 2008, (309,) float64, as statsmodels ships it; or a file's `column`.

    Raises DataError where statsmodels is missing, and what `column` raises.
    """
    if path is not None:
        return column(path, least)
    return package("statsmodels.datasets.sunspots").load().data["SUNACTIVITY"].to_numpy(dtype="float64")


def sea_temperatures(path: str | Path | None = None, least: int = 50) -> np.ndarray:
    """The sea's temperature off Peru (El Niño, °C) in each month from 1950 to 2010, (732,); or a file's `column`.

    As statsmodels ships it. Raises DataError where that is missing, and what `column` raises.
    """
    if path is not None:
        return column(path, least)
    years = package("statsmodels.datasets.elnino").load().data
    return years.drop(columns="YEAR").to_numpy(dtype="float64").ravel()


def share_prices(path: str | Path | None = None, least: int = 300) -> np.ndarray:
    """The level of the S&P 500 at the close of each trading day, 1999 to 2018, (5031,) float64; or a file's `column`.

    As arch ships it. Raises DataError where that is missing, for a price that is not above 0, and what `column` raises.
    """
    if path is None:
        return package("arch.data.sp500").load()["Adj Close"].to_numpy(dtype="float64")
    prices = column(path, least)
    if prices.min() <= 0:
        raise DataError(f"{path} has the price {prices.min():g} in its last column: give prices, which are above 0")
    return prices


def column(path: str | Path, least: int = 50) -> np.ndarray:
    """The last column of numbers in a CSV file, in order of time: (rows,) float64.

    Raises DataError for a file that is no such thing, has fewer rows than `least`, or the same number in all of them.
    """
    numbers = read_numbers(path, least=least)[:, -1]
    if np.ptp(numbers) == 0:
        raise DataError(f"{path} has the same number in every row: give a series that changes")
    return numbers


def inputs_and_outputs(
    path: str | Path, least: int, most: int | None = None, share: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """A file's two columns of numbers, what went into a system and what came out: a `share` to train on, and the rest.

    The first part in time, and what comes after it; of a file of more than `most` rows, its last ones. Both are float32
    (time, 2), scaled to a mean of 0 and a variance of 1 as they are in training. Raises DataError for a file that is no
    such thing, has fewer rows than `least`, or a column that is the same throughout the training.
    """
    numbers = read_numbers(path, columns=2, least=least)[-(most or 0) :]
    known, unseen = np.split(numbers, [share_of(share, len(numbers))])
    if 0 in np.ptp(known, axis=0):
        raise DataError(
            f"{path} has the same number in each of the {len(known)} rows of a column that are learned from: give "
            "inputs and outputs that change"
        )
    scale = Scale(known)
    return scale(known), scale(unseen)
