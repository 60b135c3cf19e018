"""Tables: the user's own numbers, from a CSV file."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from .errors import DataError
from .text import read_text

LARGEST = 1e100  # of a number: what is beyond overflows in the first sum of squares


def read_rows(path: str | Path) -> tuple[list[str], list[list[str]]]:
    """The header of a UTF-8 CSV file ([] if its first line has a number in it) and its rows, as texts.

    Commas, semicolons or tabs stand between. Raises DataError for a file that cannot be read, has no rows, or rows of
    different lengths.
    """
    text = read_text(path, least=1)
    first = text.partition("\n")[0]
    separator = next((mark for mark in "\t;" if mark in first), ",")  # beside a semicolon a comma is a decimal point
    try:
        rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file ({error})") from None
    header = rows.pop(0) if rows and _is_header(rows[0], rows[min(1, len(rows) - 1)]) else []
    if not rows:
        raise DataError(f"{path} has no rows: give a CSV file of at least one")
    for number, row in enumerate(rows, 1 + bool(header)):
        if len(row) != len(header or rows[0]):
            told = f"{counted(len(row), 'field')}, where there are {len(header or rows[0])} before"
            raise DataError(f"{path}, row {number}: {told}")
    return header, rows


def read_numbers(path: str | Path, columns: int | None = None, least: int = 1) -> np.ndarray:
    """The numbers of a CSV file, float64 (rows, columns); a header, and columns without any (dates), are left out.

    Raises DataError where there are not `columns` of numbers (None: any), fewer rows than `least`, or a gap.
    """
    header, rows = read_rows(path)
    numeric = [n for n in range(len(rows[0])) if any(_number(row[n]) for row in rows)]
    if not numeric or (columns is not None and len(numeric) != columns):
        wanted = "columns of numbers" if columns is None else f"{counted(columns, 'column')} of numbers"
        raise DataError(
            f"{path} has {counted(len(numeric), 'column')} of numbers: give a CSV file with {wanted}, as 1.5, not 1,5"
        )
    if len(rows) < least:
        raise DataError(f"{path} has {counted(len(rows), 'row')}: give at least {least}")
    return numbers_of(path, rows, numeric, first=1 + bool(header))


def numbers_of(path: str | Path, rows: list[list[str]], columns: list[int], first: int = 1) -> np.ndarray:
    """The numbers in `columns` of rows of texts, float64; `first` is the first one's number in the file.

    Raises DataError for what is no number.
    """
    for number, row in enumerate(rows, first):
        for n in columns:
            if not _number(row[n]):
                raise DataError(
                    f"{path}, row {number}: {row[n][:40]!r} is no number below {LARGEST:g}: fill the gap, leave the "
                    "row out, or write 1.5 for 1,5"
                )
    return np.array([[float(row[n]) for n in columns] for row in rows])


def read_bits(path: str | Path, columns: int) -> list[list[np.ndarray]]:
    """The binary numbers in the rows of a CSV file: of each its digits, 0 or 1, in the order in which they stand.

    A header may stand over them. Raises DataError where a row has not `columns` of them, or holds something else.
    """
    header, rows = read_rows(path)
    for number, row in enumerate(rows, 1 + bool(header)):
        if len(row) != columns:
            wanted = f"{counted(columns, 'column')} of binary numbers"
            raise DataError(f"{path} has {counted(len(row), 'column')}: give a CSV file with {wanted}")
        for field in row:
            if not field or field.strip("01"):
                raise DataError(f"{path}, row {number}: {field[:40]!r} is no binary number: write it in digits 0 and 1")
    return [[np.frombuffer(field.encode(), np.uint8) - ord("0") for field in row] for row in rows]


def counted(count: int, what: str) -> str:
    """How many of something, in words: "1 row", "2 rows"."""
    return f"{count} {what}{'s' * (count != 1)}"


def _is_header(first: list[str], second: list[str]) -> bool:
    """Names, no numbers; or some numbers among them, where the row below has a number under a name."""
    names = [not (_number(field) or field.isdigit()) for field in first]
    return all(names) or any(name and _number(field) for name, field in zip(names, second))


def _number(text: str) -> bool:
    try:
        return abs(float(text)) < LARGEST
    except ValueError:
        return False
