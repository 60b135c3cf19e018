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
        [
            {"source": 0, "destination": -1},
            {"source": -1, "destination": 0},
            {"source": 1, "destination": 1},
            {"source": (0, 1), "destination": (-1, 0)},
        ],
    ),
    Row(mg.expand_dims, np.expand_dims, lambda x, axis: torch.unsqueeze(x, axis), "0d, 3, 0", each("axis", 0, -1)),
    Row(mg.expand_dims, np.expand_dims, lambda x, axis: x[None, :, None], "3", each("axis", (0, -1))),
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
        sequence(mg.concatenate),
        sequence(np.concatenate),
        sequence(lambda xs, axis: torch.concatenate([x.reshape(-1) for x in xs])),
        "2x1 3, 0d 2x2F",
        each("axis", None),
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
        np.split,
        lambda x, indices_or_sections, axis=0: torch.tensor_split(x, indices_or_sections, axis),
        "4x2, 4x4F, 2x2gaps",
        [
            {"indices_or_sections": 2},
            {"indices_or_sections": 2, "axis": -1},
            {"indices_or_sections": [1]},
            {"indices_or_sections": [0, 1], "axis": 1},
        ],
    ),
    Row(
        mg.array_split,
        np.array_split,
        lambda x, indices_or_sections, axis=0: torch.tensor_split(x, indices_or_sections, axis),
        "5x2, 5x2F",
        [{"indices_or_sections": 3}, {"indices_or_sections": 3, "axis": 1}, {"indices_or_sections": [1, -1, 9]}],
    ),
    *[
        Row(
            ours,
            numpys,
            lambda x, indices_or_sections, f=numpys.__name__: getattr(torch, f)(x, indices_or_sections),
            "4x4x2, 2x2x2F",
            each("indices_or_sections", 2, [1]),
        )
        for ours, numpys in ((mg.vsplit, np.vsplit), (mg.hsplit, np.hsplit), (mg.dsplit, np.dsplit))
    ],
    *[
        Row(
            sequence(ours),
            sequence(numpys),
            sequence(lambda xs, f=numpys.__name__: getattr(torch, f)(xs)),
            examples,
            name=numpys.__name__,
        )
        for ours, numpys, examples in (
            (mg.hstack, np.hstack, "3 2, 2x3 2x1, 0d 0d, 2x3x1 2x3x1"),
            (mg.vstack, np.vstack, "3 3, 2x3 3, 2x3x1 2x3x1F"),
            (mg.dstack, np.dstack, "3 3, 2x3 2x3, 2x3x1 2x3x2"),
            (mg.column_stack, np.column_stack, "3 3, 3x2 3, 0d 0d"),
        )
    ],
    *[
        Row(ours, numpys, lambda x, f=numpys.__name__: getattr(torch, f)(x), "0d, 3, 2x3F, 2x3x2")
        for ours, numpys in (
            (mg.atleast_1d, np.atleast_1d),
            (mg.atleast_2d, np.atleast_2d),
            (mg.atleast_3d, np.atleast_3d),
        )
    ],
    Row(mg.atleast_1d, np.atleast_1d, lambda *xs: torch.atleast_1d(xs), "0d 3"),
    Row(mg.ravel, np.ravel, lambda x: torch.ravel(x), "0d, 2x3, 2x3F, 2x3gaps, 0x3"),
    Row(mg.flipud, np.flipud, lambda x: torch.flipud(x), "3, 2x3, 2x3F"),
    Row(mg.fliplr, np.fliplr, lambda x: torch.fliplr(x), "2x3, 2x3gaps"),
    Row(
        mg.rot90,
        np.rot90,
        lambda x, k=1, axes=(0, 1): torch.rot90(x, k, axes),
        "2x3x2, 2x3x2F",
        [{}, *each("k", 0, 2, 3, -1), {"axes": (2, 1)}],
    ),
    Row(
        mg.roll,
        np.roll,
        lambda x, shift, axis=None: torch.roll(x, shift, axis),
        "2x3, 2x3F, 0x3",
        [{"shift": 1}, {"shift": -2, "axis": 1}, {"shift": (1, 2), "axis": (0, -1)}],
    ),
    Row(
        mg.tile,
        np.tile,
        lambda x, reps: torch.tile(x, reps if isinstance(reps, tuple) else (reps,)),
        "0d, 3, 2x3F, 0x3",
        each("reps", 2, (2, 1), (2, 1, 3), 0),
        name="tile",
    ),
    Row(
        lambda *xs, **o: mg.meshgrid(*xs, **o),
        np.meshgrid,
        lambda *xs, indexing="xy", sparse=False: torch.meshgrid(*xs, indexing=indexing),
        "2 3, 3, 2 1 3",
        [{}, {"indexing": "ij"}],
        name="meshgrid",
    ),
    Row(mg.broadcast_arrays, np.broadcast_arrays, lambda *xs: torch.broadcast_tensors(*xs), "3 2x1, 0d 2x3 1"),
    Row(mg.unstack, lambda x: list(x), lambda x: torch.unbind(x), "3, 2x3, 1x2, 2x3F, 2x3backwards"),
]
