"""Sequences that each belong to a class: of numbers, or of characters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .errors import DataError, babel_locale, package
from .forecasting import Scale
from .padding import padded
from .pairs import read_pairs
from .splits import held_out, share_of
from .synthetic import Random
from .table import read_numbers
from .text import Vocabulary

LONGEST = 24  # characters of a name
Labelled = tuple[np.ndarray, np.ndarray, np.ndarray]


def power_demand(path: str | Path | None = None, rng: Random = 0) -> tuple[Labelled, Labelled]:
    """Days of 24 hourly demands for electricity in Italy: from October to March, or from April to September?

    Those to train on (67) and to test on (1,029), each (sequences, lengths, classes) as `labelled_rows` has them: the
    split and numbers of the UCR archive, as aeon ships them; or `labelled_rows` of a file. Raises DataError where aeon
    is missing, and what `labelled_rows` raises.
    """
    return _shipped("load_italy_power_demand") if path is None else labelled_rows(path, rng)


def _shipped(loader: str) -> tuple[Labelled, Labelled]:
    load = getattr(package("aeon.datasets"), loader)
    train, test = (_padded(*load(split=split)) for split in ("train", "test"))
    return train, test


def _padded(given: list[np.ndarray], labels: np.ndarray) -> Labelled:
    """Sequences (features, time) of several lengths, zeros after their ends, and labels as classes 0, 1 …"""
    sequences, lengths = padded([sequence.T.astype("float32") for sequence in given])
    return sequences, lengths, np.unique(labels, return_inverse=True)[1].astype("int64")


def labelled_rows(path: str | Path, rng: Random = 0, test: float = 0.3) -> tuple[Labelled, Labelled]:
    """A CSV file with a sequence of numbers and then its class in each row: those to train on, and those to test on.

    Each (sequences (time, N, 1) float32, lengths (N,), classes (N,) int64). A share `test` of each
    class is to test on (`splits.held_out`). The numbers are scaled to a mean of 0 and a variance of 1, all together, as
    they are in training. Raises DataError for classes that are not 0, 1, 2 … or 1, 2, 3 …, less than two of them or
    less than 5 sequences of one, or less than 2 numbers in a row.
    """
    numbers = read_numbers(path, least=10)
    values, given = numbers[:, :-1], numbers[:, -1]
    kinds, classes, counts = np.unique(given, return_inverse=True, return_counts=True)
    if len(kinds) < 2 or not np.array_equal(kinds - kinds[0], np.arange(len(kinds))) or kinds[0] not in (0, 1):
        raise DataError(f"{path} has the classes {kinds[:5]} … in its last column: number them 0, 1, 2 …, at least two")
    if counts.min() < 5 or values.shape[1] < 2:
        raise DataError(
            f"{path} has {values.shape[1]} numbers in a row, and {counts.min()} rows of class "
            f"{kinds[counts.argmin()]:g}: give at least 2 numbers, and 5 rows of each class"
        )
    parts = train, _ = held_out(classes, test, rng)
    scale = Scale(values[train][..., None])
    lengths = np.full(len(values), values.shape[1])
    return tuple(  # type: ignore[return-value]
        (scale(values[part].T[..., None]), lengths[part], classes[part].astype("int64")) for part in parts
    )


def names_by_language(
    path: str | Path | None = None, languages: str = "en de es fr it fi pl tr"
) -> list[tuple[str, str]]:
    """Names of countries, regions and languages, each with the language that it is in, without those of several.

    Some 4,000 of up to 24 characters, of Unicode CLDR in the package babel; or of a file, lines "text TAB class"
    (`read_pairs`). Raises DataError without babel, for a language that it does not know, a file that is no such thing,
    and for fewer than two classes or 20 lines.
    """
    if path is not None:
        pairs = read_pairs(path)
        kinds = {kind for _, kind in pairs}
        if len(kinds) < 2 or len(pairs) < 20:
            raise DataError(f"{path} has {len(pairs)} lines and {len(kinds)} classes: give at least 20, of two or more")
        return pairs
    locales = {language: babel_locale(language) for language in languages.split()}
    found = {
        language: {name for name in (*locale.territories.values(), *locale.languages.values()) if len(name) <= LONGEST}
        for language, locale in locales.items()
    }
    return [
        (name, language)
        for language in found
        for name in sorted(found[language])
        if sum(name in others for others in found.values()) == 1
    ]


def padded_codes(texts: Sequence[str], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Texts in the numbers of `vocabulary`, (time, N) int64, zeros after their ends, and their lengths (N,)."""
    return padded([vocabulary.encode(text) for text in texts])


def labelled_frames(
    path: str | Path, length: int, test: float = 0.2
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], list[str]]:
    """A CSV file with a row for each moment, its numbers and then its class: sequences of `length` moments.

    Those to train on, and the last `test` of them, in time, to test on, each (numbers (time, N, feature) float32,
    classes (time, N) int64), and the classes' names. Numbers are scaled to a mean of 0 and a variance of 1 as they are
    in training. Raises DataError for less than 2 numbers in a row, less than 2 or more than 50 classes, or fewer rows
    than 10 sequences have.
    """
    numbers = read_numbers(path, least=10 * length)
    kinds, classes = np.unique(numbers[:, -1], return_inverse=True)
    if numbers.shape[1] < 3 or not 2 <= len(kinds) <= 50:
        raise DataError(
            f"{path} has {numbers.shape[1] - 1} numbers in a row and {len(kinds)} classes: give at least 2 of each, "
            "and at most 50 classes"
        )
    count = len(numbers) // length
    learned = count - max(1, share_of(test, count))
    scaled = Scale(numbers[: learned * length, :-1])(numbers[:, :-1])
    frames, kinds_of = (
        np.moveaxis(array[: count * length].reshape(count, length, *array.shape[1:]), 1, 0)
        for array in (scaled, classes.astype("int64"))
    )
    train, held = ((frames[:, part], kinds_of[:, part]) for part in (slice(learned), slice(learned, None)))
    return train, held, [f"{kind:g}" for kind in kinds]
