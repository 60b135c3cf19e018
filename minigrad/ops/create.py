"""New Tensors, made where `use_backend` says. Random ones come from the generator that `mg.seed` restarts.

They are leaves, of float32 unless a dtype is given; with `requires_grad` gradients come to them. `shape` is a number
or a tuple of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import SCALAR, backend_of, current_backend, get_backend
from ..tensor import Tensor

# fmt: off
__all__ = [
    "arange", "eye", "from_dlpack", "full", "full_like", "identity", "linspace", "logspace", "ones", "ones_like",
    "rand", "randn", "tri", "zeros", "zeros_like",
]
# fmt: on

Shape = int | tuple[int, ...]


def zeros(shape: Shape, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of zeros."""
    return Tensor(current_backend().xp.zeros(shape, dtype), requires_grad)


def ones(shape: Shape, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of ones."""
    return Tensor(current_backend().xp.ones(shape, dtype), requires_grad)


def full(shape: Shape, fill_value: float, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor that holds `fill_value` everywhere."""
    return Tensor(current_backend().xp.full(shape, fill_value, dtype), requires_grad)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A matrix of N rows and M columns (N if None) with ones on the diagonal `k` above the main one, else zeros."""
    return Tensor(current_backend().xp.eye(N, M, k, dtype), requires_grad)


def identity(n: int, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """The identity matrix of n rows and columns."""
    return eye(n, dtype=dtype, requires_grad=requires_grad)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A matrix of N rows and M columns (N if None) with ones on and below the diagonal `k`, else zeros."""
    return Tensor(current_backend().xp.tri(N, M, k, dtype), requires_grad)


def arange(*bounds: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`arange(stop)`, `arange(start, stop)`, `arange(start, stop, step)`; float32 if a bound is a float."""
    if dtype is None:
        dtype = np.float32 if any(isinstance(bound, float) for bound in bounds) else np.int64
    return Tensor(current_backend().xp.arange(*bounds, dtype=dtype), requires_grad)


def linspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = np.float32,
    requires_grad: bool = False,
) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, which is left out without `endpoint`."""
    return Tensor(current_backend().xp.linspace(start, stop, num, endpoint, dtype=dtype), requires_grad)


def logspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: Any = np.float32,
    requires_grad: bool = False,
) -> Tensor:
    """`base` to the powers that `linspace` gives."""
    return Tensor(current_backend().xp.logspace(start, stop, num, endpoint, base, dtype), requires_grad)


def from_dlpack(x: Any) -> Tensor:
    """A leaf on the memory of `x`, any object with `__dlpack__`: an array of PyTorch, JAX, CuPy, NumPy …

    What lies on a CUDA device comes to the backend "cupy", all else to "numpy". Nothing is copied, so a change in place
    of one is a change of the other; memory that its owner lets nobody write (JAX's) stays read-only. What the owner
    refuses to hand out (a PyTorch tensor that requires a gradient, say) raises its own BufferError.
    """
    cuda = (2, 13)  # kDLCUDA and kDLCUDAManaged, DLDeviceType in dlpack.h
    backend = get_backend("cupy" if x.__dlpack_device__()[0] in cuda else "numpy")
    return Tensor(backend.xp.from_dlpack(x))


def _like(x: Any, value: float, dtype: Any, requires_grad: bool) -> Tensor:
    raw = x.data if isinstance(x, Tensor) else x
    backend = backend_of(raw)
    if backend is None or backend is SCALAR:  # a number or a list
        backend = current_backend()
        raw = backend.asarray(raw)
    return Tensor(backend.xp.full(raw.shape, value, raw.dtype if dtype is None else dtype), requires_grad)


def zeros_like(a: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of `a`, where `a` is."""
    return _like(a, 0, dtype, requires_grad)


def ones_like(a: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of `a`, where `a` is."""
    return _like(a, 1, dtype, requires_grad)


def full_like(a: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`fill_value` everywhere, in the shape and dtype of `a`, where `a` is."""
    return _like(a, fill_value, dtype, requires_grad)


def rand(*shape: int, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    backend = current_backend()
    with backend.here:
        return Tensor(backend.generator.random(shape, dtype), requires_grad)


def randn(*shape: int, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Random numbers of the standard normal distribution."""
    backend = current_backend()
    with backend.here:
        return Tensor(backend.generator.standard_normal(shape, dtype), requires_grad)
