"""Diagonals and triangles."""

from __future__ import annotations

import numpy as np

import minigrad as mg

from .row import Row, each

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


OFFSETS = [{}, *each("k", 1, -1, 4)]

ROWS = [
    Row(mg.triu, np.triu, lambda m, k=0: torch.triu(m, k), "3x3, 2x3F, 2x2x3", OFFSETS),
    Row(mg.tril, np.tril, lambda m, k=0: torch.tril(m, k), "3x3, 2x3F, 2x2x3", OFFSETS),
    Row(mg.diag, np.diag, lambda v, k=0: torch.diag(v, k), "3, 1, 2x3, 3x2F", each("k", 0, 1, -1)),
    Row(
        mg.diagonal,
        np.diagonal,
        lambda a, offset=0, axis1=0, axis2=1: torch.diagonal(a, offset, axis1, axis2),
        "2x3, 3x2F, 2x3x2",
        [{}, {"offset": 1}, {"offset": -1}, {"axis1": 1, "axis2": 0}],
    ),
    Row(
        mg.diagonal,
        np.diagonal,
        lambda a, offset=0, axis1=0, axis2=1: torch.diagonal(a, offset, axis1, axis2),
        "2x3x2, 2x3x2gaps",
        [{"axis1": -1, "axis2": 1}, {"axis1": 0, "axis2": -1, "offset": 1}],
    ),
    Row(
        mg.trace,
        np.trace,
        lambda a, offset=0: torch.diagonal(a, offset).sum(-1),
        "3x3, 2x3F, 2x3x2",
        [{}, {"offset": 1}, {"offset": -1}],
    ),
]
