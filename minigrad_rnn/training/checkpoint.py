"""Checkpoints: all that a run needs to go on as if nothing had happened, in one safetensors file.

Weights stand there by their own names, so that any tool that reads safetensors finds them; the rest is called
`training.…`: the optimiser's state, the state carried from batch to batch. Numbers and text are JSON in the metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.errors import CheckpointError, ShapeError
from minigrad.serialize import load_with_metadata

from ..cells import State
from ..charmodel import OWN

FORMAT = "1"
OPTIMIZER, CARRIED = f"{OWN}optimizer.", f"{OWN}state."


class Checkpoint(NamedTuple):
    """What a run goes on from: `weights` and what the `optimizer` holds, by name, the `progress` made, the `config`.

    `carried` are the parts of the carried state, `axes` where each has the batch, `form` how they belong together.
    """

    weights: dict[str, Any]
    optimizer: dict[str, Any]
    carried: list[Any]
    axes: list[int]
    form: Any
    progress: dict[str, Any]
    config: dict[str, Any]

    def save(self, path: str | Path, metadata: Mapping[str, str]) -> None:
        """Write it whole or not at all: the file that was there stays until this one is on the disk."""
        arrays = dict(self.weights)
        arrays |= {f"{OPTIMIZER}{name}": np.asarray(value) for name, value in self.optimizer.items()}
        arrays |= {f"{CARRIED}{i}": part for i, part in enumerate(self.carried)}
        state = {"form": self.form, "axes": self.axes}
        description = {"format": FORMAT, **state, "progress": self.progress, "config": self.config}
        mg.save(path, arrays, {**metadata, "training": json.dumps(description)})

    @classmethod
    def load(cls, path: str | Path) -> Checkpoint:
        """Read it back from `path`. CheckpointError for a file that is none, is damaged, or of a newer version."""
        tensors, metadata = load_with_metadata(path, finite=True)
        if "training" not in metadata:
            raise CheckpointError(f"{path} holds weights alone, and no run goes on from it: give last.safetensors")
        try:
            description = json.loads(metadata["training"])
            found = description["format"]
            if found != FORMAT:
                raise CheckpointError(
                    f"{path} is a checkpoint of format {found!r} and this version reads {FORMAT!r}: upgrade minigrad"
                )
            count = sum(name.startswith(CARRIED) for name in tensors)
            made = cls(
                {name: tensor for name, tensor in tensors.items() if not name.startswith(OWN)},
                {name.removeprefix(OPTIMIZER): tensors[name] for name in tensors if name.startswith(OPTIMIZER)},
                [tensors[f"{CARRIED}{i}"] for i in range(count)],
                [int(axis) for axis in description["axes"]],
                description["form"],
                dict(description["progress"]),
                dict(description["config"]),
            )
            join(made.form, made.carried)
        except CheckpointError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, RecursionError) as error:
            raise CheckpointError(f"{path} is damaged ({error!r}): use a copy, or start the run again") from error
        return made


def split(state: State) -> tuple[list[mg.Tensor], Any]:
    """A state as the Tensors in it, and its form, which JSON holds: None, a Tensor's number, {"tuple": […]}, a list."""
    parts: list[mg.Tensor] = []

    def form(state: State) -> Any:
        if state is None:
            return None
        if isinstance(state, (tuple, list)):
            inner = [form(part) for part in state]
            return {"tuple": inner} if isinstance(state, tuple) else inner
        parts.append(state)
        return len(parts) - 1

    return parts, form(state)


def join(form: Any, parts: list[Any]) -> State:
    """The state of that form with these parts."""
    if form is None:
        return None
    if isinstance(form, dict):
        return tuple(join(part, parts) for part in form["tuple"])
    if isinstance(form, list):
        return [join(part, parts) for part in form]
    return parts[form]


def batch_axis(part: np.ndarray, form: Any, rows: slice) -> int:
    """Where a part of a state has the batch, of `rows`: behind the layers, as a `Recurrent` has it, or first.

    (First in the states of a `Recurrent` whose layers differ, which are a list.) Raises ShapeError where it is neither.
    """
    for axis in (0, 1) if isinstance(form, list) else (1, 0):
        if axis < part.ndim and part.shape[axis] == rows.stop - rows.start:
            return axis
    raise ShapeError(
        f"a part of the state has shape {part.shape}, where a batch of {rows.stop - rows.start} is neither the first "
        "axis nor the second: put it there"
    )
