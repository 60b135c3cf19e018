"""Losses. `reduction` is "mean" over all numbers (of classes: over all examples), "sum", or "none".

Outputs and targets are Tensors, arrays or lists; gradients come to both. Raises ShapeError for shapes that do not fit.
Classes are on the last axis, whatever stands before it: (batch, classes), (time, batch, classes) …
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backend import NUMPY, SCALAR, Backend, backend_of
from ..errors import BackendMismatchError, ShapeError
from ..ops import abs, clip, exp, log, log_softmax, mean, sigmoid, softplus, square, sum, where
from ..ops.products import as_arrays
from ..primitive import primitive
from ..tensor import Tensor
from .layers import check_indices

# Over rows of logits, one number a row; `index` is (row numbers, targets). The logits are all that it saves.
_cross_entropy = primitive(
    "cross_entropy",
    lambda xp, x, *, index: _log_total(xp, x) - x[index],
    vjp=[lambda g, out, x, index: _softmax_minus_target(g, x, out + x[index], index=index)],
)
# Its derivative, g (softmax(x) - onehot(target)) with softmax(x) = exp(x - log_total), in one array.
_softmax_minus_target: Callable[..., Any] = primitive(
    "softmax_minus_target",
    lambda xp, g, x, log_total, *, index: _in_one_array(xp, g, x, log_total, index),
    vjp=[
        lambda h, x, log_total, index: sum(h * exp(x - log_total[:, None]), 1) - h[index],
        lambda h, g, x, log_total: h * g[:, None] * exp(x - log_total[:, None]),
        lambda h, g, x, log_total: -sum(h * g[:, None] * exp(x - log_total[:, None]), 1),
    ],
)


def _log_total(xp: Any, x: Any) -> Any:
    top = x.max(axis=1, keepdims=True)
    powers = x - top
    return xp.log(xp.exp(powers, out=powers).sum(axis=1)) + top.reshape(-1)


def _in_one_array(xp: Any, g: Any, x: Any, log_total: Any, index: Any) -> Any:
    out = x - log_total.reshape(-1, 1)
    xp.exp(out, out=out)
    out[index] -= 1
    out *= g.reshape(-1, 1)
    return out


def cross_entropy(
    logits: Tensor,
    targets: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(logits)[target], in nats: logits (..., classes), integer targets (...).

    Or targets are probabilities q (..., classes), and it is -Σ q log softmax(logits). `weight` (classes) multiplies
    what each class adds, and the mean is over the weights of the targets. Targets equal to `ignore_index` count for
    nothing; a mean over none is NaN. `label_smoothing` ε spreads the share ε of each target evenly over all classes
    (Szegedy et al. 2016, section 7). Stable for any logits. All as in PyTorch, but for the place of the class axis.
    Raises ShapeError for shapes that do not fit, OperandError for targets that are no integers, OutOfRangeError for
    those that are no class (on a GPU with the next number that the host reads), ValueError for options.
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1], not {label_smoothing}")
    logits, backend, raw = _beside("cross_entropy", logits, targets)
    with backend.here:
        classes = logits.shape[-1]
        if raw.shape == logits.shape and raw.dtype.kind == "f":
            q = targets if isinstance(targets, Tensor) else raw
            if label_smoothing:
                q = q * (1 - label_smoothing) + label_smoothing / classes
            return _reduced(-sum(_weighted(log_softmax(logits), weight, backend) * q, -1), reduction)
        rows = logits if logits.ndim == 2 else logits.reshape(-1, classes)
        index, kept, share = _classes("cross_entropy", rows, logits, raw, weight, ignore_index, backend)
        losses = _times(_cross_entropy(rows, index=index), share)
        if label_smoothing:
            even = _times(-mean(_weighted(log_softmax(rows), weight, backend), -1), kept)
            losses = (1 - label_smoothing) * losses + label_smoothing * even
        return _reduced(losses, reduction, share, raw.shape)


def nll_loss(
    log_probabilities: Tensor, targets: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-log p[target]: log-probabilities (..., classes), integer targets (...); all else as for `cross_entropy`."""
    log_probabilities, backend, raw = _beside("nll_loss", log_probabilities, targets)
    with backend.here:
        rows = log_probabilities.reshape(-1, log_probabilities.shape[-1])
        index, _, share = _classes("nll_loss", rows, log_probabilities, raw, weight, ignore_index, backend)
        return _reduced(_times(-rows[index], share), reduction, share, raw.shape)


def mse_loss(outputs: Tensor, targets: Any, reduction: str = "mean") -> Tensor:
    """(output - target)²; shapes must be equal."""
    return _reduced(square(_difference("mse_loss", outputs, targets)), reduction)


def l1_loss(outputs: Tensor, targets: Any, reduction: str = "mean") -> Tensor:
    """|output - target|, its derivative 0 where they are equal; shapes must be equal."""
    return _reduced(abs(_difference("l1_loss", outputs, targets)), reduction)


