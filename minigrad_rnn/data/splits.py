"""Which examples are trained on and which are held out to test on, where these have no order in time."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DataError
from .synthetic import Random


def share_of(share: float, count: int) -> int:
    """A share of `count` things, rounded down: of 100 it is 29 for 0.29, which the product of floats falls short of."""
    return int(share * count + 1e-9)


def held_out(classes: Any, share: float, rng: Random = 0) -> tuple[np.ndarray, np.ndarray]:
    """The places of examples to train on, and of a `share` of each class to test on: int64 both, in a random order.

    `classes` (N,) are of any kind that can be compared. Of n in a class share · n are held out, rounded down, so that
    one in each class is trained on ("stratified" hold-out, Kohavi 1995, section 2.1). Raises ValueError unless the
    share is above 0 and below 1 and there is a class for each, and DataError where no class has enough.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be above 0 and below 1, not {share}")
    classes = np.asarray(classes)
    if classes.ndim != 1:
        raise ValueError(f"classes are one for each example, (N,), not {classes.shape}")
    order, away = np.random.default_rng(rng).permutation(len(classes)), np.zeros(len(classes), bool)
    for kind in np.unique(classes):
        own = order[classes[order] == kind]
        away[own[: share_of(share, len(own))]] = True
    if not away.any():
        raise DataError(f"no class has {np.ceil(1 / share):.0f} examples, of which one is held out: give more")
    return order[~away[order]], order[away[order]]
