"""Running a system, and what is kept of it: result.json in its folder."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend
from minigrad.errors import MinigradError
from minigrad.serialize import atomic_write

from ..training.parallel import Group
from ..training.run import writable_folder
from .figure import Figure, number
from .lab import Lab
from .system import System

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

RESULT = "result.json"


class SystemRunError(MinigradError, ValueError):
    """A system that cannot be run as was asked, or a folder that holds no result of one."""


@dataclass(frozen=True)
class Outcome:
    """What a run of the system `name` came to: its `figures`, and in how many `seconds`, on which `machine`.

    `seed`, `quick` and `data` are what it was run with, `versions` those of Python and packages. `pictures` are files
    in its folder, each with what it shows.
    """

    name: str
    figures: list[Figure]
    seconds: float
    seed: int
    quick: bool
    data: str  # the user's own file, "" for the system's own data
    machine: str
    versions: dict[str, str]
    pictures: dict[str, str]

    @property
    def failed(self) -> list[Figure]:
        """The figures that are not as they must be; of a quick run, and of the user's own data, only what is exact."""
        asked = not (self.quick or self.data)
        return [figure for figure in self.figures if not figure.holds and (figure.always or asked)]

    @classmethod
    def load(cls, folder: str | Path) -> Outcome:
        """The outcome kept in `folder`. Raises SystemRunError where there is none."""
        try:
            values = json.loads((Path(folder) / RESULT).read_text(encoding="utf-8"))
            return cls(**values | {"figures": [Figure(**figure) for figure in values["figures"]]})
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise SystemRunError(f"{folder} holds no result of a system ({error}): run it") from None


def run_system(
    system: System,
    folder: str | Path,
    console: Console,
    quick: bool = False,
    seed: int = 0,
    data: str | None = None,
    threads: int = 0,
) -> Outcome:
    """Run `system` on the current backend, and keep its outcome and pictures in `folder`.

    `quick`, `seed` and `data` are those of `Lab`, as is `console`; `threads` is how many cores to use (0: all).

    Raises SystemRunError for a file where none is taken, and what the system raises; then no outcome is left of a run
    before.
    """
    if data is not None and not system.takes:
        raise SystemRunError(f"{system.name} has no data but its own ({system.data}): leave yours out (--data)")
    folder = writable_folder(folder)
    lab = Lab(folder, console, quick, seed, data)
    (folder / RESULT).unlink(missing_ok=True)
    mg.seed(seed)
    threads = threads or Group.alone().threads_per_rank()
    started = time.perf_counter()
    with mg.use_threads(threads):
        figures = system.run(lab)
    outcome = Outcome(
        name=system.name,
        figures=figures,
        seconds=round(time.perf_counter() - started, 2),
        seed=seed,
        quick=quick,
        data=data or "",
        machine=f"{platform.system()} {platform.machine()}, {threads} threads, {current_backend().name}",
        versions=_versions(),
        pictures=lab.pictures,
    )
    with atomic_write(folder / RESULT) as temporary:
        Path(temporary).write_text(json.dumps(asdict(outcome), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return outcome


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "numpy": np.__version__, "minigrad": mg.__version__}


def figures_table(outcome: Outcome) -> Table:
    """The figures, each with what is asked of it, and whether it is so."""
    from rich.table import Table

    shown = Table("figure", "value", "reference", "")
    for figure in outcome.figures:
        mark = "" if figure.relation == "beside" else "too short a run" if outcome.quick else "not asked of your data"
        if figure.relation != "beside" and (figure.holds or figure in outcome.failed):
            mark = "✓" if figure.holds else "NOT MET"
        shown.add_row(figure.what, number(figure.value), figure.asked, mark)
    return shown
