"""Forward through a small network with nothing recorded: what a Tensor costs over the array in it.

The same lines run on minigrad's Tensors, in `no_grad`, and on raw arrays. A sample is many calls in a single `no_grad`
block; in "each in its own block" every call of minigrad's enters one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe

MOST_CALLS = 100
ENOUGH = 10_000_000  # multiplications in a sample


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    batch, *widths = size
    rng = np.random.default_rng(0)
    x = library.leaf(rng.standard_normal((batch, widths[0]), np.float32), False)
    layers = [
        (
            library.leaf(rng.standard_normal(shape, np.float32) * shape[0] ** -0.5, True),
            library.leaf(rng.standard_normal(shape[1], np.float32), True),
        )
        for shape in pairwise(widths)
    ]
    *hidden, (W_out, b_out) = layers
    tanh = library.module.tanh
    calls = min(MOST_CALLS, 1 + ENOUGH // (batch * sum(map(prod, pairwise(widths)))))

    def network() -> Any:
        h = x
        for W, b in hidden:
            h = tanh(h @ W + b)
        return h @ W_out + b_out

    def run(_: None) -> Any:
        for _ in range(calls):
            y = network()
        return y

    def in_one_block(_: None) -> Any:
        with library.module.no_grad():
            return run(_)

    def in_own_blocks(_: None) -> Any:
        for _ in range(calls):
            with library.module.no_grad():
                y = network()
        return y

    raw = contender == "numpy"
    for name, forward in (("forward", in_one_block), ("forward, each in its own block", in_own_blocks)):
        yield Probe(name, {"forward": run if raw else forward}, [], dict, unit="µs", per=calls)
