"""Trainer: one update after the other, in one process or several, and all that a checkpoint holds of it."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import optim
from minigrad.errors import AnomalyError, CheckpointError, MinigradError
from minigrad.tensor import on_host

from ..cells import State
from ..truncated import detached
from .checkpoint import Checkpoint, batch_axis, join, split
from .config import Config, ConfigError
from .parallel import Group
from .tasks import Task


class DivergedError(MinigradError, ArithmeticError):
    """The loss, or its gradient, is no number any more; the message says where that began."""


class Update(NamedTuple):
    """What an update came to, in all processes together; loss and norm are None where they have not been read yet.

    `lr` is the learning rate, `seen` how many examples (of `task.unit`) there were; `stop` and `save` are whether some
    process wishes that.
    """

    loss: float | None  # the mean over the batch, before the update
    norm: float | None  # of the gradient, before it was clipped
    lr: float  # the learning rate that it was made with
    seen: int  # what the mean was over: characters, sequences …
    stop: bool  # was the run asked to end, in any process
    save: bool  # is a checkpoint wanted


class Trainer:
    """Trains the model of `task` as `config` says; every process of `group` makes one, and calls the same methods.

    `step` counts the updates made. `best` is the best validation's figure so far, of step `best_step`, and `stale` how
    many validations have not been better since. On a GPU the numbers of an update are read when they are logged, since
    to read one is to wait for it; elsewhere at once.
    """

    def __init__(self, task: Task, config: Config, group: Group | None = None):
        self.task, self.config = task, config
        self.group = group = group or Group.alone()
        self.model = task.model
        self.parameters = list(self.model.parameters())
        self.steps = _steps(task, config)
        self.validate_every = config.validate_every or max(1, min(task.epoch or self.steps, self.steps // 10))
        self.optimizer = _optimizer(config, self.parameters)
        self.schedule = optim.Schedule(self.optimizer, _factor(config, self.steps))
        self.rows = _parts(group.share(task.rows), config.accumulate)
        self.validation_rows = group.share(task.validation_rows) if task.validation_rows else slice(0, 0)
        self.states: list[State] = [None] * len(self.rows)
        self.step = 0
        self.best: float | None = None
        self.best_step = self.stale = 0
        self.losses: list[float] = []  # since they were last logged
        self._unread: list[tuple[mg.Tensor, mg.Tensor]] = []  # losses and norms of updates, after those
        self.norms: dict[str, float] = {}  # of the last gradient, by parameter, where they are logged
        group.broadcast(self.model)
        if group.rank:
            _seed(config.seed, group.rank)
        self.model.train()

    @property
    def finished(self) -> bool:
        """Have all updates been made, or has nothing become better for too long."""
        return self.step >= self.steps or 0 < self.config.patience <= self.stale

    @property
    def epoch(self) -> float:
        """Passes through the data so far; 0 where there is no end to them."""
        return self.step / self.task.epoch if self.task.epoch else 0.0

    def update(self, stop: bool = False, save: bool = False) -> Update:
        """Make one update. `stop` and `save` are this process's wishes, which the others hear of.

        Raises DivergedError, with the parameters as they were, where the loss or the gradient is not finite.
        """
        if not self.task.carry or self.step % (self.task.epoch or math.inf) == 0:
            self.states = [None] * len(self.rows)
        starts, random, look = self.states, mg.random_state(), self._looks()
        batches = [self.task.batch(self.step, rows) for rows in self.rows]
        mean, count, ends = self._gradients(batches, starts)
        if not count and self.group.size == 1:
            raise ConfigError(f"there is nothing to learn from in batch {self.step}: its loss is a mean over nothing")
        loss = mean.item() if look else math.nan
        bad = look and not math.isfinite(loss)
        wishes = np.array([0.0 if bad else loss * count, stop, save, bad])
        seen, sums = self.group.average_gradients(self.parameters, count, wishes)
        if bad:
            raise self._diverged(f"the loss is {loss}", batches, starts, random)
        if sums[3]:
            self.group.barrier()  # until the process that knows more ends them all
        norm, lr = self._clip(), self.optimizer.lr
        if look and not math.isfinite(norm.item()):
            raise self._diverged(f"the gradient's norm is {norm.item()}", batches, starts, random)
        self.optimizer.step()
        self.schedule.step()
        self.states = ends
        self.step += 1
        if not look:
            self._unread.append((mean, norm))
            return Update(None, None, lr, int(seen), bool(sums[1]), bool(sums[2]))
        self.losses.append(float(sums[0] / seen))
        return Update(self.losses[-1], norm.item(), lr, int(seen), bool(sums[1]), bool(sums[2]))

    def _gradients(self, batches: list[Any], starts: list[State]) -> tuple[mg.Tensor, int, list[State]]:
        """Set the gradient of the mean loss of this process's share; that loss, over how many, the states after."""
        self.optimizer.zero_grad()
        losses, counts, ends = [], [], []
        for batch, start in zip(batches, starts):
            loss, count, end = self.task.loss(batch, start)
            (loss if len(batches) == 1 else loss * count).backward()
            losses.append(loss.detach())
            counts.append(count)
            ends.append(detached(end))
        if len(batches) == 1:
            return losses[0], counts[0], ends
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.data /= sum(counts)
        return sum(loss * count for loss, count in zip(losses, counts)) / sum(counts), sum(counts), ends

    def _looks(self) -> bool:
        """Is this update's loss read at once; then those before it are read first."""
        log_every = self.config.log_every
        look = self.parameters[0].backend.in_order or self.group.size > 1 or (self.step + 1) % log_every == 0
        if look:
            self.read()
        return look

    def read(self) -> None:
        """Read the losses that have not been read. Raises DivergedError if one of them is no number."""
        if self._unread:
            first = self.step - len(self._unread) + 1
            losses, norms = (mg.stack(column).tolist() for column in zip(*self._unread))
            self._unread.clear()
            for update, (loss, norm) in enumerate(zip(losses, norms), first):
                if not (math.isfinite(loss) and math.isfinite(norm)):
                    raise DivergedError(
                        f"in update {update} the loss is {loss}, and the gradient's norm {norm}: go on from the last "
                        "checkpoint (--resume) with log_every = 1, which finds where it comes from"
                    )
            self.losses += losses

    def _clip(self) -> mg.Tensor:
        """Clip the gradient; returns its norm before."""
        with np.errstate(over="ignore", invalid="ignore"):
            if (self.step + 1) % self.config.log_every == 0:
                self.norms = {
                    name: mg.norm(parameter.grad).item()
                    for name, parameter in self.model.named_parameters()
                    if parameter.grad is not None
                }
            return optim.clip_grad_norm(self.parameters, self.config.clip or math.inf)

    def validate(self) -> dict[str, float]:
        """The figures of the validation sequences, computed by all processes together; counts if they are better."""
        sums = self.group.sum(self.task.evaluate(self.validation_rows))
        figures = {name: float(figure) for name, figure in self.task.figures(sums).items()}
        if self.task.metric not in figures:
            raise ConfigError(f"{self.task.metric!r}, the task's metric, is none of its figures: {', '.join(figures)}")
        figure = figures[self.task.metric]
        if not math.isfinite(figure):
            raise DivergedError(
                f"after update {self.step} the validation's {self.task.metric} is {figure}: go on from the last "
                "checkpoint (--resume) with a smaller lr, or a tighter clip"
            )
        self.stale += 1
        if self.best is None or (figure > self.best if self.task.maximise else figure < self.best):
            self.best, self.best_step, self.stale = figure, self.step, 0
        return figures

    def _diverged(self, what: str, batches: list[Any], starts: list[State], random: dict[str, Any]) -> DivergedError:
        """Run the batch again as it was, look for the first number that went wrong, and say so."""
        mg.set_random_state(random)
        cause, line = "no single operation made it: the data hold an infinity already, or the sum overflows", None
        try:
            with mg.detect_anomaly(), np.errstate(all="ignore"):
                for batch, start in zip(batches, starts):
                    self.task.loss(batch, start)[0].backward()
        except AnomalyError as error:
            cause, line = error.message, error.line
        mg.set_random_state(random)
        self.states = starts  # a checkpoint that is saved now runs into it again
        return DivergedError(
            f"in update {self.step + 1} {what}: {cause}. Go on from the last checkpoint (--resume) with a smaller "
            "lr, or a tighter clip; where it is as bad at once, the weights were lost before: start anew",
            line,
        )

    def checkpoint(self) -> Checkpoint | None:
        """All that is needed to go on, in the first process; None in the others, which must call it too."""
        self.read()
        parts, form = [], None
        for state in self.states:
            leaves, form = split(state)
            parts.append([on_host(leaf) for leaf in leaves])
        axes = [batch_axis(part, form, self.rows[0]) for part in parts[0]]
        carried = [self.group.gather(np.concatenate(same, axis), axis) for axis, same in zip(axes, zip(*parts))]
        random = self.group.gather_text(json.dumps(mg.random_state()))
        if random is None:
            return None
        progress = {
            "step": self.step,
            "data": self.task.digest,
            "best": self.best,
            "best_step": self.best_step,
            "stale": self.stale,
            "losses": self.losses,
            "random": [json.loads(state) for state in random],
        }
        config = {name: value for table in self.config.tables().values() for name, value in table.items()}
        weights, optimizer = self.model.state_dict(), self.optimizer.state_dict()
        return Checkpoint(weights, optimizer, carried, axes, form, progress, config)

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint, also of another number of processes or parts of a batch.

        Raises CheckpointError if it does not fit; then this trainer is of no more use.
        """
        progress = saved.progress
        try:
            step, stale, best_step = (int(progress[name]) for name in ("step", "stale", "best_step"))
            best = None if progress["best"] is None else float(progress["best"])
            losses = [float(loss) for loss in progress["losses"]]
            random = list(progress["random"])
            if not all(0 <= number < 2**53 for number in (step, stale, best_step)) or best_step > step:
                raise ValueError("numbers that no run has")
            if not (best is None or math.isfinite(best)) or not random or not all(random):
                raise ValueError("numbers that no run has")
            if progress["data"] != self.task.digest:
                raise CheckpointError(
                    "the data are not those that the run was trained on: put them back as they were, or start a new run"
                )
            carried = [(on_host(part), axis) for part, axis in zip(saved.carried, saved.axes, strict=True)]
            if any(part.shape[axis] != self.task.rows for part, axis in carried):
                raise ValueError(f"the carried state is not one of {self.task.rows} sequences")
            if self.task.carry and saved.form is None and step % (self.task.epoch or math.inf):
                raise ValueError("the carried state is missing")
            asarray = self.parameters[0].backend.asarray
            self.states = [
                join(saved.form, [mg.Tensor(asarray(part[(slice(None),) * axis + (rows,)])) for part, axis in carried])
                for rows in self.rows
            ]
            self.model.load_state_dict(saved.weights)
            self.optimizer.load_state_dict(saved.optimizer)
            if self.group.rank < len(random):
                mg.set_random_state(random[self.group.rank])
            else:
                _seed(self.config.seed, self.group.rank, step)
        except CheckpointError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise CheckpointError(
                f"the checkpoint is damaged, or of another run ({error!r}): use a copy, or start the run again"
            ) from error
        self.step, self.stale, self.best, self.best_step, self.losses = step, stale, best, best_step, losses
        for group in self.optimizer.groups:  # what may be changed when a run is resumed is the configuration's
            group["weight_decay"] = self.config.weight_decay
        self.schedule.load_state_dict({"steps": step, "rates": self.schedule.rates})


def _parts(share: slice, count: int) -> list[slice]:
    """A share of the batch's rows in `count` parts, as equal as may be."""
    rows = share.stop - share.start
    if rows < count:
        raise ConfigError(f"{rows} sequences cannot be computed in {count} parts: accumulate fewer (--accumulate)")
    bounds = [share.start + rows * i // count for i in range(count + 1)]
    return [slice(low, high) for low, high in pairwise(bounds)]


def _seed(*numbers: int) -> None:
    """Restart the generators from several numbers."""
    mg.seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]))


