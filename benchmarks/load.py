"""Who else is using the processor? A measurement beside other work says little, and least of all about two threads."""

from __future__ import annotations

import os
import time
from pathlib import Path

QUIET = 0.1  # cores busy with other work, on average, up to which a measurement counts


class Meter:
    """From its making until `others()` is called: how many cores, on average, worked for anybody but us.

    "Us" is this process and its finished children. Linux only; elsewhere, 0.
    """

    def __init__(self) -> None:
        self.start, self.before = time.perf_counter(), _others_seconds()

    def others(self) -> float:
        return max(0.0, _others_seconds() - self.before) / (time.perf_counter() - self.start)


def _others_seconds() -> float:
    try:
        user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def wait_until_quiet(deadline: float) -> None:
    """Return when the machine has been quiet for half a second, or at `deadline` (of time.perf_counter)."""
    while time.perf_counter() < deadline:
        meter = Meter()
        time.sleep(0.5)
        if meter.others() <= QUIET:
            return
