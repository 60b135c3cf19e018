"""What an LSTM's first training step in a process takes beyond a later one: tracing and compiling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..entries import Size
from ..libraries import Library
from ..probe import Probe
from .recurrent import step_of


def probes(contender: str, library: Library, size: Size, part: str) -> Iterator[Probe]:
    yield replace(step_of("LSTM", contender, library, size), name=f"LSTM, {part}", first=True)
