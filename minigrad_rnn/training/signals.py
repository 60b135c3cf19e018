"""Ctrl-C and SIGTERM: a run ends between two updates, and loses nothing."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Asked:
    """Which signal asked the run to end: its number, 0 while none has."""

    signal = 0


@contextlib.contextmanager
def stop_signals() -> Iterator[Asked]:
    """While the block runs, SIGINT and SIGTERM are only noted; a second one interrupts at once.

    Outside the main thread Python hands out no signals, and none is noted.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: Any) -> None:
        if asked.signal:
            raise KeyboardInterrupt
        asked.signal = number

    watched = [
        n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN
    ]  # as nohup has it
    before = {number: signal.signal(number, note) for number in watched}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
