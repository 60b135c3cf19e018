"""How much memory this process has resident, and the most that it had; in MB."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def forget_peak() -> float:
    """From now on `peak()` is the most since now. Returns what is resident now.

    What has been freed goes back to the system first: else it would be used again, unseen, by what is to be measured.
    Elsewhere than on Linux the peak cannot be forgotten: there this returns the most so far.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # no glibc, no /proc
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    return _read("VmRSS")


def peak() -> float:
    """The most that was resident since `forget_peak()`."""
    return _read("VmHWM")


def _read(field: str) -> float:
    if STATUS.exists():
        return int(re.search(rf"^{field}:\s*(\d+) kB$", STATUS.read_text(), re.MULTILINE)[1]) * 1024 / 1e6  # type: ignore[index]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
