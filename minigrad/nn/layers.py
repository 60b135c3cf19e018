"""Modules that know nothing of time."""

from __future__ import annotations

from typing import Any

from ..ops import take
from ..tensor import Tensor
from . import init
from .module import Module


class Linear(Module):
    """y = x W + b on the last axis: (..., in_features) -> (..., out_features). W is (in_features, out_features)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True, dtype: Any = "float32"):
        self.weight = init.glorot(in_features, out_features, dtype=dtype)
        self.bias = init.constant(out_features, dtype=dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class Embedding(Module):
    """A row of learned numbers for each integer: indices (...) -> (..., size). Its weight is (count, size)."""

    def __init__(self, count: int, size: int, dtype: Any = "float32"):
        self.weight = init.normal((count, size), dtype=dtype)

    def forward(self, indices: Any) -> Tensor:
        return take(self.weight, indices, axis=0)


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
        kept = x.backend.generator.random(x.shape, dtype="float32") >= self.p
        return x * (kept / (1 - self.p)).astype(x.dtype)


class Sequential(Module):
    """Modules one after the other."""

    def __init__(self, *layers: Module):
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x
