"""Activations, and the error function."""

from __future__ import annotations

import math

import numpy as np

import minigrad as mg

from .row import ONE, Row, anywhere, apart, each

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

SOME = "0d, 2x3gaps, 0x3"

numpy_erf = np.vectorize(math.erf, otypes=[float])
numpy_erfc = np.vectorize(math.erfc, otypes=[float])


def numpy_elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * (np.exp(x) - 1))


def numpy_gelu(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    if approximate == "tanh":
        return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    return x * (1 + numpy_erf(x / math.sqrt(2))) / 2


def wide(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    """Over every piece of the error function, but away from where it is nothing."""
    return rng.uniform(-3, 4.5, shape)


ROWS = [
    Row(mg.relu, lambda x: np.maximum(x, 0), lambda x: torch.relu(x), ONE, domain=apart),
    Row(mg.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda x: torch.sigmoid(x), ONE),
    Row(mg.softplus, lambda x: np.log1p(np.exp(x)), lambda x: torch.nn.functional.softplus(x), ONE),
    Row(mg.log_sigmoid, lambda x: -np.log1p(np.exp(-x)), lambda x: torch.nn.functional.logsigmoid(x), SOME),
    Row(
        mg.elu,
        numpy_elu,
        lambda x, alpha=1.0: torch.nn.functional.elu(x, alpha),
        SOME,
        [{}, *each("alpha", 0.5, -2.0)],
        domain=apart,
    ),
    Row(
        mg.selu,
        lambda x: 1.0507009873554804934 * numpy_elu(x, 1.6732632423543772848),
        lambda x: torch.selu(x),
        SOME,
        domain=apart,
    ),
    Row(
        mg.leaky_relu,
        lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
        lambda x, negative_slope=0.01: torch.nn.functional.leaky_relu(x, negative_slope),
        SOME,
        [{}, *each("negative_slope", 0.2)],
        domain=apart,
    ),
    Row(
        mg.gelu,
        numpy_gelu,
        lambda x, approximate="none": torch.nn.functional.gelu(x, approximate=approximate),
        "0d, 2x3, 2x3gaps, 0x3",
        [{}, {"approximate": "tanh"}],
        domain=wide,
    ),
    Row(mg.silu, lambda x: x / (1 + np.exp(-x)), lambda x: torch.nn.functional.silu(x), SOME, domain=anywhere),
    Row(
        mg.hard_tanh,
        lambda x: np.clip(x, -1, 1),
        lambda x: torch.nn.functional.hardtanh(x),
        "0d, 2x3gaps, 3x3, 0x3",
        domain=apart,
    ),
    Row(
        mg.hard_sigmoid,
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        lambda x: (torch.nn.functional.hardtanh(x / 3) + 1) / 2,  # PyTorch's own has 1/6 in float32 only
        "0d, 2x3gaps, 3x7, 0x3",
        domain=apart,
    ),
    Row(mg.erf, numpy_erf, lambda x: torch.erf(x), "0d, 2x3F, 2x3gaps, 0x3, 4x3", domain=wide),
    Row(mg.erfc, numpy_erfc, lambda x: torch.special.erfc(x), "0d, 2x3F, 2x3gaps, 0x3, 4x3", domain=wide),
]
