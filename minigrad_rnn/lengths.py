"""How long each sequence of a batch is."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError


def check_lengths(lengths: Any, time: int, batch: int, least: int = 0) -> np.ndarray:
    """`lengths` as `batch` integers on the host, all `time` if None. ShapeError unless they are from `least` to it."""
    if lengths is None:
        return np.full(batch, time)
    host = mg.tensor(lengths).numpy()
    if host.shape != (batch,) or host.dtype.kind not in "iu" or ((host < least) | (host > time)).any():
        raise ShapeError(
            f"lengths must be {batch} integers (one a sequence) from {least} to {time}, and are {host.tolist()}"
        )
    return host.astype(np.int64)
