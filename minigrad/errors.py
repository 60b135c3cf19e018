"""What can go wrong, one class each; every message says what to do."""

from __future__ import annotations


class MinigradError(Exception):
    """Base of every error that this library raises on purpose."""


class BackendUnavailableError(MinigradError, RuntimeError):
    """The array library that was asked for is unknown, not installed, or finds no device."""


class BackendMismatchError(MinigradError, TypeError):
    """One operation was given arrays of two array libraries."""


class ShapeError(MinigradError, ValueError):
    """Shapes that do not fit each other, or what the operation expects."""


class NonScalarError(ShapeError):
    """`backward()` on something that is no single number, without a seed gradient."""


class NoGradientError(MinigradError, RuntimeError):
    """A gradient was asked for where nothing was recorded."""


class GraphFreedError(MinigradError, RuntimeError):
    """A second backward walk through a graph whose saved arrays are gone."""


class InplaceError(MinigradError, RuntimeError):
    """A backward walk needs a value that was overwritten after it was used."""


class AnomalyError(MinigradError, ArithmeticError):
    """A NaN or an infinity turned up while anomalies were looked for."""


class CheckpointError(MinigradError, ValueError):
    """A saved file that cannot be read, or that does not fit."""


class GradcheckError(MinigradError, AssertionError):
    """An analytic gradient differs from the one that finite differences give."""


class DrawingError(MinigradError, ValueError):
    """What cannot be drawn as it was asked for."""
