"""Recordings of activities: those that aeon ships, and a file of the user's own."""

import numpy as np
import pytest

from minigrad_rnn.data import DataError
from minigrad_rnn.data.activity import activities

HEADER = "x,sequence,activity,y"


def recording(name, activity, moments):
    return [f"{t},{name},{activity},{t % 2}" for t in range(moments)]


def lines_of(each=4):
    runs = [line for n in range(each) for line in recording(f"r{n}", "run", 3 + n)]
    return [HEADER, *runs, *(line for n in range(each) for line in recording(f"s{n}", "sit", 2))]


def test_the_recordings_that_aeon_ships():
    pytest.importorskip("aeon", reason="the package aeon of the extra data")
    train, test, names = activities()
    assert names == ["badminton", "running", "standing", "walking"]
    for sequences, lengths, classes in (train, test):
        assert sequences.shape == (100, 40, 6)
        assert (lengths == 100).all()
        assert np.bincount(classes).tolist() == [10, 10, 10, 10]
    np.testing.assert_allclose(train[0].mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(train[0].std(axis=(0, 1)), 1, atol=1e-5)


def test_a_file(tmp_path):
    path = tmp_path / "watch.csv"
    path.write_text("\n".join(lines_of()))
    train, test, names = activities(path)
    assert names == ["run", "sit"]
    assert sorted([*train[1], *test[1]]) == [2, 2, 2, 2, 3, 4, 5, 6]
    assert [np.bincount(part[2]).tolist() for part in (train, test)] == [[2, 2], [2, 2]]
    sequences, lengths, _ = train
    assert sequences.shape == (6, 4, 2)
    assert all((sequences[length:, n] == 0).all() for n, length in enumerate(lengths))
    inside = np.arange(6)[:, None] < lengths
    np.testing.assert_allclose(sequences[inside].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(sequences[inside].std(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([HEADER.replace("activity", "doing"), *lines_of()[1:]], "has no column activity"),
        (["sequence,activity", "a,run"], "has no column of readings"),
        (lines_of(3), "has the sequences 3 of 'run', 3 of 'sit': give at least two activities, and four"),
        ([*lines_of(), "1,r0,sit,0"], "row 28: 'sit', where sequence 'r0' was 'run' before"),
        ([*lines_of(), "1,r0,run,?"], "row 28: '\\?' is no number"),
    ],
)
def test_wrong_files(tmp_path, lines, told):
    path = tmp_path / "watch.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=told):
        activities(path)
