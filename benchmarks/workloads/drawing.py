"""Drawing an unrolled LSTM whose backward walk has come by: its picture, and what each printer makes of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    import minigrad as mg
    import minigrad_rnn as mr

    (T,) = size
    mg.seed(0)
    outputs, _ = mr.LSTM(2, 2)(mg.tensor(np.random.default_rng(0).standard_normal((T, 1, 2), np.float32)))
    loss = mg.square(outputs).mean()
    loss.backward()

    def drawing() -> Any:
        return mg.draw(loss, values=True, backward=True, max_steps=T)

    drawn = drawing()
    text = mg.draw(loss, values=True, max_steps=T).dot().encode()

    def graphviz() -> Any:
        return subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, check=True).stdout

    found: dict[str, Callable[[], Any]] = {
        "picture": lambda: drawing().picture.nodes,
        "SVG of it": drawn.svg,
        "DOT of it": drawn.dot,
        "page that plays it": drawn.html,
        "equations": lambda: drawn.equations().text(),
    }
    if shutil.which("dot"):
        found["Graphviz's dot on it"] = graphviz
    for name, make in found.items():
        # A phase returns a Tensor, which contenders would be compared by: here the length of what was made.
        measured = lambda _, make=make: mg.tensor(float(len(make())))
        yield Probe(f"{len(drawn.picture.nodes)} boxes: {name}", {name: measured}, [], dict)
