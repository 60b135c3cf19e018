"""The demo: a character model is trained in about a minute, and a network like it drawn with its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

import minigrad as mg

from .pictures import unrolled
from .training import Config, make_task
from .training.launch import launch
from .training.run import configure, remove_run, writable_folder
from .training.tasks.language import Language

STEPS = 700  # about a minute on two cores
PICTURE = "unrolled.svg"
SHOWN = 4  # times that the model is shown as it learns


@dataclass
class Demo:
    """The figures of a run, in bits per character on the held-out tenth of the text; `bits` is None without any."""

    bits: float | None
    bigram: float
    steps: int
    stopped_by: int


def run(folder: str | Path, given: Mapping[str, Any], console: Console) -> Demo:
    """Train, show samples on the way, and leave the run, two pictures of its network and samples in `folder`.

    A demo that is there makes room; for another run RunError is raised.
    """
    folder = Path(folder)
    values = {"steps": STEPS, "seed": 0, "cell": "lstm", **given}
    values["validate_every"] = max(1, values["steps"] // SHOWN)
    make_task(Config().but(values))  # what cannot be made is told before anything is thrown away
    picture = writable_folder(folder) / PICTURE
    if picture.exists():
        remove_run(folder)
    else:
        configure(folder, values)
    mg.seed(values["seed"])
    unrolled(values["cell"], steps=4, level="gate", values=True).save(picture)
    unrolled(values["cell"], steps=4).save(picture.with_suffix(".html"))
    result, task = launch(folder, values, console, samples=True)
    assert isinstance(task, Language)
    return Demo(result.best, task.bigram_bits(), result.steps, result.stopped_by)
