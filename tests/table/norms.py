"""How long vectors are, and how large matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .row import CUBE, Row, apart, each

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def torch_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    return torch.linalg.norm(x, ord, axis, keepdims) + (0 * x.sum() if ord == 0 else 0)  # it sees no graph there


ROWS = [
    Row(mg.norm, np.linalg.norm, torch_norm, "0d, 1, 3, 2x3, 2x3F, 2x3backwards, 2x3gaps, 2x1x2, 0, 0x3"),
    Row(
        mg.norm,
        np.linalg.norm,
        torch_norm,
        "3",
        each("ord", 2, 1, np.inf, -np.inf, 0, 3, 1.5, 0.5, -2),
        domain=apart,
    ),
    Row(
        mg.norm,
        np.linalg.norm,
        torch_norm,
        CUBE,
        [
            {"axis": 1},
            {"axis": (-1,), "ord": 1},
            {"axis": 0, "ord": np.inf, "keepdims": True},
            {"axis": -1, "ord": 3, "keepdims": True},
            {"axis": (0, 2)},
            {"axis": (2, 0), "ord": 1},
            {"axis": (0, -1), "ord": "nuc", "keepdims": True},
        ],
        domain=apart,
    ),
    Row(mg.norm, np.linalg.norm, torch_norm, "0x3", [{"axis": 1}, {"axis": 0, "ord": 1}]),
    Row(
        mg.norm,
        np.linalg.norm,
        torch_norm,
        "2x3, 3x2F",
        each("ord", "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf),
    ),
]
