"""The character model, trained by `minigrad-rnn train` and by PyTorch: what each reaches, and how long it takes.

`python -m benchmarks.char_lm --text FILE --epochs N --rounds R` runs both in turn, each in a process of its own with as
many threads, every round from another seed; it prints a table in Markdown and writes benchmarks/results/char-lm.json.
Seconds are those of training alone, without validation. Options are those of `benchmarks.char_lm_torch`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any

from . import char_lm_torch, load, report
from .run import HERE, THREAD_VARIABLES, as_many_cores

CONTENDERS = ("minigrad", "torch")
OPTIONS = {  # that both have, by their section of our configuration
    "data": ("text", "validation", "batch", "length"),
    "model": ("embedding", "hidden", "layers", "dropout", "output_dropout"),
    "training": ("epochs", "lr", "schedule", "warmup", "floor", "clip", "seed", "threads"),
}


def values(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for names in OPTIONS.values() for name in names}


def configuration(options: argparse.Namespace) -> str:
    """The TOML file of our run; validated after each epoch, with no sample."""
    characters = len(Path(options.text).read_text(encoding="utf-8"))
    left = characters - char_lm_torch.kept_for_validation(characters, options.validation)
    epoch = math.ceil((left - 1) // options.batch / options.length)
    lines = []
    for section, names in OPTIONS.items():
        lines += [f"[{section}]", *(f"{name} = {json.dumps(values(options)[name])}" for name in names)]
    lines += [f"validate_every = {epoch}", "sample = 0"]  # of the last section, training
    return "\n".join(lines) + "\n"


def our_epochs(folder: Path) -> list[dict[str, Any]]:
    """What a run's folder says of its validations: epoch, step, nats per character, seconds of training so far."""
    metrics, times = (
        [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("metrics.jsonl", "times.jsonl")
    )
    seconds = {line["step"]: line["seconds"] for line in times}
    return [
        {
            "epoch": round(line["epoch"]),
            "step": line["step"],
            "validation": line["validation_loss"],
            "seconds": seconds[line["step"]],
        }
        for line in metrics
        if "validation_loss" in line
    ]


def their_epochs(path: Path) -> list[dict[str, Any]]:
    """The same of what `benchmarks.char_lm_torch` wrote."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{name: line[name] for name in ("epoch", "step", "validation", "seconds")} for line in lines]


def trained(contender: str, options: argparse.Namespace) -> dict[str, Any]:
    """One training in a process of its own: its epochs, the time of the process, and how busy others were."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if contender == "minigrad":
            (folder / "config.toml").write_text(configuration(options), encoding="utf-8")
            command = ["minigrad_rnn", "train", str(folder / "config.toml"), "--out", str(folder / "run")]
        else:
            command = ["benchmarks.char_lm_torch"]
            for option, value in values(options).items():
                command += [f"--{option.replace('_', '-')}", str(value)]
            command += ["--out", str(folder / "result.jsonl")]
        load.wait_until_quiet(time.perf_counter() + options.patience)
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(options.threads))
        meter, start = load.Meter(), time.perf_counter()
        with as_many_cores(options.threads):
            done = subprocess.run(
                [sys.executable, "-m", *command], env=environment, cwd=HERE.parent, capture_output=True, text=True
            )
        took = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"{contender} failed:\n{done.stderr}")
        if contender == "torch" and not (folder / "result.jsonl").exists():
            sys.exit(done.stdout.strip())
        epochs = our_epochs(folder / "run") if contender == "minigrad" else their_epochs(folder / "result.jsonl")
    return {"epochs": epochs, "process seconds": report.short(took), "other work": round(meter.others(), 2)}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds; the record is written after each."""
    record: dict[str, Any] = {
        "entry": "char-lm",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": report.machine(),
        "packages": report.packages(),
        "options": values(options) | {"text": Path(options.text).name},
        "rounds": [],
    }
    for number in range(options.rounds):
        found: dict[str, Any] = {"seed": options.seed + number}
        for contender in CONTENDERS:
            print(f"\rround {number + 1} of {options.rounds}: {contender} ", end="", file=sys.stderr, flush=True)
            one = argparse.Namespace(**vars(options) | {"seed": options.seed + number})
            found[contender] = trained(contender, one)
        record["rounds"].append(found)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(file=sys.stderr)
    return record


def markdown(record: dict[str, Any]) -> Iterator[str]:
    """The table: means of the losses over the rounds, medians of times and of their ratios (with their ends)."""
    yield "| epoch | step | minigrad nats (bits) | torch nats (bits) | difference | minigrad s | torch s | ratio |"
    yield "|" + " --- |" * 8
    both = [[each[name]["epochs"] for each in record["rounds"]] for name in CONTENDERS]
    for ours, theirs in zip(*(zip(*rounds, strict=True) for rounds in both), strict=True):
        if len({line["step"] for line in (*ours, *theirs)}) > 1:
            sys.exit("minigrad and torch were not validated after the same steps")
        nats = [fmean(line["validation"] for line in lines) for lines in (ours, theirs)]
        times = [median(line["seconds"] for line in lines) for lines in (ours, theirs)]
        ratios = [a["seconds"] / b["seconds"] for a, b in zip(ours, theirs, strict=True)]
        losses = " | ".join(f"{each:.4f} ({each / math.log(2):.4f})" for each in nats)
        yield (
            f"| {ours[0]['epoch']} | {ours[0]['step']} | {losses} | {nats[0] - nats[1]:+.4f} | {times[0]:.1f} | "
            f"{times[1]:.1f} | {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |"
        )
    busiest = max(each[name]["other work"] for each in record["rounds"] for name in CONTENDERS)
    if busiest > load.QUIET:
        yield from ("", f"disturbed: other work kept up to {busiest} cores busy")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.char_lm", description=__doc__)
    char_lm_torch.add_options(parser)
    parser.add_argument("--rounds", type=int, default=1, help="turns of both")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds that each waits for a quiet machine")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "char-lm.json", help="the record, in JSON")
    options = parser.parse_args()
    options.text = str(Path(options.text).absolute())
    if not Path(options.text).is_file():
        parser.error(f"{options.text} is no file")
    return options


def main() -> int:
    print(*markdown(measure(arguments())), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
