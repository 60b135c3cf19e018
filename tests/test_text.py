"""Texts, vocabularies and streams."""

import numpy as np
import pytest

from minigrad.tensor import on_host
from minigrad_rnn.data import (
    Streams,
    TextError,
    Vocabulary,
    Words,
    read_pairs,
    read_text,
    split,
    stdlib_text,
    subsampled,
)


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
    streams = Streams(codes, batch=4, length=10)
    pairs = list(streams)
    assert len(streams) == 3
    assert [x.shape for x, _ in pairs] == [(10, 4), (10, 4), (5, 4)]
    inputs = np.concatenate([on_host(x) for x, _ in pairs])
    np.testing.assert_array_equal(inputs, np.arange(100).reshape(4, 25).T)
    for x, y in pairs:
        np.testing.assert_array_equal(on_host(y), on_host(x) + 1)
    some = streams.piece(1, slice(1, 3))
    np.testing.assert_array_equal(on_host(some[0]), on_host(pairs[1][0])[:, 1:3])
    with pytest.raises(IndexError, match="there are 3"):
        streams.piece(3)


def test_the_shortest_stream():
    pairs = list(Streams(np.array([3, 4]), batch=8, length=10))
    assert [(on_host(x).tolist(), on_host(y).tolist()) for x, y in pairs] == [([[3]], [[4]])]
    assert Streams(np.arange(6), batch=8, length=10).batch == 2  # of two steps each
    with pytest.raises(TextError, match="give at least 2"):
        Streams(np.array([3]), batch=8, length=10)


def test_split_keeps_the_order():
    train, validation = split(np.arange(1000))
    np.testing.assert_array_equal(np.concatenate([train, validation]), np.arange(1000))
    assert len(validation) == 100
    assert len(split(np.arange(1000), 250)[1]) == 250
    assert len(split(np.arange(100), 0.29)[1]) == 29
    with pytest.raises(TextError, match="fewer"):
        split(np.arange(1000), 999)


def test_words():
    text = "the cat's hat, the cat's hat; the dog\n"
    words = Words.of(text, 5)
    assert words.symbols == ["<unk>", "the", "cat's", "hat", "\n"]
    assert words.encode("the dog's hat\n").tolist() == [1, 0, 3, 4]
    assert words.decode([1, 2, 3, 4, 0]) == " the cat's hat\n <unk>"
    assert Words(words.symbols).encode(text).tolist() == words.encode(text).tolist()
    with pytest.raises(ValueError, match="each once"):
        Words(["<unk>", "a", "a"])


def test_pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("one\t1\n\ntwo\t2\nthree\t3\nfour\t4\n")
    assert read_pairs(path) == [("one", "1"), ("two", "2"), ("three", "3"), ("four", "4")]
    for content, told in (("one\t1\ntwo 2\n", "line 2"), ("a\tb\tc\n", "line 1"), ("a\tb\n", "1 pairs")):
        path.write_text(content)
        with pytest.raises(TextError, match=told):
            read_pairs(path)


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


def test_a_seed_says_which_are_left_out():
    codes = np.zeros(10_000, np.int64)
    assert len(subsampled(codes, 1)) == len(subsampled(codes, np.random.default_rng(1))) < 500
