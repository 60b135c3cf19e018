"""The folder of a run: what is written there, so that nothing is lost and nothing is written twice.

config.toml         what was chosen, in full
last.safetensors    the checkpoint to go on from
model.safetensors   the weights that were best on validation, with all that is needed to use them
metrics.jsonl       loss, learning rate, gradient norms, and at validations its figures: the same for the same run
times.jsonl         seconds of training so far, and throughput, at the same steps
samples/            what the model wrote at each validation
loss.png …          plots, drawn at the end
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

import minigrad as mg
from minigrad.errors import CheckpointError, MinigradError
from minigrad.serialize import atomic_write, remove_leftovers

from .checkpoint import Checkpoint
from .config import OPTIONS, Config, ConfigError, read
from .parallel import Group
from .tasks import Task
from .trainer import Trainer

CONFIG, LAST, MODEL, METRICS, TIMES = (
    "config.toml",
    "last.safetensors",
    "model.safetensors",
    "metrics.jsonl",
    "times.jsonl",
)
SAMPLE, SAMPLES = "sample.txt", "samples"
PLOTS = ("loss.png", "gradients.png", "learning_rate.png")
FILES = (LAST, MODEL, METRICS, TIMES, SAMPLE, *PLOTS, CONFIG)
MOST_FOR_SAVING = 0.02  # of the time


class RunError(MinigradError, RuntimeError):
    """A run's folder that cannot be used as was asked."""


