"""How good answers are. Each takes outputs and targets and gives a number for each answer; their mean is the figure."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg


def answers(outputs: mg.Tensor, targets: Any) -> mg.Tensor:
    """The classes that scores stand for: the likeliest of several (an axis more than `targets`), or a logit above 0."""
    return mg.argmax(outputs, axis=-1) if outputs.ndim == np.ndim(targets) + 1 else outputs > 0


def accuracy(outputs: mg.Tensor, targets: Any) -> mg.Tensor:
    """1 for a right class, 0 for a wrong one; the shape is that of `targets`."""
    return (answers(outputs, targets) == targets).astype(outputs.dtype)


def squared_error(outputs: mg.Tensor, targets: Any) -> mg.Tensor:
    """(output - target)² of each number."""
    return mg.square(outputs - targets)


def confusion(predicted: Any, actual: Any, classes: int) -> np.ndarray:
    """How often class i (row) was taken for class j (column): counts (classes, classes) of two arrays of classes."""
    pairs = np.asarray(actual).ravel().astype(np.int64) * classes + np.asarray(predicted).ravel().astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
