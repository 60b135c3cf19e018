"""The user's own numbers, from CSV files."""

import pytest

from minigrad_rnn.data import DataError, read_bits, read_numbers, read_rows


def written(folder, text):
    path = folder / "numbers.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4.5\n",
        "1;2\n3;4.5",
        "0,b\n1,2\n3,4.5\n",
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
        ("1,5;2\n3,5;4\n", r"has 1 column of numbers: .* as 1\.5, not 1,5"),
        ("a;b\n1,5;2\n3;4\n", r"row 2: '1,5' is no number .* write 1\.5 for 1,5"),
        ("a,b\n1,\n3,4\n", "row 2: '' is no number"),
        ("1,2\n3,1e200\n", "row 2: '1e200' is no number below"),
        ("a,b\n1,2\n3\n", "row 3: 1 field, where there are 2"),
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


LONG = "10" * 500  # more digits than the largest float has


def test_bits(tmp_path):
    path = tmp_path / "bits.csv"
    path.write_text(f"a,b\n1011,11\n{LONG},0\n")
    (a, b), (c, d) = read_bits(path, columns=2)
    assert a.tolist() == [1, 0, 1, 1]
    assert b.tolist() == [1, 1]
    assert c.sum() == 500
    assert d.tolist() == [0]
    path.write_text(f"{LONG}\n011\n")
    assert read_rows(path)[0] == [], "a long number is no header"
    assert [len(row[0]) for row in read_bits(path, columns=1)] == [1000, 3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10,12\n", "row 1: '12' is no binary number"),
        ("a,b\n10,\n", "row 2: '' is no binary number"),
        ("10\n", "has 1 column: give a CSV file with 2 columns of binary numbers"),
    ],
)
def test_what_is_no_bits(tmp_path, text, told):
    path = tmp_path / "bits.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        read_bits(path, columns=2)
