"""New Tensors, made where `use_backend` says. Random ones come from the generator that `mg.seed` restarts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import SCALAR, backend_of, current_backend
from ..tensor import Tensor

# fmt: off
__all__ = [
    "arange", "full", "full_like", "ones", "ones_like", "rand", "randn", "zeros", "zeros_like",
]
# fmt: on

Shape = int | tuple[int, ...]


def zeros(shape: Shape, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of zeros."""
    return Tensor(current_backend().xp.zeros(shape, dtype), requires_grad)


def ones(shape: Shape, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of ones."""
    return Tensor(current_backend().xp.ones(shape, dtype), requires_grad)


def full(shape: Shape, value: float, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor that holds `value` everywhere."""
    return Tensor(current_backend().xp.full(shape, value, dtype), requires_grad)


def arange(*bounds: float, dtype: Any = None) -> Tensor:
    """`arange(stop)`, `arange(start, stop)`, `arange(start, stop, step)`; float32 if a bound is a float."""
    if dtype is None:
        dtype = np.float32 if any(isinstance(bound, float) for bound in bounds) else np.int64
    return Tensor(current_backend().xp.arange(*bounds, dtype=dtype))


def _like(x: Any, value: float, dtype: Any) -> Tensor:
    raw = x.data if isinstance(x, Tensor) else x
    backend = backend_of(raw)
    if backend is None or backend is SCALAR:  # a number or a list
        backend = current_backend()
        raw = backend.asarray(raw)
    return Tensor(backend.xp.full(raw.shape, value, raw.dtype if dtype is None else dtype))


def zeros_like(x: Any, dtype: Any = None) -> Tensor:
    """Zeros of the shape and dtype of `x`, where `x` is."""
    return _like(x, 0, dtype)


def ones_like(x: Any, dtype: Any = None) -> Tensor:
    """Ones of the shape and dtype of `x`, where `x` is."""
    return _like(x, 1, dtype)


def full_like(x: Any, value: float, dtype: Any = None) -> Tensor:
    """`value` everywhere, in the shape and dtype of `x`, where `x` is."""
    return _like(x, value, dtype)


def rand(*shape: int, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    return Tensor(current_backend().generator.random(shape, dtype), requires_grad)


def randn(*shape: int, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Random numbers of the standard normal distribution."""
    return Tensor(current_backend().generator.standard_normal(shape, dtype), requires_grad)
