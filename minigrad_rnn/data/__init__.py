"""Data, and what every model must beat on them."""

from . import synthetic
from .errors import DataError
from .pairs import read_pairs
from .table import read_numbers, read_rows
from .text import Streams, TextError, Vocabulary, Words, bigram_bits, read_text, split, stdlib_text, text_of
