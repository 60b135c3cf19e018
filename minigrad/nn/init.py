"""How parameters start. Every function returns a Parameter, made where `use_backend` says.

The numbers are drawn on the host, so that one seed gives the same model on every backend. Weights are (fan_in,
blocks * fan_out), for x @ W: `blocks` matrices side by side (an LSTM's four gates, say) are each drawn for their own
fan-out. The plain name of a scheme draws uniformly, `…_normal` from the normal distribution of the same variance.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..backend import NUMPY, current_backend
from .module import Parameter

Shape = int | tuple[int, ...]
_skipped: ContextVar[bool] = ContextVar("minigrad_init_skipped", default=False)


@contextlib.contextmanager
def skipped() -> Iterator[None]:
    """`with init.skipped(): model = …`: parameters hold whatever the memory held, and no random number is drawn.

    For a model whose values are loaded next: it is made at once, and its memory is not touched before.
    """
    token = _skipped.set(True)
    try:
        yield
    finally:
        _skipped.reset(token)


def _parameter(shape: Shape, values: Callable[[], np.ndarray], dtype: Any) -> Parameter:
    xp = current_backend().xp
    try:
        return Parameter(xp.empty(shape, dtype) if _skipped.get() else xp.asarray(values().astype(dtype)))
    except MemoryError as error:
        from ..explain import out_of_memory

        raise out_of_memory(error, f"a parameter of shape {shape}") from error


def constant(shape: Shape, value: float = 0.0, dtype: Any = "float32") -> Parameter:
    """`value` everywhere."""
    return _parameter(shape, lambda: np.full(shape, value), dtype)


def zeros(shape: Shape, dtype: Any = "float32") -> Parameter:
    """0 everywhere."""
    return constant(shape, 0.0, dtype)


def ones(shape: Shape, dtype: Any = "float32") -> Parameter:
    """1 everywhere."""
    return constant(shape, 1.0, dtype)


def uniform(shape: Shape, bound: float, dtype: Any = "float32") -> Parameter:
    """Uniform in [-bound, bound)."""
    return _parameter(shape, lambda: NUMPY.generator.uniform(-bound, bound, shape), dtype)


def normal(shape: Shape, std: float = 1.0, dtype: Any = "float32") -> Parameter:
    """Normal with mean 0 and standard deviation `std`."""
    return _parameter(shape, lambda: NUMPY.generator.normal(0.0, std, shape), dtype)


def truncated_normal(shape: Shape, std: float = 1.0, bound: float = 2.0, dtype: Any = "float32") -> Parameter:
    """Normal with mean 0 and standard deviation `std`, what lies beyond `bound` times that drawn again.

    So the numbers vary less than that: with the bound 2 their standard deviation is 0.88 `std`.
    """

    def values() -> np.ndarray:
        drawn = NUMPY.generator.normal(size=shape)
        while (beyond := np.abs(drawn) > bound).any():
            drawn[beyond] = NUMPY.generator.normal(size=int(beyond.sum()))
        return std * drawn

    return _parameter(shape, values, dtype)


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """What to multiply a weight's standard deviation by so that signals keep their size through `nonlinearity`.

    √2 for "relu" (He et al. 2015, eq. 10), √(2 / (1 + slope²)) for "leaky_relu" (eq. 15), 5/3 for "tanh", 3/4 for
    "selu", 1 for "linear" and "sigmoid": PyTorch's table.
    """
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    gains["leaky_relu"] = math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in gains:
        raise ValueError(f"unknown nonlinearity {nonlinearity!r}: choose one of {', '.join(gains)}, or give a number")
    return gains[nonlinearity]


def glorot(fan_in: int, fan_out: int, blocks: int = 1, dtype: Any = "float32", gain: float = 1.0) -> Parameter:
    """Uniform with bound gain √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 16; "Xavier")."""
    return uniform((fan_in, blocks * fan_out), gain * math.sqrt(6 / (fan_in + fan_out or 1)), dtype)


def glorot_normal(fan_in: int, fan_out: int, blocks: int = 1, dtype: Any = "float32", gain: float = 1.0) -> Parameter:
    """Normal with std gain √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 12; "Xavier")."""
    return normal((fan_in, blocks * fan_out), gain * math.sqrt(2 / (fan_in + fan_out or 1)), dtype)


def he(
    fan_in: int,
    fan_out: int,
    blocks: int = 1,
    dtype: Any = "float32",
    gain: float = math.sqrt(2),
    mode: str = "fan_in",
) -> Parameter:
    """Uniform with bound gain √(3 / fan), the variance of `he_normal` (He et al. 2015; "Kaiming")."""
    return uniform((fan_in, blocks * fan_out), gain * math.sqrt(3 / _fan(fan_in, fan_out, mode)), dtype)


def he_normal(
    fan_in: int,
    fan_out: int,
    blocks: int = 1,
    dtype: Any = "float32",
    gain: float = math.sqrt(2),
    mode: str = "fan_in",
) -> Parameter:
    """Normal with std gain / √fan, for ReLU unless `gain` says otherwise (He et al. 2015, eq. 10; "Kaiming").

    `mode` "fan_in" keeps the size of signals on the way forward, "fan_out" that of gradients on the way back (eq. 14).
    """
    return normal((fan_in, blocks * fan_out), gain / math.sqrt(_fan(fan_in, fan_out, mode)), dtype)


def _fan(fan_in: int, fan_out: int, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', not {mode!r}")
    return (fan_in if mode == "fan_in" else fan_out) or 1  # an empty weight may have any bound


def lecun(fan_in: int, fan_out: int, blocks: int = 1, dtype: Any = "float32") -> Parameter:
    """Uniform with bound √(3 / fan_in), the variance of `lecun_normal` (LeCun et al. 1998)."""
    return he(fan_in, fan_out, blocks, dtype, gain=1.0)


def lecun_normal(fan_in: int, fan_out: int, blocks: int = 1, dtype: Any = "float32") -> Parameter:
    """Normal with std 1 / √fan_in (LeCun et al. 1998, eq. 16; for SELU, Klambauer et al. 2017)."""
    return he_normal(fan_in, fan_out, blocks, dtype, gain=1.0)


def orthogonal(size: int, blocks: int = 1, dtype: Any = "float32", gain: float = 1.0) -> Parameter:
    """`blocks` random orthogonal matrices, times `gain`, side by side: (size, blocks * size) (Saxe et al. 2014).

    Drawn uniformly: the Q of a normal matrix, its columns' signs fixed by the diagonal of R.
    """

    def values() -> np.ndarray:
        matrices = []
        for _ in range(blocks):
            q, r = np.linalg.qr(NUMPY.generator.normal(size=(size, size)))
            matrices.append(gain * q * np.sign(np.diag(r)))
        return np.concatenate(matrices, axis=1)

    return _parameter((size, blocks * size), values, dtype)


def identity(size: int, blocks: int = 1, dtype: Any = "float32", gain: float = 1.0) -> Parameter:
    """`blocks` identity matrices, times `gain`, side by side: a ReLU network that starts by remembering.

    (Le, Jaitly and Hinton 2015, section 2.)
    """
    return _parameter((size, blocks * size), lambda: np.tile(gain * np.eye(size), blocks), dtype)


def sparse(
    fan_in: int, fan_out: int, connections: int = 15, std: float = 1.0, blocks: int = 1, dtype: Any = "float32"
) -> Parameter:
    """Each unit listens to `connections` inputs, with normal weights, and to no other (Martens 2010, section 5).

    Where there are no more inputs than that, it listens to all. `std` is the standard deviation of these weights.
    """

    def values() -> np.ndarray:
        order = NUMPY.generator.random((fan_in, blocks * fan_out)).argsort(axis=0)  # in each column, a random order
        return np.where(order < connections, NUMPY.generator.normal(0.0, std, order.shape), 0.0)

    return _parameter((fan_in, blocks * fan_out), values, dtype)


def chrono(size: int, longest: float, dtype: Any = "float32") -> Parameter:
    """Biases b of forget gates that remember for 2 to `longest` steps: log U(1, longest - 1), each drawn for itself.

    A gate of σ(b) keeps a share 1 / e for about 1 / (1 - σ(b)) = 1 + exp(b) steps.
    (Tallec and Ollivier 2018, eq. 16, where `longest` is T_max; their input gates get the negatives.) Raises ValueError
    if `longest` is below 2.
    """
    if longest < 2:
        raise ValueError(f"chrono takes the longest time to remember, in steps, at least 2, not {longest}")
    return _parameter(size, lambda: np.log(NUMPY.generator.uniform(1, longest - 1, size)), dtype)
