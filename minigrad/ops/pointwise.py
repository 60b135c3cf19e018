"""Element by element. The engine sums a rule's result over broadcast axes, so no rule here speaks of shapes.

Kinks and ties are PyTorch's. Where a derivative is infinite (of sqrt and cbrt at 0, of arcsin at 1) so is the gradient;
where the function has a corner, or only jumps, it is finite and said below. On NumPy an infinity or NaN made of finite
numbers (`log` of 0, say) comes with a RuntimeWarning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import SCALAR, backend_of, current_backend, get_backend
from ..errors import OperandError
from ..primitive import primitive
from ..tensor import Tensor

# fmt: off
__all__ = [
    "abs", "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "around",
    "astype", "bitwise_and", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "clip", "copy", "copysign", "cos", "cosh",
    "deg2rad", "degrees", "divide", "equal", "exp", "exp2", "expm1", "fabs", "float_power", "floor", "floor_divide",
    "fmax", "fmin", "fmod", "greater", "greater_equal", "heaviside", "hypot", "invert", "isfinite", "isinf", "isnan",
    "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not",
    "logical_or", "logical_xor", "maximum", "minimum", "mod", "multiply", "nan_to_num", "negative", "not_equal",
    "positive", "power", "rad2deg", "radians", "reciprocal", "remainder", "rint", "round", "sign", "signbit", "sin",
    "sinc", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "to", "trunc", "where",
]
# fmt: on

LOG_2, LOG_10, DEGREE = math.log(2), math.log(10), math.pi / 180

# fmt: off
add = primitive("add", lambda xp, x, y: x + y, vjp=[lambda g: g, lambda g: g],
    doc="x + y, item by item; shapes broadcast.")
subtract = primitive("subtract", lambda xp, x, y: x - y, vjp=[lambda g: g, lambda g: -g],
    doc="x - y, item by item; shapes broadcast.")
multiply = primitive("multiply", lambda xp, x, y: x * y, vjp=[lambda g, y: g * y, lambda g, x: g * x],
    doc="x * y, item by item; shapes broadcast. The gradients are those of the product rule, g y and g x.")
divide = primitive("divide", lambda xp, x, y: xp.divide(x, y), vjp=[lambda g, y: g / y, lambda g, out, y: -g * out / y],
    doc="x / y, item by item; shapes broadcast. Whole numbers give floats.")
negative = primitive("negative", lambda xp, x: -x, vjp=[lambda g: -g],
    doc="-x, of each item.")
positive = primitive("positive", lambda xp, x: xp.positive(x), vjp=[lambda g: g],
    doc="+x: the numbers as they are, in an array of their own.")
reciprocal = primitive("reciprocal", lambda xp, x: xp.reciprocal(x), vjp=[lambda g, out: -g * (out * out)],
    doc="1 / x, of each item; of whole numbers a whole one, rounded towards 0: of 0 one that means nothing.")

exp = primitive("exp", lambda xp, x: xp.exp(x), vjp=[lambda g, out: g * out],
    doc="e to the power x, of each item: its own derivative.")
exp2 = primitive("exp2", lambda xp, x: xp.exp2(x), vjp=[lambda g, out: g * (out * LOG_2)],
    doc="2 to the power x, of each item.")
expm1 = primitive("expm1", lambda xp, x: xp.expm1(x), vjp=[lambda g, out: g * (out + 1)],
    doc="exp(x) - 1, of each item, without loss of digits near 0.")
log = primitive("log", lambda xp, x: xp.log(x), vjp=[lambda g, x: g / x],
    doc="The natural logarithm of each item: -inf at 0, NaN below. The derivative is 1 / x.")
log2 = primitive("log2", lambda xp, x: xp.log2(x), vjp=[lambda g, x: g / (x * LOG_2)],
    doc="The logarithm to base 2 of each item; at 0 and below as `log`.")
log10 = primitive("log10", lambda xp, x: xp.log10(x), vjp=[lambda g, x: g / (x * LOG_10)],
    doc="The logarithm to base 10 of each item; at 0 and below as `log`.")
log1p = primitive("log1p", lambda xp, x: xp.log1p(x), vjp=[lambda g, x: g / (1 + x)],
    doc="log(1 + x), of each item, without loss of digits near 0.")
logaddexp = primitive(
    "logaddexp",
    lambda xp, x, y: xp.logaddexp(x, y),
    vjp=[lambda g, x, y: g * _weight(x, y, 1), lambda g, x, y: g * _weight(y, x, 1)],
    doc=(
        "log(exp(x) + exp(y)), item by item, without overflow; shapes broadcast.\n\n"
        "The gradients are the shares of the two: softmax of (x, y)."
    ),
)
logaddexp2 = primitive(
    "logaddexp2",
    lambda xp, x, y: xp.logaddexp2(x, y),
    vjp=[lambda g, x, y: g * _weight(x, y, LOG_2), lambda g, x, y: g * _weight(y, x, LOG_2)],
    doc="log2(2 ** x + 2 ** y), item by item, without overflow; shapes broadcast.",
)
sqrt = primitive("sqrt", lambda xp, x: xp.sqrt(x), vjp=[lambda g, out: g / (2 * out)],
    doc="The square root of each item, NaN below 0. The derivative at 0 is infinite.")
cbrt = primitive("cbrt", lambda xp, x: xp.cbrt(x), vjp=[lambda g, out: g / (3 * out * out)],
    doc="The cube root of each item, of any sign. The derivative at 0 is infinite.")
square = primitive("square", lambda xp, x: xp.square(x), vjp=[lambda g, x: g * (2 * x)],
    doc="x * x, of each item. The derivative is 2 x.")

sin = primitive("sin", lambda xp, x: xp.sin(x), vjp=[lambda g, x: g * cos(x)],
    doc="The sine of each item, in radians. The derivative is cos(x).")
cos: Callable[..., Any] = primitive("cos", lambda xp, x: xp.cos(x), vjp=[lambda g, x: -g * sin(x)],
    doc="The cosine of each item, in radians. The derivative is -sin(x).")
tan = primitive("tan", lambda xp, x: xp.tan(x), vjp=[lambda g, out: g * (1 + out * out)],
    doc="The tangent of each item, in radians.")
sinh = primitive("sinh", lambda xp, x: xp.sinh(x), vjp=[lambda g, x: g * cosh(x)],
    doc="The hyperbolic sine of each item, (exp(x) - exp(-x)) / 2. The derivative is cosh(x).")
cosh: Callable[..., Any] = primitive("cosh", lambda xp, x: xp.cosh(x), vjp=[lambda g, x: g * sinh(x)],
    doc="The hyperbolic cosine of each item, (exp(x) + exp(-x)) / 2. The derivative is sinh(x).")
tanh = primitive("tanh", lambda xp, x: xp.tanh(x), vjp=[lambda g, out: g * (1 - out * out)],
    doc="The hyperbolic tangent of each item, in (-1, 1). The derivative is 1 - tanh(x)², at most 1, at 0.")
# In factors, so that nothing cancels near ±1 and no square overflows.
arcsin = primitive("arcsin", lambda xp, x: xp.arcsin(x), vjp=[lambda g, x: g / (sqrt(1 - x) * sqrt(1 + x))],
    doc="The angle in [-π/2, π/2], in radians, whose sine is x, of each item; infinitely steep at ±1, NaN beyond.")
arccos = primitive("arccos", lambda xp, x: xp.arccos(x), vjp=[lambda g, x: -g / (sqrt(1 - x) * sqrt(1 + x))],
    doc="The angle in [0, π], in radians, whose cosine is x, of each item; infinitely steep at ±1, NaN beyond.")
arctan = primitive("arctan", lambda xp, x: xp.arctan(x), vjp=[lambda g, x: g * square(1 / hypot(x, 1))],
    doc="The angle in (-π/2, π/2), in radians, whose tangent is x, of each item.")
arcsinh = primitive("arcsinh", lambda xp, x: xp.arcsinh(x), vjp=[lambda g, x: g / hypot(x, 1)],
    doc="The inverse of `sinh`, of each item.")
arccosh = primitive("arccosh", lambda xp, x: xp.arccosh(x), vjp=[lambda g, x: g / (sqrt(x - 1) * sqrt(x + 1))],
    doc="The inverse of `cosh`, of each item: at least 0, infinitely steep at 1, NaN below.")
arctanh = primitive("arctanh", lambda xp, x: xp.arctanh(x), vjp=[lambda g, x: g / ((1 - x) * (1 + x))],
    doc="The inverse of `tanh`, of each item: infinite at ±1, NaN beyond.")
# At the origin both have the gradient 0.
hypot: Callable[..., Any] = primitive(
    "hypot",
    lambda xp, x, y: xp.hypot(x, y),
    vjp=[lambda g, out, x: g * (x * _inverse_or_0(out)), lambda g, out, y: g * (y * _inverse_or_0(out))],
    doc="√(x² + y²), item by item, without overflow; shapes broadcast. The gradient where x = y = 0 is 0.",
)
arctan2 = primitive(
    "arctan2",
    lambda xp, y, x: xp.arctan2(y, x),
    vjp=[lambda g, y, x: g * _over_squares(x, y), lambda g, y, x: -g * _over_squares(y, x)],
    doc=(
        "The angle in [-π, π], in radians, of the point (x, y) from the axis of x, item by item; shapes broadcast.\n\n"
        "The gradient at the origin is 0."
    ),
)
deg2rad = primitive("deg2rad", lambda xp, x: xp.deg2rad(x), vjp=[lambda g: g * DEGREE],
    doc="Degrees as radians: x π / 180, of each item. Also called `radians`.")
rad2deg = primitive("rad2deg", lambda xp, x: xp.rad2deg(x), vjp=[lambda g: g / DEGREE],
    doc="Radians as degrees: x 180 / π, of each item. Also called `degrees`.")
radians, degrees = deg2rad, rad2deg

# Answers and bits have no gradient.
equal = primitive("equal", lambda xp, x, y: xp.equal(x, y),
    doc="Whether x = y, item by item; shapes broadcast.")
not_equal = primitive("not_equal", lambda xp, x, y: xp.not_equal(x, y),
    doc="Whether x and y differ, item by item; shapes broadcast. NaN differs from itself.")
less = primitive("less", lambda xp, x, y: xp.less(x, y),
    doc="Whether x < y, item by item; shapes broadcast.")
less_equal = primitive("less_equal", lambda xp, x, y: xp.less_equal(x, y),
    doc="Whether x ≤ y, item by item; shapes broadcast.")
greater = primitive("greater", lambda xp, x, y: xp.greater(x, y),
    doc="Whether x > y, item by item; shapes broadcast.")
greater_equal = primitive("greater_equal", lambda xp, x, y: xp.greater_equal(x, y),
    doc="Whether x ≥ y, item by item; shapes broadcast.")
logical_and = primitive("logical_and", lambda xp, x, y: xp.logical_and(x, y),
    doc="Whether both x and y are true (not 0), item by item; shapes broadcast.")
logical_or = primitive("logical_or", lambda xp, x, y: xp.logical_or(x, y),
    doc="Whether x or y, or both, are true (not 0), item by item; shapes broadcast.")
logical_xor = primitive("logical_xor", lambda xp, x, y: xp.logical_xor(x, y),
    doc="Whether one of x and y is true (not 0) and the other not, item by item; shapes broadcast.")
logical_not = primitive("logical_not", lambda xp, x: xp.logical_not(x),
    doc="Whether an item is false (0).")
bitwise_and = primitive("bitwise_and", lambda xp, x, y: xp.bitwise_and(x, y),
    doc="The bits that both x and y have, item by item, of integers or booleans; shapes broadcast.")
bitwise_or = primitive("bitwise_or", lambda xp, x, y: xp.bitwise_or(x, y),
    doc="The bits that x or y have, item by item, of integers or booleans; shapes broadcast.")
bitwise_xor = primitive("bitwise_xor", lambda xp, x, y: xp.bitwise_xor(x, y),
    doc="The bits that one of x and y has, item by item, of integers or booleans; shapes broadcast.")
invert = primitive("invert", lambda xp, x: xp.invert(x),
    doc="All bits turned over, of each item: `~x`, of booleans the opposite.")
isnan = primitive("isnan", lambda xp, x: xp.isnan(x),
    doc="Whether an item is NaN.")
isinf = primitive("isinf", lambda xp, x: xp.isinf(x),
    doc="Whether an item is ±infinity.")
isfinite = primitive("isfinite", lambda xp, x: xp.isfinite(x),
    doc="Whether an item is neither NaN nor infinite.")
signbit = primitive("signbit", lambda xp, x: xp.signbit(x),
    doc="Whether an item's sign is minus, that of -0.0 too.")

# abs'(0) = 0. A tie of maximum or minimum gives each side half; of fmax and fmin, which pass NaNs over, the first gets
# all.
sign = primitive("sign", lambda xp, x: xp.sign(x), vjp=[lambda g: nothing(g)],
    doc="-1, 0 or 1, of each item. The gradient is 0.")
abs = absolute = primitive("abs", lambda xp, x: xp.abs(x), vjp=[lambda g, x: g * sign(x)],
    doc="|x|, of each item. The derivative at 0 is 0. Also called `absolute`.")
fabs = primitive("fabs", lambda xp, x: xp.fabs(x), vjp=[lambda g, x: g * sign(x)],
    doc="|x|, of each item, as a float. The derivative at 0 is 0.")
copysign = primitive(
    "copysign",
    lambda xp, x, y: xp.copysign(x, y),
    vjp=[lambda g, out, x: g * (sign(x) * sign(out)), lambda g: nothing(g)],
    doc=(
        "|x| with the sign of y, item by item; shapes broadcast.\n\n"
        "The derivative in x is 1 or -1, and 0 where x is 0; in y it is 0 everywhere."
    ),
)
maximum = primitive(
    "maximum",
    lambda xp, x, y: xp.maximum(x, y),
    vjp=[lambda g, x, y: _share(g, x < y, x == y), lambda g, x, y: _share(g, y < x, x == y)],
    doc=(
        "The larger of x and y, item by item; shapes broadcast. NaN if one of them is.\n\n"
        "The gradient goes to the larger one, half to each where they are equal."
    ),
)
minimum = primitive(
    "minimum",
    lambda xp, x, y: xp.minimum(x, y),
    vjp=[lambda g, x, y: _share(g, x > y, x == y), lambda g, x, y: _share(g, y > x, x == y)],
    doc=(
        "The smaller of x and y, item by item; shapes broadcast. NaN if one of them is.\n\n"
        "The gradient goes to the smaller one, half to each where they are equal."
    ),
)
fmax = primitive(
    "fmax",
    lambda xp, x, y: xp.fmax(x, y),
    vjp=[
        lambda g, x, y: where(logical_or(x >= y, isnan(y)), g, 0),
        lambda g, x, y: where(logical_or(x >= y, isnan(y)), 0, g),
    ],
    doc=(
        "The larger of x and y, item by item, or the one that is not NaN; shapes broadcast.\n\n"
        "The gradient goes to the one that is taken; where they are equal, to x."
    ),
)
fmin = primitive(
    "fmin",
    lambda xp, x, y: xp.fmin(x, y),
    vjp=[
        lambda g, x, y: where(logical_or(x <= y, isnan(y)), g, 0),
        lambda g, x, y: where(logical_or(x <= y, isnan(y)), 0, g),
    ],
    doc=(
        "The smaller of x and y, item by item, or the one that is not NaN; shapes broadcast.\n\n"
        "The gradient goes to the one that is taken; where they are equal, to x."
    ),
)

# Steps: the gradient is 0, also where they jump. A remainder is x - y * step, and so are its gradients.
floor = primitive("floor", lambda xp, x: xp.floor(x), vjp=[lambda g: nothing(g)],
    doc="The whole number at or below each item. The gradient is 0.")
ceil = primitive("ceil", lambda xp, x: xp.ceil(x), vjp=[lambda g: nothing(g)],
    doc="The whole number at or above each item. The gradient is 0.")
trunc = primitive("trunc", lambda xp, x: xp.trunc(x), vjp=[lambda g: nothing(g)],
    doc="Each item without its fraction: the whole number next to it on the way to 0. The gradient is 0.")
rint = primitive("rint", lambda xp, x: xp.rint(x), vjp=[lambda g: nothing(g)],
    doc="The nearest whole number of each item, of two equally near the even one. The gradient is 0.")
_round = primitive("round", lambda xp, x, *, decimals: xp.around(x, decimals), vjp=[lambda g: nothing(g)])
floor_divide = primitive(
    "floor_divide", lambda xp, x, y: xp.floor_divide(x, y), vjp=[lambda g: nothing(g), lambda g: nothing(g)],
    doc="The whole number at or below x / y, item by item: `x // y`; shapes broadcast. The gradients are 0.",
)
mod = remainder = primitive(
    "mod", lambda xp, x, y: xp.remainder(x, y), vjp=[lambda g: g, lambda g, x, y: -g * floor_divide(x, y)],
    doc=(
        "x - y floor(x / y), item by item: `x % y`, with the sign of y; shapes broadcast. Also called `remainder`.\n\n"
        "The derivative is 1 in x and -floor(x / y) in y, also where it jumps."
    ),
)
fmod = primitive("fmod", lambda xp, x, y: xp.fmod(x, y), vjp=[lambda g: g, lambda g, x, y: -g * trunc(x / y)],
    doc=(
        "x - y trunc(x / y), item by item, with the sign of x; shapes broadcast.\n\n"
        "The derivative is 1 in x and -trunc(x / y) in y, also where it jumps."
    ))
heaviside = primitive(
    "heaviside", lambda xp, x, y: xp.heaviside(x, y), vjp=[lambda g: nothing(g), lambda g, x: where(x == 0, g, 0)],
    doc="0 where x < 0, y where x = 0, 1 where x > 0; shapes broadcast. The gradient of x is 0, also where it jumps.",
)

# A NaN or an infinity in the branch not taken does not pass: 0 stands in the gradient's place, not 0 times it.
where: Callable[..., Any] = primitive(
    "where",
    lambda xp, condition, x, y: xp.where(condition, x, y),
    vjp=[None, lambda g, condition: where(condition, g, 0), lambda g, condition: where(condition, 0, g)],
    doc=(
        "x where `condition` is true, y elsewhere; the three shapes broadcast.\n\n"
        "The gradient of what is not taken is 0, whatever stands there. But where the derivative of an operation\n"
        "before it is infinite or NaN, that makes NaN of the 0: in where(x > 0, sqrt(x), 0) for x ≤ 0. Keep its\n"
        "input away from there: where(x > 0, sqrt(where(x > 0, x, 1)), 0)."
    ),
)

copy = primitive("copy", lambda xp, x: x.copy(), vjp=[lambda g: g],
    doc="The same numbers in memory of their own.")
# fmt: on

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
_nan_to_num = primitive(
    "nan_to_num",
    lambda xp, x, *, nan, posinf, neginf: xp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
    vjp=[lambda g, x: where(isfinite(x), g, 0)],
)
_power_of_number = primitive(
    "power",
    lambda xp, x, *, exponent: x**exponent,
    vjp=[lambda g, x, exponent: g * (exponent * x ** (exponent - 1)) if exponent else nothing(g)],
)
_to: Callable[..., Any] = primitive(
    "to",
    lambda xp, x, *, source, target: get_backend(target).asarray(get_backend(source).to_numpy(x)),
    vjp=[lambda g, source, target: _to(g, source=target, target=source)],
)


# x - y, and 0 for two equal infinities.
gap: Callable[..., Any] = primitive("gap", lambda xp, x, y: _subtract(xp, x, y), vjp=[lambda g: g, lambda g: -g])
nothing: Callable[..., Any] = primitive("nothing", lambda xp, g: xp.zeros(g.shape, g.dtype), vjp=[lambda g: nothing(g)])
_sinc: Callable[..., Any] = primitive(
    "sinc",
    lambda xp, x, *, order: _sinc_derivative(xp, x, order),
    vjp=[lambda g, x, order: g * _sinc(x, order=order + 1)],
)


def _subtract(xp: Any, x: Any, y: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return xp.where(x == y, 0, x - y)


def _weight(x: Any, y: Any, rate: float) -> Any:
    """exp(rate * x) / (exp(rate * x) + exp(rate * y)), without overflow; two infinities weigh the same."""
    return (tanh(gap(x, y) * (rate / 2)) + 1) / 2


def _inverse_or_0(x: Any) -> Any:
    return where(x == 0, 0, 1 / where(x == 0, 1, x))


def _over_squares(x: Any, y: Any) -> Any:
    """x / (x² + y²), and 0 at the origin; no square is computed that could overflow."""
    inverse = _inverse_or_0(hypot(x, y))
    return x * inverse * inverse


def _sinc_derivative(xp: Any, x: Any, order: int) -> Any:
    """The derivative of sin(πx) / πx of that order, π ** order times f where with z = πx

    z f(z, n) = sin(z + nπ/2) - n f(z, n - 1),  and near 0  f(z, n) = Σ (-1)^k z^(2k - n) / ((2k - n)! (2k + 1)).
    """
    if order == 0:
        return xp.sinc(x)
    z = x * math.pi
    near = xp.abs(z) < order + 1  # there the recurrence would lose digits
    small, far = xp.where(near, z, 0), xp.where(near, 1, z)
    value = xp.sin(far) / far
    for n in range(1, order + 1):
        value = (xp.sin(far + n * (math.pi / 2)) - n * value) / far
    series: Any = 0
    for k in reversed(range((order + 1) // 2, (order + 1) // 2 + 12 + 2 * order)):
        series = series * (small * small) + (-1) ** k / (math.factorial(2 * k - order) * (2 * k + 1))
    return math.pi**order * xp.where(near, series * small if order % 2 else series, value)


def _share(g: Any, loses: Any, ties: Any) -> Any:
    return where(loses, 0, where(ties, g / 2, g))  # a NaN, which neither loses nor ties, hides no gradient


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


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """`a` limited to [a_min, a_max], which may also be called `min` and `max`; None is no limit.

    The gradient passes to `a` at the bounds too, and beyond them to a bound that is a Tensor. Raises OperandError for a
    bound that is given twice.
    """
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise OperandError("clip was given a bound twice: give a_min or min, and a_max or max")
    low, high = min if a_min is None else a_min, max if a_max is None else a_max
    if not isinstance(low, Tensor) and not isinstance(high, Tensor):
        return _clip(a, low=low, high=high)
    if low is not None:
        a = where(greater_equal(a, low), a, maximum(a, low))
    return a if high is None else where(less_equal(a, high), a, minimum(a, high))


def power(x: Any, y: Any) -> Any:
    """x ** y. Where y is a plain number, its derivative costs no logarithm, and x ** 0 has derivative 0 everywhere.

    Where x is 0 or below, x ** y has no slope in y, and the gradient of y is 0.
    """
    if isinstance(y, (int, float, np.number)):
        return _power_of_number(x, exponent=y)
    return _power(x, y)


def float_power(x: Any, y: Any) -> Any:
    """x ** y in float64."""
    return power(_wide(x), _wide(y))


def _wide(x: Any) -> Any:
    return float(x) if isinstance(x, (int, float)) else astype(x, np.float64)


def sinc(x: Any) -> Any:
    """sin(πx) / πx, and 1 at 0."""
    return _sinc(x, order=0)


def round(a: Any, decimals: int = 0) -> Any:
    """`a` rounded to so many decimals, halves to the even neighbour. The gradient is 0. Also called `around`."""
    return _round(a, decimals=decimals)


around = round


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """`x` with `nan` for NaN, `posinf` and `neginf` for ±infinity (the largest and smallest of the dtype if None).

    The gradient of what was replaced is 0, which an operation before it may still make NaN, as with `where`. Raises
    OperandError for `copy=False`: no operation changes its input.
    """
    if not copy:
        raise OperandError("nan_to_num always makes a new array: leave out copy=False")
    return _nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


def to(x: Any, backend: str) -> Any:
    """`x` on the backend of that name; gradients come back across.

    It is "numpy" or "cupy", with a device's number "cupy:1". Raises BackendUnavailableError if that library, or device,
    cannot be used here.
    """
    held = backend_of(x.data if isinstance(x, Tensor) else x)
    source = get_backend("numpy") if held is SCALAR else held or current_backend()  # a list becomes an array there
    return _to(x, source=source.name, target=backend)
