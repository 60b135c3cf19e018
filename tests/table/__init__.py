"""Every operation, by one table: a file for each family of `minigrad.ops`, a row for each operation."""

from . import contractions, indexing, norms, pointwise, products, reduce, shape, special, windows
from .row import ONE, TWO, Case, Domain, Row, listed, positive

TABLE: list[Row] = [
    row
    for family in (pointwise, special, reduce, shape, indexing, products, contractions, norms, windows)
    for row in family.ROWS
]
