"""The user's own numbers, from CSV files."""

import pytest

from minigrad_rnn.data import DataError, read_numbers, read_rows


def written(folder, text):
    path = folder / "numbers.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4.5\n",
        "1;2\n3;4.5",
        "\ufeffa\tb\r\n1\t2\r\n\r\n3\t4.5\r\n",
        "date,a,b\n2024-01-01,1,2\n2024-01-02, 3 ,4.5\n",
    ],
)
def test_numbers(tmp_path, text):
    assert read_numbers(written(tmp_path, text), columns=2).tolist() == [[1, 2], [3, 4.5]]


def test_rows(tmp_path):
    path = written(tmp_path, 'text,label\n"good, very",1\nbad,0\n')
    assert read_rows(path) == (["text", "label"], [["good, very", "1"], ["bad", "0"]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"\xff\xfe\x00", "is no UTF-8 text"),
        ("", "has 0 characters"),
        ("a,b\n", "has no rows"),
        ("a,b\n1,2\n3\n", "row 3: 1 fields, where there are 2"),
        ("a,b\n1,2\n3,x\n", "row 3: 'x' is no number"),
        ("1,2\n3,nan\n", "row 2: 'nan' is no number"),
        ("x,y\nz,w\n", "has 0 columns of numbers: give a CSV file with 2 columns"),
        ("1,2,3\n", "has 3 columns of numbers"),
    ],
)
def test_what_is_no_table(tmp_path, text, told):
    with pytest.raises(DataError, match=told):
        read_numbers(written(tmp_path, text), columns=2)


def test_missing_and_short(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*none\.csv: No such file"):
        read_numbers(tmp_path / "none.csv")
    with pytest.raises(DataError, match="has 2 rows: give at least 3"):
        read_numbers(written(tmp_path, "1\n2\n"), least=3)
