"""Run tests on a GPU and keep what came of them, with date, device and versions: python -m benchmarks.gpu_tests FILE

First the tests marked gpu, then as much of the whole suite as there is time for, with every Tensor on CuPy.
"""

from __future__ import annotations

import datetime
import json
import platform
import sys
import time
from typing import Any

import numpy as np
import pytest


class Outcomes:
    """A plugin of pytest's that counts, and ends the run in order when `seconds` have passed."""

    def __init__(self, seconds: float):
        self.end = time.monotonic() + seconds
        self.counts = {"passed": 0, "failed": 0, "skipped": 0, "without a package they need": 0}
        self.failures: list[str] = []
        self.complete = True

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.count(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.count(report)

    def count(self, report: Any) -> None:
        lacks = report.failed and "ModuleNotFoundError" in str(report.longrepr)
        self.counts["without a package they need" if lacks else report.outcome] += 1
        if report.failed and not lacks:
            self.failures.append(report.nodeid)

    def pytest_runtest_protocol(self, item: Any) -> None:
        if time.monotonic() > self.end:
            self.complete = False
            item.session.shouldstop = "the time is up"

    def told(self) -> dict[str, Any]:
        return {**self.counts, "complete": self.complete, "failures": self.failures}


def main(out: str) -> int:
    import cupy

    device = cupy.cuda.runtime.getDeviceProperties(0)
    record: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device["name"].decode(),
        "compute capability": f"{device['major']}.{device['minor']}",
        "versions": {
            "CUDA runtime": cupy.cuda.runtime.runtimeGetVersion(),
            "CUDA driver": cupy.cuda.runtime.driverGetVersion(),
            "cupy": cupy.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    runs = {"marked gpu": ["-m", "gpu"], "the suite on CuPy": ["--on", "cupy", "-m", "not slow and not gpu"]}
    for name, options in runs.items():
        outcomes = Outcomes(seconds=100)
        pytest.main(
            ["-q", "-p", "no:cacheprovider", "--tb=short", "--continue-on-collection-errors", *options, "tests"],
            plugins=[outcomes],
        )
        record[name] = outcomes.told()
        with open(out, "w") as file:
            json.dump(record, file, indent=1)
            file.write("\n")
    return int(any(record[name]["failed"] for name in runs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
