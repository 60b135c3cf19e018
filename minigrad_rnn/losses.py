"""Losses of whole sequences of different lengths; what is past a sequence's end counts for nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError

from .cells.base import as_tensor
from .lengths import check_lengths


def sequence_loss(
    outputs: Any,
    targets: Any,
    lengths: Any = None,
    loss: Callable[..., Any] = mg.nn.cross_entropy,
    reduction: str = "mean",
    **options: Any,
) -> mg.Tensor:
    """A loss at every step, of the real steps only: outputs (time, batch, …), targets (time, batch, …).

    `loss` is any that takes `reduction="none"` (`mg.nn.cross_entropy`, `mg.nn.mse_loss` …) and goes with these outputs
    and targets; `options` are handed on to it, and where it gives several numbers a step their mean counts.
    `reduction` is "mean" over all real steps, so that a long sequence weighs more; "sequence", the mean of each over
    its own steps (batch), 0 for a sequence of none; or "sum". Padding may hold anything. Raises ShapeError for lengths
    that do not fit, or that leave no step, ValueError for another reduction.
    """
    if reduction not in ("mean", "sequence", "sum"):
        raise ValueError(f"reduction must be 'mean', 'sequence' or 'sum', not {reduction!r}")
    outputs = as_tensor(outputs)
    lengths, targets = _checked("sequence_loss", outputs, targets, lengths)
    if not lengths.any():
        raise ShapeError("sequence_loss: all sequences have length 0, which leaves nothing to learn from")
    xp = outputs.backend.xp
    inside = np.arange(len(outputs)) < lengths[:, None]
    n, t = np.nonzero(inside)
    real = (xp.asarray(t), xp.asarray(n))
    losses = loss(outputs[real], targets[real], reduction="none", **options)
    if losses.ndim > 1:
        losses = mg.mean(losses, axis=tuple(range(1, losses.ndim)))
    if reduction == "sum":
        return losses.sum()
    if reduction == "mean":
        return losses.mean()
    places = np.where(inside, inside.cumsum().reshape(inside.shape) - 1, 0)
    share = (inside / np.maximum(lengths, 1)[:, None]).astype(losses.dtype)
    return mg.sum(losses[xp.asarray(places)] * xp.asarray(share), axis=1)


def last_steps(outputs: Any, lengths: Any) -> mg.Tensor:
    """Each sequence's last real output: (time, batch, …) -> (batch, …). Raises ShapeError for lengths below 1."""
    outputs = as_tensor(outputs)
    host = check_lengths(lengths, *_time_and_batch("last_steps", outputs), least=1)
    xp = outputs.backend.xp
    return outputs[xp.asarray(host - 1), xp.arange(len(host))]


def max_error(outputs: Any, targets: Any, lengths: Any = None, reduction: str = "mean") -> mg.Tensor:
    """The largest |output - target| of each sequence, over its real steps and all features: (time, batch, …) both.

    Outputs and targets are compared step by step. `reduction` is over the sequences: "mean", "sum", or "none" for
    (batch,). The gradient goes to the worst step alone. Raises ShapeError for shapes and lengths that do not fit.
    """
    outputs = as_tensor(outputs)
    lengths, targets = _checked("max_error", outputs, targets, lengths, least=1)
    if targets.shape != outputs.shape:
        raise ShapeError(f"max_error: outputs {outputs.shape} and targets {targets.shape} differ: reshape one")
    xp, T = outputs.backend.xp, len(outputs)
    # Past its end a sequence repeats its last step, which leaves the maximum as it is.
    t = xp.asarray(np.minimum(np.arange(T)[:, None], lengths - 1))
    errors = abs(outputs - targets)[t, xp.arange(len(lengths))]
    return _over_sequences(mg.max(errors, axis=(0, *range(2, errors.ndim))), reduction)


