"""Characters with tags: words in lines, pieces of text, and Python source by its own tokenizer."""

import pytest

from minigrad_rnn.data import TextError
from minigrad_rnn.data.letters import Tagged, lines_of, words_of
from minigrad_rnn.data.source import tagged_source


def test_words_are_runs_of_small_letters():
    assert words_of("Don't_stop 3 Über-Äpfel; " * 50)[:5] == ["don", "t", "stop", "über", "äpfel"]
    with pytest.raises(TextError, match="has 3 words"):
        words_of("too few words")


def test_lines_hold_whole_words():
    lines = lines_of(["aa", "bbb", "cc", "muchtoolong", "d"] * 10, 8)
    assert lines[:3] == [["aa", "bbb"], ["cc", "d", "aa"], ["bbb", "cc"]]
    assert [word for line in lines for word in line] == ["aa", "bbb", "cc", "d"] * 10
    assert all(len(" ".join(line)) <= 8 for line in lines)
    with pytest.raises(TextError, match="fills 1 lines"):
        lines_of(["one"], 8)


def test_every_character_keeps_its_tag():
    pieces, tags = ["ab c"] * 18 + ["ca"] * 2, ["xx y"] * 18 + ["yx"] * 2
    data = Tagged.of(pieces, tags, 4)
    assert data.train[0].shape == data.train[1].shape == (4, 18)
    assert data.characters.decode(data.train[0][:, 0]) == "ab c"
    assert data.tags.decode(data.train[1][:, 0]) == "xx y"
    assert data.characters.decode(data.test[0][:, 1]) == "ca  "
    assert data.tags.decode(data.test[1][:, 1]) == "yx  "


@pytest.mark.parametrize(("piece", "tags"), [("abc", "xx"), ("abcde", "xxxxx")])
def test_a_tag_for_each_character(piece, tags):
    with pytest.raises(ValueError, match="one for each character"):
        Tagged.of([piece] * 20, [tags] * 20, 4)


SOURCE = '''x = "a # b"  # it's so
"""doc
string"""
def f(): return 'y'
'''


def test_source_is_tagged_by_python_itself(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(SOURCE * 20)
    source, kinds = tagged_source(path)
    assert source == SOURCE * 20
    tags, start = [], 0
    for line in source.split("\n")[:4]:
        tags.append((line, kinds[start : start + len(line)]))
        start += len(line) + 1
    assert tags == [
        ('x = "a # b"  # it\'s so', "....sssssss..#########"),
        ('"""doc', "ssssss"),
        ('string"""', "sssssssss"),
        ("def f(): return 'y'", "................sss"),
    ]


def test_source_that_is_cut_off_is_tagged_as_far_as_it_goes(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(SOURCE * 20)
    source, kinds = tagged_source(path, size=len(SOURCE) + 40)
    assert len(SOURCE) <= len(source) == len(kinds) <= len(SOURCE) + 40


def test_prose_is_no_source(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text("It was a dark and stormy night. " * 50)
    with pytest.raises(TextError, match="is no Python source"):
        tagged_source(path)
