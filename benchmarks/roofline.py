"""Where the time of a compiled LSTM step goes, beside what the machine can do: `python -m benchmarks.roofline`.

The roof is measured first: the largest rate of a product of matrices, and of a copy in memory. Then each phase of a
training step: how long it takes, its floating-point operations (of products) and bytes (of arrays that it must read or
write at least once), and how long these would take at the roof.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import minigrad as mg
import minigrad_rnn as mr
from minigrad.loop import gemm, run
from minigrad.loop.arrays import Lift
from minigrad.loop.llvm_kernels import Kernel

from .entries import RNN_SIZES

REPEATS = 25
FLOAT = 4  # bytes


def timed(function: Callable[[], Any]) -> float:
    """Seconds, the median of some calls."""
    function()
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return median(found)


def roof() -> tuple[float, float]:
    """FLOP a second of products, bytes a second of copies (read and written)."""
    left, right = (np.random.default_rng(0).random(shape, "float32") for shape in ((4096, 512), (512, 2048)))
    out = np.empty((4096, 2048), "float32")
    rates = [2 * 4096 * 512 * 2048 / timed(lambda: gemm.Products().product(left, right, out))]
    rates.append(2 * 4096 * 512 * 2048 / timed(lambda: np.matmul(left, right, out=out)))
    source, target = np.ones(2**26, "float32"), np.empty(2**26, "float32")
    return max(rates), 2 * source.nbytes / timed(lambda: np.copyto(target, source))


def watched(owner: Any, name: str, seconds: list[float]) -> None:
    """Note how long each call of a method takes."""
    method = getattr(owner, name)

    def call(*args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        answer = method(*args, **options)
        seconds.append(time.perf_counter() - start)
        return answer

    setattr(owner, name, call)


def phases(T: int, B: int, I: int, H: int) -> list[tuple[str, float, float, float]]:
    """Of each phase its name, seconds, FLOP and bytes."""
    layer, xs = mr.LSTM(I, H, compiled=True), mg.randn(T, B, I)
    seconds: dict[str, list[float]] = {name: [] for name in ("early", "run", "totals", "forward", "_gradients")}
    for owner, name in (
        (Lift, "early"),
        (Kernel, "run"),
        (Lift, "totals"),
        (run.Run, "forward"),
        (run.Run, "_gradients"),
    ):
        watched(owner, name, seconds[name])

    def step() -> None:
        layer.zero_grad()
        outputs, _ = layer(xs)
        (outputs * outputs).mean().backward()

    whole = timed(step)
    early, late = median(seconds["early"][::2]), median(seconds["totals"])
    there, back = median(seconds["run"][::2]), median(seconds["run"][1::2])
    rest = whole - early - late - there - back
    inner, outer = 2 * T * B * H * 4 * H, 2 * T * B * I * 4 * H
    row = T * B * H * FLOAT
    return [
        ("x W, before the loop", early, outer, T * B * I * FLOAT + 4 * row),
        ("the loop forward", there, inner, (4 + 5 + 2) * row),  # reads x W; writes gates, tanh(c), h, c
        ("the loop back", back, inner, (1 + 7 + 4) * row),  # reads the outputs' gradient and what was kept; writes 4 δ
        ("weights' gradients, after it", late, inner + outer, 2 * 4 * row + (T * B * I) * FLOAT + row),
        ("all else: Python, the loss, states", rest, 0, 0),
    ]


def main() -> None:
    """Print a table for each size, as Markdown."""
    flops, bandwidth = roof()
    print(f"Roof: {flops / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s.\n")
    for size in RNN_SIZES:
        print(f"| T, B, I, H = {', '.join(map(str, size))} | ms | GFLOP | GFLOP/s | at the roof, ms |")
        print("| --- | --- | --- | --- | --- |")
        for name, seconds, operations, moved in phases(*size):
            ideal = max(operations / flops, moved / bandwidth)
            rate = f"{operations / seconds / 1e9:.0f}" if operations else ""
            print(f"| {name} | {seconds * 1e3:.2f} | {operations / 1e9:.2f} | {rate} | {ideal * 1e3:.2f} |")
        print()


if __name__ == "__main__":
    main()
