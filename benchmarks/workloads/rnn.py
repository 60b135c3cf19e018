"""One training step of RNN, LSTM and GRU layers, which PyTorch has, too."""

from __future__ import annotations

from collections.abc import Iterator

from ..entries import Size
from ..libraries import Library
from ..probe import Probe
from .recurrent import step_of


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    yield from (step_of(kind, contender, library, size) for kind in ("RNN", "LSTM", "GRU"))
