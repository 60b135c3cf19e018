"""The dtype of every operation's result is NumPy's, for halves, integers and booleans too.

Rows whose operation differs on purpose say so in `dtypes`. Operations that NumPy lacks leave halves halves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from table import TABLE, Row, listed

import minigrad as mg


def calls(row: Row, dtype: str) -> Iterator[tuple[list[np.ndarray], dict[str, Any]]]:
    """The first example of the row with each of its options, floats cast."""
    told = []
    for case in row.cases():
        if not any(case.options is options for options in told):
            told.append(case.options)
            with np.errstate(invalid="ignore"):  # of a NaN as an integer
                arrays = [x.astype(dtype) if x.dtype == np.float64 else x for x in case.arrays()]
            yield arrays, case.options


def dtypes(function: Any, arrays: list[Any], options: dict[str, Any]) -> list[str]:
    with np.errstate(all="ignore"):  # a domain for floats has zeros once it is cast
        return [str(np.result_type(getattr(x, "dtype", x))) for x in listed(function(*arrays, **options))]


def row_name(row: Row) -> str:
    return row.name


def is_numpys(row: Row) -> bool:
    return hasattr(np, row.name) or hasattr(np.linalg, row.name)


@pytest.mark.parametrize("dtype", ["float16", "int64", "int32", "bool"])
@pytest.mark.parametrize("row", [row for row in TABLE if is_numpys(row)], ids=row_name)
def test_dtypes_are_numpys(row, dtype):
    refusals = []
    for arrays, options in calls(row, dtype):
        try:
            expected = dtypes(row.numpys, arrays, options)
        except (TypeError, ValueError) as error:
            refusals.append(error)
            continue
        found = dtypes(row.ours, [mg.Tensor(x) for x in arrays], options)
        assert found == [row.dtypes.get(dtype, numpys) for numpys in expected], (options, arrays)
    if len(refusals) == len([*calls(row, dtype)]):
        pytest.skip(f"NumPy refuses: {refusals[0]}")


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.grad and row.keeps_dtype and not is_numpys(row)], ids=row_name
)
def test_halves_stay_halves(row):
    for arrays, options in calls(row, "float16"):
        assert {*dtypes(row.ours, [mg.Tensor(x) for x in arrays], options)} == {"float16"}
