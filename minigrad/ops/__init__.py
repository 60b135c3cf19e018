"""The operations, one file a family, each operation one short row: a name, a kernel, its VJP rules.

They carry NumPy's names and arguments; `axis` is a number (from the last if below 0), a tuple of them where that makes
sense, or None. Given Tensors they record; given raw arrays they just compute.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import (
    accumulate,
    contractions,
    convolutions,
    create,
    diagonals,
    indexing,
    norms,
    pointwise,
    pooling,
    products,
    reduce,
    shape,
    sorting,
    special,
    windows,
)
from .accumulate import *
from .contractions import *
from .convolutions import *
from .create import *
from .diagonals import *
from .indexing import *
from .norms import *
from .pointwise import *
from .pooling import *
from .products import *
from .reduce import *
from .shape import *
from .sorting import *
from .special import *
from .windows import *

FAMILIES = (
    accumulate, contractions, convolutions, create, diagonals, indexing, norms, pointwise, pooling, products, reduce,
    shape, sorting, special, windows,
)  # fmt: skip
OPERATIONS: dict[str, Callable[..., Any]] = {
    name: getattr(family, name) for family in FAMILIES for name in family.__all__
}

if not TYPE_CHECKING:  # type checkers read a literal list only; without one they take every name that is here
    __all__ = list(OPERATIONS)
