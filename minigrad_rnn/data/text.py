"""Text as sequences of characters, or of words."""

from __future__ import annotations

import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.backend import current_backend

from .errors import DataError
from .splits import share_of
from .synthetic import Random

SHORTEST = 1000  # characters; with fewer there is nothing to learn, nor to validate on


class TextError(DataError):
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
        raise TextError(
            f"the source of Python's standard library is not in {folder}: give a text of your own (--text FILE)"
        )
    return text


def read_text(path: str | Path, least: int = SHORTEST) -> str:
    """The text of a UTF-8 file. Raises TextError if it is missing, no text, or under `least` characters."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextError(f"{path} is no UTF-8 text (byte {error.start}): convert it, with iconv say") from None
    except OSError as error:
        raise TextError(f"cannot read {path}: {error.strerror or error}") from None
    if len(text) < least:
        raise TextError(f"{path} has {len(text)} characters: give a text of at least {least:,}")
    return text


def text_of(path: str | Path | None) -> str:
    """The text of a file of the user's, or without one `stdlib_text`."""
    return read_text(path) if path else stdlib_text()


class Vocabulary:
    """The characters of a text, in order; a character's number is its place. ValueError for no characters."""

    unit = "character"

    def __init__(self, characters: str):
        if not characters:
            raise ValueError("a vocabulary is made of the characters of a text, and was given none")
        points = _code_points(characters)
        seen = np.zeros(int(points.max()) + 1, bool)
        seen[points] = True
        found = np.flatnonzero(seen)
        self.characters = found.astype("<u4").tobytes().decode(UTF_32, "surrogatepass")
        self._codes = np.full(len(seen) + 1, -1)  # of each code point; -1 is no character of ours, as the last is none
        self._codes[found] = np.arange(len(found))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Characters -> int64 numbers. Raises TextError for a character that is not in the vocabulary."""
        codes = self._codes[np.minimum(_code_points(text), len(self._codes) - 1)]
        if len(codes) and codes.min() < 0:
            stranger = text[int(codes.argmin())]
            raise TextError(
                f"the model does not know the character {stranger!r}: its text did not have it; leave it out"
            )
        return codes

    def decode(self, codes: Any) -> str:
        """Numbers -> characters."""
        return "".join(self.characters[int(code)] for code in codes)

    @property
    def symbols(self) -> str:
        """What JSON holds of it: `Vocabulary(symbols)` is the same again."""
        return self.characters


UTF_32 = "utf-32-le"


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(UTF_32, "surrogatepass"), "<u4")


class Words:
    """The commonest words of a text, `symbols` by how common; a word's number is its place, 0 stands for all others.

    A word is a run of letters and digits, with an apostrophe inside; any other character but a space is one by itself,
    the end of a line too.
    """

    unit = "word"
    OTHER = "<unk>"
    PATTERN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|\n|[^\w\s]|_")

    def __init__(self, symbols: Iterable[str]):
        self.symbols = list(symbols)
        if not self.symbols or self.symbols[0] != self.OTHER or len(set(self.symbols)) < len(self.symbols):
            raise ValueError(f"words are {self.OTHER!r} and then others, each once")
        self._codes = {word: i for i, word in enumerate(self.symbols)}

    @classmethod
    def of(cls, text: str, most: int) -> Words:
        """The `most` commonest of the text's words, those as common by the alphabet."""
        counts = Counter(cls.PATTERN.findall(text))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls([cls.OTHER, *ranked[: max(1, most - 1)]])

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> np.ndarray:
        """A text's words -> int64 numbers."""
        return np.array([self._codes.get(word, 0) for word in self.PATTERN.findall(text)], dtype=np.int64)

    def decode(self, codes: Any) -> str:
        """Numbers -> words, a space before each but a mark: also the first, as texts are written word by word."""
        words = [self.symbols[int(code)] for code in codes]
        return "".join(word if word in "\n.,;:!?)’'" else f" {word}" for word in words)


def split(items: Any, validation: float = 0.1) -> tuple[Any, Any]:
    """The first part to train on, and the last to validate on: `validation` is its share, or from 1 up so many.

    Of a share at least two. Raises TextError where one of the two parts would have less.
    """
    count = max(2, share_of(validation, len(items))) if validation < 1 else int(validation)
    if min(count, len(items) - count) < 2:
        raise TextError(
            f"of {len(items):,}, {count:,} cannot be kept for validation: choose fewer, or give a longer text"
        )
    return items[:-count], items[-count:]


class Streams:
    """`codes` cut into `batch` parallel streams, read `length` steps at a time: (inputs, targets) by number.

    Both are (time, batch) integers on the current backend; targets are one step ahead. Each pair continues the one
    before it, so that a state can be carried over. The last may be shorter; what does not fill the streams is left.
    There are fewer streams (`batch` says how many) where they would have less than two steps each. Raises TextError for
    fewer than two codes, which have no target.
    """

    def __init__(self, codes: np.ndarray, batch: int, length: int):
        if len(codes) < 2:
            raise TextError(f"a stream goes from one symbol to the next, and {len(codes)} is given: give at least 2")
        self.batch = max(1, min(batch, (len(codes) - 1) // 2))
        self.length, self.width = length, (len(codes) - 1) // self.batch
        count = self.batch * self.width
        self._inputs = codes[:count].reshape(self.batch, self.width).T
        self._targets = codes[1 : count + 1].reshape(self.batch, self.width).T

    def __len__(self) -> int:
        return -(-self.width // self.length)

    def piece(self, number: int, rows: slice = slice(None)) -> tuple[Any, Any]:
        """Inputs and targets of piece `number`, of the streams `rows`. IndexError where there is none."""
        if not 0 <= number < len(self):
            raise IndexError(f"there is no piece {number}: there are {len(self)}")
        steps = slice(number * self.length, (number + 1) * self.length)
        asarray = current_backend().asarray
        return asarray(self._inputs[steps, rows]), asarray(self._targets[steps, rows])

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return (self.piece(number) for number in range(len(self)))


def windows(codes: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Each symbol (N,), and the `reach` before and the `reach` after it (N, 2 reach), in the order of the text.

    Without those that have fewer. Raises TextError where there would be none.
    """
    if len(codes) <= 2 * reach:
        raise TextError(f"{len(codes)} words make no window of {2 * reach + 1}: give a longer text")
    every = np.lib.stride_tricks.sliding_window_view(codes, 2 * reach + 1)
    return every[:, reach].copy(), np.delete(every, reach, axis=1)


def subsampled(codes: np.ndarray, rng: Random, threshold: float = 1e-3) -> np.ndarray:
    """`codes` without many of the commonest: one of share f is kept with probability √(threshold / f), at most 1.

    (Mikolov, Sutskever et al. 2013, eq. 5.) So rarer words come nearer to each other, and the commonest teach less.
    """
    shares = np.bincount(codes) / len(codes)
    return codes[np.random.default_rng(rng).random(len(codes)) < np.sqrt(threshold / shares[codes])]
