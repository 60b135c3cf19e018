"""Measure and compare: `python -m benchmarks.run [NAMES…]` prints a table and writes benchmarks/results/NAME.json.

Each contender runs in a process of its own, in turn and in several rounds: two thread pools in one process slow each
other down. A process that met other work on the machine is run again, as long as `--patience` lasts.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import check, load, report
from .entries import EMPTY, ENTRIES, ENVIRONMENT, FILLED, Entry, Size, parse_size, smallest

HERE = Path(__file__).parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # the last is JAX's
CACHE_VARIABLES = ("MINIGRAD_CACHE", "JAX_COMPILATION_CACHE_DIR")
JAX_KEEPS_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}  # also what it compiled within a second
IMPORT = "import time; start = time.perf_counter(); import {}; print(1e3 * (time.perf_counter() - start))"


@contextlib.contextmanager
def as_many_cores(threads: int) -> Iterator[None]:
    """Processes started in this block stay on as many cores as threads, whatever pools they make. On Linux.

    They are the last cores: the system has work of its own for the first.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(every)[-threads:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


class LeftOutError(Exception):
    """A contender cannot run here, or its process failed; the message says why."""


class Harness:
    """Runs workers, and remembers which contenders had to be left out, and what the others said of themselves."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.threads = os.cpu_count() or 1  # of each process from now on
        self.left_out: dict[str, str] = {}
        self.facts: dict[str, str] = {}
        self.failed = False
        self.deadline = 0.0  # until when a quiet machine is waited for

    def python(self, *arguments: str, **environment: str) -> str:
        """Run Python in a process of its own and return what it printed. Raises LeftOutError if it fails."""
        ours = os.environ | dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        ours.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody's second import compiles the source again
        ours.pop("MINIGRAD_KERNELS", None)  # each contender has its own
        on_device = self.options.backend != "numpy"
        ours |= {"MINIGRAD_KERNELS": "cuda"} if on_device else {}
        with contextlib.nullcontext() if on_device else as_many_cores(self.threads):
            done = subprocess.run(
                [sys.executable, *arguments],
                env=ours | environment,
                cwd=HERE.parent,
                capture_output=True,
                text=True,
            )
        if done.returncode:
            self.failed = True
            print(done.stderr, file=sys.stderr)
            raise LeftOutError(f"failed: {(done.stderr.splitlines() or ['no message'])[-1]}")
        return done.stdout

    def worker(self, entry: Entry, contender: str, size: Size, part: str, *arguments: str) -> list[dict[str, Any]]:
        """The measurements of one contender. Raises LeftOutError if it cannot run."""
        if entry.name == "imports":
            took = float(self.python("-c", IMPORT.format(contender)))
            return [{"what": "import", "unit": "ms", "median": report.short(took)}]
        options = self.options
        command = ["-m", "benchmarks.worker", entry.name, contender, "--backend", options.backend, "--part", part]
        command += ["--threads", str(self.threads), "--seconds", str(options.seconds)]
        if size:
            command += ["--size", ",".join(map(str, size))]
        environment = ENVIRONMENT.get(contender, {})
        with tempfile.TemporaryDirectory() as folder:
            if part in (EMPTY, FILLED):
                environment = environment | dict.fromkeys(CACHE_VARIABLES, folder) | JAX_KEEPS_ALL
            for _ in range(2 if part == FILLED else 1):  # the first of two fills the cache
                printed = self.python(*command, *arguments, **environment)
        told = json.loads(printed.splitlines()[-1])
        if "skipped" in told:
            raise LeftOutError(told["skipped"])
        self.facts |= told["facts"]
        return told["measurements"]

    def undisturbed(self, entry: Entry, contender: str, size: Size, part: str) -> list[dict[str, Any]]:
        """The measurements of one process, made while nobody else used the machine, if patience lasts."""
        while True:
            load.wait_until_quiet(self.deadline)
            meter = load.Meter()
            found = self.worker(entry, contender, size, part)
            others = meter.others()
            if others <= load.QUIET or time.perf_counter() > self.deadline:
                return [measurement | {"other work": round(others, 2)} for measurement in found]

    def turn(self, entry: Entry, size: Size) -> dict[str, list[dict[str, Any]]]:
        """Measure all contenders that can run, one after the other, each part of the entry in turn."""
        self.deadline = time.perf_counter() + self.options.patience
        found: dict[str, list[dict[str, Any]]] = {}
        for part, contender in itertools.product(entry.parts, entry.contenders):
            if contender not in self.left_out:
                try:
                    found.setdefault(contender, []).extend(self.undisturbed(entry, contender, size, part))
                except LeftOutError as error:
                    self.left_out[contender] = str(error)
        return found


def agreement(harness: Harness, entry: Entry, size: Size) -> dict[str, Any]:
    """Compare what each contender computes with the first one, at one size. Ends the program if they do not agree."""
    import numpy as np

    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.npz")
        for contender, part in itertools.product(entry.contenders, entry.parts):
            if contender not in harness.left_out:
                try:
                    harness.worker(entry, contender, size, part, "--results", str(path))
                except LeftOutError as error:
                    harness.left_out[contender] = str(error)
                    results.pop(contender, None)
                    continue
                with np.load(path) as arrays:
                    results.setdefault(contender, {}).update(arrays)
    found = {}
    reference, *others = results or [None]
    for contender in others:
        name, by = check.worst(results[contender], results[reference])
        if by > check.TOLERANCE:
            sys.exit(f"{entry.name}: {contender} and {reference} differ by {by:.1e} in {name}: nothing was measured")
        found[contender] = report.short(by)
    return {"size": size, "tolerance": check.TOLERANCE, "largest relative difference": found}


def measure(harness: Harness, entry: Entry, sizes: tuple[Size, ...], path: Path) -> dict[str, Any]:
    """Run one entry and write its record after every size."""
    options = harness.options
    rounds = options.rounds or entry.rounds
    cores = os.cpu_count() or 1
    threads = options.threads or [n for n in entry.threads if n <= cores] or [cores]
    record: dict[str, Any] = {
        "entry": entry.name,
        "about": entry.about,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": report.machine(),
        "packages": report.packages(),
        "backend": options.backend,
        "threads": threads,
        "seconds per process": options.seconds,
        "contenders": list(entry.contenders),
        "check": None,
        "sizes": [],
    }
    if options.check and entry.name != "imports":
        record["check"] = agreement(harness, entry, smallest(sizes))
    for harness.threads, size in itertools.product(threads, sizes):
        turns = []
        case = f"{entry.name} {size or ''} {harness.threads} threads"
        for number in range(rounds):
            print(f"\r{case} round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
            turns.append(harness.turn(entry, size))
        running = [name for name in entry.contenders if name not in harness.left_out]
        complete = running[:1] == record["contenders"][:1]  # without the first there is nothing to compare
        rows = report.summarise(running, turns) if complete else []
        record["sizes"].append({"size": size, "threads": harness.threads, "rows": rows})
        record |= {"workers": harness.facts, "left out": harness.left_out}
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(file=sys.stderr)
    return record


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(ENTRIES)}; without one, all for the CPU")
    parser.add_argument("--sizes", nargs="+", type=parse_size, metavar="N,N,…", help="what they are is in --list")
    parser.add_argument("--rounds", type=int, help="turns of all contenders")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured time of each thing in each process")
    parser.add_argument("--threads", nargs="+", type=int, metavar="N", help="for every contender alike, each N in turn")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds a round waits for a quiet machine")
    parser.add_argument("--backend", choices=("numpy", "cupy"), default="numpy", help="cupy: PyTorch on CUDA, too")
    parser.add_argument("--no-check", dest="check", action="store_false", help="do not compare results first")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the JSON files")
    parser.add_argument("--list", action="store_true", help="say what can be measured")
    options = parser.parse_args()
    for name in options.names:
        if name not in ENTRIES:
            parser.error(f"no entry is called {name!r}: choose from {', '.join(ENTRIES)}")
    options.names = options.names or [name for name, entry in ENTRIES.items() if not entry.gpu]
    entries = [ENTRIES[name] for name in options.names]
    for size in options.sizes or ():
        if wrong := [entry for entry in entries if not entry.takes(size)]:
            parser.error(f"{size} is no size of {wrong[0].name}, which takes {wrong[0].axes or 'none'}: name the entry")
    return options


def main() -> int:
    options = arguments()
    if options.list:
        for entry in ENTRIES.values():
            print(f"{entry.name:12} {entry.about} ({', '.join(entry.contenders)}) {entry.axes}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for name in options.names:
        entry, harness = ENTRIES[name], Harness(options)
        sizes = tuple(options.sizes) if options.sizes else entry.sizes
        path = options.out / (f"{name}.json" if options.backend == "numpy" else f"{name}-{options.backend}.json")
        report.show(measure(harness, entry, sizes, path))
        failed |= harness.failed
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
