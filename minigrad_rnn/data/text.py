"""Text as sequences of characters."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.backend import current_backend
from minigrad.errors import MinigradError

SHORTEST = 1000  # characters; with fewer there is nothing to learn, nor to validate on


class TextError(MinigradError, ValueError):
    """A text that cannot be read, or is too short to learn from."""


def stdlib_text(size: int = 1_000_000) -> str:
    """The first `size` characters of Python's own standard library: its top-level modules, by name, one after another.

    Every user has it, it is the same for every run of one Python version, and it is structured enough to be learned.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    names = sorted(name for name in sys.stdlib_module_names if not name.startswith("_"))
    parts: list[str] = []
    for path in (folder / f"{name}.py" for name in names):
        if sum(map(len, parts)) >= size:
            break
        if path.is_file():
            parts.append(path.read_text(encoding="utf-8"))
    text = "".join(parts)[:size]
    if len(text) < SHORTEST:
        raise TextError(f"the source of Python's standard library is not in {folder}: give a text with --text FILE")
    return text


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file. Raises TextError if it is missing, no text, or under 1,000 characters."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is no UTF-8 text (byte {error.start}): convert it, with iconv say") from None
    except OSError as error:
        raise TextError(f"cannot read {path}: {error.strerror or error}") from None
    if len(text) < SHORTEST:
        raise TextError(f"{path} has {len(text)} characters: give a text of at least {SHORTEST:,}")
    return text


class Vocabulary:
    """The characters of a text, in order; a character's number is its place."""

    def __init__(self, characters: str):
        self.characters = "".join(sorted(set(characters)))
        self._codes = {character: i for i, character in enumerate(self.characters)}

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Characters -> int64 numbers. Raises TextError for a character that is not in the vocabulary."""
        try:
            return np.array([self._codes[character] for character in text], dtype=np.int64)
        except KeyError as error:
            raise TextError(
                f"the model does not know the character {error.args[0]!r}: its text did not have it; leave it out"
            ) from None

    def decode(self, codes: Any) -> str:
        """Numbers -> characters."""
        return "".join(self.characters[int(code)] for code in codes)


def split(codes: np.ndarray, validation: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """The first part to train on, and the last `validation` of it to validate on."""
    cut = len(codes) - max(2, int(len(codes) * validation))
    return codes[:cut], codes[cut:]


def streams(codes: np.ndarray, batch: int, length: int, repeat: bool = True) -> Iterator[tuple[Any, Any]]:
    """Cut `codes` into `batch` parallel streams and read them `length` steps at a time: (inputs, targets).

    Both are (time, batch) integers on the current backend; targets are one step ahead. Consecutive pairs continue
    each other, so that a state can be carried over, until the streams end; then, if `repeat`, they start again. The
    last piece of a pass may be shorter.
    """
    batch = min(batch, (len(codes) - 1) // 2)
    width = (len(codes) - 1) // batch
    inputs = codes[: batch * width].reshape(batch, width).T
    targets = codes[1 : batch * width + 1].reshape(batch, width).T
    asarray = current_backend().asarray
    while True:
        for start in range(0, width, length):
            yield asarray(inputs[start : start + length]), asarray(targets[start : start + length])
        if not repeat:
            return


def bigram_bits(train: np.ndarray, validation: np.ndarray, count: int) -> float:
    """Bits per character on `validation` of the add-one bigram model counted on `train`; `count` characters in all."""
    pairs = np.ones((count, count))
    np.add.at(pairs, (train[:-1], train[1:]), 1)
    probabilities = pairs / pairs.sum(axis=1, keepdims=True)
    return float(-np.log2(probabilities[validation[:-1], validation[1:]]).mean())
