"""Modules that know nothing of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from ..backend import backend_of
from ..bounds import notice
from ..errors import OperandError, OutOfRangeError, ShapeError
from ..ops import divide, mean, sqrt, square, take, where
from ..ops.shape import as_tuple, shape_of
from ..primitive import primitive
from ..tensor import Tensor
from . import init
from .module import Buffer, Module


class Linear(Module):
    """y = x W + b on the last axis: (..., in_features) -> (..., out_features).

    W is weight (in_features, out_features), b is bias (out_features), left out without `bias`.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = "float32"):
        self.weight = init.glorot(in_features, out_features, dtype=dtype)
        self.bias = init.zeros(out_features, dtype=dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class Embedding(Module):
    """A row of learned numbers for each integer: indices (...) -> (..., size). Its weight is (count, size).

    The row `padding_idx`, if given, starts at 0 and gets no gradient. Raises OperandError for indices that are no
    integers, OutOfRangeError for those not in [0, count) (on a GPU with the next number that the host
    reads).
    """

    def __init__(self, count: int, size: int, padding_idx: int | None = None, dtype: Any = "float32"):
        self.weight = init.normal((count, size), dtype=dtype)
        self.padding_idx = padding_idx
        if padding_idx is not None:
            self.weight.data[padding_idx] = 0

    def forward(self, indices: Any) -> Tensor:
        raw = indices.data if isinstance(indices, Tensor) else indices
        raw = raw if hasattr(raw, "dtype") else self.weight.backend.xp.asarray(raw)
        check_indices("Embedding", raw, len(self.weight))
        rows = take(self.weight, raw, axis=0)
        if self.padding_idx is not None:
            pad = self.padding_idx % len(self.weight)
            rows = where((raw == pad).reshape(*raw.shape, 1), rows.detach(), rows)
        return rows


def check_indices(what: str, indices: Any, count: int) -> None:
    """OperandError for what are no integers; OutOfRangeError for those not in [0, count), on a GPU at the next read."""
    if indices.dtype.kind not in "iu":
        raise OperandError(f"{what} takes integers, not {indices.dtype}: convert them with .astype('int64')")
    backend: Any = backend_of(indices)
    if not backend.in_order:
        with backend.here:
            bad = ((indices < 0) | (indices >= count)).any()
        notice(backend, bad, f"{what} takes integers from 0 to {count - 1}, and was given others: mend them")
    elif indices.size and not (indices.min() >= 0 and indices.max() < count):
        raise OutOfRangeError(
            f"{what} takes integers from 0 to {count - 1}, and was given {indices.min()} to {indices.max()}: mend them"
        )


class Dropout(Module):
    """In training, zero each number with probability `p` and scale the others by 1 / (1 - p).

    (Srivastava et al. 2014.)
    """

    def __init__(self, p: float = 0.5):
        if not 0 <= p < 1:
            raise ValueError(f"dropout probability must be in [0, 1), not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = x.backend.generator.random(x.shape, "float32") >= self.p
        return x * (kept * x.dtype.type(1 / (1 - self.p)))


def _normalized(xp: Any, x: Any, *, axis: tuple[int, ...], eps: float) -> Any:
    out = x - x.mean(axis=axis, keepdims=True)
    out *= 1 / xp.sqrt((out * out).mean(axis=axis, keepdims=True) + eps)
    return out


def _vjp_normalized(g: Any, out: Any, x: Any, axis: tuple[int, ...], eps: float) -> Any:
    spread = sqrt(mean(square(x - mean(x, axis, keepdims=True)), axis, keepdims=True) + eps)
    return (g - mean(g, axis, keepdims=True) - out * mean(g * out, axis, keepdims=True)) / spread


# (x - mean) / √(variance + eps) over some axes, in one node: as a composition it would save five arrays.
normalize = primitive("normalize", _normalized, vjp=[_vjp_normalized])


class LayerNorm(Module):
    """(x - mean) / √(variance + eps) over the last axes, times weight, plus bias (Ba, Kiros and Hinton 2016, eq. 4).

    `normalized_shape` is the shape of those axes, or the length of the last. Weight and bias, of that shape, are there
    with `elementwise_affine` (and `bias`). The variance is the biased one, as in PyTorch.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = "float32",
    ):
        self.normalized_shape = as_tuple(normalized_shape)
        self.eps = eps
        self.weight = init.ones(self.normalized_shape, dtype) if elementwise_affine else None
        self.bias = init.zeros(self.normalized_shape, dtype) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        return _affine(normalize(x, axis=_last_axes(self, x), eps=self.eps), self.weight, self.bias)


class RMSNorm(Module):
    """x / √(mean of x² + eps) over the last axes, times weight (Zhang and Sennrich 2019, eq. 4).

    Arguments as for `LayerNorm`; there is no bias.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-6,
        elementwise_affine: bool = True,
        dtype: Any = "float32",
    ):
        self.normalized_shape = as_tuple(normalized_shape)
        self.eps = eps
        self.weight = init.ones(self.normalized_shape, dtype) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        size = sqrt(mean(square(x), _last_axes(self, x), keepdims=True) + self.eps)
        return _affine(divide(x, size), self.weight, None)


def _last_axes(layer: LayerNorm | RMSNorm, x: Tensor) -> tuple[int, ...]:
    shape, count = shape_of(x), len(layer.normalized_shape)
    if shape[-count:] != layer.normalized_shape:
        wanted = ", ".join(map(str, layer.normalized_shape))
        raise ShapeError(f"{type(layer).__name__} takes (..., {wanted}), and was given {shape}")
    return tuple(range(-count, 0))


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


class BatchNorm(Module):
    """Each channel (axis 1) to mean 0 and variance 1 over all others; with `affine` times weight, plus bias (channels).

    (x - mean) / √(variance + eps) (Ioffe and Szegedy 2015, algorithm 1). Takes (batch, channels) and (batch, channels,
    …): PyTorch's BatchNorm1d, 2d and 3d. In training the mean and variance are the batch's, and the buffers
    running_mean and running_var move towards them (the unbiased variance) by `momentum`; in evaluation they are the
    buffers'.
    """

    def __init__(
        self, channels: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True, dtype: Any = "float32"
    ):
        self.channels, self.eps, self.momentum = channels, eps, momentum
        self.weight = init.ones(channels, dtype) if affine else None
        self.bias = init.zeros(channels, dtype) if affine else None
        self.running_mean = Buffer(init.zeros(channels, dtype))
        self.running_var = Buffer(init.ones(channels, dtype))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or x.shape[1] != self.channels:
            raise ShapeError(f"BatchNorm takes (batch, {self.channels}, ...), and was given {x.shape}")
        axes = tuple(i for i in range(x.ndim) if i != 1)
        column = (-1, *(1,) * (x.ndim - 2))  # lays (channels,) along axis 1
        if self.training:
            self._follow(x.data, axes)
            y = normalize(x, axis=axes, eps=self.eps)
        else:
            scale = (self.running_var.data + self.eps) ** -0.5
            y = (x - self.running_mean.data.reshape(column)) * scale.reshape(column)
        weight, bias = (p if p is None else p.reshape(column) for p in (self.weight, self.bias))
        return _affine(y, weight, bias)

    def _follow(self, x: Any, axes: tuple[int, ...]) -> None:
        """Move the running statistics towards those of the raw batch `x`."""
        count = x.size // self.channels
        if count < 2:
            raise ShapeError(f"BatchNorm in training wants more than one number a channel, and was given {x.shape}")
        center = x.mean(axis=axes, keepdims=True)
        unbiased = ((x - center) ** 2).sum(axis=axes) / (count - 1)
        for running, now in ((self.running_mean, center.reshape(-1)), (self.running_var, unbiased)):
            running.data *= 1 - self.momentum
            running.data += self.momentum * now


class Flatten(Module):
    """Axes `start_dim` to `end_dim` as one: (batch, channels, height, width) -> (batch, channels * height * width)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        start, end = self.start_dim % x.ndim, self.end_dim % x.ndim + 1
        return x.reshape(*x.shape[:start], math.prod(x.shape[start:end]), *x.shape[end:])


class Sequential(Module):
    """Modules and functions one after the other: `Sequential(Linear(3, 4), mg.tanh, Linear(4, 2))`.

    It has a length, can be indexed (a slice is a Sequential of the same layers) and iterated over.
    """

    def __init__(self, *layers: Callable[..., Any]):
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(self.layers)

    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]
