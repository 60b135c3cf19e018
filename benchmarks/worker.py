"""One contender in a process of its own: `python -m benchmarks.worker ENTRY CONTENDER …` prints one line of JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from itertools import pairwise
from typing import Any

import numpy as np

from . import memory
from .entries import ENTRIES, parse_size
from .libraries import Library, UnavailableError, load
from .probe import UNITS, Probe
from .report import short

FEWEST_SAMPLES = 5
WARM_UP = 0.3  # of the measured time


def sample(probe: Probe, wait: Any) -> list[float]:
    """Run all phases once and return their seconds. What a phase lets go of is freed within its time."""
    for leaf in probe.leaves:
        leaf.grad = None
    state = None
    wait()
    times = [time.perf_counter()]
    for phase in probe.phases.values():
        state = phase(state)
        wait()
        times.append(time.perf_counter())
    return [after - before for before, after in pairwise(times)]


def samples_for(seconds: float, fewest: int, probe: Probe, wait: Any) -> list[list[float]]:
    found = []
    end = time.perf_counter() + seconds
    while len(found) < fewest or time.perf_counter() < end:
        found.append(sample(probe, wait))
    return found


def measure(probe: Probe, library: Library, seconds: float) -> list[dict[str, Any]]:
    """Medians of the whole and of each phase, in the probe's unit, and the peak memory where that is of interest.

    Of a probe whose `first` sample counts: that, the later ones, and the difference.
    """
    found = []
    if probe.first:
        first, *later = (sum(sample(probe, library.wait)) * UNITS[probe.unit] for _ in range(1 + FEWEST_SAMPLES))
        again = statistics.median(later)
        took = {"first step": [first], "later step": later, "tracing and compiling": [first - again]}
        return [_measurement(f"{probe.name}: {what}", probe.unit, times) for what, times in took.items()]
    if probe.memory and library.device == "cpu":  # what a GPU has in its own memory does not show here
        before = memory.forget_peak()
        for _ in range(probe.memory):
            sample(probe, library.wait)
        peak = memory.peak()
        found.append(_measurement(f"{probe.name} peak memory", "MB", [peak - before]))
        found.append(_measurement(f"{probe.name} peak memory in all", "MB", [peak]))
    samples_for(seconds * WARM_UP, 2, probe, library.wait)
    rows = samples_for(seconds, FEWEST_SAMPLES, probe, library.wait)
    scale = UNITS[probe.unit] / probe.per
    found.append(_measurement(probe.name, probe.unit, [sum(row) * scale for row in rows]))
    if len(probe.phases) > 1:
        for phase, times in zip(probe.phases, zip(*rows)):
            found.append(_measurement(f"{probe.name} {phase}", probe.unit, [t * scale for t in times]))
    return found


def _measurement(what: str, unit: str, samples: list[float]) -> dict[str, Any]:
    return {
        "what": what,
        "unit": unit,
        "median": short(statistics.median(samples)),
        "fastest": short(min(samples)),
        "slowest": short(max(samples)),
        "samples": len(samples),
    }


def results(probe: Probe, host: Any) -> dict[str, np.ndarray]:
    """What the contenders must agree on: what the first phase returns, the gradients, and what it returns next time.

    The last shows what an optimiser has done meanwhile.
    """
    first, *others = probe.phases.values()
    state = first(None)
    found = {f"{probe.name} value": host(state)}
    for phase in others:
        state = phase(state)
    found |= {f"{probe.name} d/d{name}": host(grad) for name, grad in probe.gradients().items()}
    return found | {f"{probe.name} next value": host(first(None))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entry", choices=ENTRIES)
    parser.add_argument("contender")
    parser.add_argument("--size", type=parse_size, default=())
    parser.add_argument("--part", default="", help="which of the entry's parts")
    parser.add_argument("--backend", default="numpy")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--results", help="write what is to be compared to this .npz file; measure nothing")
    options = parser.parse_args()
    try:
        library = load(options.contender, options.backend, options.threads)
    except UnavailableError as error:
        print(json.dumps({"skipped": str(error)}))
        return
    workload = importlib.import_module(f".workloads.{options.entry.replace('-', '_')}", __package__)
    probes = workload.probes(options.contender, library, options.size, *filter(None, [options.part]))
    if options.results:
        np.savez(
            options.results, **{name: array for probe in probes for name, array in results(probe, library.host).items()}
        )
        measurements = []
    else:
        measurements = [found for probe in probes for found in measure(probe, library, options.seconds)]
    print(json.dumps({"facts": library.facts, "measurements": measurements}))


if __name__ == "__main__":
    main()
