"""Running systems one after the other, and a page of their figures."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minigrad.serialize import atomic_write

from .figure import number
from .outcome import RESULT, Outcome

if TYPE_CHECKING:
    from rich.console import Console


INTERRUPTED = (130, 143, -signal.SIGINT, -signal.SIGTERM)  # as a shell tells it, and as Python does


def run_each(
    names: Sequence[str],
    out: Path,
    console: Console,
    quick: bool = False,
    seed: int = 0,
    flags: Sequence[str] = (),
    resume: bool = False,
) -> dict[str, int]:
    """Run each system in a process of its own, with these further flags; its exit status by name.

    It is 0, or 1 where figures are not met, 2 where it failed. So none has another's memory, and one that fails ends no
    other. With `resume` those that have such a result in `out` are left as they are. Raises KeyboardInterrupt where one
    was interrupted.
    """
    statuses = {}
    for count, name in enumerate(names, 1):
        if resume and (out / name / RESULT).exists():
            outcome = Outcome.load(out / name)
            if (outcome.seed, outcome.quick, outcome.data) == (seed, quick, ""):
                statuses[name] = 1 if outcome.failed else 0
                continue
        console.print(f"\n{name} ({count} of {len(names)})", style="bold", soft_wrap=True)
        command = [sys.executable, "-m", "minigrad_rnn", "run", name, "--out", str(out), "--seed", str(seed), *flags]
        command += ["--quick"] * quick
        status = subprocess.run(command, check=False).returncode
        if status in INTERRUPTED:
            raise KeyboardInterrupt
        statuses[name] = status if status in (0, 1) and (out / name / RESULT).exists() else 2
    return statuses


def write_results(path: Path, names: Sequence[str], out: Path) -> None:
    """Write a page of Markdown of the results in `out`: name, figure, reference, seconds, seed, and the versions.

    Raises SystemRunError where one of them has none.
    """
    rows = [Outcome.load(out / name) for name in names]
    quick = "These are quick runs, too short for their figures." if any(row.quick for row in rows) else ""
    lines = [
        "# Results",
        "",
        "What `minigrad-rnn run all --results docs/results.md` came to: each system's figures, beside what they are",
        "measured against. A relation (>, <, =) is asked of a figure; *beside* is for comparison, whichever is better.",
        "",
    ]
    made = {f"{row.machine}; {', '.join(f'{name} {own}' for name, own in row.versions.items())}" for row in rows}
    lines += [f"- {told}" for told in sorted(made)] + ["", quick] * bool(quick)
    lines += ["", "| name | figure | value | reference | seconds | seed |", "| --- | --- | ---: | --- | ---: | ---: |"]
    for row in rows:
        for n, figure in enumerate(row.figures):
            value = number(figure.value) + ("" if figure.holds else " (**not met**)")
            of_all = (f"`{row.name}`", f"{row.seconds:.0f}", str(row.seed)) if n == 0 else ("", "", "")
            fields = (of_all[0], figure.what, value, figure.asked, *of_all[1:])
            lines.append("| " + " | ".join(field.replace("|", "\\|") for field in fields) + " |")
    with atomic_write(path) as temporary:
        Path(temporary).write_text("\n".join(lines) + "\n", encoding="utf-8")
