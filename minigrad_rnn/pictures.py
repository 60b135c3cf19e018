"""Pictures of cells: a small network, unrolled over a few steps, drawn with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

from . import cells
from .layers import Recurrent
from .unroll import unroll


def unrolled(
    cell: str | type[cells.Cell],
    steps: int = 4,
    hidden: int = 2,
    inputs: int = 2,
    num_layers: int = 1,
    bidirectional: bool = False,
    backward: bool | str = True,
    cell_options: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """The unrolled graph of one sequence through `cell`, with a squared-error loss on all of its outputs, as a drawing.

    `inputs` features come in at each of so many `steps`, the cell has `hidden` units; `num_layers` and `bidirectional`
    are those of `Recurrent`. The weights come from the generator that `mg.seed` restarts. With `backward` the gradients
    of the loss are there. `cell_options` go to the cell's constructor, others to `mg.draw`.
    """
    cell_class = cells.get(cell) if isinstance(cell, str) else cell
    numbers = np.random.default_rng(0)
    made = cell_class(inputs, hidden, **(cell_options or {}))
    shape = (inputs, *(getattr(made, "size", ()) if len(made.input_axes) > 1 else ()))
    xs = numbers.uniform(-1, 1, (steps, 1, *shape)).round(1).astype("float32")
    what = cell_class.__name__
    if num_layers > 1 or bidirectional:
        layer = Recurrent(cell_class, inputs, hidden, num_layers, bidirectional, **(cell_options or {}))
        outputs, _ = layer(mg.tensor(xs))
        what += f", {num_layers} layer{'s' if num_layers > 1 else ''}{', both directions' if bidirectional else ''}"
    else:
        state = made.initial_state(1)
        if options.get("level", "op") in ("gate", "op"):  # so that what is made of states and inputs alone is recorded
            for name, part in zip(made.state_names, state if isinstance(state, tuple) else (state,), strict=True):
                part.requires_grad, part.name = True, f"{name}_-1"
        outputs, _ = unroll(made, mg.tensor(xs), state)
    targets = mg.tensor(numbers.uniform(-1, 1, outputs.shape).round(1), dtype=outputs.dtype, name="targets")
    loss = mg.square(outputs - targets).mean().named("loss")
    if backward:
        loss.backward()
    over = "over" if options.get("level") in ("rolled", "layer") else "unrolled over"
    options.setdefault("title", f"{what}, {over} {steps} steps")
    return mg.draw(loss, backward=backward, **options)


def answering(
    recurrent: Recurrent,
    xs: Any,
    head: Callable[[mg.Tensor], mg.Tensor],
    steps: slice,
    state: cells.State = None,
    **options: Any,
) -> Any:
    """The graph of `recurrent` over `xs` from `state` on, of whose outputs `head` reads those of `steps`, as a drawing.

    The shape of a network, in other words: slice(None) for many to many, slice(-1, None) for many to one. `options` go
    to `mg.draw`.
    """
    outputs, _ = recurrent(xs, state)
    read = list(enumerate(mg.unstack(outputs)))[steps]
    return mg.draw([head(output).named(f"y_{t}") for t, output in read], **{"level": "cell"} | options)
