"""The memory of LSTMs at ordinary lengths: as in `loop_length`, at other sizes."""

from .loop_length import probes

__all__ = ["probes"]
