"""How parameters start. Every function returns a Parameter, made where `use_backend` says.

The numbers are drawn on the host, so that one seed gives the same model on every backend.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import NUMPY, current_backend
from .module import Parameter


def _parameter(values: np.ndarray, dtype: Any) -> Parameter:
    return Parameter(current_backend().xp.asarray(values.astype(dtype)))


def constant(shape: int | tuple[int, ...], value: float = 0.0, dtype: Any = "float32") -> Parameter:
    """`value` everywhere."""
    return _parameter(np.full(shape, value), dtype)


def uniform(shape: int | tuple[int, ...], bound: float, dtype: Any = "float32") -> Parameter:
    """Uniform in [-bound, bound)."""
    return _parameter(NUMPY.generator.uniform(-bound, bound, shape), dtype)


def normal(shape: int | tuple[int, ...], std: float = 1.0, dtype: Any = "float32") -> Parameter:
    """Normal with mean 0."""
    return _parameter(NUMPY.generator.normal(0.0, std, shape), dtype)


def glorot(fan_in: int, fan_out: int, blocks: int = 1, dtype: Any = "float32") -> Parameter:
    """Uniform with bound sqrt(6 / (fan_in + fan_out)), shape (fan_in, blocks * fan_out).

    (Glorot and Bengio 2010, eq. 16.) `blocks` matrices side by side (an LSTM's four gates, say) are each drawn for
    their own fan-out.
    """
    return uniform((fan_in, blocks * fan_out), math.sqrt(6.0 / (fan_in + fan_out)), dtype)


def orthogonal(size: int, blocks: int = 1, dtype: Any = "float32") -> Parameter:
    """`blocks` random orthogonal matrices side by side, shape (size, blocks * size) (Saxe et al. 2014).

    Drawn uniformly: the Q of a normal matrix, its columns' signs fixed by the diagonal of R.
    """
    matrices = []
    for _ in range(blocks):
        q, r = np.linalg.qr(NUMPY.generator.normal(size=(size, size)))
        matrices.append(q * np.sign(np.diag(r)))
    return _parameter(np.concatenate(matrices, axis=1), dtype)
