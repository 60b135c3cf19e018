"""What can be measured: one row an entry. Imports nothing heavy, so that the harness stays light."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from dataclasses import dataclass

Size = tuple[int, ...]

STEPS = "T, B, I, H"  # steps, batch, inputs, hidden units
WIDTHS = "B, I, …, O"  # batch, inputs, the width of each hidden layer, outputs

RNN_SIZES: tuple[Size, ...] = (
    (32, 16, 32, 32),
    (128, 1, 64, 128),
    (100, 64, 64, 128),
    (64, 32, 128, 256),
    (64, 64, 512, 512),
)


@dataclass(frozen=True)
class Entry:
    """Something to measure. Ratios are the first contender's figure over each other contender's.

    `axes` says what the numbers of a size are; both are empty where there is nothing to choose. `threads` are the
    numbers of threads to measure with, all cores if there are none. Each of `parts` has a process of its own.
    """

    name: str
    about: str
    contenders: tuple[str, ...]
    sizes: tuple[Size, ...] = ((),)
    axes: str = ""
    threads: tuple[int, ...] = ()
    parts: tuple[str, ...] = ("",)
    rounds: int = 5

    def takes(self, size: Size) -> bool:
        """Has a size as many numbers as it should?"""
        return len(size) >= 3 if self.axes == WIDTHS else len(size) == len(self.sizes[0])


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            "rnn",
            "one training step (forward, loss, backward) of a recurrent layer in float32",
            ("minigrad", "torch", "torch-eager"),
            RNN_SIZES,
            STEPS,
        ),
        Entry(
            "lstm-naive",
            "an LSTM written operation by operation: four weight matrices on concat(h, x), the same lines for both",
            ("minigrad", "torch-eager"),
            RNN_SIZES,
            STEPS,
        ),
        Entry(
            "engine",
            "one of 1,000 chained small operations; 100,000 additions (of 16 numbers) built, walked and freed",
            ("minigrad", "torch-eager", "autograd", "mygrad"),
            threads=(1,),
        ),
        Entry(
            "mlp-forward",
            "forward through a small tanh network, nothing recorded: minigrad against the same lines on raw arrays",
            ("minigrad", "numpy"),
            ((32, 64, 128, 64, 10), (1, 16, 32, 4), (256, 784, 512, 512, 10)),
            WIDTHS,
        ),
        Entry(
            "mlp-step",
            "a whole training step of a relu network (forward, cross-entropy, backward, optimiser), and its memory",
            ("minigrad", "torch"),
            ((256, 784, 512, 512, 10), (32, 64, 128, 128, 10)),
            WIDTHS,
            threads=(1, 2),
            parts=("SGD", "Adam"),
        ),
        Entry(
            "drawing",
            "drawing an LSTM unrolled over T steps: the picture, and what each printer makes of it",
            ("minigrad",),
            ((8,), (135,)),
            "T",
            threads=(1,),
        ),
        Entry(
            "imports",
            "`import minigrad` against `import numpy`, a fresh process each",
            ("minigrad", "numpy"),
            rounds=15,
        ),
    )
}


def parse_size(text: str) -> Size:
    """`"64,32,128,256"` -> (64, 32, 128, 256). Raises ArgumentTypeError for anything but positive integers."""
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ArgumentTypeError(f"a size is positive integers with commas between them, not {text!r}")
    return tuple(int(part) for part in parts)


def smallest(sizes: tuple[Size, ...]) -> Size:
    """The size with the least arithmetic, roughly."""
    return min(sizes, key=math.prod)
