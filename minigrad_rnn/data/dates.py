"""Dates as people write them, in many languages, and as ISO 8601 writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from .errors import babel_locale, package
from .synthetic import Random

LOCALES = ("de", "en_GB", "en_US", "es", "fi", "fr", "hu", "it", "ja", "nl", "pl", "pt", "sv", "tr")
FORMATS = ("short", "medium", "long", "full")
FIRST, DAYS = date(1950, 1, 1), 36525  # one century, so that two digits say which year


def written_dates(count: int, rng: Random, locales: Sequence[str] = LOCALES) -> list[tuple[str, str]]:
    """`count` dates of the years 1950 to 2049, all different: ("en_US 2/5/03", "2003-02-05").

    The locale stands first, as the order of day and month hangs on it; then the date in one of Unicode CLDR's four
    forms, as the package `babel` writes it. Locale (one of `locales`) and form are drawn for each date. Raises
    DataError without babel, or for a locale that it does not know, ValueError for more dates than there are.
    """
    format_date = package("babel.dates").format_date
    if not 0 <= count <= DAYS:
        raise ValueError(f"there are {DAYS:,} dates from 1950 to 2049, not {count:,}")
    known, rng = {name: babel_locale(name) for name in locales}, np.random.default_rng(rng)
    pairs = []
    for number in rng.choice(DAYS, count, replace=False):
        day = FIRST + timedelta(days=int(number))
        locale, form = locales[int(rng.integers(len(locales)))], FORMATS[rng.integers(len(FORMATS))]
        pairs.append((f"{locale} {format_date(day, form, known[locale])}", day.isoformat()))
    return pairs
