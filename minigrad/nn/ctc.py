"""Connectionist temporal classification: the loss of a labelling whose place in time is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..backend import backend_of
from ..errors import MinigradError, OperandError, ShapeError
from ..ops import where
from ..ops.products import as_arrays
from ..primitive import primitive
from ..tensor import Tensor, on_host
from .losses import _reduced

# The log of a probability of 0: so low that it stays so whatever is added, and no inf - inf is ever computed.
NEVER = -1e30


def ctc_loss(
    log_probs: Tensor,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability that each sequence reads as its target, whatever the alignment (Graves et al. 2006).

    `log_probs` (time, batch, classes), of `log_softmax`; integer `targets` (batch, most labels), padded with anything,
    or all of them one after the other, without `blank`; `input_lengths` and `target_lengths`, one of each a sequence.
    `reduction` is "mean", "sum" or "none" (batch,); "mean" divides each loss
    by its target's length (at least 1) before the mean, as PyTorch does. Where a target is too long for its input the
    loss is infinite and its gradient NaN; with `zero_infinity` both are 0.

    The gradient is that with respect to `log_probs` as they are; PyTorch's differs by what `log_softmax` takes out.
    There is no second derivative. Raises ShapeError, OperandError and ValueError for arguments that do not fit.
    """
    (log_probs,) = as_arrays(log_probs)
    raw = log_probs.data if isinstance(log_probs, Tensor) else log_probs
    if raw.ndim != 3:
        raise ShapeError(f"ctc_loss takes log_probs (time, batch, classes), and was given {raw.shape}")
    T, N, C = raw.shape
    if not 0 <= blank < C:
        raise ValueError(f"ctc_loss: blank must be one of the {C} classes, not {blank}")
    times = _whole("input_lengths", input_lengths, (N,), T)
    labels, lengths = _padded(on_host(targets), _whole("target_lengths", target_lengths, (N,), None), N)
    inside = np.arange(labels.shape[1]) < lengths[:, None]
    if ((labels == blank) | (labels < 0) | (labels >= C))[inside].any():
        raise ValueError(f"ctc_loss: targets must be classes from 0 to {C - 1} other than the blank, {blank}")
    states = np.full((N, 2 * labels.shape[1] + 1), blank)  # a blank before, between and behind the labels
    states[:, 1::2] = np.where(inside, labels, blank)
    xp: Any = backend_of(raw).xp  # type: ignore[union-attr]
    losses = _ctc(
        log_probs, states=xp.asarray(states), blank=blank, times=xp.asarray(times), ends=xp.asarray(2 * lengths)
    )
    if zero_infinity:
        losses = where(losses == np.inf, 0, losses)
    if reduction == "mean":
        losses = losses / xp.asarray(np.maximum(lengths, 1)).astype(raw.dtype)
    return _reduced(losses, reduction)


def _whole(name: str, values: Any, shape: tuple[int, ...], most: int | None) -> np.ndarray:
    """Lengths as an array on the host; an error where they are none."""
    host = on_host(values)
    if host.shape != shape or (host.dtype.kind not in "iu" and host.size):
        raise ShapeError(f"ctc_loss: {name} must be {shape[0]} integers, one a sequence, not {host.tolist()}")
    if host.size and (host.min() < 0 or (most is not None and host.max() > most)):
        raise ValueError(f"ctc_loss: {name} must be from 0 to {most or 'the length of targets'}, not {host.tolist()}")
    return host.astype(np.int64)


