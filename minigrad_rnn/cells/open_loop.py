"""Teacher forcing for cells whose past is their outputs: given the true ones, no step waits for another."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.errors import ShapeError

from .base import Cell, as_tensor


def true_outputs(cell: Cell, xs: Any, targets: Any) -> tuple[mg.Tensor, mg.Tensor]:
    """Inputs (time, batch, input) and targets (time, batch, output) as Tensors. Raises ShapeError for other shapes."""
    xs, targets = as_tensor(xs), as_tensor(targets)
    if xs.ndim != 3 or targets.shape != (*xs.shape[:2], cell.output_size):
        raise ShapeError(
            f"open_loop takes inputs (time, batch, {cell.input_size}) and as many targets (time, batch, "
            f"{cell.output_size}), not {xs.shape} and {targets.shape}"
        )
    return xs, targets


def delayed(xs: mg.Tensor, steps: int) -> mg.Tensor:
    """The sequence `steps` later, zeros before it."""
    return mg.pad(xs, ((steps, 0), (0, 0), (0, 0)))[: len(xs)]
