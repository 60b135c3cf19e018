"""New Tensors, made where `use_backend` says. Random ones come from the generator that `mg.seed` restarts.

They are leaves, of float32 unless a dtype is given; with `requires_grad` gradients come to them. `shape` is a number
or a tuple of them. Raises ShapeError for one that cannot be, OperandError for what is no number, OutOfMemoryError for
more numbers than there is memory for, and MinigradError for `requires_grad` on a dtype without gradients.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from ..backend import SCALAR, backend_of, current_backend, get_backend
from ..errors import MinigradError, OperandError
from ..explain import refused
from ..tensor import Tensor
from .shape import as_tuple

# fmt: off
__all__ = [
    "arange", "eye", "from_dlpack", "full", "full_like", "identity", "linspace", "logspace", "ones", "ones_like",
    "rand", "randn", "tri", "zeros", "zeros_like",
]
# fmt: on

Shape = int | tuple[int, ...]
P = ParamSpec("P")


def _explained(make: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """`make`, with errors of the library's for those of the array library."""

    @functools.wraps(make)
    def made(*args: P.args, **options: P.kwargs) -> Tensor:
        try:
            return make(*args, **options)
        except MinigradError:
            raise
        except (ValueError, TypeError, MemoryError) as error:
            raise refused(error, make.__name__, args, options) from error

    return made


def _number(given: Any) -> Any:
    """The number that a Tensor holds; what is no Tensor as it is."""
    return given.item() if isinstance(given, Tensor) else given


@_explained
def zeros(shape: Shape, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of zeros."""
    return Tensor(current_backend().xp.zeros(shape, dtype), requires_grad)


@_explained
def ones(shape: Shape, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor of ones."""
    return Tensor(current_backend().xp.ones(shape, dtype), requires_grad)


@_explained
def full(shape: Shape, fill_value: float, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A Tensor that holds `fill_value` everywhere, in float32 also where that is a whole number."""
    return Tensor(current_backend().xp.full(shape, _number(fill_value), dtype), requires_grad)


@_explained
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A matrix of N rows and M columns (N if None) with ones on the diagonal `k` above the main one, else zeros."""
    return Tensor(current_backend().xp.eye(N, M, k, dtype), requires_grad)


def identity(n: int, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """The identity matrix of n rows and columns."""
    return eye(n, dtype=dtype, requires_grad=requires_grad)


@_explained
def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """A matrix of N rows and M columns (N if None) with ones on and below the diagonal `k`, else zeros."""
    return Tensor(current_backend().xp.tri(N, M, k, dtype), requires_grad)


@_explained
def arange(*bounds: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`arange(stop)`, `arange(start, stop)`, `arange(start, stop, step)`; float32 if a bound is a float, else int64."""
    numbers = [_number(bound) for bound in bounds]
    if dtype is None:
        dtype = np.float32 if np.result_type(*numbers).kind == "f" else np.int64
    return Tensor(current_backend().xp.arange(*numbers, dtype=dtype), requires_grad)


@_explained
def linspace(
    start: float,
    stop: float,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = np.float32,
    requires_grad: bool = False,
) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, which is left out without `endpoint`."""
    start, stop = _number(start), _number(stop)
    return Tensor(current_backend().xp.linspace(start, stop, num, endpoint, dtype=dtype), requires_grad)


@_explained
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
    start, stop = _number(start), _number(stop)
    return Tensor(current_backend().xp.logspace(start, stop, num, endpoint, base, dtype), requires_grad)


def from_dlpack(x: Any) -> Tensor:
    """A leaf on the memory of `x`, any object with `__dlpack__`: an array of PyTorch, JAX, CuPy, NumPy …

    What lies on a CUDA device comes to the backend "cupy", all else to "numpy". Nothing is copied, so a change in place
    of one is a change of the other; memory that its owner lets nobody write (JAX's) stays read-only. What the owner
    refuses to hand out (a PyTorch tensor that requires a gradient, say) raises its own BufferError. Raises OperandError
    for what has no `__dlpack__`.
    """
    if not hasattr(x, "__dlpack_device__"):
        raise OperandError(f"from_dlpack takes an array that has __dlpack__, not {type(x).__name__}: use tensor")
    cuda = (2, 13)  # kDLCUDA and kDLCUDAManaged, DLDeviceType in dlpack.h
    backend = get_backend("cupy" if x.__dlpack_device__()[0] in cuda else "numpy")
    return Tensor(backend.xp.from_dlpack(x))


def _like(x: Any, value: float, dtype: Any, requires_grad: bool) -> Tensor:
    raw = x.data if isinstance(x, Tensor) else x
    backend = backend_of(raw)
    if backend is None or backend is SCALAR:  # a number or a list
        backend = current_backend()
        raw = backend.asarray(raw)
    return Tensor(backend.xp.full(raw.shape, _number(value), raw.dtype if dtype is None else dtype), requires_grad)


@_explained
def zeros_like(a: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of `a`, where `a` is; of a list's as `tensor` reads it."""
    return _like(a, 0, dtype, requires_grad)


@_explained
def ones_like(a: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of `a`, where `a` is; of a list's as `tensor` reads it."""
    return _like(a, 1, dtype, requires_grad)


@_explained
def full_like(a: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`fill_value` everywhere, in the shape and dtype of `a`, where `a` is; of a list's as `tensor` reads it."""
    return _like(a, fill_value, dtype, requires_grad)


@_explained
def rand(*shape: Shape, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1), of float32 or float64: `rand(2, 3)` or `rand((2, 3))`."""
    backend = current_backend()
    with backend.here:
        return Tensor(backend.generator.random(_lengths(shape), dtype), requires_grad)


@_explained
def randn(*shape: Shape, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Random numbers of the standard normal distribution, of float32 or float64: `randn(2, 3)` or `randn((2, 3))`."""
    backend = current_backend()
    with backend.here:
        return Tensor(backend.generator.standard_normal(_lengths(shape), dtype), requires_grad)


def _lengths(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return as_tuple(shape[0]) if len(shape) == 1 else shape
