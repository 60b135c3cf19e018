"""Whole numbers in English words."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from .synthetic import Random

SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
LIMIT = 1_000_000


def number_words(number: int, conjunction: str = "and") -> str:
    """A number from 0 to 999,999 in words: 121 -> "one hundred and twenty-one"; without "and" if `conjunction` is "".

    Raises ValueError for any other number.
    """
    if not isinstance(number, Integral) or not 0 <= number < LIMIT:
        raise ValueError(f"number_words: the number must be a whole one from 0 to {LIMIT - 1:,}, not {number}")
    if number < 20:
        return SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens] + (f"-{SMALL[ones]}" if ones else "")
    unit, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    count, rest = divmod(number, unit)
    words = [number_words(count, conjunction), name]
    if rest:
        words += [conjunction] * bool(conjunction and rest < 100) + [number_words(rest, conjunction)]
    return " ".join(words)


def number_pairs(rng: Random, conjunctions: Sequence[str] = ("and",)) -> list[tuple[str, str]]:
    """The numbers from 0 to 999 in an order that is drawn, each with its words: ("121", "one hundred and twenty-one").

    With several `conjunctions` each stands there once for each of them.
    """
    numbers = np.random.default_rng(rng).permutation(1000).tolist()
    return [(str(number), number_words(number, conjunction)) for number in numbers for conjunction in conjunctions]
