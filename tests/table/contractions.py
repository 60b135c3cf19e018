"""Sums of products over named axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

from .row import Row, each

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def subscripts_first(einsum: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays, subscripts, **options: einsum(subscripts, *arrays, **options)


def torch_einsum(*arrays: Any, subscripts: str, optimize: bool = True) -> Any:
    if len(arrays) == 1 and "->" not in subscripts and len(set(subscripts)) < len(subscripts):
        return torch.einsum(subscripts + "->", *arrays)  # PyTorch's implicit form knows no trace of one operand
    return torch.einsum(subscripts, *arrays)


# NumPy's einsum adds up in the dtype of the operands; here axes that one operand alone has are summed as by `sum`.
SUMMED_FIRST = {"int32": "int64", "bool": "int64"}


def einsum_row(subscripts: str, examples: str, *more: dict[str, Any], **fields: Any) -> Row:
    options = [{"subscripts": subscripts, **options} for options in more or [{}]]
    numpys = lambda *arrays, subscripts, optimize=True: np.einsum(subscripts, *arrays)
    return Row(subscripts_first(mg.einsum), numpys, torch_einsum, examples, options, name="einsum", **fields)


def torch_tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    if isinstance(axes, tuple):
        axes = [[axis] if isinstance(axis, int) else list(axis) for axis in axes]
    return torch.tensordot(x, y, dims=axes)


ROWS = [
    einsum_row("ij,jk->ik", "2x3 3x2, 2x3F 3x2backwards, 2x3gaps 3x2, 0x3 3x2, 2x0 0x3, 2x1 3x2, 2x3 1x2"),
    einsum_row("ij,jk", "1x1 1x1, 2x3 3x2"),
    einsum_row("ba,b", "2x3 2"),
    einsum_row(" i j , j k -> k i ", "2x3 3x2"),
    einsum_row("ij->ji", "2x3, 2x3F, 0x3"),
    einsum_row("ij->", "2x3gaps", dtypes=SUMMED_FIRST),
    einsum_row("ij->j", "2x3backwards", dtypes=SUMMED_FIRST),
    einsum_row("ii", "3x3, 2x2F", dtypes=SUMMED_FIRST),
    einsum_row("ii->i", "2x2, 3x3backwards"),
    einsum_row("iji->j", "2x3x2", dtypes=SUMMED_FIRST),
    einsum_row("...ii->...i", "2x2, 2x2x2"),
    einsum_row("i,j->ij", "2 3, 0 2"),
    einsum_row("i,i", "3 3, 0 0"),
    einsum_row("bi,bi->b", "2x3 2x3"),
    einsum_row("ij,ij->ij", "2x3 2x3, 1x3 2x3"),
    einsum_row("...,...", "0d 0d, 0d 3, 3 2x3"),
    einsum_row("...ij,...jk->...ik", "2x1x2 2x3, 1x2x2 2x2x1"),
    einsum_row("b...,b->...", "2x3 2"),
    einsum_row("iij,jk->ik", "2x2x3 3x2"),
    einsum_row("ij,k->i", "2x3 2", dtypes=SUMMED_FIRST),
    einsum_row("ij,jk,kl->il", "2x3 3x2 2x1", {}, {"optimize": False}),
    einsum_row("i,i,i->i", "2 2 2"),
    Row(
        mg.tensordot,
        np.tensordot,
        torch_tensordot,
        "2x3x2 3x2x1, 1x2x2F 2x2",
    ),
    Row(
        mg.tensordot,
        np.tensordot,
        torch_tensordot,
        "2x3x2 2x3",
        each("axes", 0, (1, 1), (-1, 0), ([0, 1], [0, -1])),
    ),
    Row(
        mg.inner,
        np.inner,
        lambda x, y: torch.inner(x, y),
        "0d 0d, 0d 3, 2x3 0d, 3 3, 2x3 3, 2x3 2x3gaps, 2x2x3 2x3F, 0x3 2x3, 2x0 3x0",
    ),
]
