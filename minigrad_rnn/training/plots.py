"""Plots of runs, drawn from their metrics.jsonl."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from minigrad.serialize import atomic_write

from .config import ConfigError
from .tasks import perplexity

Lines = Sequence[Mapping[str, Any]]
# A picture's suffix -> what is left out of the file, so that the same run gives the same bytes.
FORMATS: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
COLORS = ("#08519c", "#d94801", "#238b45", "#6a51a3", "#a50f15", "#525252", "#008080", "#b8860b", "#c51b8a", "#000000")


def plot_run(folder: Path, lines: Lines, metric: str, baseline: tuple[str, float] | None = None) -> None:
    """Draw loss.png, gradients.png and learning_rate.png of the lines of a run's metrics.jsonl."""
    plot_loss(folder / "loss.png", lines, metric, baseline)
    trained = [line for line in lines if "norms" in line]
    if not trained:
        return
    steps = [line["step"] for line in trained]
    figure, axes = _axes("gradient norm, before clipping")
    for color, name in zip(COLORS * 10, trained[0]["norms"]):
        axes.plot(steps, smoothed([line["norms"].get(name, math.nan) for line in trained]), color=color, label=name)
    axes.plot(steps, smoothed([line["gradient_norm"] for line in trained]), color="#969696", linewidth=3, label="all")
    axes.set_yscale("log")
    _legend_beside(axes)
    _save(figure, folder / "gradients.png")
    figure, axes = _axes("learning rate")
    axes.plot(steps, [line["lr"] for line in trained], color=COLORS[0], linewidth=1.8)
    axes.set_ylim(bottom=0)
    _save(figure, folder / "learning_rate.png")


def plot_loss(path: Path, lines: Lines, metric: str, baseline: tuple[str, float] | None = None) -> None:
    """Draw the loss in training, and in validation, over the updates; a `baseline` is a name and a loss."""
    convert = _converted(metric)
    figure, axes = _axes(_told(metric) if convert else "loss")
    convert = convert or float
    trained = [(line["step"], convert(line["loss"])) for line in lines if "loss" in line]
    validated = [(line["step"], convert(line["validation_loss"])) for line in lines if "validation_loss" in line]
    if trained:
        steps, losses = zip(*trained, strict=True)
        axes.plot(steps, losses, color="#9ecae1", linewidth=0.8, label="training")
        axes.plot(steps, smoothed(losses), color="#08519c", linewidth=1.8, label="training, smoothed")
    if validated:
        axes.plot(*zip(*validated, strict=True), "o-", color="#d94801", linewidth=1.5, markersize=4, label="validation")
    if baseline:
        name, value = baseline
        axes.axhline(value, color="#555555", linestyle="--", linewidth=1.2, label=f"{name}: {value:.2f}")
    axes.set_ylim(*_range([value for _, value in trained], [value for _, value in validated], baseline))
    axes.legend(frameon=False)
    _save(figure, path)


def plot_runs(path: Path, runs: Mapping[str, Lines], metric: str) -> None:
    """Draw the validations of several runs, by name, over the updates."""
    figure, axes = _axes(_told(metric))
    for color, (name, lines) in zip(COLORS * len(runs), runs.items()):
        points = [(line["step"], line[f"validation_{metric}"]) for line in lines if f"validation_{metric}" in line]
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=color, linewidth=1.5, markersize=3, label=name)
    _legend_beside(axes)
    _save(figure, path)


def smoothed(values: Sequence[float]) -> list[float]:
    """Each value as the mean of as many before it as after it, a thirtieth of all together."""
    reach = len(values) // 60
    return [fmean(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))]


def _converted(metric: str) -> Any:
    """What makes of a loss in nats the metric, where that can be; None where not."""
    return {"bits_per_character": lambda nats: nats / math.log(2), "perplexity": perplexity}.get(metric)


def _told(metric: str) -> str:
    return metric.replace("_", " ")


def _range(trained: list[float], validated: list[float], baseline: tuple[str, float] | None) -> tuple[float, float]:
    """What to show of the losses: all that is worth it, the first few updates' left out where they dwarf the rest."""
    shown = [value for value in trained[len(trained) // 20 :] + validated if math.isfinite(value)] or [1.0]
    high = max(shown + ([baseline[1] * 1.05] if baseline else []))
    low = min(shown)
    return max(0.0, low - 0.08 * (high - low)), high + 0.05 * (high - low) + 1e-9


def _axes(label: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes: Any = figure.subplots()
    axes.set(xlabel="updates", ylabel=label)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend_beside(axes: Any) -> None:
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize="small")


def _save(figure: Any, path: Path) -> None:
    if path.suffix not in FORMATS:
        raise ConfigError(f"{path} says no format of a picture: end it in one of {', '.join(FORMATS)}")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=FORMATS[path.suffix])
