"""The same numbers in another arrangement."""

from __future__ import annotations

import numpy as np

import minigrad as mg

from .row import CUBE, MATRIX, Row, axes, each, sequence

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

ROWS = [
    Row(
        mg.reshape,
        np.reshape,
        lambda x, shape: torch.reshape(x, shape if isinstance(shape, tuple) else (shape,)),
        MATRIX,
        each("shape", (3, 2), -1, (1, -1, 2), (2, 3)),
    ),
    Row(mg.reshape, np.reshape, lambda x, shape: torch.reshape(x, shape), "0d, 1", each("shape", (), (1, 1))),
    Row(
        mg.transpose,
        np.transpose,
        lambda x, axes=(2, 1, 0): torch.permute(x, axes),
        CUBE,
        [{}, *each("axes", (1, 2, 0), (-1, 0, -2))],
    ),
    Row(
        mg.swapaxes,
        np.swapaxes,
        lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
        CUBE,
        [{"axis1": 0, "axis2": 2}, {"axis1": -1, "axis2": 1}],
    ),
    Row(
        mg.moveaxis,
        np.moveaxis,
        lambda x, source, destination: torch.moveaxis(x, source, destination),
        CUBE,
        [{"source": 0, "destination": -1}, {"source": -1, "destination": 0}, {"source": 1, "destination": 1}],
    ),
    Row(mg.expand_dims, np.expand_dims, lambda x, axis: torch.unsqueeze(x, axis), "0d, 3, 0", each("axis", 0, -1)),
    Row(
        mg.squeeze,
        np.squeeze,
        lambda x, axis=(0, 1, 2): torch.squeeze(x, axis),
        "1x3x1, 1x1x1, 1x0x1",
        axes(0, -1, (0, 2)),
    ),
    Row(
        mg.broadcast_to,
        np.broadcast_to,
        lambda x, shape: torch.broadcast_to(x, shape),
        "0d, 1, 3, 2x1, 2x3F, 2x3backwards",
        each("shape", (2, 3), (2, 2, 3)),
    ),
    Row(
        mg.flip,
        np.flip,
        lambda x, axis=(0, 1, 2): torch.flip(x, axis if isinstance(axis, tuple) else (axis,)),
        CUBE,
        axes(0, -1, (0, 1)),
    ),
    Row(
        sequence(mg.concatenate),
        sequence(np.concatenate),
        sequence(lambda xs, axis=0: torch.concatenate(xs, axis)),
        "2x3, 2x3 2x3 2x3, 2x3F 2x3gaps",
        axes(1, -2),
        name="concatenate",
    ),
    Row(
        sequence(mg.concatenate),
        sequence(np.concatenate),
        sequence(lambda xs, axis: torch.concatenate(xs, axis)),
        "2x1 2x3 2x0",
        each("axis", 1, -1),
        name="concatenate",
    ),
    Row(
        sequence(mg.stack),
        sequence(np.stack),
        sequence(lambda xs, axis=0: torch.stack(xs, axis)),
        "2x3, 2x3 2x3, 2x3F 2x3backwards 2x3gaps",
        axes(1, -1, -2),
        name="stack",
    ),
    Row(sequence(mg.stack), sequence(np.stack), sequence(lambda xs: torch.stack(xs)), "0d 0d, 0 0", name="stack"),
    Row(
        mg.split,
        lambda x, sections, axis=0: np.split(x, sections, axis),
        lambda x, sections, axis=0: torch.tensor_split(x, sections, axis),
        "4x2, 4x4F, 2x2gaps",
        [{"sections": 2}, {"sections": 2, "axis": -1}, {"sections": [1]}, {"sections": [0, 1], "axis": 1}],
    ),
    Row(mg.unstack, lambda x: list(x), lambda x: torch.unbind(x), "3, 2x3, 1x2, 2x3F, 2x3backwards"),
]