def _padded(targets: np.ndarray, lengths: np.ndarray, N: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets as (batch, most labels), and their lengths."""
    longest = max(lengths.tolist(), default=0)
    if targets.dtype.kind not in "iu" and targets.size:
        raise OperandError(f"ctc_loss: targets are integers, not {targets.dtype}: convert them with .astype('int64')")
    if targets.ndim == 1 and len(targets) == lengths.sum():
        places = (lengths.cumsum() - lengths)[:, None] + np.arange(longest)
        return np.append(targets, 0).astype(np.int64)[np.minimum(places, len(targets))], lengths
    if targets.ndim != 2 or len(targets) != N or targets.shape[1] < longest:
        raise ShapeError(
            f"ctc_loss: targets have shape {targets.shape}: give ({N}, {longest} or more), or all {lengths.sum()} "
            "labels one after the other"
        )
    return targets[:, :longest].astype(np.int64), lengths


def _alphas(xp: Any, scores: Any, states: Any, blank: int) -> Any:
    """Log-probabilities of all beginnings: (time + 1, batch, 2 + states), where the first two states are nobody's.

    (Graves et al. 2006, eq. 6 and 7.) `scores` (time, batch, states) is the log-probability of each state at each time.
    A state follows itself, the one before it, or, if it is no blank and another label, the one before that.
    """
    T, N, S = scores.shape
    skips = xp.full((N, S), NEVER, scores.dtype)
    skips[:, 1:2] = 0
    skips[:, 2:] = xp.where((states[:, 2:] == blank) + (states[:, 2:] == states[:, :-2]), NEVER, 0)
    alphas = xp.full((T + 1, N, 2 + S), NEVER, scores.dtype)
    alphas[0, :, 1] = 0  # before time 0 all are in one state to the left of the first
    for t in range(T):
        stay, step, skip = alphas[t, :, 2:], alphas[t, :, 1:-1], alphas[t, :, :-2] + skips
        top = xp.maximum(xp.maximum(stay, step), skip)
        total = xp.log(xp.exp(stay - top) + xp.exp(step - top) + xp.exp(skip - top))
        alphas[t + 1, :, 2:] = xp.maximum(total + top + scores[t], NEVER)
    return alphas


def _grid(xp: Any, T: int, N: int) -> tuple[Any, Any]:
    """Indices of time and sequence that meet those of states, (batch, states)."""
    return xp.arange(T).reshape(-1, 1, 1), xp.arange(N).reshape(-1, 1)


def _forward(xp: Any, log_probs: Any, *, states: Any, blank: int, times: Any, ends: Any) -> Any:
    """-log p of each target (eq. 8): what ends in its last label or in the blank behind it."""
    t, n = _grid(xp, *log_probs.shape[:2])
    alphas = _alphas(xp, xp.maximum(log_probs[t, n, states], NEVER), states, blank)
    n = n.reshape(-1)
    total = xp.logaddexp(alphas[times, n, ends + 1], alphas[times, n, ends + 2])
    return xp.where(total > NEVER / 2, -total, np.inf)


def _backward(xp: Any, g: Any, x: Any, losses: Any, *, states: Any, blank: int, times: Any, ends: Any) -> Any:
    """-g times the probability, given the target, of each class at each time (eq. 15 and 16, before the softmax).

    The probabilities of all endings are those of all beginnings of the sequence read backwards: one loop finds both.
    """
    (T, N, C), S = x.shape, states.shape[1]
    t, n = _grid(xp, T, N)
    s = xp.arange(S).reshape(1, -1)
    times, ends = times.reshape(-1, 1), ends.reshape(-1, 1)
    scores = xp.maximum(x[t, n, states], NEVER)
    mirrored = ends - s  # negative, so wrapped around, where it is not to be used; times likewise
    scores_back = scores[times - 1 - t, n, mirrored]
    both = _alphas(
        xp, xp.concatenate([scores, scores_back], 1), xp.concatenate([states, states[n, mirrored]], 0), blank
    )
    alphas, betas = both[1:, :N, 2:], both[times - t, N + n, 2 + mirrored]
    inside = (t < times) * (s <= ends) * (g != 0).reshape(-1, 1)
    total = xp.where(losses == np.inf, np.nan, losses).reshape(-1, 1)
    log_p = xp.where(inside, alphas + betas - scores + total, NEVER)
    out = xp.zeros(T * N * C, x.dtype)
    xp.add.at(out, ((t * N + n) * C + states).reshape(-1), (-g.reshape(-1, 1) * xp.exp(log_p)).reshape(-1))
    return out.reshape(T, N, C)


def _once(h: Any) -> NoReturn:
    raise MinigradError("ctc_loss has no second derivative: take its gradient without create_graph=True")


_ctc = primitive(
    "ctc_loss",
    _forward,
    vjp=[
        lambda g, out, log_probs, states, blank, times, ends: _gradient(
            g, log_probs, out, states=states, blank=blank, times=times, ends=ends
        )
    ],
)
_gradient: Callable[..., Any] = primitive("ctc_gradient", _backward, vjp=[_once, _once, _once])
