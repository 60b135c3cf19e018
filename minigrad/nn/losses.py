"""Losses: one number, the mean over all examples (and time steps)."""

from __future__ import annotations

from typing import Any

from ..backend import backend_of
from ..errors import ShapeError
from ..ops import log_softmax, mean, softplus, square
from ..tensor import Tensor


def nll_loss(log_probabilities: Tensor, targets: Any) -> Tensor:
    """The mean of -log p[target]: log-probabilities (..., classes), integer targets (...)."""
    raw = targets.data if isinstance(targets, Tensor) else targets
    if tuple(raw.shape) != log_probabilities.shape[:-1]:
        raise ShapeError(
            f"log-probabilities {log_probabilities.shape} want targets of shape {log_probabilities.shape[:-1]} "
            f"(no class axis), not {tuple(raw.shape)}"
        )
    rows = log_probabilities.reshape(-1, log_probabilities.shape[-1])
    xp: Any = backend_of(rows.data).xp  # type: ignore[union-attr]
    return -mean(rows[xp.arange(len(rows)), raw.reshape(-1)])


def cross_entropy(logits: Tensor, targets: Any) -> Tensor:
    """The mean of -log softmax(logits)[target], in nats: logits (..., classes), integer targets (...)."""
    return nll_loss(log_softmax(logits, axis=-1), targets)


def mse_loss(outputs: Tensor, targets: Any) -> Tensor:
    """The mean of (output - target)²; shapes must be equal."""
    if tuple(targets.shape) != outputs.shape:
        raise ShapeError(f"outputs {outputs.shape} and targets {tuple(targets.shape)} differ: reshape one")
    return mean(square(outputs - targets))


def bce_with_logits(logits: Tensor, targets: Any) -> Tensor:
    """The mean binary cross-entropy of sigmoid(logits) against targets in [0, 1], stable for any logit."""
    return mean(softplus(logits) - logits * targets)