def _steps(task: Task, config: Config) -> int:
    if not config.epochs:
        return config.steps
    if task.epoch is None:
        raise ConfigError(f"{config.kind} is made anew for each batch, and has no epochs: give --steps")
    return max(1, round(config.epochs * task.epoch))


def _optimizer(config: Config, parameters: list[Any]) -> optim.Optimizer:
    kinds = {
        "adam": optim.Adam,
        "adamw": optim.AdamW,
        "rmsprop": optim.RMSprop,
        "adagrad": optim.Adagrad,
        "sgd": optim.SGD,
    }
    options = {
        name: tuple(value) if isinstance(value, list) else value for name, value in config.optimizer_options.items()
    }
    try:
        return kinds[config.optimizer](parameters, lr=config.lr, weight_decay=config.weight_decay, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the optimiser cannot be made ({error}): change optimizer_options") from error


def _factor(config: Config, steps: int) -> Any:
    """What the learning rate is multiplied by at each step: up in a straight line, then as the schedule says."""
    warmup, floor = min(config.warmup, steps // 10), config.floor
    rest = max(1, steps - warmup)
    after = {
        "constant": lambda step: 1.0,
        "linear": lambda step: optim.linear(step, rest, 1.0, floor),
        "cosine": lambda step: optim.cosine(step, rest, floor=floor),
        "one-cycle": lambda step: optim.one_cycle(step, rest),
        "inverse-sqrt": lambda step: optim.inverse_sqrt(step + warmup, max(1, warmup)),
        "exponential": lambda step: optim.exponential(step, max(floor, 1e-12) ** (1 / rest)),
    }[config.schedule]
    if config.schedule == "one-cycle":  # which has a rise of its own
        warmup, rest = 0, steps
    return lambda step: optim.warmup(step, warmup) if step < warmup else after(step - warmup)
