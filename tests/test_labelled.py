"""Sequences that each belong to a class: what is shipped, and files of a user's own."""

import numpy as np
import pytest

from minigrad_rnn.data import DataError, Vocabulary
from minigrad_rnn.data.labelled import labelled_frames, labelled_rows, names_by_language, padded_codes, power_demand


def test_power_demand():
    pytest.importorskip("aeon", reason="it ships the days")
    (xs, lengths, classes), (test_xs, _, test_classes) = power_demand()
    assert xs.shape == (24, 67, 1)
    assert xs.dtype == np.float32
    assert test_xs.shape == (24, 1029, 1)
    assert (lengths == 24).all()
    assert np.bincount(classes).tolist() == [34, 33]
    assert np.bincount(test_classes).tolist() == [513, 516]
    nearest = np.square(test_xs[:, :, None, 0] - xs[:, None, :, 0]).sum(axis=0).argmin(axis=1)
    assert (classes[nearest] == test_classes).mean() == pytest.approx(0.9553, abs=1e-4)  # as the UCR archive has it


def rows(tmp_path, values, classes):
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(",".join(map(str, [*row, kind])) for row, kind in zip(values, classes, strict=True)))
    return path


def test_labelled_rows(tmp_path):
    values = np.arange(60.0).reshape(20, 3)
    classes = np.arange(20) % 2 + 1
    train, test = labelled_rows(rows(tmp_path, values, classes))
    assert train[0].shape == (3, 14, 1)
    assert test[0].shape == (3, 6, 1)
    assert train[1].tolist() == [3] * 14
    assert np.bincount(test[2]).tolist() == [3, 3]
    np.testing.assert_allclose([train[0].mean(), train[0].std()], [0, 1], atol=1e-6)
    both = np.concatenate([train[0], test[0]], axis=1)[..., 0].T
    rises = np.diff(both[0])[0]  # of 1 from number to number, as the rows are
    back = both / rises
    back += values.mean() - back.mean()
    kinds = np.concatenate([train[2], test[2]])
    np.testing.assert_allclose(sorted(back[:, 0].round(4)), values[:, 0])
    assert all(kinds[n] == classes[int(back[n, 0].round()) // 3] - 1 for n in range(20))
    (same, _, _), _ = labelled_rows(rows(tmp_path, np.full((20, 3), 20.1), classes))
    np.testing.assert_allclose(same, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "classes", "wrong"),
    [
        (np.ones((12, 3)), [1] * 12, "at least two"),
        (np.ones((12, 3)), [0.5, 1] * 6, "number them"),
        (np.ones((12, 3)), [0] * 11 + [1], "5 rows of each class"),
        (np.ones((12, 1)), [0, 1] * 6, "at least 2 numbers"),
        (np.ones((4, 3)), [0, 1] * 2, "give at least 10"),
    ],
)
def test_rows_that_are_refused(tmp_path, values, classes, wrong):
    with pytest.raises(DataError, match=wrong):
        labelled_rows(rows(tmp_path, values, classes))


def test_names_by_language():
    pytest.importorskip("babel", reason="it has the names")
    names = names_by_language(languages="en de")
    assert ("Germany", "en") in names
    assert ("Deutschland", "de") in names
    assert "Peru" not in [name for name, _ in names]  # the same in both
    assert max(len(name) for name, _ in names) <= 24
    with pytest.raises(DataError, match="no language 'xx'"):
        names_by_language(languages="en xx")


def test_names_of_a_file(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("\n".join(f"name {n}\t{'ab'[n % 2]}" for n in range(20)))
    assert names_by_language(path)[1] == ("name 1", "b")
    path.write_text("\n".join(f"name {n}\ta" for n in range(20)))
    with pytest.raises(DataError, match="1 classes"):
        names_by_language(path)


def test_padded_codes():
    codes, lengths = padded_codes(["abc", "c"], Vocabulary("abc"))
    assert codes.T.tolist() == [[0, 1, 2], [2, 0, 0]]
    assert lengths.tolist() == [3, 1]


def test_labelled_frames(tmp_path):
    values, classes = np.arange(126.0).reshape(63, 2), np.arange(63) // 6 % 3 + 4
    train, test, names = labelled_frames(rows(tmp_path, values, classes), 6)
    assert names == ["4", "5", "6"]
    assert train[0].shape == (6, 8, 2)
    assert test[0].shape == (6, 2, 2)
    np.testing.assert_allclose(train[0].mean(axis=(0, 1)), 0, atol=1e-6)
    np.testing.assert_allclose(train[0].std(axis=(0, 1)), 1, atol=1e-6)
    assert (np.diff(train[0][:, :, 0].T.ravel()) > 0).all()  # in order of time
    assert test[0].min() > train[0].max()
    assert test[1].tolist() == [[2, 0]] * 6


@pytest.mark.parametrize(
    ("values", "classes", "wrong"),
    [
        (np.ones((60, 1)), [0, 1] * 30, "1 numbers in a row and 2 classes"),
        (np.ones((60, 2)), [1] * 60, "2 numbers in a row and 1 classes"),
        (np.ones((59, 2)), [1] * 59, "has 59 rows: give at least 60"),
    ],
)
def test_frames_that_are_refused(tmp_path, values, classes, wrong):
    with pytest.raises(DataError, match=wrong):
        labelled_frames(rows(tmp_path, values, classes), 6)
