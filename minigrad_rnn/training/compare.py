"""Runs side by side: a table, and a plot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigrad.errors import MinigradError

from .config import Config, read
from .report import printable, shown
from .run import CONFIG, METRICS, TIMES, RunError, lines_of, number_in

if TYPE_CHECKING:
    from rich.table import Table

METRICS_OF_RUNS = ("accuracy", "bits_per_character", "perplexity", "loss")  # the first that a run has
IN_MODEL = ("cell", "hidden", "layers")  # shown of every run


@dataclass
class Summary:
    """A run: what was chosen, how far it got, its best validation and its time."""

    name: str
    config: Config
    lines: list[dict[str, Any]]
    steps: int
    loss: float | None
    metric: str | None
    best: float | None
    best_step: int
    seconds: float


def find_runs(folders: Iterable[str | Path]) -> list[Path]:
    """The runs that are `folders`, or lie right below them. Raises RunError where there is none."""
    found = []
    for folder in map(Path, folders):
        here = [folder] if (folder / CONFIG).is_file() else []
        below = sorted(path.parent for path in folder.glob(f"*/{CONFIG}") if (path.parent / METRICS).is_file())
        if not here and not below:
            raise RunError(f"there is no run in {folder}: name the folder of one, or one that holds several")
        found += here or below
    return found


def summarise(folders: list[Path]) -> tuple[list[Summary], list[str]]:
    """The runs in these folders, also while they go on, under names of their own; and of which that failed, and why."""
    found, failed = [], []
    names = [folder.resolve().name for folder in folders]
    for folder, name in zip(folders, names):
        try:
            found.append(_summary(folder, name if names.count(name) == 1 else str(folder)))
        except (MinigradError, ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
            told = error.message if isinstance(error, MinigradError) else repr(error)
            failed.append(f"{folder} cannot be read as a run: {told}")
    return found, failed


def _summary(folder: Path, name: str) -> Summary:
    lines, times = lines_of(folder / METRICS), lines_of(folder / TIMES)
    config = Config(**read(folder / CONFIG))
    validated = [line for line in lines if "validation_loss" in line]
    metric = best = None
    best_step = 0
    if validated:
        metric = next(name for name in METRICS_OF_RUNS if f"validation_{name}" in validated[0])
        choose = max if metric == "accuracy" else min
        best = choose(float(line[f"validation_{metric}"]) for line in validated)
        best_step = min(line["step"] for line in validated if line[f"validation_{metric}"] == best)
    losses = [float(line["loss"]) for line in lines if "loss" in line]
    steps = lines[-1]["step"] if lines else 0
    seconds = number_in(times[-1], "seconds") if times else 0.0
    return Summary(name, config, lines, steps, losses[-1] if losses else None, metric, best, best_step, seconds)


def table(runs: list[Summary]) -> Table:
    """The runs, a line each; of what was chosen, what is not as in the first."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD)
    for name in ("run", "model", "validation", "at", "of", "loss", "time"):
        made.add_column(name, no_wrap=True)
    made.add_column("unlike the first", overflow="fold")
    for run in runs:
        config, best = run.config, "" if run.best is None or run.metric is None else shown(run.metric, run.best)
        differences = runs[0].config.differences(config).items()
        made.add_row(
            printable(run.name),
            printable(f"{config.cell} {config.layers}×{config.hidden}"),
            best,
            f"{run.best_step:,}" if best else "",
            f"{run.steps:,}",
            "" if run.loss is None else f"{run.loss:.4f}",
            _duration(run.seconds),
            ", ".join(f"{name}={_short(value)}" for name, (_, value) in differences if name not in IN_MODEL),
        )
    return made


def ranked(runs: list[Summary]) -> list[Summary]:
    """Those of one metric together, the best first."""

    def rank(run: Summary) -> tuple[str, float]:
        best = run.best if run.best is not None else float("inf")
        return run.metric or "~", -best if run.metric == "accuracy" else best

    return sorted(runs, key=rank)


def _short(value: Any) -> str:
    return Path(value).name if isinstance(value, str) and "/" in value else repr(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
