"""Along an axis, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .row import CUBE, Row, axes, few

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def torch_prod(x: Any, axis: Any = (0, 1, 2), keepdims: bool = False) -> Any:
    for i in sorted([a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))], reverse=True):
        x = torch.prod(x, i, keepdim=keepdims)
    return x


def torch_scan(function: Any) -> Any:
    return lambda x, axis=None: function(x.reshape(-1), 0) if axis is None else function(x, axis)


OVER = [*axes(0, -1, (0, -1)), {"axis": 1, "keepdims": True}, {"keepdims": True}]

ROWS = [
    Row(mg.prod, np.prod, torch_prod, CUBE, OVER),
    Row(mg.prod, np.prod, torch_prod, "3x4", axes(0, 1)[1:], domain=few, name="prod"),  # with zeros, one and several
    Row(mg.prod, np.prod, lambda x: torch.prod(x), "0d, 1, 0x3"),
    Row(mg.cumsum, np.cumsum, torch_scan(lambda x, i: torch.cumsum(x, i)), f"{CUBE}, 3, 0x3", axes(0, -1)),
    Row(mg.cumsum, np.cumsum, lambda x: torch.cumsum(x.reshape(-1), 0), "0d, 1"),
    Row(mg.cumprod, np.cumprod, torch_scan(lambda x, i: torch.cumprod(x, i)), f"{CUBE}, 3, 0x3", axes(0, -1)),
    Row(mg.cumprod, np.cumprod, torch_scan(lambda x, i: torch.cumprod(x, i)), "5x3", axes(0)[1:], domain=few),
    Row(
        mg.diff,
        np.diff,
        lambda x, n=1, axis=-1: torch.diff(x, n, axis),
        "3x4, 3x4F",
        [{}, {"axis": 0}, {"n": 2}, {"n": 5}],
    ),
    Row(
        mg.trapezoid,
        np.trapezoid,
        lambda y, dx=1.0, axis=-1: torch.trapezoid(y, dx=dx, dim=axis),
        "2x3, 4x2F, 1",
        [{}, {"dx": 0.5}],
    ),
    Row(mg.trapezoid, np.trapezoid, lambda y, x: torch.trapezoid(y, x), "3 3, 2x3 3, 2x3 2x3"),
]
