"""A run from its configuration to its plots: what `minigrad-rnn train` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import minigrad as mg
from minigrad.backend import current_backend, get_backend

from ..models import parameter_count
from .fit import Result, fit
from .parallel import Group
from .plots import plot_run
from .report import Progress
from .run import MODEL, SAMPLE, Run, configure
from .tasks import Task, evaluating, make_task
from .tasks.language import Language

if TYPE_CHECKING:
    from rich.console import Console

TEMPERATURES = (0.5, 0.8, 1.0)


def launch(
    folder: str | Path,
    given: Mapping[str, Any],
    console: Console,
    group: Group | None = None,
    resume: bool = False,
    samples: bool = False,
) -> tuple[Result, Task]:
    """Train in `folder` what the values `given` of its configuration say, and leave plots and samples beside the run.

    Errors are those of `configure`, `make_task`, `Run.open` and `fit`. `samples` shows what the model makes at each
    validation.
    """
    group = group or Group.alone()
    with group.guarded():
        config = configure(folder, given, resume)
        if group.size == 1:  # the run goes on with as many, and so with the same bits, also on another machine
            config = config.but({"threads": config.threads or group.threads_per_rank()})
        with mg.use_threads(config.threads or group.threads_per_rank()), mg.use_backend(_device(group)):
            task = make_task(config)
            group.barrier()  # all have looked into the folder, before the first process writes there
            with Run.open(folder, config, group) as run:
                if group.rank:
                    return fit(task, run=run, group=group), task
                _describe(task, run, group, console)
                with Progress(console, task, samples) as progress:
                    result = fit(task, run=run, group=group, watcher=progress)
                _finish(task, run)
    return result, task


def _device(group: Group) -> str:
    """The backend to compute with; of several GPUs in a machine, one for each of its processes."""
    name = current_backend().name
    if group.size == 1 or not name.startswith("cupy"):
        return name
    devices = len(get_backend("cupy").devices)
    return f"cupy:{group.local_rank % devices}" if devices else name


def _describe(task: Task, run: Run, group: Group, console: Console) -> None:
    config = run.config
    size = parameter_count(task.model)
    layers = f"{config.layers} layers of {config.cell}, {config.hidden} units each"
    if config.layers == 1:
        layers = f"{config.cell} with {config.hidden} units"
    where = current_backend().name + (f", {group.size} processes" if group.size > 1 else "")
    console.print(f"Data: {task.describe()}.", soft_wrap=True)
    console.print(f"Model: {layers}, {size:,} parameters, on {where}.", soft_wrap=True)
    console.print(f"Run: {run.folder}", soft_wrap=True)
    if task.rows != config.batch:
        console.print(
            f"A batch is {task.rows} sequences, since there is no more data for the {config.batch} wished for."
        )


def _finish(task: Task, run: Run) -> None:
    """Leave what is looked at after a run; the best weights are in the model, if there was a validation."""
    if not run.path(MODEL).exists():
        run.save_model(task)
    baseline = None
    if isinstance(task, Language) and task.metric == "bits_per_character":
        baseline = ("bigram model", task.bigram_bits())
    with run.writing("the plots"):
        plot_run(run.folder, run.metrics(), task.metric, baseline)
    if isinstance(task, Language):
        run.write_text(SAMPLE, written_samples(task))


def written_samples(task: Language, length: int = 1000) -> str:
    """Texts by the model at three temperatures."""
    parts = []
    with evaluating(task.model):
        for temperature in TEMPERATURES:
            text = "".join(task.model.continue_text("", length, temperature, task.seed)).strip("\n")
            parts.append(f"=== temperature {temperature} ===\n{text}\n")
    return "\n".join(parts)
