"""Projections of words: which are near each other, and a map of them."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .plotting import axes, plot_words

ASKED = ("if", "ValueError", "int", "None", "self", "line", "first", "error")  # of which some are in most texts


def nearest(projections: np.ndarray, count: int) -> np.ndarray:
    """The `count` other words nearest to each, by the cosine, the nearest first: (words, size) -> (words, count)."""
    lengths = np.linalg.norm(projections, axis=1, keepdims=True)
    directions = projections / np.maximum(lengths, 1e-12)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, : min(count, len(projections) - 1)]


def neighbours(projections: np.ndarray, words: Sequence[str], count: int = 6) -> str:
    """A line for each of `words` that begins with a letter or digit: it, and the `count` nearest, tabs between."""
    near = nearest(projections, count)
    rows = [[word, *(words[n] for n in near[row])] for row, word in enumerate(words) if word[0].isalnum()]
    return "".join("\t".join(row).replace("\n", "\\n") + "\n" for row in rows)


def familiar(neighbours: str, asked: Iterable[str] = ASKED, least: int = 3) -> str:
    """Of the lines of `neighbours` those of the words `asked`; the first ten where there are less than `least`."""
    lines = neighbours.splitlines()
    found = [line for line in lines if line.partition("\t")[0] in set(asked)]
    return "\n".join(found if len(found) >= least else lines[:10]).expandtabs(16)


def word_map(projections: np.ndarray, words: Sequence[str], count: int = 70) -> Any:
    """Axes with the first `count` of `words` that begin with a letter or digit, each at its place on the `plane`."""
    named = np.array([row for row, word in enumerate(words) if word[0].isalnum()][:count], dtype=int)
    plot = axes(title="the commonest words, on two principal components", size=(11, 8))
    return plot_words(plane(projections[named]), [words[row] for row in named], plot)


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


def alike_in_python(projections: np.ndarray, words: Sequence[str]) -> tuple[float, float]:
    """As `alike`, of those of `words` that have a lexical class in Python's source (`python_classes`)."""
    classes = python_classes(words)
    return alike(projections[classes > 0], classes[classes > 0])


def alike(projections: np.ndarray, classes: np.ndarray) -> tuple[float, float]:
    """How often the nearest word is of the same class, and how often one drawn at random would be.

    `projections` (words, size) and `classes` (words,) -> two shares. Raises ValueError for fewer than two words.
    """
    if len(classes) < 2:
        raise ValueError(f"{len(classes)} words have no neighbours: give at least two")
    same = float((classes[nearest(projections, 1)[:, 0]] == classes).mean())
    sizes = np.bincount(classes)
    return same, float((sizes * (sizes - 1)).sum() / (len(classes) * (len(classes) - 1)))
