"""How training scales over processes: `python -m benchmarks.scaling` prints tables and writes results/scaling.json.

Measured are a step of the character model on one process and on two, and an allreduce between two; from that follows,
on paper (see scaling_model), what more ranks on other networks would come to. `--show FILE` prints an earlier run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import load, report
from .run import HERE, THREAD_VARIABLES, as_many_cores
from .scaling_model import NETWORKS, RANKS, Training, below_half, shared_memory

GLOBAL = 64  # sequences in the batch, where it is the same for any number of ranks
LARGE = 4096  # a batch that has something for 512 ranks
BATCHES = (1, 2, 4, 8, 16, 32, 64)  # of one rank
CASES = [(1, 1, batch) for batch in BATCHES] + [(1, 2, 64), (2, 1, 32), (2, 1, 64)]  # ranks, threads of each, its batch
BYTES = tuple(4**n for n in range(1, 14))
FLOAT = 4  # bytes


def mpiexec() -> str:
    """The launcher beside this Python, or another. Ends the program if there is none."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        sys.exit("there is no mpiexec: pip install 'minigrad[mpi]'")
    return found


def run(ranks: int, threads: int, patience: float, *arguments: Any) -> dict[str, Any]:
    """What scaling_ranks prints, run on as many cores as there are threads; and how much other work there was."""
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    command = [sys.executable, "-m", "benchmarks.scaling_ranks", *map(str, arguments)]
    command = [mpiexec(), "-n", str(ranks), *command] if ranks > 1 else command
    deadline = time.perf_counter() + patience
    while True:
        load.wait_until_quiet(deadline)
        meter = load.Meter()
        with as_many_cores(ranks * threads):
            done = subprocess.run(command, env=environment, cwd=HERE.parent, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        others = meter.others()
        if others <= load.QUIET or time.perf_counter() > deadline:
            return json.loads(done.stdout.splitlines()[-1]) | {"other work": round(others, 2)}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything in turn, round by round; the record of it, written after every round."""
    packages = report.packages()
    for name in ("mpi4py", "mpich"):
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    record: dict[str, Any] = {
        "entry": "scaling",
        "about": "a training step of a character model (embedding 128, 2 LSTM layers of 256, 65 characters, T = 100)",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": report.machine(),
        "packages": packages,
        "seconds per process": options.seconds,
        "steps": [{"ranks": r, "threads": t, "batch": b, "rounds": []} for r, t, b in CASES],
        "allreduce": [],
    }
    for number in range(options.rounds):
        for case in record["steps"]:
            told = f"round {number + 1} of {options.rounds}: {case['ranks']} ranks of {case['threads']} threads"
            print(f"\r{told}, batch {case['batch']} each ", end="", file=sys.stderr, flush=True)
            found = run(case["ranks"], case["threads"], options.patience, "step", case["batch"], options.seconds)
            record["parameters"] = found.pop("parameters")
            case["rounds"].append({name: report.short(value) for name, value in found.items()})
        sizes = (*BYTES, record["parameters"] * FLOAT)
        found = run(2, 1, options.patience, "allreduce", options.seconds / len(sizes), *sizes)
        record["allreduce"].append({name: report.short(value) for name, value in found.items()})
        options.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        Path(options.out, "scaling.json").write_text(text, encoding="utf-8")
    print(file=sys.stderr)
    return record


def median(record: dict[str, Any], case: tuple[int, int, int], what: str = "step") -> float:
    """Of a case the median of the rounds, in ms."""
    (rounds,) = (each["rounds"] for each in record["steps"] if (each["ranks"], each["threads"], each["batch"]) == case)
    return statistics.median(each[what] for each in rounds)


def reduction(record: dict[str, Any], size: int) -> float:
    """The median of the rounds for an allreduce of `size` bytes, in ms."""
    return statistics.median(each[str(size)] for each in record["allreduce"])


def markdown(record: dict[str, Any]) -> list[str]:
    """The tables of a record."""
    return [*measured(record), "", *reductions(record), "", *on_paper(record)]


def measured(record: dict[str, Any]) -> list[str]:
    """Each case beside one rank with one thread that has the same batch in all (strong), or the same each (weak)."""
    lines = [
        "| ranks × threads | batch of a rank | step, ms | of it averaging, ms | characters a second"
        " | efficiency, same batch in all | same batch of a rank |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    alone = {batch: median(record, (1, 1, batch)) for batch in BATCHES}
    for case in record["steps"]:
        ranks, threads, batch = key = case["ranks"], case["threads"], case["batch"]
        if batch < GLOBAL // 2:
            continue  # there for what is on paper
        step, every = median(record, key), [each["step"] for each in case["rounds"]]
        averaging = f"{median(record, key, 'averaging'):.2f}" if ranks > 1 else ""
        whole = alone.get(ranks * batch)
        strong = f"{whole / (ranks * threads * step):.2f}" if whole and ranks * threads > 1 else ""
        weak = f"{alone[batch] / step:.2f}" if ranks > 1 else ""
        rate = ranks * batch * 100 / step * 1e3
        lines.append(
            f"| {ranks} × {threads} | {batch} | {step:.1f} ({min(every):.1f}–{max(every):.1f}) | {averaging}"
            f" | {rate:,.0f} | {strong} | {weak} |"
        )
    return lines


def reductions(record: dict[str, Any]) -> list[str]:
    """The allreduce alone."""
    own = record["parameters"] * FLOAT
    lines = ["| allreduce over 2 ranks, bytes | ms | bytes a second |", "| --- | --- | --- |"]
    for size in sorted((*BYTES, own)):
        took = reduction(record, size)
        name = f"{size:,}" + " (the model's gradients)" * (size == own)
        lines.append(f"| {name} | {took:.4f} | {size / took * 1e3:.3g} |")
    return lines


def on_paper(record: dict[str, Any]) -> list[str]:
    """Efficiency at RANKS, and where it falls below a half."""
    size = record["parameters"] * FLOAT
    training = Training({batch: median(record, (1, 1, batch)) / 1e3 for batch in BATCHES}, size)
    here = shared_memory(reduction(record, BYTES[0]) / 1e3, reduction(record, size) / 1e3, size)
    lines = [
        f"| on paper | latency, µs | GB/s | batch | {' | '.join(f'{n} ranks' for n in RANKS)} | below 50 % from |",
        "| --- | --- | --- | --- |" + " --- |" * len(RANKS) + " --- |",
    ]
    for network in (here, *NETWORKS):
        for name, efficiency in (
            (f"{GLOBAL} a rank", lambda ranks, network=network: training.weak(network, ranks, GLOBAL)),
            (f"{GLOBAL} in all", lambda ranks, network=network: training.strong(network, ranks, GLOBAL)),
            (f"{LARGE} in all", lambda ranks, network=network: training.strong(network, ranks, LARGE)),
        ):
            found = [efficiency(ranks) if ranks <= network.reach else None for ranks in RANKS]
            cells = " | ".join("–" if value is None else f"{value:.2f}" for value in found)
            half = below_half(efficiency, network.reach)
            lines.append(
                f"| {network.name} | {network.latency * 1e6:.2g} | {network.bandwidth / 1e9:.3g} | {name} | {cells}"
                f" | {'never' if half is None else f'{half:,} ranks'} |"
            )
    predicted = training.alone(GLOBAL // 2) + here.allreduce(size, 2)
    lines += [
        "",
        f"By the same reckoning two ranks would take {predicted * 1e3:.1f} ms for a batch of {GLOBAL};"
        f" measured were {median(record, (2, 1, GLOBAL // 2)):.1f} ms.",
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of all cases")
    parser.add_argument("--seconds", type=float, default=3.0, help="measured time in each process")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds a process waits for a quiet machine")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for scaling.json")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the tables of this record; measure nothing")
    options = parser.parse_args()
    record = json.loads(options.show.read_text(encoding="utf-8")) if options.show else measure(options)
    print(f"### scaling: {record['about']}", "", *markdown(record), sep="\n")
    busy = [each["other work"] for case in record["steps"] for each in case["rounds"]]
    if max(busy) > load.QUIET:
        print(f"\nother work kept up to {max(busy):.1f} cores busy: figures are provisional")


if __name__ == "__main__":
    main()
