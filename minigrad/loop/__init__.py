"""The loop compiler: a step that is written once, run over a sequence as one fused loop, forward and back."""

from .scan import scan

__all__ = ["scan"]
