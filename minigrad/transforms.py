"""Functions made of derivatives: Jacobians, Hessians, and products with them.

Each takes a function of Tensors and the point to look at: one array or Tensor, or a tuple of them, which are then the
function's arguments. The results can be differentiated in turn where the point requires a gradient (so transforms
nest, to any order), and with `create_graph`, which also reaches what the function closes over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .backend import backend_of
from .errors import MinigradError, NonScalarError, ShapeError
from .graph import grad
from .mode import enable_grad
from .ops import copy, reshape, stack, zeros_like
from .tensor import Tensor, tensor

Function = Callable[..., Any]


@enable_grad()
def jacobian(f: Function, x: Any, create_graph: bool = False) -> Any:
    """All first derivatives of `f` at `x`: shape (*f(x).shape, *x.shape), by one backward walk per number of f(x).

    A tuple of them, one for each argument, if `x` is a tuple.
    """
    inputs, nested = _point(x, create_graph)
    out = _result(f, inputs)
    rows = [_gradients([out], inputs, [_unit(out, i)], nested) for i in range(out.size)]
    found = []
    for n, source in enumerate(inputs):
        column = stack([row[n] for row in rows]) if rows else zeros_like(out)
        found.append(reshape(column, out.shape + source.shape))
    return _like(x, found)


def hessian(f: Function, x: Any, create_graph: bool = False) -> Any:
    """All second derivatives at `x` of `f`, which returns a single number: shape (*x.shape, *x.shape).

    If `x` is a tuple, a tuple of tuples: [i][j] has shape (*x[i].shape, *x[j].shape).
    """
    if not isinstance(x, tuple):
        return jacobian(lambda point: _first(f, [point])[0], x, create_graph)
    return tuple([jacobian(lambda *point, i=i: _first(f, list(point))[i], x, create_graph) for i in range(len(x))])


@enable_grad()
def vjp(f: Function, x: Any, v: Any, create_graph: bool = False) -> Any:
    """The vector-Jacobian product vᵀJ at `x`: the gradient of sum(v * f(x)), of the shape of `x`, by one backward walk.

    `v` has the shape of f(x).
    """
    inputs, nested = _point(x, create_graph)
    out = _result(f, inputs)
    return _like(x, _gradients([out], inputs, [_fitting(v, out, "f(x)")], nested))


@enable_grad()
def jvp(f: Function, x: Any, v: Any, create_graph: bool = False) -> Any:
    """The Jacobian-vector product J v at `x`: the derivative of `f` in the direction `v`, of the shape of f(x).

    `v` has the shape of `x` (is a tuple if `x` is). The backward walk is linear in the gradient that it starts
    from, and its own backward walk is this product (Townsend 2017, "A new trick for calculating Jacobian vector
    products"): the same VJP rules serve both.
    """
    inputs, nested = _point(x, create_graph)
    out = _result(f, inputs)
    start = Tensor(out.backend.xp.zeros(out.shape, out.dtype), True)
    back = _gradients([out], inputs, [start], True)
    return _gradients(back, [start], _directions(v, x, inputs), nested)[0]


@enable_grad()
def hvp(f: Function, x: Any, v: Any, create_graph: bool = False) -> Any:
    """The Hessian-vector product H v at `x` of `f`, which returns a single number, by two backward walks.

    Of the shape of `x`, which `v` has too (Pearlmutter 1994).
    """
    inputs, nested = _point(x, create_graph)
    return _like(x, _gradients(_first(f, inputs), inputs, _directions(v, x, inputs), nested))


def _point(x: Any, create_graph: bool) -> tuple[list[Tensor], bool]:
    """Tensors to call the function with, and whether what comes out is to be differentiated again."""
    given = [part if isinstance(part, Tensor) else tensor(part) for part in _listed(x)]
    if any(part.requires_grad for part in given):
        return [copy(part) if part.requires_grad else _leaf(part) for part in given], True
    return [_leaf(part) for part in given], create_graph


def _leaf(x: Tensor) -> Tensor:
    if x.dtype.kind != "f":
        raise MinigradError(f"only floating-point arrays have derivatives, not {x.dtype}: convert it, with .astype()")
    leaf = x.detach()
    leaf.requires_grad = True
    return leaf


def _result(f: Function, inputs: list[Tensor]) -> Tensor:
    out = f(*inputs)
    if isinstance(out, (tuple, list, dict)):
        raise ShapeError(f"the function returned {len(out)} results: return one Tensor (concatenate them, say)")
    return out if isinstance(out, Tensor) else tensor(out)


def _unit(out: Tensor, i: int) -> Any:
    """Zeros of the shape of `out`, with a one at its `i`-th number."""
    with out.backend.here:
        unit = out.backend.xp.zeros(out.size, out.dtype)
        unit[i] = 1
        return unit.reshape(out.shape)


def _first(f: Function, inputs: list[Tensor]) -> list[Tensor]:
    """The first derivatives of `f`, recorded."""
    out = _result(f, inputs)
    if out.size != 1:
        raise NonScalarError(f"the function must return a single number, not shape {out.shape}: take the sum, say")
    return _gradients([out], inputs, [out.backend.xp.ones(out.shape, out.dtype)], True)


def _gradients(outputs: list[Tensor], inputs: list[Tensor], weights: list[Any], create_graph: bool) -> list[Tensor]:
    """`grad`, with zeros where there is nothing to differentiate."""
    pairs = [(out, weight) for out, weight in zip(outputs, weights) if out.requires_grad]
    found: Any = [None] * len(inputs)
    if pairs:
        found = grad([out for out, _ in pairs], inputs, [w for _, w in pairs], create_graph, True, allow_unused=True)
    return [zeros_like(source) if g is None else g for source, g in zip(inputs, found)]


def _directions(v: Any, x: Any, inputs: list[Tensor]) -> list[Any]:
    parts = _listed(v) if isinstance(x, tuple) else [v]
    if len(parts) != len(inputs):
        raise ShapeError(f"the point has {len(inputs)} parts and the direction {len(parts)}: give one for each")
    return [_fitting(part, source, "x") for part, source in zip(parts, inputs)]


def _fitting(v: Any, like: Tensor, what: str) -> Any:
    raw = v.data if isinstance(v, Tensor) else v
    if backend_of(raw) is not like.backend:
        raw = v = like.backend.xp.asarray(raw, like.dtype)
    if tuple(raw.shape) != like.shape:
        raise ShapeError(
            f"the vector has shape {tuple(raw.shape)}, and {what} has shape {like.shape}: they must be equal"
        )
    return v


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, tuple) else [x]


def _like(x: Any, results: list[Tensor]) -> Any:
    return tuple(results) if isinstance(x, tuple) else results[0]
