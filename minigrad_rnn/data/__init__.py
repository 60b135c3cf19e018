"""Data, and what every model must beat on them."""

from . import synthetic
from .pairs import read_pairs
from .text import Streams, TextError, Vocabulary, Words, bigram_bits, read_text, split, stdlib_text