class Run:
    """A run's folder. Made by `open`, in every process of a group; the first one writes, the others only read."""

    def __init__(self, folder: Path, config: Config):
        self.folder = folder
        self.config = config.but({"text": str(Path(config.text).absolute())}) if config.text else config
        self._files: dict[str, Any] = {}
        self._board: Any = None
        self._saved_at, self._saving = time.monotonic(), 0.0  # when the last checkpoint was saved, and how long it took
        self._earlier = self._now = 0.0  # seconds of training, before the run was resumed and since

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: str | Path, config: Config, group: Group | None = None) -> Iterator[Self]:
        """The run of `config` in `folder`, where one that is there goes on; until the block ends no other may write.

        Raises RunError where another does, or nothing can be written, ConfigError where the run that is there has
        another configuration, in what cannot be changed on the way.
        """
        folder = Path(folder)
        if group and group.rank:
            yield cls(folder, config)
            return
        with _locked(writable_folder(folder)):
            run = cls(folder, config)
            for name in FILES:
                remove_leftovers(run.path(name))
            if run.path(CONFIG).exists():
                _check_fixed(Config(**read(run.path(CONFIG))), config, folder)
            try:
                yield run
            finally:
                run.close()

    def path(self, name: str) -> Path:
        """The path of a file of the run. Raises RunError if a link leads it out of the folder."""
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise RunError(f"{path} leads out of the run's folder: remove that link")
        return path

    def start(self, step: int) -> None:
        """Go on noting things after `step`: forget what was noted later, before the run was interrupted."""
        with self.writing(CONFIG):
            self.config.write(self.path(CONFIG))
        for name in (METRICS, TIMES):
            lines = [line for line in lines_of(self.path(name)) if line["step"] <= step]
            self.write_text(name, "".join(json.dumps(line) + "\n" for line in lines))
            if name == TIMES and lines:
                self._earlier = number_in(lines[-1], "seconds")
        for path in self.path(SAMPLES).glob("step-*.txt"):
            if path.stem > _sample(step):
                path.unlink()
        self._board = _board(self.path("tensorboard"), step) if self.config.tensorboard else None

    def last(self) -> Checkpoint | None:
        """The last checkpoint; None if there is none yet. CheckpointError if it is damaged, or of another run."""
        if not self.path(LAST).exists():
            return None
        saved = Checkpoint.load(self.path(LAST))
        fixed = {name for name, option in OPTIONS.items() if option.metadata["fixed"]}
        mine = {name: getattr(self.config, name) for name in fixed}
        other = sorted(name for name in fixed if saved.config.get(name) != mine[name])
        if other:
            raise CheckpointError(
                f"{self.path(LAST)} is of a run with another {', '.join(other)} than {self.path(CONFIG)} says: put the "
                "file back that belongs here"
            )
        return saved

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """The time in the block is training."""
        started = time.perf_counter()
        yield
        self._now += time.perf_counter() - started

    @property
    def seconds(self) -> float:
        """Seconds of training, without validations and checkpoints, also before the run was resumed."""
        return self._earlier + self._now

    def log(self, trainer: Trainer, values: Mapping[str, Any]) -> None:
        """Add a line of `values` to metrics.jsonl, and the time to times.jsonl."""
        self._append(METRICS, {"step": trainer.step, "epoch": round(trainer.epoch, 6), **values})
        self._append(TIMES, {"step": trainer.step, "seconds": round(self.seconds, 4)})
        if self._board is not None:
            for name, value in values.items():
                for key, number in value.items() if isinstance(value, dict) else [("", value)]:
                    self._board.add_scalar(f"{name}/{key}" if key else name, number, trainer.step)

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        with self.writing(name):
            if name not in self._files:
                self._files[name] = open(self.path(name), "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (close())
            self._files[name].write(json.dumps(line) + "\n")

    def note_sample(self, step: int, text: str) -> None:
        """Keep `text`, what the model made at this step."""
        self.path(SAMPLES).mkdir(exist_ok=True)
        self.write_text(f"{SAMPLES}/{_sample(step)}.txt", text + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write `text` to a file of the run, whole or not at all."""
        path = self.path(name)
        with self.writing(name), atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(text)

    def save_due(self) -> bool:
        """Is it time for a checkpoint: as often as was chosen, and never more than two hundredths of the time."""
        wait = max(self.config.save_seconds, self._saving / MOST_FOR_SAVING)
        return time.monotonic() - self._saved_at >= wait

    def save(self, checkpoint: Checkpoint, task: Task) -> None:
        """Put the checkpoint, which is of `task`, in the place of the last one."""
        started = time.monotonic()
        with self.writing(LAST):
            checkpoint.save(self.path(LAST), task.metadata())
        self._saved_at = time.monotonic()
        self._saving = self._saved_at - started

    def save_model(self, task: Task) -> None:
        """Keep the weights as they are now."""
        with self.writing(MODEL):
            mg.save(self.path(MODEL), task.model.state_dict(), task.metadata())

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Say of what goes wrong with a disk in the block that it was in writing the file `name`."""
        try:
            yield
        except OSError as error:
            raise RunError(
                f"cannot write {self.folder / name}: {error.strerror or error}; what was saved before is whole: make "
                "room, and go on with --resume"
            ) from error

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return lines_of(self.path(METRICS))

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        if self._board is not None:
            self._board.close()


def writable_folder(path: str | Path) -> Path:
    """The folder `path`, made if need be and tried. Raises RunError if nothing can be written there."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunError(f"cannot write to the folder {folder}: {error.strerror}; choose another (--out)") from None
    return folder


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The lock of a folder, which the system takes back from a process that dies."""
    from filelock import FileLock, Timeout

    path = folder / ".lock"
    if path.is_symlink():
        raise RunError(f"{path} leads out of the run's folder: remove that link")
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout:
        raise RunError(
            f"this or another process is writing to {folder}: wait until it is done, or choose another folder (--out)"
        ) from None


def configure(folder: str | Path, given: Mapping[str, Any], resume: bool = False) -> Config:
    """The configuration of a run in `folder`: the values `given`, and with `resume` the others of the run there.

    Nothing is written. Raises RunError where there is a run already, and ConfigError for values that cannot be, or
    that cannot be changed when a run is resumed.
    """
    folder = Path(folder)
    if not (folder / CONFIG).exists():
        strangers = [name for name in FILES if (folder / name).exists()]
        if strangers:
            raise RunError(f"{folder} holds a {strangers[0]} of something else: choose another folder (--out)")
        if resume and not given:
            raise RunError(f"there is no run in {folder} to go on with: give its folder (--out)")
        return Config().but(given)
    if not resume:
        raise RunError(f"{folder} holds a run already: continue it (--resume), or choose another folder (--out)")
    saved = Config(**read(folder / CONFIG))
    if ":" in saved.cell and given.get("cell") != saved.cell:
        raise ConfigError(f"the run in {folder} has a cell of its user's own, {saved.cell}: name it with --cell")
    config = saved.but(given)
    _check_fixed(saved, config, folder)
    return config


def _check_fixed(saved: Config, config: Config, folder: Path) -> None:
    for name, (here, there) in saved.differences(config).items():
        if OPTIONS[name].metadata["fixed"]:
            raise ConfigError(
                f"the run in {folder} has {name} = {here!r}, which cannot become {there!r} on the way: leave it out, "
                "or start a new run in another folder (--out)"
            )


def remove_run(folder: str | Path) -> None:
    """Throw away the run in `folder`, if there is one, and no other files. Raises RunError while it is written."""
    folder = Path(folder)
    if not (folder / CONFIG).exists():
        return
    with _locked(folder):
        samples = [] if (folder / SAMPLES).is_symlink() else folder.glob(f"{SAMPLES}/step-*.txt")
        for path in [*samples, *(folder / name for name in FILES)]:
            path.unlink(missing_ok=True)


def _sample(step: int) -> str:
    return f"step-{step:08}"


def number_in(line: Mapping[str, Any], name: str) -> float:
    """A figure of a line, 0 where there is none."""
    value = line.get(name)
    return value if isinstance(value, (int, float)) and math.isfinite(value) else 0.0


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The objects in a file of lines, up to one that was cut by a kill, or a full disk."""
    found: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(values, dict) or not isinstance(values.get("step"), int):
            break
        found.append(values)
    return found


def _board(folder: Path, step: int) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ConfigError("files for TensorBoard want: pip install 'minigrad[tensorboard]'") from None
    return SummaryWriter(str(folder), purge_step=step + 1)
