"""Data, and what every model must beat on them."""

from . import synthetic
from .text import TextError, Vocabulary, bigram_bits, read_text, split, stdlib_text, streams
