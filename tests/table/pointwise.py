"""Element by element."""

from __future__ import annotations

import numpy as np

import minigrad as mg

from .row import ONE, TWO, Row, anywhere, apart, each, few, mask, positive

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

ROWS = [
    Row(mg.add, np.add, lambda x, y: x + y, TWO),
    Row(mg.subtract, np.subtract, lambda x, y: x - y, TWO),
    Row(mg.multiply, np.multiply, lambda x, y: x * y, TWO),
    Row(mg.divide, np.divide, lambda x, y: x / y, TWO, domain=(anywhere, positive)),
    Row(mg.negative, np.negative, lambda x: -x, ONE),
    Row(mg.exp, np.exp, lambda x: torch.exp(x), ONE),
    Row(mg.expm1, np.expm1, lambda x: torch.expm1(x), ONE),
    Row(mg.log, np.log, lambda x: torch.log(x), ONE, domain=positive),
    Row(mg.log1p, np.log1p, lambda x: torch.log1p(x), ONE, domain=positive),
    Row(mg.sqrt, np.sqrt, lambda x: torch.sqrt(x), ONE, domain=positive),
    Row(mg.square, np.square, lambda x: torch.square(x), ONE),
    Row(mg.tanh, np.tanh, lambda x: torch.tanh(x), ONE),
    Row(mg.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda x: torch.sigmoid(x), ONE),
    Row(mg.softplus, lambda x: np.log1p(np.exp(x)), lambda x: torch.nn.functional.softplus(x), ONE),
    Row(mg.relu, lambda x: np.maximum(x, 0), lambda x: torch.relu(x), ONE, domain=apart),
    Row(mg.sign, np.sign, lambda x: torch.sign(x), ONE, domain=apart),
    Row(mg.abs, np.abs, lambda x: torch.abs(x), ONE, domain=apart),
    Row(mg.absolute, np.abs, lambda x: torch.abs(x), ONE, domain=apart, name="absolute"),
    Row(mg.maximum, np.maximum, lambda x, y: torch.maximum(x, y), TWO, domain=apart),
    Row(mg.minimum, np.minimum, lambda x, y: torch.minimum(x, y), TWO, domain=apart),
    Row(mg.power, np.power, lambda x, y: x**y, TWO, domain=(positive, anywhere)),
    Row(
        *[lambda x, exponent: x**exponent] * 3,
        ONE,
        each("exponent", 3, 2, 1, 0, -1.5),
        domain=positive,
        name="power",
    ),
    Row(*[lambda x: 2**x] * 3, ONE, name="power"),
    Row(
        mg.clip,
        lambda x, low=None, high=None: np.clip(x, low, high),
        lambda x, low=None, high=None: torch.clip(x, low, high),
        ONE,
        [{"low": -0.5, "high": 0.7}, {"low": -0.5}, {"high": 0.7}],
        domain=apart,
    ),
    Row(
        mg.where,
        np.where,
        lambda condition, x, y: torch.where(condition, x, y),
        "0d 0d 0d, 2x3 2x3 2x3, 3 2x1 2x3, 2x3 3 0d, 2x3F 2x3backwards 2x3gaps, 0x3 3 1",
        domain=(mask, anywhere, anywhere),
    ),
    Row(mg.copy, np.copy, lambda x: x.clone(), ONE),
    Row(mg.to, lambda x, backend: x, lambda x, backend: x * 1, ONE, each("backend", "numpy")),
    Row(
        mg.astype,
        lambda x, dtype: x.astype(dtype),
        lambda x, dtype: x.double(),
        ONE,
        each("dtype", "float64"),
        keeps_dtype=False,
    ),
    Row(mg.equal, np.equal, lambda x, y: x == y, TWO, domain=few, grad=False),
    Row(mg.not_equal, np.not_equal, lambda x, y: x != y, TWO, domain=few, grad=False),
    Row(mg.less, np.less, lambda x, y: x < y, TWO, domain=few, grad=False),
    Row(mg.less_equal, np.less_equal, lambda x, y: x <= y, TWO, domain=few, grad=False),
    Row(mg.greater, np.greater, lambda x, y: x > y, TWO, domain=few, grad=False),
    Row(mg.greater_equal, np.greater_equal, lambda x, y: x >= y, TWO, domain=few, grad=False),
]
