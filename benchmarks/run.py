"""Measure and compare: `python -m benchmarks.run [NAMES…]` prints a table and writes benchmarks/results/NAME.json.

Each contender runs in a process of its own, in turn and in several rounds: two thread pools in one process slow each
other down. A process that met other work on the machine is run again, as long as `--patience` lasts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import check, load, report
from .entries import ENTRIES, Entry, Size, parse_size, smallest

HERE = Path(__file__).parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
IMPORT = "import time; start = time.perf_counter(); import {}; print(1e3 * (time.perf_counter() - start))"


class LeftOutError(Exception):
    """A contender cannot run here, or its process failed; the message says why."""


class Harness:
    """Runs workers, and remembers which contenders had to be left out, and what the others said of themselves."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(options.threads))
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody's second import compiles the source again
        self.left_out: dict[str, str] = {}
        self.facts: dict[str, str] = {}
        self.failed = False
        self.deadline = 0.0  # until when a quiet machine is waited for

    def python(self, *arguments: str) -> str:
        """Run Python in a process of its own and return what it printed. Raises LeftOutError if it fails."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=HERE.parent,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            self.failed = True
            print(done.stderr, file=sys.stderr)
            raise LeftOutError(f"failed: {(done.stderr.splitlines() or ['no message'])[-1]}")
        return done.stdout

    def worker(self, entry: Entry, contender: str, size: Size, *arguments: str) -> list[dict[str, Any]]:
        """The measurements of one contender. Raises LeftOutError if it cannot run."""
        if entry.name == "imports":
            took = float(self.python("-c", IMPORT.format(contender)))
            return [{"what": "import", "unit": "ms", "median": report.short(took)}]
        options = self.options
        command = ["-m", "benchmarks.worker", entry.name, contender, "--backend", options.backend]
        command += ["--threads", str(options.threads), "--seconds", str(options.seconds)]
        if size:
            command += ["--size", ",".join(map(str, size))]
        told = json.loads(self.python(*command, *arguments).splitlines()[-1])
        if "skipped" in told:
            raise LeftOutError(told["skipped"])
        self.facts |= told["facts"]
        return told["measurements"]

    def undisturbed(self, entry: Entry, contender: str, size: Size) -> list[dict[str, Any]]:
        """The measurements of one contender, made while nobody else used the machine, if patience lasts."""
        while True:
            load.wait_until_quiet(self.deadline)
            meter = load.Meter()
            found = self.worker(entry, contender, size)
            others = meter.others()
            if others <= load.QUIET or time.perf_counter() > self.deadline:
                return [measurement | {"other work": round(others, 2)} for measurement in found]

    def turn(self, entry: Entry, size: Size) -> dict[str, list[dict[str, Any]]]:
        """Measure all contenders that can run, one after the other."""
        self.deadline = time.perf_counter() + self.options.patience
        found = {}
        for contender in entry.contenders:
            if contender not in self.left_out:
                try:
                    found[contender] = self.undisturbed(entry, contender, size)
                except LeftOutError as error:
                    self.left_out[contender] = str(error)
        return found


def agreement(harness: Harness, entry: Entry, size: Size) -> dict[str, Any]:
    """Compare what each contender computes with the first one, at one size. Ends the program if they do not agree."""
    import numpy as np

    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for contender in entry.contenders:
            path = Path(folder, f"{contender}.npz")
            try:
                harness.worker(entry, contender, size, "--results", str(path))
            except LeftOutError as error:
                harness.left_out[contender] = str(error)
                continue
            with np.load(path) as arrays:
                results[contender] = dict(arrays)
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
    record: dict[str, Any] = {
        "entry": entry.name,
        "about": entry.about,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": report.machine(),
        "packages": report.packages(),
        "backend": options.backend,
        "threads": options.threads,
        "seconds per process": options.seconds,
        "contenders": list(entry.contenders),
        "check": None,
        "sizes": [],
    }
    if options.check and entry.name != "imports":
        record["check"] = agreement(harness, entry, smallest(sizes))
    for size in sizes:
        turns = []
        for number in range(rounds):
            print(f"\r{entry.name} {size or ''} round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
            turns.append(harness.turn(entry, size))
        running = [name for name in entry.contenders if name not in harness.left_out]
        complete = running[:1] == record["contenders"][:1]  # without the first there is nothing to compare
        record["sizes"].append({"size": size, "rows": report.summarise(running, turns) if complete else []})
        record |= {"workers": harness.facts, "left out": harness.left_out}
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(file=sys.stderr)
    return record


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(ENTRIES)}; all if none is given")
    parser.add_argument("--sizes", nargs="+", type=parse_size, metavar="T,B,I,H", help="steps, batch, inputs, hidden")
    parser.add_argument("--rounds", type=int, help="turns of all contenders")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured time of each thing in each process")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for every contender (default: all cores)")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds a round waits for a quiet machine")
    parser.add_argument("--backend", choices=("numpy", "cupy"), default="numpy", help="cupy: PyTorch on CUDA, too")
    parser.add_argument("--no-check", dest="check", action="store_false", help="do not compare results first")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the JSON files")
    parser.add_argument("--list", action="store_true", help="say what can be measured")
    options = parser.parse_args()
    for name in options.names:
        if name not in ENTRIES:
            parser.error(f"no entry is called {name!r}: choose from {', '.join(ENTRIES)}")
    return options


def main() -> int:
    options = arguments()
    if options.list:
        for entry in ENTRIES.values():
            print(f"{entry.name:12} {entry.about} ({', '.join(entry.contenders)})")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    failed = False
    for name in options.names or ENTRIES:
        entry, harness = ENTRIES[name], Harness(options)
        sizes = tuple(options.sizes) if options.sizes and entry.sizes[0] else entry.sizes
        path = options.out / (f"{name}.json" if options.backend == "numpy" else f"{name}-{options.backend}.json")
        report.show(measure(harness, entry, sizes, path))
        failed |= harness.failed
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
