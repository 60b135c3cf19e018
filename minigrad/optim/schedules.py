"""Learning-rate schedules: plain functions of the step, to be multiplied with the base rate."""

from __future__ import annotations

import math


def cosine(step: int, steps: int, warmup: int = 0, floor: float = 0.0) -> float:
    """Up linearly over `warmup` steps to 1, then down half a cosine to `floor` at `steps`.

    (Loshchilov and Hutter 2017, eq. 5, without restarts.)
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
