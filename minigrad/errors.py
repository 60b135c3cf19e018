"""What can go wrong, one class each; every message says what to do, and which line of the user's it was."""

from __future__ import annotations

import contextlib
import copy
import os
import sys

from numpy.linalg import LinAlgError

# Frames of files whose path starts so are not the user's: the library's own, and what calls on its behalf. A package
# that builds on it may add its folder.
OWN_FILES = {os.path.dirname(__file__) + os.sep, contextlib.__file__, copy.__file__}


def users_line() -> str | None:
    """The innermost line being run that is not the library's own: "train.py:17: loss = …"; None if there is none."""
    import linecache

    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(tuple(OWN_FILES)):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return None
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line}: {linecache.getline(file, line, frame.f_globals).strip()}".rstrip(": ")


class MinigradError(Exception):
    """Base of every error that this library raises on purpose.

    `message` says what is wrong and what to do, `line` where the user's code was when it came up.
    """

    def __init__(self, message: str, line: str | None = None):
        super().__init__(message)
        self.message = message
        self.line = users_line() if line is None else line

    def __str__(self) -> str:
        return self.message if self.line is None else f"{self.message}\n  at {self.line}"


class BackendUnavailableError(MinigradError, RuntimeError):
    """The array library that was asked for is unknown, not installed, or finds no device."""


class BackendMismatchError(MinigradError, TypeError):
    """One operation was given arrays of two array libraries."""


class ShapeError(MinigradError, ValueError):
    """Shapes that do not fit each other, or what the operation expects."""


class MatrixError(ShapeError, LinAlgError):
    """A matrix that has no such inverse or decomposition: it is singular, not square, or not positive definite."""


class OperandError(MinigradError, TypeError):
    """An operand that is no array of numbers, or of numbers of a kind that the operation does not take.

    Or it was given to a function of NumPy's that is not for Tensors.
    """


class OutOfRangeError(MinigradError, IndexError):
    """An index that names no part of the array."""


class OutOfMemoryError(MinigradError, MemoryError):
    """There is not the memory for what was asked."""


class NonScalarError(ShapeError):
    """`backward()` on something that is no single number, without a seed gradient."""


class NoGradientError(MinigradError, RuntimeError):
    """A gradient was asked for where nothing was recorded."""


class GraphFreedError(MinigradError, RuntimeError):
    """A second backward walk through a graph whose saved arrays are gone."""


class InplaceError(MinigradError, RuntimeError):
    """A backward walk needs a value that was overwritten after it was used.

    Or a part of a leaf that requires a gradient, or of a view, was assigned to while gradients are recorded.
    """


class AnomalyError(MinigradError, ArithmeticError):
    """A NaN or an infinity turned up where `detect_anomaly` or `clip_grad_norm` was to look for one."""


class CheckpointError(MinigradError, ValueError):
    """A saved file that cannot be read, or that does not fit."""


class GradcheckError(MinigradError, AssertionError):
    """An analytic gradient differs from the one that finite differences give."""


class DrawingError(MinigradError, ValueError):
    """What cannot be drawn as it was asked for."""
