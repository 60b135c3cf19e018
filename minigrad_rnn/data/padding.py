"""Sequences of several lengths as one array."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.errors import ShapeError

from .errors import DataError

LARGEST = 2**28  # numbers in an array


def padded(sequences: Sequence[Sequence[int] | np.ndarray], end: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (time_i, …) as one array (time, batch, …), zeros behind their ends, and their lengths (batch,).

    Lists of integers are int64; `end`, if given, is a symbol that is put behind each first. Raises ShapeError for no
    sequences, none that is longer than 0, or steps of several shapes, DataError where the longest would make the array
    too large.
    """
    rows = [np.asarray(row) if end is None else np.array([*row, end]) for row in sequences]
    filled = [row for row in rows if len(row)]
    if not filled:
        raise ShapeError("padded takes sequences, one longer than 0, and was given none")
    if len(shapes := {row.shape[1:] for row in filled}) > 1:
        raise ShapeError(
            f"padded takes sequences whose steps are of one shape, not of {' and '.join(map(str, shapes))}"
        )
    lengths = np.array([len(row) for row in rows], np.int64)
    shape = (int(lengths.max()), len(rows), *shapes.pop())
    if (size := math.prod(shape)) > LARGEST:
        raise DataError(
            f"{len(rows):,} sequences filled up to the longest, of {shape[0]:,} steps, are {size:,} numbers, more than "
            f"{LARGEST:,}: leave the longest out, or shorten it"
        )
    array = np.zeros(shape, np.result_type(*{row.dtype for row in filled}))
    for n, row in enumerate(rows):
        if len(row):
            array[: len(row), n] = row
    return array, lengths


def shifted(symbols: np.ndarray, first: int) -> np.ndarray:
    """What stands before each of `symbols` (time, batch): `first`, and then the one before; of the same shape."""
    return np.concatenate([np.full_like(symbols[:1], first), symbols[:-1]])
