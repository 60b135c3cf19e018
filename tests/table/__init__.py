"""Every operation, by one table: a file for each family of `minigrad.ops`, a row for each operation."""

from . import (
    accumulate,
    contractions,
    diagonals,
    indexing,
    norms,
    pointwise,
    products,
    reduce,
    shape,
    sorting,
    special,
    windows,
)
from .row import ONE, TWO, Case, Domain, Row, listed, positive

FAMILIES = (
    pointwise, special, reduce, accumulate, sorting, shape, diagonals, indexing, products, contractions, norms, windows,
)  # fmt: skip
TABLE: list[Row] = [row for family in FAMILIES for row in family.ROWS]
