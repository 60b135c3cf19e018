"""Gradient clipping (Pascanu, Mikolov and Bengio 2013, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..backend import backend_of
from ..errors import NoGradientError
from ..tensor import Tensor


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients together so that their joint 2-norm is at most `max_norm`; returns the norm before.

    Nothing is copied to the host: read the returned Tensor only when the number is wanted.
    """
    grads = [p.grad.data for p in parameters if p.grad is not None]
    if not grads:
        raise NoGradientError("no parameter has a gradient to clip: call backward() first")
    xp: Any = backend_of(grads[0]).xp  # type: ignore[union-attr]
    norm = xp.sqrt(sum((g * g).sum() for g in grads))
    scale = xp.minimum(1.0, max_norm / (norm + 1e-6))
    for g in grads:
        g *= scale
    return Tensor(xp.asarray(norm))


def clip_grad_value(parameters: Iterable[Tensor], max_value: float) -> None:
    """Limit every number in every gradient to [-max_value, max_value]."""
    for p in parameters:
        if p.grad is not None:
            p.grad.data.clip(-max_value, max_value, out=p.grad.data)
