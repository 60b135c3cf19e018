"""Element by element, what NumPy has no function for: activations, and the error function.

At a kink the slope is the left one, as PyTorch has it; of the hard ones it is 0 at either end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..primitive import primitive
from .pointwise import abs, clip, divide, multiply, sign, where

# fmt: off
__all__ = [
    "elu", "erf", "erfc", "gelu", "hard_sigmoid", "hard_tanh", "leaky_relu", "log_sigmoid", "relu", "selu", "sigmoid",
    "silu", "softplus",
]
# fmt: on

# Klambauer, Unterthiner, Mayr and Hochreiter 2017, "Self-normalizing neural networks", equations 2 and 14.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934

# W. J. Cody 1969, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23: pairs of
# numerator and denominator, highest powers first. Near 0 of erf(x) / x in x², in the middle of exp(x²) erfc(x) in x,
# far out, where this is 1 / x times 1/√π less a ratio in 1 / x², of that one.
NEAR, FAR = 0.46875, 4.0
BLOCK = 2**16  # bytes: small enough for the cache, and for memory that NumPy gets without asking the system
NEAR_0 = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
FAR_OUT = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip

# ½ (1 + tanh(u)) = sigmoid(2u), here with 2u = x (rate + cubic x²); it is next to 0 or 1 where |x| is more than `sure`.
GELU_RATE, GELU_CUBIC, GELU_SURE = 2 * math.sqrt(2 / math.pi), 2 * math.sqrt(2 / math.pi) * 0.044715, 20.0


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    value = x * coefficients[0]
    for coefficient in coefficients[1:-1]:
        value += coefficient
        value *= x
    value += coefficients[-1]
    return value


def _ratio(x: Any, polynomials: tuple[Sequence[float], Sequence[float]]) -> Any:
    value = _polynomial(x, polynomials[0])
    value /= _polynomial(x, polynomials[1])
    return value


def _in_blocks(kernel: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`kernel` on any dtype, with NumPy's dtype for the result; in halves it would overflow on the way.

    NumPy runs it block by block: what it makes on the way then stays in the cache, for less than half the time.
    """

    def run(xp: Any, x: Any) -> Any:
        x = xp.asarray(x)
        dtype = np.result_type(x.dtype, np.float16)
        wide = np.result_type(dtype, np.float32)
        block = BLOCK // wide.itemsize
        if xp is not np or x.size <= block:
            return kernel(xp, x.astype(wide, copy=False)).astype(dtype, copy=False)
        flat, out = x.reshape(-1), xp.empty(x.shape, dtype)
        for start in range(0, x.size, block):
            part = slice(start, start + block)
            out.reshape(-1)[part] = kernel(xp, flat[part].astype(wide, copy=False))
        return out

    return run


def _pieces(xp: Any, x: Any, limit: float) -> tuple[Any, Any, Any]:
    """Whether `x` is near 0; erf(x) where it is; and erfc(|x|) where it is not.

    The latter is good to the last digits up to 4 and to 10 digits up to 7, where it is 4e-23.
    """
    x = xp.clip(x, -limit, limit)
    square, size = x * x, xp.abs(x)
    return size <= NEAR, x * _ratio(square, NEAR_0), xp.exp(-square) * _ratio(size, MIDDLE)


@_in_blocks
def _erf(xp: Any, x: Any) -> Any:
    is_near, near, tail = _pieces(xp, x, 6)  # beyond, erf is ±1
    return xp.where(is_near, near, xp.copysign(1 - tail, x))


@_in_blocks
def _normal_cdf_kernel(xp: Any, x: Any) -> Any:
    is_near, near, tail = _pieces(xp, x * math.sqrt(0.5), 30)  # beyond, the tail underflows
    return xp.where(is_near, 1 + near, xp.where(x < 0, tail, 2 - tail)) * 0.5


@_in_blocks
def _erfc(xp: Any, x: Any) -> Any:
    near = xp.clip(x, -30, 30)  # beyond, erfc is 2 or underflows
    square, size, far = near * near, xp.abs(near), xp.maximum(xp.abs(near), FAR)
    distant = (1 / math.sqrt(math.pi) - _ratio(1 / (far * far), FAR_OUT) / (far * far)) / far
    coarse = xp.floor(size * 16) / 16  # has an exact square: exp(-x²) to the last digits
    power = xp.exp(-coarse * coarse) * xp.exp((coarse - size) * (coarse + size))
    tail = power * xp.where(size <= FAR, _ratio(size, MIDDLE), distant)
    return xp.where(size <= NEAR, 1 - near * _ratio(square, NEAR_0), xp.where(near < 0, 2 - tail, tail))


@np.errstate(over="ignore")  # far below 0 the result is 1 / inf, which is right
def _logistic(xp: Any, x: Any) -> Any:
    y = xp.exp(-x)
    y += 1
    return 1 / y


