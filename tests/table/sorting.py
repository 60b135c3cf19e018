"""In order of size."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .row import CUBE, Row, apart, axes

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def flattened(x: Any, axis: Any) -> tuple[Any, int]:
    return (x.reshape(-1), 0) if axis is None else (x, axis)


def torch_sort(x: Any, axis: int | None = -1) -> Any:
    x, axis = flattened(x, axis)
    return torch.sort(x, dim=axis, stable=True).values


def torch_argsort(x: Any, axis: int | None = -1) -> Any:
    x, axis = flattened(x, axis)
    return torch.argsort(x, dim=axis, stable=True)


def torch_quantile(x: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if isinstance(axis, tuple):
        kept = [i for i in range(x.ndim) if i not in axis]
        x, axis = torch.permute(x, (*kept, *axis)).reshape(*[x.shape[i] for i in kept], -1), -1
    return torch.quantile(x, torch.tensor(q, dtype=x.dtype), axis, keepdim=keepdims)


OVER = [*axes(0, -1, (0, 1)), {"axis": 1, "keepdims": True}]

ROWS = [
    Row(mg.sort, np.sort, torch_sort, f"{CUBE}, 4, 0x3", axes(0, -1, None), domain=apart),
    Row(
        mg.argsort,
        lambda x, axis=-1: np.argsort(x, axis, kind="stable"),
        torch_argsort,
        f"{CUBE}, 4",
        axes(0, -1, None),
        domain=apart,
        grad=False,
    ),
    Row(mg.median, np.median, lambda x, **o: torch_quantile(x, 0.5, **o), "3x4x2, 3x4x2F", OVER, domain=apart),
    Row(mg.median, np.median, lambda x: torch_quantile(x, 0.5), "0d, 1, 5", domain=apart),
    Row(
        mg.quantile,
        np.quantile,
        torch_quantile,
        "3x4, 3x4F",
        [{"q": q, **o} for q in (0.3, [0.0, 0.45, 1.0]) for o in ({}, {"axis": 0}, {"axis": -1, "keepdims": True})],
        domain=apart,
        dtypes={"float16": "float16"},  # also where q is an array
    ),
    Row(
        mg.percentile,
        np.percentile,
        lambda x, q, axis=None: torch_quantile(x, np.asarray(q) / 100, axis),
        "3x4",
        [{"q": 30}, {"q": [0, 45, 100], "axis": 1}],
        domain=apart,
        dtypes={"float16": "float16"},
    ),
]
