"""Lab: what a system is run with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from minigrad.serialize import atomic_write

from ..plotting import save_plot
from ..training import Config, Progress, Result, Task, fit

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
VALIDATIONS = 4  # in a training


class Lab:
    """A system's folder, its seed, the user's own file `data` (None: the system's own data), and a training loop.

    What it says goes to `console`. With `quick` everything is as small as it can be and still be run. `pictures` are
    the files that were written, each with what it shows.
    """

    def __init__(
        self, folder: str | Path, console: Console, quick: bool = False, seed: int = 0, data: str | Path | None = None
    ):
        self.folder, self.console, self.quick, self.seed = Path(folder), console, quick, seed
        self.data = Path(data) if data is not None else None
        self.pictures: dict[str, str] = {}

    def pick(self, normal: T, quick: T) -> T:
        """`normal`, or `quick` in a quick run."""
        return quick if self.quick else normal

    def rng(self, *more: int) -> np.random.Generator:
        """A generator of random numbers; of other numbers for others of `more`."""
        return np.random.default_rng([self.seed, 1 + len(more), *more])  # the seed alone is what models are made with

    def say(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, soft_wrap=True)

    def train(self, task: Task, name: str = "", config: Config | None = None, **values: Any) -> Result:
        """Train the model of `task`, by `fit`, under a progress bar; `name` says which, where there are several.

        `values` are those of a Config: steps or epochs, lr, schedule, clip … Raises KeyboardInterrupt where it was
        interrupted.
        """
        config = (config or Config(seed=self.seed)).but({"sample": 0, **values})
        if not config.validate_every:
            steps = config.epochs * (task.epoch or 1) if config.epochs else config.steps
            config = config.but({"validate_every": max(1, int(steps) // VALIDATIONS)})
        with Progress(self.console, task, name=name) as progress:
            result = fit(task, config, watcher=progress)
        if result.stopped_by:
            raise KeyboardInterrupt
        return result

    def progress(self, items: Iterable[T], name: str) -> Iterator[T]:
        """`items`, under a progress bar with the name `name`."""
        from rich.progress import track

        return iter(track(items, name, console=self.console, disable=not self.console.is_terminal, transient=True))

    def save(self, name: str, picture: Any, shows: str) -> None:
        """Write a picture, a drawing of `mg.draw` or matplotlib axes, as `name`, which `shows` something."""
        if hasattr(picture, "save"):
            picture.save(self.folder / name)
        else:
            save_plot(picture, self.folder / name)
        self.pictures[name] = shows

    def write(self, name: str, text: str | bytes, shows: str) -> None:
        """Write something else that is looked at: text, or bytes; whole or not at all."""
        with atomic_write(self.folder / name) as temporary:
            Path(temporary).write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
        self.pictures[name] = shows
