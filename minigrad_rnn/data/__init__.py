"""Data, and what every model must beat on them."""

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
