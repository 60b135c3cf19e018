"""Short films of a shape that moves, and what they show in words: made exactly, every combination as often."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from .synthetic import Random

COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}  # (rows, columns) in a step
SIDE = 7  # of a shape, in pixels
SPEED = 2  # pixels from frame to frame
WORDS = ("a", *COLORS, "square", "disc", "triangle", "cross", "moves", *DIRECTIONS)

_rows, _columns = np.mgrid[-3:4, -3:4]
SHAPES = {
    "square": np.ones((SIDE, SIDE), bool),
    "disc": _rows**2 + _columns**2 <= 10,
    "triangle": 2 * abs(_columns) <= _rows + 3,
    "cross": (abs(_rows) <= 1) | (abs(_columns) <= 1),
}


class Kind(NamedTuple):
    """What a film shows: a shape, its color, and the direction that it moves in."""

    color: str
    shape: str
    direction: str

    @property
    def caption(self) -> list[str]:
        """It in words of `WORDS`: a red square moves left."""
        return ["a", self.color, self.shape, "moves", self.direction]


def kinds(part: int = 0) -> tuple[list[Kind], list[Kind]]:
    """48 combinations of colour, shape and direction to train on, the other 16 to test on: `part`, 0 to 3, says which.

    Of what is kept for the test any two things still come together in training, only not all three: it is a Latin
    square, those whose three numbers sum to `part` modulo 4.
    """
    train: list[Kind] = []
    test: list[Kind] = []
    for color, shape, direction in itertools.product(enumerate(COLORS), enumerate(SHAPES), enumerate(DIRECTIONS)):
        held_out = (color[0] + shape[0] + direction[0] - part) % 4 == 0
        (test if held_out else train).append(Kind(color[1], shape[1], direction[1]))
    return train, test


def moving_shapes(shown: list[Kind], rng: Random = 0, frames: int = 6, size: int = 20) -> np.ndarray:
    """A film of each of `shown`, float32 (frames, films, 3, size, size), from 0 to 1: colours on black.

    Where the shape starts is drawn, so that it stays inside. Raises ValueError for a `size` that it does not fit in,
    and for a colour, a shape or a direction that there is not.
    """
    way = SPEED * (frames - 1)
    if frames < 2 or size < SIDE + way:
        raise ValueError(f"{frames} frames want a size of at least {SIDE + way} pixels, and 2 frames at least")
    rng = np.random.default_rng(rng)
    films = np.zeros((frames, len(shown), 3, size, size), "float32")
    for n, kind in enumerate(shown):
        for name, known in zip(kind, map(tuple, (COLORS, SHAPES, DIRECTIONS)), strict=True):
            if name not in known:
                raise ValueError(f"{kind}: give one of {', '.join(known)} in place of {name!r}")
        step = np.array(DIRECTIONS[kind.direction], np.int64)
        room = size - SIDE - way * np.abs(step)
        first = rng.integers(0, room + 1) + way * (step < 0)
        picture = np.multiply.outer(COLORS[kind.color], SHAPES[kind.shape])
        for t in range(frames):
            row, column = first + SPEED * t * step
            films[t, n, :, row : row + SIDE, column : column + SIDE] = picture
    return films
