"""Phrases in two languages, put together of Unicode CLDR's aligned messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np

from .errors import babel_locale, package
from .synthetic import Random

UNITS = (
    "kilometer", "meter", "centimeter", "mile", "foot", "kilogram", "gram", "tonne", "pound", "liter", "milliliter",
    "gallon", "hectare", "square-meter", "kilometer-per-hour", "meter-per-second", "celsius", "kilowatt", "volt",
    "megabyte", "year", "month", "week", "day", "hour", "minute", "second",
)  # fmt: skip
CURRENCIES = (
    "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "BRL", "SEK", "NOK", "DKK", "PLN", "CZK", "MXN", "CAD", "AUD",
    "TRY", "ZAR",
)  # fmt: skip
SECONDS = (60, 3600, 86400, 604800, 2_592_000, 31_536_000)  # minute, hour, day, week, month, year
LONGEST = 36  # characters of a phrase, in either language


def phrases(count: int, rng: Random, source: str = "en", target: str = "de") -> list[tuple[str, str]]:
    """`count` phrases, all different, in the languages `source` and `target`: ("in 3 months", "in 3 Monaten").

    They are spans of time, amounts, sums of money, dates, and lists of countries, of up to 36 characters: messages of
    Unicode CLDR that people have translated, with numbers and names in them that the package `babel` puts in, each with
    the order of words, the numbers, plurals and cases of its language. Raises DataError without babel, or for a
    language that it does not know.
    """
    rng, known = np.random.default_rng(rng), set(babel_locale(target).territories)
    territories = [
        code
        for code in sorted(babel_locale(source).territories)
        if code.isalpha() and code in known and code != "ZZ"  # which is the unknown one
    ]
    kinds = (_span, _amount, _money, _day, _countries)
    found: dict[str, str] = {}
    while len(found) < count:
        say = kinds[rng.integers(len(kinds))](rng, territories)
        pair = say(source), say(target)
        if max(map(len, pair)) <= LONGEST:
            found.setdefault(*pair)
    return list(found.items())


Say = Callable[[str], str]  # in a language


def _span(rng: np.random.Generator, territories: list[str]) -> Say:
    seconds = int(rng.integers(1, 60)) * SECONDS[rng.integers(len(SECONDS))] * int(rng.choice([-1, 1]))
    format_timedelta = package("babel.dates").format_timedelta
    return lambda locale: format_timedelta(timedelta(seconds=seconds), add_direction=True, locale=locale)


def _amount(rng: np.random.Generator, territories: list[str]) -> Say:
    number: Any = int(rng.integers(1, 2000)) if rng.random() < 0.7 else int(rng.integers(1, 1000)) / 10
    unit, format_unit = str(rng.choice(UNITS)), package("babel.units").format_unit
    return lambda locale: format_unit(number, unit, "long", locale=locale)


def _money(rng: np.random.Generator, territories: list[str]) -> Say:
    number, currency = int(rng.integers(1, 500_000)) / 100, str(rng.choice(CURRENCIES))
    format_currency = package("babel.numbers").format_currency
    return lambda locale: format_currency(number, currency, locale=locale, format_type="name")


def _day(rng: np.random.Generator, territories: list[str]) -> Say:
    day = date(1950, 1, 1) + timedelta(days=int(rng.integers(36525)))
    form, format_date = str(rng.choice(["long", "full"])), package("babel.dates").format_date
    return lambda locale: format_date(day, form, locale=locale)


def _countries(rng: np.random.Generator, territories: list[str]) -> Say:
    codes = rng.choice(territories, rng.integers(2, 4), replace=False)
    style, format_list = str(rng.choice(["standard", "or"])), package("babel.lists").format_list

    def said(locale: str) -> str:
        names = babel_locale(locale).territories
        return str(format_list([names[code] for code in codes], style, locale))

    return said