def _gelu_tanh_kernel(xp: Any, x: Any) -> Any:
    near = xp.clip(x, -GELU_SURE, GELU_SURE)
    return x * _logistic(xp, near * (GELU_RATE + GELU_CUBIC * (near * near)))


def _gelu_tanh_slope(x: Any) -> Any:
    near = clip(x, -GELU_SURE, GELU_SURE)
    square = near * near
    gate = sigmoid(near * (GELU_RATE + GELU_CUBIC * square))
    return gate + gate * (1 - gate) * (near * (GELU_RATE + 3 * GELU_CUBIC * square))


relu = primitive(
    "relu",
    lambda xp, x: xp.maximum(x, 0),
    vjp=[lambda g, out: g * (out > 0)],
    doc="x above 0, else 0, of each item (Nair and Hinton 2010). The derivative at 0 is 0.",
)
sigmoid = primitive(
    "sigmoid",
    _logistic,
    vjp=[lambda g, out: g * (out * (1 - out))],
    doc="1 / (1 + exp(-x)), of each item, in (0, 1), without overflow. The derivative is σ(x) (1 - σ(x)) ≤ 1/4.",
)
softplus = primitive(
    "softplus",
    lambda xp, x: xp.logaddexp(x, 0),
    vjp=[lambda g, x: g * sigmoid(x)],
    doc="log(1 + exp(x)), of each item, without overflow (Dugas et al. 2001). The derivative is `sigmoid`.",
)
log_sigmoid = primitive(
    "log_sigmoid",
    lambda xp, x: -xp.logaddexp(-x, 0),
    vjp=[lambda g, x: g * sigmoid(-x)],
    doc="log(sigmoid(x)), of each item, without overflow or log of 0.",
)
_elu = primitive(
    "elu",
    lambda xp, x, *, alpha: xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0))),
    vjp=[lambda g, out, x, alpha: where(x > 0, g, g * (out + alpha))],
)
_leaky_relu = primitive(
    "leaky_relu",
    lambda xp, x, *, negative_slope: xp.where(x > 0, x, x * negative_slope),
    vjp=[lambda g, x, negative_slope: where(x > 0, g, g * negative_slope)],
)

erf = primitive(
    "erf",
    _erf,
    vjp=[lambda g, x: g * (_bell(x) * (2 / math.sqrt(math.pi)))],
    doc="The error function of each item, 2/√π times the integral of exp(-t²) from 0 to x (Cody 1969).",
)
erfc = primitive(
    "erfc",
    _erfc,
    vjp=[lambda g, x: g * (_bell(x) * (-2 / math.sqrt(math.pi)))],
    doc="1 - erf(x), of each item, without loss of digits where that is near 0 (Cody 1969).",
)
_bell: Callable[..., Any] = primitive(
    "bell", lambda xp, x: xp.exp(-xp.square(xp.clip(x, -30, 30))), vjp=[lambda g, out, x: g * (-2 * x * out)]
)
_normal_cdf = primitive("normal_cdf", _normal_cdf_kernel, vjp=[lambda g, x: g * _normal_density(x)])
_gelu_tanh = primitive("gelu", _gelu_tanh_kernel, vjp=[lambda g, x: g * _gelu_tanh_slope(x)])


def _normal_density(x: Any) -> Any:
    return _bell(x * math.sqrt(0.5)) / math.sqrt(2 * math.pi)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x above 0, else alpha (exp(x) - 1): Clevert, Unterthiner and Hochreiter 2016, equation 15.

    The derivative at 0 is alpha.
    """
    return _elu(x, alpha=alpha)


def selu(x: Any) -> Any:
    """`elu` with the alpha, and times the number, that keep means 0 and variances 1 from layer to layer.

    Klambauer et al. 2017, equation 2.
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x above 0, else `negative_slope` times x: Maas, Hannun and Ng 2013. The derivative at 0 is `negative_slope`."""
    return _leaky_relu(x, negative_slope=negative_slope)


def gelu(x: Any, approximate: str = "none") -> Any:
    """x Φ(x), with Φ the normal distribution's cumulative function: Hendrycks and Gimpel 2016, section 2.

    With `approximate="tanh"`, ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). Raises ValueError for any other.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu has no approximate={approximate!r}: give 'none' or 'tanh'")
    return _gelu_tanh(x) if approximate == "tanh" else multiply(x, _normal_cdf(x))


def silu(x: Any) -> Any:
    """x sigmoid(x): Elfwing, Uchibe and Doya 2018. Also called swish."""
    return multiply(x, sigmoid(x))


def hard_tanh(x: Any) -> Any:
    """x limited to [-1, 1]; the gradient is 0 at the bounds already."""
    return where(abs(x) < 1, x, sign(x))


def hard_sigmoid(x: Any) -> Any:
    """x / 6 + ½ limited to [0, 1], as in Howard et al. 2019; the gradient is 0 at ±3 already."""
    return (hard_tanh(divide(x, 3)) + 1) / 2
