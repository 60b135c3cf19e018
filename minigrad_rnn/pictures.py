"""Pictures of cells: a small network, unrolled over a few steps, drawn with its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from . import cells
from .unroll import unroll


def unrolled(
    cell: str | type[cells.Cell],
    steps: int = 4,
    hidden: int = 2,
    inputs: int = 2,
    values: bool = True,
    backward: bool = True,
) -> Any:
    """The unrolled graph of one sequence through `cell`, with a squared-error loss on all of its outputs, as a drawing.

    The weights come from the generator that `mg.seed` restarts. With `backward` the gradients of the loss are there.
    """
    cell_class = cells.get(cell) if isinstance(cell, str) else cell
    numbers = np.random.default_rng(0)
    xs = numbers.uniform(-1, 1, (steps, 1, inputs)).round(1).astype("float32")
    network = cell_class(inputs, hidden)
    outputs, _ = unroll(network, xs)
    targets = mg.tensor(numbers.uniform(-1, 1, outputs.shape).round(1), dtype=outputs.dtype, name="targets")
    loss = mg.square(outputs - targets).mean().named("loss")
    if backward:
        loss.backward()
    return mg.draw(loss, values=values, backward=backward, title=f"{cell_class.__name__}, unrolled over {steps} steps")
