"""In order of size: sorting, and what can be read off sorted numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import backend_of
from ..errors import ShapeError
from ..primitive import primitive
from ..tensor import Tensor, on_host
from .indexing import take, take_along_axis
from .pointwise import astype, gap
from .products import as_arrays
from .shape import Axis, axes_of, moveaxis, transpose

# fmt: off
__all__ = [
    "argsort", "median", "percentile", "quantile", "sort",
]
# fmt: on

_argsort = primitive("argsort", lambda xp, x, *, axis: xp.argsort(x, axis=axis, kind="stable"))


def argsort(a: Any, axis: int | None = -1) -> Any:
    """The indices that put `a` in rising order along `axis` (of `a` flattened if None). Has no gradient."""
    (a,) = as_arrays(a)
    if axis is None:
        return _argsort(a.reshape(-1), axis=0)
    (axis,) = axes_of("argsort", axis, a.ndim)
    return _argsort(a, axis=axis)


def sort(a: Any, axis: int | None = -1) -> Any:
    """`a` in rising order along `axis`, flattened if None. Equal ones keep their order, and each its gradient."""
    (a,) = as_arrays(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    return take_along_axis(a, argsort(a, axis), axis)


def quantile(a: Any, q: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The values over `axis` that the share `q` (a number or an array, from 0 to 1) of all numbers lies below.

    Between two numbers it is a straight line (NumPy's method "linear"), and the gradient goes to these two; of equal
    ones, to those that come there in sorting. The axes of `q` come first in the result; with `keepdims` those that are
    gone stay, with length 1. Raises ShapeError where there is no number, ValueError for a `q` out of range.
    """
    return _quantile("quantile", 1, a, q, axis, keepdims)


def _quantile(name: str, whole: int, a: Any, q: Any, axis: Axis, keepdims: bool) -> Any:
    """`quantile`, in the name of the function `name`, of `q` in parts of `whole`."""
    (a,) = as_arrays(a)
    if a.dtype.kind == "b":
        a = astype(a, float)
    axes = axes_of(name, axis, a.ndim)
    others = tuple([i for i in range(a.ndim) if i not in axes])
    flat = transpose(a, (*others, *axes)).reshape(*[a.shape[i] for i in others], -1 if a.size else 0)
    n = flat.shape[-1]
    if n == 0:
        raise ShapeError(f"{name}: there are no numbers over axis {axis} of shape {a.shape}: leave empty arrays out")
    shares = on_host(q).astype(float) / whole
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"{name}: q must be from 0 to {whole}, not {q}: quantile takes shares, percentile hundredths")
    xp: Any = backend_of(a.data if isinstance(a, Tensor) else a).xp  # type: ignore[union-attr]
    places = shares.reshape(-1) * (n - 1)
    below = np.floor(places).astype(int)
    ordered = sort(flat)
    low = take(ordered, xp.asarray(below), -1)
    high = take(ordered, xp.asarray(np.ceil(places).astype(int)), -1)
    step = (places - below).astype(a.dtype if a.dtype.kind == "f" else float)
    between = low + gap(high, low) * xp.asarray(step)
    shape = [1 if i in axes else m for i, m in enumerate(a.shape) if keepdims or i in others]
    return moveaxis(between, -1, 0).reshape((*shares.shape, *shape))


def percentile(a: Any, q: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """`quantile` with `q` from 0 to 100; `axis` and `keepdims` as there."""
    return _quantile("percentile", 100, a, q, axis, keepdims)


def median(a: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The middle value over `axis`, or half way between the two in the middle: `quantile` of 0.5."""
    return quantile(a, 0.5, axis, keepdims)
