"""The operations, one file a family, each operation one short row: a name, a kernel, its VJP rules.

They carry NumPy's names and arguments. Given Tensors they record; given raw arrays they just compute.
"""

from .create import arange, full, full_like, ones, ones_like, rand, randn, zeros, zeros_like
from .indexing import getitem, raw_index, setitem, take, take_along_axis
from .linalg import dot, matmul, outer
from .pointwise import (
    abs,
    absolute,
    add,
    astype,
    clip,
    copy,
    divide,
    equal,
    exp,
    expm1,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    relu,
    sigmoid,
    sign,
    softplus,
    sqrt,
    square,
    subtract,
    tanh,
    to,
    where,
)
from .reduce import argmax, log_softmax, logsumexp, max, mean, min, softmax, sum
from .shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    moveaxis,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    transpose,
    unstack,
)

# fmt: off
__all__ = [
    "abs", "absolute", "add", "arange", "argmax", "astype", "broadcast_to", "clip", "concatenate", "copy", "divide",
    "dot", "equal", "exp", "expand_dims", "expm1", "flip", "full", "full_like", "getitem", "greater", "greater_equal",
    "less", "less_equal", "log", "log1p", "log_softmax", "logsumexp", "matmul", "max", "maximum", "mean", "min",
    "minimum", "moveaxis", "multiply", "negative", "not_equal", "ones", "ones_like", "outer", "power", "rand",
    "randn", "relu", "reshape", "setitem", "sigmoid", "sign", "softmax", "softplus", "split", "sqrt", "square",
    "squeeze", "stack", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tanh", "to", "transpose",
    "unstack", "where", "zeros", "zeros_like",
]
# fmt: on
