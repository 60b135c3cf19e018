"""What the engine itself costs: small operations, where the arithmetic takes next to no time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe

MULTIPLICATIONS = 1_000
ADDITIONS = 100_000


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    yield _additions(library)  # first, while the process has no memory to reuse
    yield _chain(library)


def _chain(library: Library) -> Probe:
    near_one = 1 + 1e-4 * np.random.default_rng(0).standard_normal((16, 32), np.float32)
    x, w = library.leaf(near_one, True), library.leaf(near_one, True)
    seed = library.leaf(np.ones_like(near_one), False)

    def forward(_: None) -> Any:
        y = x
        for _ in range(MULTIPLICATIONS):
            y = y * w
        return y

    phases = {"forward": forward, "backward": lambda y: y.backward(seed)}
    return Probe("multiply", phases, [x, w], lambda: {"x": x.grad, "w": w.grad}, unit="µs", per=MULTIPLICATIONS)


def _additions(library: Library) -> Probe:
    x = library.leaf(np.linspace(0, 1, 16, dtype=np.float32), True)
    seed = library.leaf(np.ones(16, np.float32), False)

    def build(_: None) -> Any:
        y = x
        for _ in range(ADDITIONS):
            y = y + x
        return y

    def walk(y: Any) -> Any:
        y.backward(seed)
        return y

    phases = {"build": build, "walk": walk, "free": lambda y: None}
    return Probe("100,000 additions", phases, [x], lambda: {"x": x.grad}, memory=True)
