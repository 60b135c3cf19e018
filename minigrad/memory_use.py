"""How much memory is in use."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple


class MemoryUse(NamedTuple):
    """Bytes of memory, on the host or a device.

    `used` by arrays (on the host: by all of this process), `held` for arrays to come as well (on the host: the most
    that was used so far), `free` for anybody, `total` that there is. None where the system does not say.
    """

    used: int | None
    held: int | None
    free: int | None
    total: int | None

    def __str__(self) -> str:
        return ", ".join(f"{name} {readable(number)}" for name, number in self._asdict().items() if number is not None)


def readable(count: int) -> str:
    """A number of bytes in the largest unit of which there is one: "1.5 GiB"."""
    size, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


def of_this_process() -> MemoryUse:
    """The memory of this process, and of the machine."""
    try:
        import resource
    except ImportError:  # Windows
        return MemoryUse(None, None, None, None)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    if not os.path.exists("/proc/self/statm"):  # macOS
        return MemoryUse(None, most, None, total)
    with open("/proc/self/statm") as file:
        used = page * int(file.read().split()[1])
    return MemoryUse(used, max(most, used), page * os.sysconf("SC_AVPHYS_PAGES"), total)
