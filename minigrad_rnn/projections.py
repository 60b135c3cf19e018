"""Projections of words: which are near each other, and a map of them."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterable, Sequence

import numpy as np


def nearest(projections: np.ndarray, count: int) -> np.ndarray:
    """The `count` other words nearest to each, by the cosine, the nearest first: (words, size) -> (words, count)."""
    lengths = np.linalg.norm(projections, axis=1, keepdims=True)
    directions = projections / np.maximum(lengths, 1e-12)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, : min(count, len(projections) - 1)]


def neighbours(projections: np.ndarray, words: Sequence[str], asked: Iterable[str], count: int = 6) -> str:
    """A line for each of `asked` that is among `words`, with the words nearest to it."""
    near, rows = nearest(projections, count), {word: row for row, word in enumerate(words)}
    return "\n".join(f"{word}: {', '.join(words[n] for n in near[rows[word]])}" for word in asked if word in rows)


def plane(projections: np.ndarray) -> np.ndarray:
    """Projections (words, size) on their first two principal components: (words, 2); 0 on those that there are not."""
    left, sizes, _ = np.linalg.svd(projections - projections.mean(axis=0), full_matrices=False)
    places = np.zeros((len(projections), 2))
    places[:, : len(sizes)] = left[:, :2] * sizes[:2]
    return places


def python_classes(words: Iterable[str]) -> np.ndarray:
    """The lexical class of each word in Python's source: 1 a keyword, 2 an exception, 3 another builtin, 4 a number.

    0 for any other.
    """
    exceptions = {name for name, value in vars(builtins).items() if _is_exception(value)}
    classes = []
    for word in words:
        named = (keyword.iskeyword(word), word in exceptions, hasattr(builtins, word), word.isdecimal(), True)
        classes.append((1, 2, 3, 4, 0)[named.index(True)])
    return np.array(classes)


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def alike(projections: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """How often the nearest word is of the same class, and how often one drawn at random would be.

    (words, size), (words,) -> two shares. Raises ValueError for fewer than two words.
    """
    if len(classes) < 2:
        raise ValueError(f"{len(classes)} words have no neighbours: give at least two")
    same = float((classes[nearest(projections, 1)[:, 0]] == classes).mean())
    sizes = np.bincount(classes)
    return same, float((sizes * (sizes - 1)).sum() / (len(classes) * (len(classes) - 1)))
