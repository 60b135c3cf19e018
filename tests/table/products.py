"""Products of vectors and matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .row import Row, each

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def torch_dot(x: Any, y: Any) -> Any:
    if 0 in (x.ndim, y.ndim):
        return x * y
    return torch.tensordot(x, y, dims=([-1], [max(y.ndim - 2, 0)]))


ROWS = [
    Row(
        mg.matmul,
        np.matmul,
        lambda x, y: x @ y,
        "3 3, 2x3 3, 3 3x2, 2x3 3x2, 1x1 1x1, 4x2x3 3, 3 4x3x2, 2x2x3 3x2, 2x3 2x3x2, 2x2x3 2x3x2, 2x1x2x3 2x3x1, "
        "1x2x3 2x3x2, 2x2x1x2 2x2, 2x2x1x2 2, 0x3 3x2, 2x0 0x3, 0x2x3 3x2, 2x2x0 0x3, 2x3F 3x2backwards, 2x3gaps 3x2F, "
        "2x2x3gaps 3x2F, 2x2x3F 3x2backwards",
    ),
    Row(
        mg.dot,
        np.dot,
        torch_dot,
        "0d 0d, 0d 3, 2x3 0d, 3 3, 2x3 3, 3 3x2, 2x3 3x2, 2x2x3 3x2, 2x3 2x3x2, 3 2x3x2, 2x2x3 2x3x2",
    ),
    Row(
        mg.outer,
        np.outer,
        lambda x, y: torch.outer(x.reshape(-1), y.reshape(-1)),
        "0d 0d, 3 2, 2x2 3, 2x2F 1x2gaps, 0 2",
    ),
    Row(
        mg.vdot,
        np.vdot,
        lambda x, y: torch.dot(x.reshape(-1), y.reshape(-1)),
        "0d 0d, 3 3, 2x3 2x3F, 2x2gaps 4, 0 0x2",
    ),
    Row(
        mg.kron,
        np.kron,
        lambda x, y: torch.kron(x, y),
        "0d 0d, 2 3, 2x1 2x3, 2x2F 1x2gaps, 2 1x2, 2x1x2 2, 0 2",
    ),
    Row(
        mg.cross,
        np.cross,
        lambda x, y: torch.cross(*torch.broadcast_tensors(x, y), dim=-1),
        "3 3, 2x3 2x3gaps, 2x3F 3, 0x3 3",
    ),
    Row(
        mg.cross,
        np.cross,
        lambda x, y, axis: torch.cross(x, y, dim=axis),
        "3x2 3x2F, 3x2backwards 3x2",
        each("axis", 0),
    ),
    Row(
        mg.cross,
        np.cross,
        lambda x, y, axisa, axisb, axisc: torch.cross(x.mT, y, dim=-1).mT,
        "3x2 2x3",
        [{"axisa": 0, "axisb": 1, "axisc": 0}],
    ),
]
