"""Texts, vocabularies, streams, and the bigram model."""

import itertools

import numpy as np
import pytest

from minigrad.tensor import on_host
from minigrad_rnn.data import TextError, Vocabulary, bigram_bits, read_text, split, stdlib_text, streams


def test_the_standard_library_is_a_fixed_text():
    text = stdlib_text(50_000)
    assert len(text) == 50_000
    assert text == stdlib_text(60_000)[:50_000]
    assert "def " in text


def test_vocabulary():
    vocabulary = Vocabulary("banana, ünï\n")
    assert vocabulary.characters == "\n ,abnïü"
    assert vocabulary.decode(vocabulary.encode("nab ü")) == "nab ü"
    with pytest.raises(TextError, match="'z'"):
        vocabulary.encode("naz")


def test_streams_follow_each_other():
    codes = np.arange(103)
    pairs = list(streams(codes, batch=4, length=10, repeat=False))
    assert [x.shape for x, _ in pairs] == [(10, 4), (10, 4), (5, 4)]
    inputs = np.concatenate([on_host(x) for x, _ in pairs])
    np.testing.assert_array_equal(inputs, np.arange(100).reshape(4, 25).T)
    for x, y in pairs:
        np.testing.assert_array_equal(on_host(y), on_host(x) + 1)
    again = itertools.islice(streams(codes, 4, 10), 3, 4)
    np.testing.assert_array_equal(on_host(next(again)[0]), on_host(pairs[0][0]))


def test_split_keeps_the_order():
    train, validation = split(np.arange(1000))
    np.testing.assert_array_equal(np.concatenate([train, validation]), np.arange(1000))
    assert len(validation) == 100


def test_bigram_bits():
    """Counted by hand: after 0 came 1 three times and 0 once, after 1 came 0 three times; with one added to each."""
    train = np.array([0, 0, 1, 0, 1, 0, 1, 0])
    expected = -np.mean(np.log2([4 / 6, 4 / 5, 2 / 6]))  # 0 -> 1, 1 -> 0, 0 -> 0
    np.testing.assert_allclose(bigram_bits(train, np.array([0, 1, 0, 0]), 2), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), (b"", "0 characters"), (b"short", "5 characters"), (b"a" * 2000 + b"\xff", "byte 2000")],
)
def test_texts_that_cannot_be_used(tmp_path, content, told):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TextError, match=told):
        read_text(path)
