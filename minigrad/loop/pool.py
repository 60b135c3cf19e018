"""Arrays of runs that are over, for the next ones: memory that is new to a process costs as much as the work in it."""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from typing import Any

import numpy as np

LEAST = 2**16  # bytes; smaller ones the allocator keeps itself
MOST = 2**28  # bytes that are kept in all
UNUSED = 3  # references to an array that nothing but the pool has: its list, the loop's name, and the question

_kept: OrderedDict[Any, list[np.ndarray]] = OrderedDict()  # by shape and dtype, the last used ones last


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array with any numbers in it, like `np.empty`; it comes back by itself once nobody refers to it."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not LEAST <= size <= MOST:
        return np.empty(shape, dtype)
    key = shape, np.dtype(dtype)
    arrays = _kept.setdefault(key, [])
    _kept.move_to_end(key)
    for array in arrays:
        if sys.getrefcount(array) == UNUSED:
            return array
    made = np.empty(shape, dtype)
    arrays.append(made)
    _forget(MOST)
    return made


def _forget(most: int) -> None:
    """Let go of those that were not used for longest, until at most so many bytes are left."""
    held = sum(array.nbytes for arrays in _kept.values() for array in arrays)
    while held > most:
        _, arrays = _kept.popitem(last=False)
        held -= sum(array.nbytes for array in arrays)
