"""What is shown of a run while it trains."""

from __future__ import annotations

import math
import time
from collections import deque
from statistics import fmean
from typing import TYPE_CHECKING, Self

from .tasks import Task
from .trainer import Trainer, Update

if TYPE_CHECKING:
    from rich.console import Console

SMOOTHED = 20  # updates
LEAST_WAIT = 10.0  # seconds between two lines of a log


class Progress:
    """A live bar: loss (the mean of the last 20 updates), the last validation's metric, throughput, time left.

    Where the output is no terminal it prints a line now and then instead. Use it as a context, and as the watcher of
    `fit`. A `name` says which training it is, where there are several. It writes on `console`, with `samples` what the
    model makes too.
    """

    def __init__(self, console: Console, task: Task, samples: bool = False, name: str = ""):
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.console, self.task, self.samples = console, task, samples
        self.name = f"{name}: " if name else ""
        self._bar = Bar(
            TextColumn(f"{self.name}training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]} ·"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
            expand=True,
        )
        self._id = self._bar.add_task("", total=None, told="")
        self._losses: deque[float] = deque(maxlen=SMOOTHED)
        self._figure = ""
        self._count, self._busy = 0, 0.0  # what has been learned from, and seconds; without the first, which compiles
        self._last = 0.0  # when the last update was done, or a validation
        self._started, self._line = time.perf_counter(), 0.0  # when the last line was printed

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.stop()

    def updated(self, trainer: Trainer, update: Update) -> None:
        """Show an update."""
        now = time.perf_counter()
        if update.loss is not None:
            self._losses.append(update.loss)
        if self._last:
            self._count += update.seen
            self._busy += now - self._last
        self._last = now
        rate = self._count / self._busy if self._busy else 0.0
        told = f"loss {fmean(self._losses or [math.nan]):.4f}{self._figure}"
        told += f" · {rate:,.0f} {self.task.unit}s/s" if rate else ""
        self._bar.update(self._id, completed=trainer.step, total=trainer.steps, told=told)
        wait = max(LEAST_WAIT, (now - self._started) / 20)
        if not self.console.is_terminal and (now - self._line >= wait or trainer.step == trainer.steps):
            left = f"  {(trainer.steps - trainer.step) * update.seen / rate:,.0f} s left" if rate else ""
            self.console.print(f"{self.name}step {trainer.step:,}/{trainer.steps:,}  {told}{left}", soft_wrap=True)
            self._line = now

    def validated(self, trainer: Trainer, figures: dict[str, float], sample: str) -> None:
        """Show the figures of a validation, and the `sample` of what the model makes."""
        name = self.task.metric
        self._last = time.perf_counter()
        best = " (the best so far)" if trainer.best_step == trainer.step else ""
        self._figure = f" · {shown(name, figures[name])}"
        others = [shown(*item) for item in figures.items() if item[0] != name]
        told = f"{self.name}validation after step {trainer.step:,}: {shown(name, figures[name])}{best}"
        self.console.print("; ".join([told, *others]), soft_wrap=True)
        if self.samples and sample:
            from rich.text import Text

            self.console.print(Text(printable(sample.strip("\n"))))
            self.console.print()


def printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(c if c in "\n\t" or c.isprintable() else "·" for c in text)


def shown(name: str, figure: float) -> str:
    """A figure with its name, as a person reads it."""
    if name == "bits_per_character":
        return f"{figure:.3f} bits/char"
    if name == "accuracy":
        return f"accuracy {figure:.1%}"
    digits = 1 if figure >= 100 else 4
    return f"{name.replace('_', ' ')} {figure:.{digits}f}" if math.isfinite(figure) else f"{name} {figure}"
