"""Data, and what every model must beat on them.

`path` is a file of the user's own, `rng` the NumPy generator that numbers are drawn from, or a seed for one. Sequences
are arrays with time first. What ships with a package that is missing raises DataError, which names it.
"""

from . import synthetic
from .errors import DataError
from .ngram import NGram
from .pairs import read_pairs
from .table import read_bits, read_numbers, read_rows
from .text import (
    Streams,
    TextError,
    Vocabulary,
    Words,
    read_text,
    split,
    stdlib_text,
    subsampled,
    text_of,
    windows,
)
