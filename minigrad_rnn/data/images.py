"""Images, as arrays of their pixels."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from .errors import DataError, package
from .splits import held_out
from .synthetic import Random
from .table import read_numbers


def handwritten_digits(path: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, size, size) float32, from 0 to 1, and their classes (N,) int64.

    The 1,797 digits of 8 × 8 pixels that scikit-learn ships (Alpaydin and Kaynak 1998); or those of a CSV file, a row
    of size² pixels and the class for each image. Raises DataError where scikit-learn is missing, for rows that are no
    square, and for classes that are not 0, 1, 2 …
    """
    if path is None:
        found = package("sklearn.datasets").load_digits()
        pixels, classes = found.data, found.target
    else:
        numbers = read_numbers(path, least=20)
        pixels, classes = numbers[:, :-1], numbers[:, -1]
    size = math.isqrt(pixels.shape[1])
    if size < 2 or size * size != pixels.shape[1]:
        raise DataError(f"{path} has {pixels.shape[1]} pixels in a row: give those of a square image, then its class")
    kinds = np.unique(classes)
    if not np.array_equal(kinds, np.arange(len(kinds))) or len(kinds) < 2:
        raise DataError(f"{path} has the classes {kinds[:5]} …: number them 0, 1, 2 …, at least two")
    spread = np.ptp(pixels) or 1
    images = ((pixels - pixels.min()) / spread).reshape(-1, size, size)
    return images.astype("float32"), classes.astype("int64")


def train_and_test(
    images: np.ndarray, classes: np.ndarray, rng: Random = 0, test: float = 0.2
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Images (N, …) and their classes (N,): those to train on, and a share of each class to test on, as `held_out`."""
    train, held = held_out(classes, test, rng)
    return (images[train], classes[train]), (images[held], classes[held])


def pixel_by_pixel(images: np.ndarray, most: int = 64) -> np.ndarray:
    """Images (N, rows, columns) as sequences (time, N, pixels), one pixel a step, row after row.

    Or as many pixels a step as it takes for there to be at most `most` steps, the last filled up with zeros. Raises
    ValueError for `most` below 1.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, not {most}")
    flat = images.reshape(len(images), -1)
    pixels = math.ceil(flat.shape[1] / most)
    flat = np.pad(flat, ((0, 0), (0, -flat.shape[1] % pixels)))
    return np.moveaxis(flat.reshape(len(flat), -1, pixels), 1, 0)
