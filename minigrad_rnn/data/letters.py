"""Characters that each have a tag."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg

from ..metrics import accuracy
from .text import TextError, Vocabulary, split


def words_of(text: str) -> list[str]:
    """The words of a text in order, in small letters: runs of letters. Raises TextError for fewer than 200."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    if len(words) < 200:
        raise TextError(f"the text has {len(words)} words: give one of at least 200")
    return words


def lines_of(words: Sequence[str], length: int) -> list[list[str]]:
    """The words in lines that have room for them in `length` characters, a space after each; longer ones are left out.

    Raises TextError for fewer than four lines.
    """
    lines: list[list[str]] = []
    room = 0
    for word in words:
        if len(word) < length:
            if room <= len(word):
                lines.append([])
                room = length
            lines[-1].append(word)
            room -= len(word) + 1
    if len(lines) < 4:
        raise TextError(f"the text fills {len(lines)} lines of {length} characters: give a longer one")
    return lines


class Tagged(NamedTuple):
    """Pieces to train on and to test on, each (characters, tags), both (time, N) int64; and what numbers stand for."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    characters: Vocabulary
    tags: Vocabulary

    @classmethod
    def of(cls, pieces: Sequence[str], tags: Sequence[str], length: int, test: float = 0.1) -> Tagged:
        """Pieces of text, and for each a text of its characters' tags; the last ones to test on.

        Both are filled up to `length` with spaces. Raises ValueError for a piece that has not a tag for each of its
        characters, or is longer, TextError for too few pieces.
        """
        for piece, own in zip(pieces, tags, strict=True):
            if len(piece) != len(own) or len(piece) > length:
                raise ValueError(f"{piece!r} has {len(own)} tags: give one for each character, of at most {length}")
        kept = []
        for texts in (pieces, tags):
            joined = "".join([text.ljust(length) for text in texts])
            vocabulary = Vocabulary(joined)
            kept.append((vocabulary, *split(vocabulary.encode(joined).reshape(-1, length), test)))
        (characters, *inputs), (kinds, *targets) = kept
        train, held = ((a.T, b.T) for a, b in zip(inputs, targets))
        return cls(train, held, characters, kinds)

    def letters_right(self, outputs: mg.Tensor, targets: Any) -> mg.Tensor:
        """1 for a right tag (that in `targets`), 0 for a wrong one, of characters whose tag is no space: a metric."""
        return accuracy(outputs, targets)[targets != self.tags.encode(" ").item()]
