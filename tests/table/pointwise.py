"""Element by element."""

from __future__ import annotations

import numpy as np

import minigrad as mg

from .row import ONE, TWO, Row, anywhere, apart, each, few, mask, positive

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def inside(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    """In (-1, 1), where arcsin and its kind are defined."""
    return rng.uniform(-0.9, 0.9, shape)


def above_1(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.uniform(1.2, 3, shape)


def between_steps(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    """Away from whole numbers and halves."""
    return np.asarray(rng.integers(-6, 6, shape) / 2 + rng.uniform(0.1, 0.4, shape))


def divisor(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    """Of what lies between steps: no quotient is near a whole number."""
    return rng.choice([0.5, 1.0, -0.5, -1.0], shape)


def whole(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.integers(0, 8, shape)


def special(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.choice([1.5, -2.0, 0.0, -0.0, np.nan, np.inf, -np.inf], shape)


# Of functions that only need one shape of each kind: the engine treats them all alike.
SOME = "0d, 2x3gaps, 0x3"
PAIRS = "0d 0d, 2x3 3, 2x1F 1x3, 0x3 3"


ROWS = [
    Row(mg.add, np.add, lambda x, y: x + y, TWO),
    Row(mg.subtract, np.subtract, lambda x, y: x - y, TWO),
    Row(mg.multiply, np.multiply, lambda x, y: x * y, TWO),
    Row(mg.divide, np.divide, lambda x, y: x / y, TWO, domain=(anywhere, positive)),
    Row(mg.negative, np.negative, lambda x: -x, ONE),
    Row(mg.positive, np.positive, lambda x: +x, SOME),
    Row(mg.reciprocal, np.reciprocal, lambda x: torch.reciprocal(x), SOME, domain=positive),
    Row(mg.exp, np.exp, lambda x: torch.exp(x), ONE),
    Row(mg.exp2, np.exp2, lambda x: torch.exp2(x), SOME),
    Row(mg.expm1, np.expm1, lambda x: torch.expm1(x), ONE),
    Row(mg.log, np.log, lambda x: torch.log(x), ONE, domain=positive),
    Row(mg.log2, np.log2, lambda x: torch.log2(x), SOME, domain=positive),
    Row(mg.log10, np.log10, lambda x: torch.log10(x), SOME, domain=positive),
    Row(mg.log1p, np.log1p, lambda x: torch.log1p(x), ONE, domain=positive),
    Row(mg.logaddexp, np.logaddexp, lambda x, y: torch.logaddexp(x, y), PAIRS),
    Row(mg.logaddexp2, np.logaddexp2, lambda x, y: torch.logaddexp2(x, y), PAIRS),
    Row(mg.sqrt, np.sqrt, lambda x: torch.sqrt(x), ONE, domain=positive),
    Row(mg.cbrt, np.cbrt, lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3), SOME, domain=apart),
    Row(mg.square, np.square, lambda x: torch.square(x), ONE),
    Row(mg.sin, np.sin, lambda x: torch.sin(x), SOME),
    Row(mg.cos, np.cos, lambda x: torch.cos(x), SOME),
    Row(mg.tan, np.tan, lambda x: torch.tan(x), SOME, domain=inside),
    Row(mg.sinh, np.sinh, lambda x: torch.sinh(x), SOME),
    Row(mg.cosh, np.cosh, lambda x: torch.cosh(x), SOME),
    Row(mg.tanh, np.tanh, lambda x: torch.tanh(x), ONE),
    Row(mg.arcsin, np.arcsin, lambda x: torch.arcsin(x), SOME, domain=inside),
    Row(mg.arccos, np.arccos, lambda x: torch.arccos(x), SOME, domain=inside),
    Row(mg.arctan, np.arctan, lambda x: torch.arctan(x), SOME),
    Row(mg.arcsinh, np.arcsinh, lambda x: torch.arcsinh(x), SOME),
    Row(mg.arccosh, np.arccosh, lambda x: torch.arccosh(x), SOME, domain=above_1),
    Row(mg.arctanh, np.arctanh, lambda x: torch.arctanh(x), SOME, domain=inside),
    Row(mg.arctan2, np.arctan2, lambda y, x: torch.arctan2(y, x), PAIRS, domain=apart),
    Row(mg.hypot, np.hypot, lambda x, y: torch.hypot(x, y), PAIRS, domain=apart),
    Row(mg.deg2rad, np.deg2rad, lambda x: torch.deg2rad(x), SOME),
    Row(mg.radians, np.radians, lambda x: torch.deg2rad(x), SOME, name="radians"),
    Row(mg.rad2deg, np.rad2deg, lambda x: torch.rad2deg(x), SOME),
    Row(mg.degrees, np.degrees, lambda x: torch.rad2deg(x), SOME, name="degrees"),
    Row(mg.sinc, np.sinc, lambda x: torch.sinc(x), SOME),
    Row(mg.sign, np.sign, lambda x: torch.sign(x), ONE, domain=apart),
    Row(mg.abs, np.abs, lambda x: torch.abs(x), ONE, domain=apart),
    Row(mg.absolute, np.abs, lambda x: torch.abs(x), ONE, domain=apart, name="absolute"),
    Row(mg.fabs, np.fabs, lambda x: torch.abs(x), SOME, domain=apart),
    Row(mg.copysign, np.copysign, lambda x, y: torch.copysign(x, y), PAIRS, domain=apart),
    Row(mg.fmax, np.fmax, lambda x, y: torch.fmax(x, y), PAIRS, domain=apart),
    Row(mg.fmin, np.fmin, lambda x, y: torch.fmin(x, y), PAIRS, domain=apart),
    Row(mg.floor, np.floor, lambda x: torch.floor(x), SOME, domain=between_steps),
    Row(mg.ceil, np.ceil, lambda x: torch.ceil(x), SOME, domain=between_steps),
    Row(mg.trunc, np.trunc, lambda x: torch.trunc(x), SOME, domain=between_steps),
    Row(mg.rint, np.rint, lambda x: torch.round(x), SOME, domain=between_steps),
    Row(
        mg.round,
        np.round,
        lambda x, decimals=0: torch.round(x, decimals=decimals),
        SOME,
        [{}, {"decimals": 1}],
        domain=between_steps,
    ),
    Row(mg.around, np.around, lambda x: torch.round(x), SOME, domain=between_steps, name="around"),
    Row(
        mg.floor_divide,
        np.floor_divide,
        lambda x, y: torch.div(x, y, rounding_mode="floor"),
        PAIRS,
        domain=(between_steps, divisor),
    ),
    Row(mg.mod, np.mod, lambda x, y: torch.remainder(x, y), PAIRS, domain=(between_steps, divisor)),
    Row(
        mg.remainder,
        np.remainder,
        lambda x, y: torch.remainder(x, y),
        PAIRS,
        domain=(between_steps, divisor),
        name="remainder",
    ),
    Row(mg.fmod, np.fmod, lambda x, y: torch.fmod(x, y), PAIRS, domain=(between_steps, divisor)),
    Row(
        mg.heaviside,
        np.heaviside,
        lambda x, y: torch.where(x == 0, y, (x > 0).double() + 0 * (x + y)),  # PyTorch's own has no gradient
        PAIRS,
        domain=apart,
    ),
    Row(mg.maximum, np.maximum, lambda x, y: torch.maximum(x, y), TWO, domain=apart),
    Row(mg.minimum, np.minimum, lambda x, y: torch.minimum(x, y), TWO, domain=apart),
    Row(mg.power, np.power, lambda x, y: x**y, TWO, domain=(positive, anywhere)),
    Row(
        *[lambda x, exponent: x**exponent] * 3,
        ONE,
        each("exponent", 3, 2, 1, 0, -1.5),
        domain=positive,
        name="power",
    ),
    Row(*[lambda x: 2**x] * 3, ONE, name="power"),
    Row(
        mg.clip,
        np.clip,
        lambda x, a_min=None, a_max=None: torch.clip(x, a_min, a_max),
        ONE,
        [{"a_min": -0.5, "a_max": 0.7}, {"a_min": -0.5, "a_max": None}, {"a_min": None, "a_max": 0.7}],
        domain=apart,
    ),
    Row(mg.clip, np.clip, lambda x, low, high: torch.clip(x, low, high), "2x3 0d 3, 2x3F 2x1 2x3gaps", domain=apart),
    Row(mg.nan_to_num, np.nan_to_num, lambda x: torch.nan_to_num(x), SOME),
    Row(
        mg.float_power,
        np.float_power,
        lambda x, y: torch.float_power(x, y),
        PAIRS,
        domain=(positive, anywhere),
        keeps_dtype=False,
    ),
    Row(
        mg.where,
        np.where,
        lambda condition, x, y: torch.where(condition, x, y),
        "0d 0d 0d, 2x3 2x3 2x3, 3 2x1 2x3, 2x3 3 0d, 2x3F 2x3backwards 2x3gaps, 0x3 3 1",
        domain=(mask, anywhere, anywhere),
    ),
    Row(mg.copy, np.copy, lambda x: x.clone(), ONE),
    Row(mg.to, lambda x, backend: x, lambda x, backend: x * 1, ONE, each("backend", "numpy")),
    Row(
        mg.astype,
        lambda x, dtype: x.astype(dtype),
        lambda x, dtype: x.double(),
        ONE,
        each("dtype", "float64"),
        keeps_dtype=False,
    ),
    Row(mg.equal, np.equal, lambda x, y: x == y, TWO, domain=few, grad=False),
    Row(mg.not_equal, np.not_equal, lambda x, y: x != y, TWO, domain=few, grad=False),
    Row(mg.less, np.less, lambda x, y: x < y, TWO, domain=few, grad=False),
    Row(mg.less_equal, np.less_equal, lambda x, y: x <= y, TWO, domain=few, grad=False),
    Row(mg.greater, np.greater, lambda x, y: x > y, TWO, domain=few, grad=False),
    Row(mg.greater_equal, np.greater_equal, lambda x, y: x >= y, TWO, domain=few, grad=False),
    Row(mg.logical_and, np.logical_and, lambda x, y: torch.logical_and(x, y), PAIRS, domain=few, grad=False),
    Row(mg.logical_or, np.logical_or, lambda x, y: torch.logical_or(x, y), PAIRS, domain=few, grad=False),
    Row(mg.logical_xor, np.logical_xor, lambda x, y: torch.logical_xor(x, y), PAIRS, domain=few, grad=False),
    Row(mg.logical_not, np.logical_not, lambda x: torch.logical_not(x), SOME, domain=few, grad=False),
    Row(mg.bitwise_and, np.bitwise_and, lambda x, y: x & y, PAIRS, domain=whole, grad=False),
    Row(mg.bitwise_or, np.bitwise_or, lambda x, y: x | y, PAIRS, domain=mask, grad=False),
    Row(mg.bitwise_xor, np.bitwise_xor, lambda x, y: x ^ y, PAIRS, domain=whole, grad=False),
    Row(mg.invert, np.invert, lambda x: ~x, SOME, domain=whole, grad=False),
    Row(mg.isnan, np.isnan, lambda x: torch.isnan(x), SOME, domain=special, grad=False),
    Row(mg.isinf, np.isinf, lambda x: torch.isinf(x), SOME, domain=special, grad=False),
    Row(mg.isfinite, np.isfinite, lambda x: torch.isfinite(x), SOME, domain=special, grad=False),
    Row(mg.signbit, np.signbit, lambda x: torch.signbit(x), SOME, domain=special, grad=False),
]
