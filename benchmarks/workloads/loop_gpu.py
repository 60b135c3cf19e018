"""One training step of an LSTM at the sizes of work on a GPU."""

from __future__ import annotations

from collections.abc import Iterator

from ..entries import Size
from ..libraries import Library
from ..probe import Probe
from .recurrent import step_of


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    yield step_of("LSTM", contender, library, size)
