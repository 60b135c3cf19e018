"""What can be measured: one row an entry. Imports nothing heavy, so that the harness stays light."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from dataclasses import dataclass

Size = tuple[int, ...]

STEPS = "T, B, I, H"  # steps, batch, inputs, hidden units
CHARACTERS = "T, B, E, H"  # steps, batch, numbers of a character's embedding, hidden units
WIDTHS = "B, I, …, O"  # batch, inputs, the width of each hidden layer, outputs

RNN_SIZES: tuple[Size, ...] = (
    (32, 16, 32, 32),
    (128, 1, 64, 128),
    (100, 64, 64, 128),
    (64, 32, 128, 256),
    (64, 64, 512, 512),
)
LONG: tuple[Size, ...] = ((1000, 8, 32, 64), (8000, 8, 32, 64))
ON_GPU: tuple[Size, ...] = ((64, 128, 256, 256), (100, 64, 512, 512), (1024, 16, 768, 768))

COMPILED = ("minigrad", "minigrad-numpy", "minigrad-graph")  # loops compiled to machine code, to NumPy; unrolled graphs
ENVIRONMENT = {"minigrad-numpy": {"MINIGRAD_KERNELS": "numpy"}}  # of the processes of a contender
EMPTY, FILLED = "empty cache", "filled cache"  # of compiled kernels


@dataclass(frozen=True)
class Entry:
    """Something to measure. Ratios are the first contender's figure over each other contender's.

    `axes` says what the numbers of a size are; both are empty where there is nothing to choose. `threads` are the
    numbers of threads to measure with, all cores if there are none. Each of `parts` has a process of its own. With
    `means` the table ends with geometric means over the sizes. `gpu` is what is left out where nobody asks for it.
    """

    name: str
    about: str
    contenders: tuple[str, ...]
    sizes: tuple[Size, ...] = ((),)
    axes: str = ""
    threads: tuple[int, ...] = ()
    parts: tuple[str, ...] = ("",)
    rounds: int = 5
    means: bool = False
    gpu: bool = False

    def takes(self, size: Size) -> bool:
        """Has a size as many numbers as it should?"""
        return len(size) >= 3 if self.axes == WIDTHS else len(size) == len(self.sizes[0])


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            "rnn",
            "one training step (forward, loss, backward) of a recurrent layer in float32",
            (*COMPILED, "torch", "torch-eager", "jax"),
            RNN_SIZES,
            STEPS,
            means=True,
        ),
        Entry(
            "cells",
            "one training step of cells of which PyTorch has no layer; the LSTM with stacked gates, to compare with",
            (*COMPILED, "torch-eager", "jax"),
            RNN_SIZES,
            STEPS,
            means=True,
        ),
        Entry(
            "loop-length",
            "a training step of an LSTM over long sequences: time and memory",
            ("minigrad", "minigrad-chunk", "torch"),
            LONG,
            STEPS,
        ),
        Entry(
            "loop-memory",
            "the memory that training steps of an LSTM need",
            ("minigrad", "torch"),
            ((64, 32, 128, 256), (100, 64, 64, 128), (64, 64, 512, 512)),
            STEPS,
        ),
        Entry(
            "loop-compile",
            "the first training step of an LSTM in a process, and how much longer it takes than a later one",
            ("minigrad", "minigrad-numpy", "jax"),
            ((64, 32, 128, 256),),
            STEPS,
            parts=(EMPTY, FILLED),
        ),
        Entry(
            "loop-gpu",
            "one training step of an LSTM in float32 at the sizes of work on a GPU",
            ("minigrad", "torch", "torch-eager", "torch-compile"),
            ON_GPU,
            STEPS,
            means=True,
            gpu=True,
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
            "char-lm-step",
            "a whole update of a character model with two layers of LSTM (forward, backward, clipping, Adam)",
            ("minigrad", "torch"),
            ((100, 64, 128, 256), (100, 32, 128, 512)),
            CHARACTERS,
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