def huber_loss(outputs: Tensor, targets: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d² / 2 where |d| = |output - target| is at most `delta`, else delta (|d| - delta / 2) (Huber 1964, section 3)."""
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be above 0, not {delta}")
    d = _difference("huber_loss", outputs, targets)
    near = clip(d, -delta, delta)
    return _reduced(near * (d - 0.5 * near), reduction)


def smooth_l1_loss(outputs: Tensor, targets: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` with delta `beta`, divided by it: steep as |output - target| far out (Girshick 2015, eq. 3)."""
    return huber_loss(outputs, targets, reduction, beta) / beta


# max(x, 0) - x y + log(1 + exp(-|x|)): nothing is lost where the loss is small, and nothing overflows.
_bce = primitive(
    "bce_with_logits",
    lambda xp, x, y: xp.maximum(x, 0) - x * y + xp.log1p(xp.exp(-xp.abs(x))),
    vjp=[lambda g, x, y: g * (sigmoid(x) - y), lambda g, x: -g * x],
)


def bce_with_logits(
    logits: Tensor, targets: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """-y log σ(x) - (1 - y) log(1 - σ(x)) for logits x and targets y in [0, 1], of equal shapes; stable for any logit.

    `weight` multiplies the losses, `pos_weight` their first term; both broadcast. As PyTorch's
    binary_cross_entropy_with_logits.
    """
    logits, _, raw = _beside("bce_with_logits", logits, targets)
    _same_shape("bce_with_logits", logits, raw)
    y = targets if isinstance(targets, Tensor) else raw
    losses = _bce(logits, y) if pos_weight is None else softplus(-logits) * y * pos_weight + softplus(logits) * (1 - y)
    return _reduced(losses if weight is None else losses * weight, reduction)


def kl_div(log_probabilities: Tensor, targets: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """q (log q - log p), element by element: log-probabilities log p, targets q (or log q with `log_target`).

    Summed it is the divergence of Kullback and Leibler 1951.

    Argument order and means are PyTorch's: `reduction` "mean" is over all elements, and "batchmean", the divergence
    of the distributions proper, is the sum divided by the length of the first axis. 0 log 0 is 0.
    """
    log_probabilities, _, raw = _beside("kl_div", log_probabilities, targets)
    _same_shape("kl_div", log_probabilities, raw)
    q = targets if isinstance(targets, Tensor) else raw
    log_q = q if log_target else log(where(q > 0, q, 1))
    losses = (-log_probabilities + log_q) * (exp(q) if log_target else q)
    if reduction == "batchmean":
        return sum(losses) / len(losses)
    return _reduced(losses, reduction)


def _reduced(losses: Any, reduction: str, share: Any = None, shape: tuple[int, ...] | None = None) -> Any:
    """The mean, sum, or all of `losses`, in `shape`; in a mean, each of them counts as its `share` of one."""
    if reduction == "none":
        return losses if shape is None or shape == losses.shape else losses.reshape(shape)
    if reduction == "sum":
        return sum(losses)
    if reduction != "mean":
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    if share is not None:
        total = share.sum()
        return sum(losses) / where(total == 0, math.nan, total)
    return mean(losses) if losses.size else sum(losses) * math.nan


def _times(losses: Any, share: Any) -> Any:
    return losses if share is None else losses * share


def _weighted(scores: Any, weight: Any, backend: Backend) -> Any:
    return scores if weight is None else scores * _class_weights(weight, scores, backend)


def _class_weights(weight: Any, scores: Any, backend: Backend) -> Any:
    raw = weight.data if isinstance(weight, Tensor) else backend.asarray(weight)
    if raw.shape != scores.shape[-1:]:
        raise ShapeError(f"weight has shape {raw.shape}: give one for each of the {scores.shape[-1]} classes")
    return raw.astype(scores.dtype)


def _classes(
    what: str, rows: Any, scores: Any, raw: Any, weight: Any, ignore_index: int, backend: Backend
) -> tuple[Any, Any, Any]:
    """The index of each row's target in `rows`, which rows count (None: all), and for how much (None: one each)."""
    if raw.shape != scores.shape[:-1]:
        raise ShapeError(
            f"{what}: scores of shape {scores.shape} want integer targets of shape {scores.shape[:-1]} (no class "
            f"axis), or probabilities of shape {scores.shape}; these have shape {raw.shape} and are {raw.dtype}"
        )
    flat, kept = raw.reshape(-1), None
    if flat.dtype.kind in "iu" and (backend is not NUMPY or (flat == ignore_index).any()):
        kept = flat != ignore_index
        flat = backend.xp.where(kept, flat, 0)
    check_indices(what, flat, scores.shape[-1])
    share = kept = None if kept is None else kept.astype(scores.dtype)
    if weight is not None:
        weights = _class_weights(weight, scores, backend)[flat]
        share = weights if kept is None else weights * kept
    return (backend.xp.arange(len(flat)), flat), kept, share


def _beside(what: str, scores: Any, targets: Any) -> tuple[Any, Backend, Any]:
    """`scores` (lists as an array), their backend, and `targets` as a raw array on it."""
    (scores,) = as_arrays(scores)
    backend: Any = backend_of(scores.data if isinstance(scores, Tensor) else scores)
    raw = targets.data if isinstance(targets, Tensor) else targets
    found = backend_of(raw)
    if found is None or found is SCALAR:
        raw = backend.asarray(raw)
    elif found is not backend:
        raise BackendMismatchError(
            f"{what}: the scores are on {backend.name} and the targets are not: move them, "
            f"with mg.tensor(targets).to({backend.name!r}) say"
        )
    return scores, backend, raw


def _difference(what: str, outputs: Any, targets: Any) -> Any:
    outputs, _, raw = _beside(what, outputs, targets)
    _same_shape(what, outputs, raw)
    return outputs - (targets if isinstance(targets, Tensor) else raw)


def _same_shape(what: str, outputs: Any, targets: Any) -> None:
    if targets.shape != outputs.shape:
        raise ShapeError(f"{what}: outputs {outputs.shape} and targets {targets.shape} differ: reshape one")
