"""One training step of cells of which PyTorch has no layer; the LSTM with stacked gates, to compare with."""

from __future__ import annotations

from collections.abc import Iterator

from ..entries import Size
from ..libraries import Library
from ..probe import Probe
from .recurrent import step_of

KINDS = ("LSTM", "LSTM naive", "LSTM peephole", "IndRNN", "MGU")


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    yield from (step_of(kind, contender, library, size) for kind in KINDS)
