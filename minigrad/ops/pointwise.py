"""Element by element. The engine sums a rule's result over broadcast axes, so no rule here speaks of shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import backend_of, get_backend
from ..primitive import primitive
from ..tensor import Tensor

# fmt: off
__all__ = [
    "abs", "absolute", "add", "astype", "clip", "copy", "divide", "equal", "exp", "expm1", "greater",
    "greater_equal", "less", "less_equal", "log", "log1p", "maximum", "minimum", "multiply", "negative",
    "not_equal", "power", "relu", "sigmoid", "sign", "softplus", "sqrt", "square", "subtract", "tanh", "to",
    "where",
]
# fmt: on

add = primitive("add", lambda xp, x, y: x + y, vjp=[lambda g: g, lambda g: g])
subtract = primitive("subtract", lambda xp, x, y: x - y, vjp=[lambda g: g, lambda g: -g])
multiply = primitive("multiply", lambda xp, x, y: x * y, vjp=[lambda g, y: g * y, lambda g, x: g * x])
divide = primitive("divide", lambda xp, x, y: xp.divide(x, y), vjp=[lambda g, y: g / y, lambda g, out, y: -g * out / y])
negative = primitive("negative", lambda xp, x: -x, vjp=[lambda g: -g])

exp = primitive("exp", lambda xp, x: xp.exp(x), vjp=[lambda g, out: g * out])
expm1 = primitive("expm1", lambda xp, x: xp.expm1(x), vjp=[lambda g, out: g * (out + 1)])
log = primitive("log", lambda xp, x: xp.log(x), vjp=[lambda g, x: g / x])
log1p = primitive("log1p", lambda xp, x: xp.log1p(x), vjp=[lambda g, x: g / (1 + x)])
sqrt = primitive("sqrt", lambda xp, x: xp.sqrt(x), vjp=[lambda g, out: g / (2 * out)])
square = primitive("square", lambda xp, x: x * x, vjp=[lambda g, x: g * (2 * x)])
tanh = primitive("tanh", lambda xp, x: xp.tanh(x), vjp=[lambda g, out: g * (1 - out * out)])

sigmoid = primitive("sigmoid", lambda xp, x: _logistic(xp, x), vjp=[lambda g, out: g * (out * (1 - out))])
softplus = primitive("softplus", lambda xp, x: xp.logaddexp(x, 0), vjp=[lambda g, x: g * sigmoid(x)])

# Kinks and ties as PyTorch has them: relu'(0) = abs'(0) = 0, a tie of maximum or minimum gives each side half,
# clip passes the gradient at its bounds.
relu = primitive("relu", lambda xp, x: xp.maximum(x, 0), vjp=[lambda g, out: g * (out > 0)])
sign = primitive("sign", lambda xp, x: xp.sign(x), vjp=[lambda g: g * 0])
abs = absolute = primitive("abs", lambda xp, x: xp.abs(x), vjp=[lambda g, x: g * sign(x)])
maximum = primitive(
    "maximum",
    lambda xp, x, y: xp.maximum(x, y),
    vjp=[lambda g, x, y: _share(g, x > y, x == y), lambda g, x, y: _share(g, y > x, x == y)],
)
minimum = primitive(
    "minimum",
    lambda xp, x, y: xp.minimum(x, y),
    vjp=[lambda g, x, y: _share(g, x < y, x == y), lambda g, x, y: _share(g, y < x, x == y)],
)

equal = primitive("equal", lambda xp, x, y: xp.equal(x, y))
not_equal = primitive("not_equal", lambda xp, x, y: xp.not_equal(x, y))
less = primitive("less", lambda xp, x, y: xp.less(x, y))
less_equal = primitive("less_equal", lambda xp, x, y: xp.less_equal(x, y))
greater = primitive("greater", lambda xp, x, y: xp.greater(x, y))
greater_equal = primitive("greater_equal", lambda xp, x, y: xp.greater_equal(x, y))

# A NaN or an infinity in the branch not taken does not pass: 0 stands in the gradient's place, not 0 times it.
where: Callable[..., Any] = primitive(
    "where",
    lambda xp, condition, x, y: xp.where(condition, x, y),
    vjp=[None, lambda g, condition: where(condition, g, 0), lambda g, condition: where(condition, 0, g)],
)

copy = primitive("copy", lambda xp, x: x.copy(), vjp=[lambda g: g])

_astype = primitive("astype", lambda xp, x, *, dtype: x.astype(dtype), vjp=[lambda g: g])
_truncate = primitive("astype", lambda xp, x, *, dtype: x.astype(dtype))

_clip = primitive(
    "clip",
    lambda xp, x, *, low, high: xp.clip(x, low, high),
    vjp=[lambda g, x, low, high: where(_within(x, low, high), g, 0)],
)
_power = primitive(
    "power",
    lambda xp, x, y: xp.power(x, y),
    vjp=[
        lambda g, x, y: g * where(y == 0, 0, y * x ** where(y == 0, 1, y - 1)),
        lambda g, out, x: g * out * _log_of_base(x),
    ],
)
_power_of_number = primitive(
    "power",
    lambda xp, x, *, exponent: x**exponent,
    vjp=[lambda g, x, exponent: g * (exponent * x ** (exponent - 1)) if exponent else g * 0],
)
_to: Callable[..., Any] = primitive(
    "to",
    lambda xp, x, *, source, target: get_backend(target).asarray(get_backend(source).to_numpy(x)),
    vjp=[lambda g, source, target: _to(g, source=target, target=source)],
)


def _logistic(xp: Any, x: Any) -> Any:
    y = xp.tanh(x * 0.5)  # no overflow, and NumPy's tanh is vectorised
    y *= 0.5
    y += 0.5
    return y


def _share(g: Any, wins: Any, ties: Any) -> Any:
    return where(wins, g, where(ties, g / 2, 0))


def _log_of_base(x: Any) -> Any:
    if isinstance(x, (int, float, np.number)):
        return math.log(x) if x > 0 else 0.0
    return log(where(x > 0, x, 1))


def _within(x: Any, low: Any, high: Any) -> Any:
    inside = x == x
    if low is not None:
        inside = inside * (x >= low)
    return inside if high is None else inside * (x <= high)


def astype(x: Any, dtype: Any) -> Any:
    """`x` in another dtype; the gradient comes back in its own. Integers and booleans have none."""
    return (_astype if np.dtype(dtype).kind in "fc" else _truncate)(x, dtype=dtype)


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """`x` limited to [low, high] (numbers or raw arrays; None is no limit). The gradient passes at the bounds."""
    return _clip(x, low=low, high=high)


def power(x: Any, y: Any) -> Any:
    """x ** y. Where y is a plain number, its derivative costs no logarithm, and x ** 0 has derivative 0 everywhere."""
    if isinstance(y, (int, float, np.number)):
        return _power_of_number(x, exponent=y)
    return _power(x, y)


def to(x: Any, backend: str) -> Any:
    """`x` on the backend of that name; gradients come back across."""
    source = backend_of(x.data if isinstance(x, Tensor) else x)
    return _to(x, source=source.name, target=backend)  # type: ignore[union-attr]
