"""Made pairs of texts: dates, phrases in two languages, numbers in words."""

import re
from datetime import date

import numpy as np
import pytest

from minigrad_rnn.data import DataError
from minigrad_rnn.data.dates import LOCALES, written_dates
from minigrad_rnn.data.numerals import number_pairs, number_words
from minigrad_rnn.data.pairs import nearest_targets
from minigrad_rnn.data.phrases import LONGEST, phrases

BABEL = "the package babel of the extra data"


def test_written_dates():
    pytest.importorskip("babel", reason=BABEL)
    pairs = written_dates(2000, np.random.default_rng(0))
    assert pairs == written_dates(2000, np.random.default_rng(0)) == written_dates(2000, 0)
    assert len({iso for _, iso in pairs}) == 2000
    assert {source.split()[0] for source, _ in pairs} == set(LOCALES)
    for source, iso in pairs:
        day = date.fromisoformat(iso)
        assert 1950 <= day.year < 2050
        assert f"{day.year % 100:02}" in source
        assert re.search(rf"\b0?{day.day}\b|{day.day}日", source)
    assert all(source.startswith("ja ") for source, _ in written_dates(20, np.random.default_rng(0), ["ja"]))


def test_a_form_says_one_date_only():
    pytest.importorskip("babel", reason=BABEL)
    pairs = written_dates(36525, np.random.default_rng(1), ["en_US"])
    assert len({source for source, _ in pairs}) == len({iso for _, iso in pairs}) == 36525
    with pytest.raises(ValueError, match="36,525 dates"):
        written_dates(36526, np.random.default_rng(1))
    for wrong in ("xx", "e!"):
        with pytest.raises(DataError, match=f"no language '{wrong}'"):
            written_dates(1, 0, ["en_US", wrong])


def test_phrases():
    pytest.importorskip("babel", reason=BABEL)
    pairs = phrases(1500, np.random.default_rng(0))
    assert pairs == phrases(1500, np.random.default_rng(0)) == phrases(1500, 0)
    known = dict(pairs)
    assert len(known) == 1500
    assert max(len(text) for pair in pairs for text in pair) <= LONGEST
    months = {source: target for source, target in pairs if re.fullmatch(r"in \d+ months", source)}
    assert months
    assert all(target == source.replace("months", "Monaten") for source, target in months.items())
    french = dict(phrases(500, np.random.default_rng(0), target="fr"))
    assert any(target.startswith("il y a ") for target in french.values())
    with pytest.raises(DataError, match="no language 'xx'"):
        phrases(1, 0, target="xx")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (21, "twenty-one"),
        (100, "one hundred"),
        (105, "one hundred and five"),
        (1012, "one thousand and twelve"),
        (12_345, "twelve thousand three hundred and forty-five"),
        (999_999, "nine hundred and ninety-nine thousand nine hundred and ninety-nine"),
    ],
)
def test_number_words(number, words):
    assert number_words(number) == words
    assert number_words(number, "") == words.replace(" and", "")


def test_numbers_that_have_no_words():
    for number in (-1, 1_000_000, 2.5, 2.0):
        with pytest.raises(ValueError, match="from 0 to 999,999"):
            number_words(number)


def test_number_pairs():
    pairs = number_pairs(np.random.default_rng(0))
    assert sorted(int(digits) for digits, _ in pairs) == list(range(1000))
    assert dict(pairs)["121"] == "one hundred and twenty-one"
    assert pairs == number_pairs(0) != number_pairs(np.random.default_rng(1))
    both = number_pairs(np.random.default_rng(0), ("and", ""))
    assert both[::2] == pairs
    assert dict(both[1::2])["121"] == "one hundred twenty-one"


def test_nearest_targets():
    assert nearest_targets(["in 4 weeks", "abd"], [("abc", "1"), ("in 3 weeks", "2")]) == ["2", "1"]
    with pytest.raises(ValueError, match="was given none"):
        nearest_targets(["abd"], [])
