"""From measured rounds to medians, ratios and tables; and the facts about the machine that go with them.

`python -m benchmarks.report results/rnn.json` prints the table of an earlier run as Markdown.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .entries import ENTRIES
from .load import QUIET

LIBRARIES = ("numpy", "llvmlite", "torch", "jax", "jaxlib", "autograd", "mygrad")

Round = dict[str, list[dict[str, Any]]]  # contender -> its measurements
Row = dict[str, Any]


def summarise(contenders: list[str], rounds: list[Round]) -> list[Row]:
    """Rounds -> one row for each thing measured: medians of the rounds' medians, and medians of the rounds' ratios.

    A ratio is the first contender's figure over another's, within one round, where both met the same noise. What the
    first does not measure is left out; what only another does not (the phases of a step that has but one), it lacks.
    """
    rows = []
    for first in rounds[0][contenders[0]]:
        of = {
            name: [one for each in rounds for one in each[name] if one["what"] == first["what"]] for name in contenders
        }
        found = {name: measurements for name, measurements in of.items() if measurements}
        medians = {name: [measurement["median"] for measurement in each] for name, each in found.items()}
        ratios = {
            name: [short(own / other) for own, other in zip(medians[contenders[0]], medians[name])]
            for name in medians
            if name != contenders[0] and all(medians[name])  # memory may not grow at all
        }
        rows.append(
            {
                "what": first["what"],
                "unit": first["unit"],
                "medians": {name: statistics.median(values) for name, values in medians.items()},
                "ratios": {
                    name: {"median": statistics.median(values), "rounds": values} for name, values in ratios.items()
                },
                "rounds": {name: [_without_label(each) for each in found[name]] for name in found},
            }
        )
    return rows


def short(number: float) -> float:
    """Five digits say all that a measurement can."""
    return float(f"{number:.5g}")


def _without_label(measurement: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in measurement.items() if key not in ("what", "unit")}


def table(record: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The record of a run -> the headings and the cells of its table."""
    first, *peers = record["contenders"]
    blocks = record["sizes"]
    axes = ENTRIES[record["entry"]].axes
    threaded = len({block.get("threads") for block in blocks}) > 1
    headings = (
        ["threads"] * threaded
        + [axes] * bool(axes)
        + ["what", "unit", first, *peers, *(f"{first} / {peer}" for peer in peers)]
    )
    cells = []
    for block in blocks:
        case = [str(block.get("threads"))] * threaded + [", ".join(map(str, block["size"]))] * bool(axes)
        for row in block["rows"]:
            ratios = [_ratio(row["ratios"].get(peer)) for peer in peers]
            values = [_number(row["medians"].get(name)) for name in (first, *peers)]
            cells.append([*case, row["what"], row["unit"], *values, *ratios])
    if ENTRIES[record["entry"]].means:
        for threads, what, found in means(blocks, peers):
            case = [str(threads)] * threaded + ["geometric mean"]
            cells.append([*case, what, "", "", *[""] * len(peers), *(_ratio(found.get(peer)) for peer in peers)])
    return headings, cells


def means(blocks: list[dict[str, Any]], peers: list[str]) -> Iterator[tuple[Any, str, dict[str, Any]]]:
    """Threads, what was measured, and for each peer the geometric mean of the ratio, and of its ends, over the sizes.

    Only where there are several sizes, and the peer could be measured at each.
    """
    for threads in dict.fromkeys(block.get("threads") for block in blocks):
        sizes = [{row["what"]: row["ratios"] for row in b["rows"]} for b in blocks if b.get("threads") == threads]
        for what in sizes[0] if len(sizes) > 1 else ():
            found: dict[str, Any] = {}
            for peer in peers:
                ratios = [size.get(what, {}).get(peer) for size in sizes]
                if all(ratios):
                    ends = zip(*((min(ratio["rounds"]), max(ratio["rounds"])) for ratio in ratios))
                    middle = statistics.geometric_mean(ratio["median"] for ratio in ratios)
                    found[peer] = {"median": middle, "rounds": [statistics.geometric_mean(end) for end in ends]}
            yield threads, what, found


def title(record: dict[str, Any]) -> str:
    """The name of the entry and the number of threads, unless that differs and has a column."""
    threads = {block.get("threads") for block in record["sizes"]} - {None}
    if len(threads) != 1:
        return record["entry"]
    (number,) = threads
    return f"{record['entry']} ({'one thread' if number == 1 else f'{number} threads'})"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(ratio: dict[str, Any] | None) -> str:
    if ratio is None:
        return "–"
    return f"{ratio['median']:.2f} ({min(ratio['rounds']):.2f}–{max(ratio['rounds']):.2f})"


def markdown(record: dict[str, Any]) -> Iterator[str]:
    """The lines of the table in Markdown, under a heading."""
    headings, cells = table(record)
    yield from (f"### {title(record)}", "")
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    yield from (f"| {' | '.join(row)} |" for row in cells)


def show(record: dict[str, Any]) -> None:
    """Print the table and the remarks on it; as Markdown where `rich` is not installed."""
    remarks = [f"{name} left out: {reason}" for name, reason in record["left out"].items()]
    if (others := busiest(record)) > QUIET:
        remarks.append(f"disturbed: other work kept up to {others} cores busy")
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ModuleNotFoundError:
        print("", *markdown(record), *remarks, sep="\n")
        return
    headings, cells = table(record)
    drawn = Table(title=f"{title(record)}: {record['about']}", caption=escape("\n".join(remarks)) or None)
    for heading in headings:
        drawn.add_column(
            heading, justify="right" if "minigrad" in heading or heading in record["contenders"] else "left"
        )
    case = headings.index("what")
    for row, after in zip(cells, [*cells[1:], []]):
        drawn.add_row(*row, end_section=row[:case] != after[:case])
    Console(width=None if sys.stdout.isatty() else 220).print(drawn)


def busiest(record: dict[str, Any]) -> float:
    """The most cores that were busy with other work during any of the processes."""
    rows = (row for block in record["sizes"] for row in block["rows"])
    return max((each["other work"] for row in rows for rounds in row["rounds"].values() for each in rounds), default=0)


def machine() -> dict[str, Any]:
    """Processor, cores, system, Python."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def packages() -> dict[str, str]:
    """What was measured: the commit if this is a checkout, and the versions that are installed."""
    found = {}
    for name in (*LIBRARIES, "cupy-cuda12x", "cupy-cuda13x"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    here = Path(__file__).parent
    git = ["git", "-C", str(here), "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        found["minigrad commit"] = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return found


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(*markdown(json.loads(Path(path).read_text(encoding="utf-8"))), "", sep="\n")
