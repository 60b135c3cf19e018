"""The training loop."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass, field
from statistics import fmean
from typing import Protocol

from .config import Config, ConfigError
from .parallel import Group
from .run import Run
from .signals import stop_signals
from .tasks import Task
from .trainer import Trainer, Update


class Watcher(Protocol):
    """What looks on while a model is trained."""

    def updated(self, trainer: Trainer, update: Update) -> None:
        """An update was made."""

    def validated(self, trainer: Trainer, figures: dict[str, float], sample: str) -> None:
        """The model was validated: its `figures` by name; `sample` is what it makes now."""


@dataclass
class Result:
    """What became of a training: `steps` made, the last figures, the best of the metric and when, why it ended.

    `stopped_by` is the number of the signal that ended it, 0 if it came to its end. `lines` are the losses by step, in
    training and in validation, as in a run's metrics.jsonl: what `plots.plot_loss` draws.
    """

    steps: int
    figures: dict[str, float] = field(default_factory=dict)
    best: float | None = None
    best_step: int = 0
    stopped_by: int = 0
    lines: list[dict[str, float]] = field(default_factory=list)


def fit(
    task: Task,
    config: Config | None = None,
    run: Run | None = None,
    group: Group | None = None,
    watcher: Watcher | None = None,
) -> Result:
    """Train the model of `task` as `config` says, and return how it went.

    Random numbers go on from where the generators stand: `make_task` seeds them, and `mg.seed` does.

    With a `run` everything is kept in its folder, and training goes on from its last checkpoint, bit for bit; `config`
    is then the run's. Ctrl-C and SIGTERM end it after the update that is being made, with a checkpoint. The processes
    of `group` train together, each with a task and a run of its own, made alike. The `watcher` is told of every update
    and validation. Raises DivergedError where the loss is no number any more, ConfigError for what does not go
    together, RunError where nothing can be saved.
    """
    if run and config not in (None, run.config):
        raise ConfigError("the run has a configuration of its own: give that to Run.open, and none here")
    config = config or (run.config if run else Config())
    group = group or Group.alone()
    notes = None if group.rank else run  # the first process alone writes
    figures: dict[str, float] = {}
    lines: list[dict[str, float]] = []
    with group.guarded(), stop_signals() as asked:
        trainer = Trainer(task, config, group)
        if run and (saved := run.last()):
            trainer.restore(saved)
            if notes and trainer.best_step == trainer.step > 0:
                notes.save_model(task)  # of which a kill may have come in between
        if notes:
            notes.start(trainer.step)
        stop = False
        while not trainer.finished and not stop:
            save = notes is not None and notes.save_due()
            with run.timed() if run else contextlib.nullcontext():
                update = trainer.update(bool(asked.signal), save)
            stop, better = update.stop, False
            if watcher:
                watcher.updated(trainer, update)
            if trainer.step % config.log_every == 0:
                loss = fmean(trainer.losses)
                lines.append({"step": trainer.step, "loss": loss})
                if notes:
                    values = {"loss": loss, "lr": update.lr, "gradient_norm": update.norm}
                    notes.log(trainer, {**values, "norms": trainer.norms})
                trainer.losses.clear()
            if task.validation_rows and (trainer.step % trainer.validate_every == 0 or trainer.step == trainer.steps):
                figures = trainer.validate()
                lines.append({"step": trainer.step, **{f"validation_{name}": value for name, value in figures.items()}})
                _keep(trainer, figures, run, watcher)
                better = trainer.best_step == trainer.step
            if run and (update.save or stop or better or trainer.finished):
                checkpoint = trainer.checkpoint()  # which all processes take part in making
                if checkpoint:
                    run.save(checkpoint, task)  # first, so that the best weights are never of a step that is forgotten
                    if better:
                        run.save_model(task)
        stopped_by = 0
        if not trainer.finished:
            stopped_by = asked.signal or signal.SIGTERM  # or another process was asked to stop
        return Result(trainer.step, figures, trainer.best, trainer.best_step, stopped_by, lines)


def _keep(trainer: Trainer, figures: dict[str, float], run: Run | None, watcher: Watcher | None) -> None:
    """Write down the figures of a validation, and the weights if they are the best so far."""
    if trainer.group.rank:
        return
    sample = trainer.task.sample(trainer.config.sample) if trainer.config.sample else ""
    if run:
        run.log(trainer, {f"validation_{name}": figure for name, figure in figures.items()})
        if sample:
            run.note_sample(trainer.step, sample)
    if watcher:
        watcher.validated(trainer, figures, sample)