def soft_dtw(
    x: Any,
    y: Any,
    gamma: float = 1.0,
    x_lengths: Any = None,
    y_lengths: Any = None,
    reduction: str = "mean",
) -> mg.Tensor:
    """The soft minimum of the costs of all monotone alignments of x with y: no sum over time.

    (Cuturi and Blondel 2017, algorithm 1.) x (time, batch, features) and y (other time, batch, features) are matched
    with the cost d_ij = |x_i - y_j|², and

        r_ij = d_ij + min^γ(r_{i-1,j-1}, r_{i-1,j}, r_{i,j-1})    min^γ(a_1 … a_k) = -γ log Σ exp(-a / γ)

    The loss is r at both ends, and can be negative. γ is `gamma`. As it goes to 0 it goes to that of dynamic time
    warping. `reduction` is over the sequences: "mean", "sum", or "none" for (batch,). Padding must be finite. Raises
    ShapeError for shapes and lengths that do not fit, ValueError for γ ≤ 0.
    """
    if not gamma > 0:
        raise ValueError(f"soft_dtw: gamma must be above 0, not {gamma}")
    x = as_tensor(x)
    y = y if isinstance(y, mg.Tensor) else mg.Tensor(x.backend.asarray(y))
    if x.ndim != 3 or y.ndim != 3 or x.shape[1:] != y.shape[1:] or 0 in (*x.shape[:2], len(y)):
        raise ShapeError(
            f"soft_dtw takes (time, batch, features) twice, batch and features the same, not {x.shape} and {y.shape}"
        )
    xp, (n, batch, _), m = x.backend.xp, x.shape, len(y)
    x_ends = check_lengths(x_lengths, n, batch, least=1) - 1
    y_ends = check_lengths(y_lengths, m, batch, least=1) - 1
    costs = mg.square(mg.expand_dims(x, 1) - y).sum(axis=3)

    def beyond(rows: int) -> Any:
        return xp.full((rows, batch), math.inf, x.dtype)

    # The cells with i + j = k are computed at once. A diagonal has a row for each i from -1 on, infinite outside; of
    # the two before the first, the earlier holds r_{-1,-1} = 0.
    before, last = mg.concatenate([xp.zeros((1, batch), x.dtype), beyond(n)]), beyond(n + 1)
    diagonals = []
    for k in range(n + m - 1):
        low, high = max(0, k - m + 1), min(n, k + 1)
        i = xp.arange(low, high)
        three = mg.stack([before[low:high], last[low:high], last[low + 1 : high + 1]])
        best = -gamma * mg.logsumexp(three / -gamma, axis=0)
        before = last
        last = mg.concatenate([beyond(low + 1), costs[i, k - i] + best, beyond(n - high)])
        diagonals.append(last)
    ends = mg.stack(diagonals)[xp.asarray(x_ends + y_ends), xp.asarray(x_ends + 1), xp.arange(batch)]
    return _over_sequences(ends, reduction)


def _over_sequences(losses: mg.Tensor, reduction: str) -> mg.Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    return losses if reduction == "none" else getattr(mg, reduction)(losses)


def _time_and_batch(what: str, outputs: mg.Tensor) -> tuple[int, int]:
    if outputs.ndim < 2 or 0 in outputs.shape[:2]:
        raise ShapeError(f"{what} takes outputs (time, batch, …), at least one of each, and was given {outputs.shape}")
    return outputs.shape[0], outputs.shape[1]


def _checked(what: str, outputs: mg.Tensor, targets: Any, lengths: Any, least: int = 0) -> tuple[np.ndarray, mg.Tensor]:
    """The lengths on the host, and the targets as a Tensor on the outputs' backend."""
    time, batch = _time_and_batch(what, outputs)
    targets = targets if isinstance(targets, mg.Tensor) else mg.Tensor(outputs.backend.asarray(targets))
    if targets.shape[:2] != (time, batch):
        raise ShapeError(f"{what}: outputs {outputs.shape} want targets ({time}, {batch}, …), not {targets.shape}")
    return check_lengths(lengths, time, batch, least), targets
