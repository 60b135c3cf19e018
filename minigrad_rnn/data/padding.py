"""Sequences of several lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stacked(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (time_i, …) as one array (time, batch, …), zeros behind their ends, and their lengths (batch,)."""
    lengths = np.array([len(sequence) for sequence in sequences])
    array = np.zeros((lengths.max(), len(sequences), *sequences[0].shape[1:]), sequences[0].dtype)
    for n, sequence in enumerate(sequences):
        array[: len(sequence), n] = sequence
    return array, lengths
