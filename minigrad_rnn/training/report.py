"""What is shown of a training run: the progress bar, and the plot of its losses."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Self

import minigrad as mg
from minigrad.serialize import atomic_write

if TYPE_CHECKING:
    from rich.console import Console

READ_EVERY = 10  # steps


class Progress:
    """A live bar: loss and bits per character (the mean of the last 20 steps), characters per second, time left.

    Where the output is no terminal it prints a line at every tenth of the way instead.
    """

    def __init__(self, console: Console, steps: int, characters_per_step: int):
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.console, self.steps, self.characters_per_step = console, steps, characters_per_step
        self._read: list[float] = []
        self._unread: list[mg.Tensor] = []
        self._bar = Bar(
            TextColumn("training"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn(
                "loss {task.fields[nats]:.3f} · {task.fields[bits]:.3f} bits/char · {task.fields[rate]:,.0f} chars/s"
            ),
            TextColumn("·"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
            expand=True,
        )
        self._task = self._bar.add_task("", total=steps, nats=math.nan, bits=math.nan, rate=0.0)
        self._busy = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.stop()

    @property
    def losses(self) -> list[float]:
        """The loss of every step so far, in bits."""
        if self._unread:
            self._read += [nats / math.log(2) for nats in mg.stack(self._unread).tolist()]
            self._unread.clear()
        return self._read

    def watch(self, losses: Iterable[mg.Tensor]) -> Iterator[int]:
        """Follow a training loop: show its losses, yield the number of steps done.

        Losses are read READ_EVERY at a time, so that a GPU is not waited for at every step.
        """
        iterator = iter(losses)
        bits = math.nan
        for step in range(1, self.steps + 1):
            started = time.perf_counter()
            self._unread.append(next(iterator))
            if step in (1, self.steps) or step % READ_EVERY == 0:
                bits = fmean(self.losses[-20:])
            self._busy += time.perf_counter() - started
            rate = step * self.characters_per_step / self._busy
            self._bar.update(self._task, advance=1, nats=bits * math.log(2), bits=bits, rate=rate)
            if not self.console.is_terminal and (step % max(1, self.steps // 10) == 0 or step == self.steps):
                left = self._busy / step * (self.steps - step)
                self.console.print(
                    f"step {step}/{self.steps}  loss {bits * math.log(2):.3f}  {bits:.3f} bits/char  "
                    f"{rate:,.0f} chars/s  {left:.0f} s left",
                )
            yield step


def plot_losses(
    path: str | Path,
    losses: Sequence[float],
    validation: Sequence[tuple[int, float]],
    baseline: float,
    characters_per_step: int,
) -> None:
    """Draw training and validation loss (bits per character) over characters seen, and the bigram model's, to a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes: Any = figure.subplots()
    seen = [(i + 1) * characters_per_step for i in range(len(losses))]
    reach = len(losses) // 60  # each point is the mean of as many steps before it as after it
    smoothed = [fmean(losses[max(0, i - reach) : i + reach + 1]) for i in range(len(losses))]
    axes.plot(seen, losses, color="#9ecae1", linewidth=0.6, label="training, each step")
    axes.plot(seen, smoothed, color="#08519c", linewidth=1.8, label="training, smoothed")
    if validation:
        points = [(step * characters_per_step, bits) for step, bits in validation]
        axes.plot(*zip(*points, strict=True), "o-", color="#d94801", linewidth=1.5, label="validation")
    axes.axhline(baseline, color="#555555", linestyle="--", linewidth=1.2, label=f"bigram model: {baseline:.2f}")
    axes.set(xlabel="characters seen", ylabel="bits per character", ylim=(0, max(baseline * 1.6, min(losses[0], 8.0))))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:g} M" if value >= 1e5 else f"{value:g}")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
