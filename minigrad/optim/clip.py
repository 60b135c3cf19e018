"""Gradient clipping. The gradients are changed in place; one that several parameters share, once."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..backend import NUMPY, backend_of
from ..errors import AnomalyError, NoGradientError
from ..tensor import Tensor

Parameters = Tensor | Iterable[Tensor]


def clip_grad_norm(
    parameters: Parameters, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale all gradients together so that their joint norm is at most `max_norm`; returns the norm before.

    (Pascanu, Mikolov and Bengio 2013, algorithm 1.) The norm is the `norm_type`-norm of all numbers, the largest
    magnitude where that is infinity. With NaN or infinity in them the gradients become NaN or 0, unless
    `error_if_nonfinite`: then AnomalyError is raised, and nothing changed. Otherwise nothing is copied to the host:
    read the returned Tensor only when the number is wanted. Raises NoGradientError where no parameter has a gradient.
    """
    if not (max_norm >= 0 and norm_type > 0):
        raise ValueError(f"clip_grad_norm: max_norm {max_norm} must be at least 0, and norm_type {norm_type} above 0")
    grads = _gradients(parameters)
    if not grads:
        raise NoGradientError("no parameter has a gradient to clip: call backward() first")
    backend: Any = backend_of(grads[0])
    with backend.here, np.errstate(over="ignore", invalid="ignore"):  # infinities are the caller's to ask for
        norm = _norm(backend.xp, grads, norm_type)
        if error_if_nonfinite and not math.isfinite(float(norm)):
            raise AnomalyError(f"the gradients' norm is {float(norm)}: look for where with mg.detect_anomaly()")
        if backend is not NUMPY or not norm <= max_norm:  # elsewhere it is not worth waiting for the number
            scale = backend.xp.minimum(max_norm / (norm + 1e-6), 1.0)
            for g in {id(g): g for g in grads}.values():
                g *= scale
    return Tensor(backend.xp.asarray(norm))


def clip_grad_value(parameters: Parameters, max_value: float) -> None:
    """Limit every number in every gradient to [-max_value, max_value]."""
    if not max_value >= 0:
        raise ValueError(f"clip_grad_value: max_value must be at least 0, not {max_value}")
    for g in _gradients(parameters):
        backend_of(g).xp.clip(g, -max_value, max_value, out=g)  # type: ignore[union-attr]


def _gradients(parameters: Parameters) -> list[Any]:
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad.data for p in tensors if p.grad is not None]


def _norm(xp: Any, grads: list[Any], order: float) -> Any:
    flat = [g.reshape(-1) for g in grads]
    if order == 2:
        return xp.sqrt(sum(g @ g for g in flat))
    if order == math.inf:
        return functools.reduce(xp.maximum, [xp.abs(g).max() for g in flat if g.size] or [flat[0].sum()])
    return sum((xp.abs(g) ** order).sum() for g in flat) ** (1 / order)
