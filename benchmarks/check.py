"""Do the contenders compute the same thing? Compared before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

TOLERANCE = 1e-4


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the largest number; infinite for other shapes and for NaN."""
    if ours.shape != theirs.shape:
        return float("inf")
    largest = float(np.abs(theirs).max())
    found = float(np.abs(ours - theirs).max()) / (largest or 1.0)
    return found if np.isfinite(found) else float("inf")


def worst(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> tuple[str, float]:
    """The name of what differs most between two contenders' results, and by how much."""
    if set(ours) != set(theirs):
        return f"only one has {sorted(set(ours) ^ set(theirs))}", float("inf")
    found = {name: difference(ours[name], theirs[name]) for name in ours}
    name = max(found, key=lambda name: found[name])
    return name, found[name]
