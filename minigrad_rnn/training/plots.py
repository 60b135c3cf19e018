"""Plots of runs, drawn from their metrics.jsonl."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ..plotting import COLORS, axes, legend_beside, save_plot
from .tasks import perplexity

Lines = Sequence[Mapping[str, Any]]


def plot_run(folder: str | Path, lines: Lines, metric: str, baseline: tuple[str, float] | None = None) -> None:
    """Draw loss.png, gradients.png and learning_rate.png of the lines of a run's metrics.jsonl.

    Losses are drawn as `metric`, beside `baseline` if given: see `plot_loss`.
    """
    folder = Path(folder)
    save_plot(plot_loss(lines, metric, baseline), folder / "loss.png")
    trained = [line for line in lines if "norms" in line]
    if not trained:
        return
    steps = [line["step"] for line in trained]
    plot = axes("updates", "gradient norm, before clipping")
    for color, name in zip(COLORS * 10, trained[0]["norms"]):
        plot.plot(steps, smoothed([line["norms"].get(name, math.nan) for line in trained]), color=color, label=name)
    plot.plot(steps, smoothed([line["gradient_norm"] for line in trained]), color="#969696", linewidth=3, label="all")
    plot.set_yscale("log")
    legend_beside(plot)
    save_plot(plot, folder / "gradients.png")
    plot = axes("updates", "learning rate")
    plot.plot(steps, [line["lr"] for line in trained], color=COLORS[0], linewidth=1.8)
    plot.set_ylim(bottom=0)
    save_plot(plot, folder / "learning_rate.png")


def plot_loss(lines: Lines, metric: str, baseline: tuple[str, float] | None = None) -> Any:
    """Draw the loss in training, and in validation, over the updates; returns the axes. A `baseline` is a name, a loss.

    Losses are drawn as `metric`: "bits_per_character", "perplexity", or else as they are.
    """
    convert = _converted(metric)
    plot = axes("updates", _told(metric) if convert else "loss")
    convert = convert or float
    trained = [(line["step"], convert(line["loss"])) for line in lines if "loss" in line]
    validated = [(line["step"], convert(line["validation_loss"])) for line in lines if "validation_loss" in line]
    if trained:
        steps, losses = zip(*trained, strict=True)
        plot.plot(steps, losses, color="#9ecae1", linewidth=0.8, label="training")
        plot.plot(steps, smoothed(losses), color="#08519c", linewidth=1.8, label="training, smoothed")
    if validated:
        plot.plot(*zip(*validated, strict=True), "o-", color="#d94801", linewidth=1.5, markersize=4, label="validation")
    if baseline:
        name, value = baseline
        plot.axhline(value, color="#555555", linestyle="--", linewidth=1.2, label=f"{name}: {value:.2f}")
    plot.set_ylim(*_range([value for _, value in trained], [value for _, value in validated], baseline))
    return plot


def plot_runs(path: str | Path, runs: Mapping[str, Lines], metric: str) -> None:
    """Draw the `metric` of the validations of several runs, by name, over the updates."""
    plot = axes("updates", _told(metric))
    for color, (name, lines) in zip(COLORS * len(runs), runs.items()):
        points = [(line["step"], line[f"validation_{metric}"]) for line in lines if f"validation_{metric}" in line]
        if points:
            plot.plot(*zip(*points, strict=True), "o-", color=color, linewidth=1.5, markersize=3, label=name)
    legend_beside(plot)
    save_plot(plot, path)


def smoothed(values: Sequence[float]) -> list[float]:
    """Each value as the mean of as many before it as after it, a thirtieth of all together; near the ends of fewer."""
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
