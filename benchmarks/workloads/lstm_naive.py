"""An LSTM as a textbook writes it, operation by operation; the same lines run in minigrad and in eager PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe, training_step

GATES = "fiog"


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    T, B, I, H = size
    rng = np.random.default_rng(0)
    xs = list(library.leaf(rng.standard_normal((T, B, I), np.float32), False))
    start = library.leaf(np.zeros((B, H), np.float32), False)
    W = {gate: library.leaf(rng.standard_normal((H + I, H), np.float32) * H**-0.5, True) for gate in GATES}
    b = {gate: library.leaf(np.zeros(H, np.float32), True) for gate in GATES}
    concatenate, sigmoid, tanh = (getattr(library.module, name) for name in ("concatenate", "sigmoid", "tanh"))

    def loss() -> Any:
        h = c = start
        for x in xs:
            hx = concatenate([h, x], 1)
            f = sigmoid(hx @ W["f"] + b["f"])
            i = sigmoid(hx @ W["i"] + b["i"])
            o = sigmoid(hx @ W["o"] + b["o"])
            g = tanh(hx @ W["g"] + b["g"])
            c = f * c + i * g
            h = o * tanh(c)
        return (h * h).mean()

    named = {f"W_{gate}": W[gate] for gate in GATES} | {f"b_{gate}": b[gate] for gate in GATES}
    yield training_step("LSTM", loss, list(named.values()), lambda: {name: leaf.grad for name, leaf in named.items()})
