"""What can be measured: one row an entry. Imports nothing heavy, so that the harness stays light."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass

Size = tuple[int, ...]

RNN_SIZES: tuple[Size, ...] = (
    (32, 16, 32, 32),
    (128, 1, 64, 128),
    (100, 64, 64, 128),
    (64, 32, 128, 256),
    (64, 64, 512, 512),
)


@dataclass(frozen=True)
class Entry:
    """Something to measure. Ratios are the first contender's time over each other contender's.

    `sizes` are (T, B, I, H): steps, batch, inputs, hidden units; an empty size where an entry has none to choose.
    """

    name: str
    about: str
    contenders: tuple[str, ...]
    sizes: tuple[Size, ...] = ((),)
    rounds: int = 5


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            "rnn",
            "one training step (forward, loss, backward) of a recurrent layer in float32",
            ("minigrad", "torch", "torch-eager"),
            RNN_SIZES,
        ),
        Entry(
            "lstm-naive",
            "an LSTM written operation by operation: four weight matrices on concat(h, x), the same lines for both",
            ("minigrad", "torch-eager"),
            RNN_SIZES,
        ),
        Entry(
            "engine",
            "one of 1,000 chained multiplications (16×32); 100,000 additions (of 16 numbers) built, walked and freed",
            ("minigrad", "torch-eager"),
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
    """`"64,32,128,256"` -> (64, 32, 128, 256). Raises ArgumentTypeError for anything but four positive integers."""
    parts = text.split(",")
    if len(parts) != 4 or not all(part.isdecimal() and int(part) for part in parts):
        raise ArgumentTypeError(f"a size is T,B,I,H, four positive integers, not {text!r}")
    return tuple(int(part) for part in parts)


def smallest(sizes: tuple[Size, ...]) -> Size:
    """The size with the least arithmetic."""
    return min(sizes, key=lambda size: size and size[0] * size[1] * size[3] * (size[2] + size[3]))
