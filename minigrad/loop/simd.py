"""Vectors of a processor in LLVM's language, with Python's operators, and the functions that recurrent cells use.

A `Writer` gathers the text of one function. Its `Vector`s have any number of lanes (one is a plain number), so that
what is written once serves the columns that fill whole vectors and those that are left over.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

NAMES = {"f": "float", "d": "double", "b": "i1", "i": "i32", "l": "i64"}
SIZES = {"f": 4, "d": 8, "b": 1}  # bytes in memory
SUFFIX = {"f": "f32", "d": "f64", "i": "i32", "l": "i64"}


class Writer:
    """The text of one LLVM function, and the functions that it has to declare."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.declared: set[str] = set()
        self._count = 0

    def name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def add(self, line: str) -> None:
        self.lines.append("  " + line)

    def make(self, line: str) -> str:
        """Add a line that computes something, and return its name."""
        name = self.name()
        self.add(f"{name} = {line}")
        return name

    def label(self, label: str) -> None:
        self.lines.append(f"{label}:")

    def call(self, function: str, kind: str, lanes: int, *args: Vector) -> Vector:
        """Call an intrinsic on vectors of one type."""
        vector = type_of(kind, lanes)
        suffix = SUFFIX[kind] if lanes == 1 else f"v{lanes}{SUFFIX[kind]}"
        self.declared.add(f"declare {vector} @{function}.{suffix}({', '.join([vector] * len(args))})")
        given = ", ".join(f"{vector} {arg.ref}" for arg in args)
        return Vector(self, self.make(f"call {vector} @{function}.{suffix}({given})"), kind, lanes)

    def call_each(self, function: str, args: Sequence[Vector]) -> Vector:
        """Call a function of the C library, lane by lane."""
        kind, lanes, scalar = args[0].kind, args[0].lanes, NAMES[args[0].kind]
        function += "f" if kind == "f" else ""
        self.declared.add(f"declare {scalar} @{function}({', '.join([scalar] * len(args))})")
        made = Vector(self, "poison", kind, lanes)
        for lane in range(lanes):
            given = ", ".join(f"{scalar} {arg.lane(lane)}" for arg in args)
            one = self.make(f"call {scalar} @{function}({given})")
            if lanes == 1:
                return Vector(self, one, kind, 1)
            made = Vector(
                self, self.make(f"insertelement {made.type} {made.ref}, {scalar} {one}, i32 {lane}"), kind, lanes
            )
        return made


class Vector:
    """Some lanes of one kind: "f" and "d" are floats, "b" answers, "i" and "l" the integers as wide as floats."""

    def __init__(self, writer: Writer, ref: str, kind: str, lanes: int):
        self.writer, self.ref, self.kind, self.lanes = writer, ref, kind, lanes

    @property
    def type(self) -> str:
        return type_of(self.kind, self.lanes)

    def number(self, value: float) -> Vector:
        """A vector like this one that holds `value` everywhere."""
        return constant(self.writer, value, self.kind, self.lanes)

    def lane(self, lane: int) -> str:
        return self.ref if self.lanes == 1 else self.writer.make(f"extractelement {self.type} {self.ref}, i32 {lane}")

    def _other(self, other: Any) -> Vector:
        return other if isinstance(other, Vector) else self.number(other)

    def _binary(self, op: str, other: Any) -> Vector:
        ref = self.writer.make(f"{op} {self.type} {self.ref}, {self._other(other).ref}")
        return Vector(self.writer, ref, self.kind, self.lanes)

    def __add__(self, other: Any) -> Vector:
        return self._binary("fadd contract", other)

    def __sub__(self, other: Any) -> Vector:
        return self._binary("fsub contract", other)

    def __rsub__(self, other: Any) -> Vector:
        return self._other(other) - self

    def __mul__(self, other: Any) -> Vector:
        return self._binary("fmul contract", other)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> Vector:
        return self._binary("fdiv", other)

    def __rtruediv__(self, other: Any) -> Vector:
        return self._other(other) / self

    def __neg__(self) -> Vector:
        ref = self.writer.make(f"fneg {self.type} {self.ref}")
        return Vector(self.writer, ref, self.kind, self.lanes)

    def compare(self, how: str, other: Any) -> Vector:
        """`how` is LLVM's word: "olt", "oeq", "une" …"""
        ref = self.writer.make(f"fcmp {how} {self.type} {self.ref}, {self._other(other).ref}")
        return Vector(self.writer, ref, "b", self.lanes)

    def logical(self, how: str, other: Vector) -> Vector:
        return self._binary(how, other)

    def choose(self, yes: Any, no: Any) -> Vector:
        """Where this answer is true `yes`, else `no`."""
        like = yes if isinstance(yes, Vector) else no
        yes, no = like._other(yes), like._other(no)
        ref = self.writer.make(f"select {self.type} {self.ref}, {like.type} {yes.ref}, {like.type} {no.ref}")
        return Vector(self.writer, ref, like.kind, self.lanes)

    def call(self, function: str, *others: Any) -> Vector:
        """An intrinsic of LLVM's on this vector and others like it."""
        return self.writer.call(f"llvm.{function}", self.kind, self.lanes, self, *map(self._other, others))

    def times_plus(self, factor: Any, term: Any) -> Vector:
        """This times `factor` plus `term`, rounded once."""
        return self.call("fma", factor, term)

    def as_kind(self, kind: str) -> Vector:
        """The same number in another kind, for answers 1 or 0."""
        if kind == self.kind:
            return self
        if self.kind == "b":
            ref = self.writer.make(f"uitofp {self.type} {self.ref} to {type_of(kind, self.lanes)}")
            return Vector(self.writer, ref, kind, self.lanes)
        return self.compare("une", 0.0)

    def bits(self, kind: str) -> Vector:
        ref = self.writer.make(f"bitcast {self.type} {self.ref} to {type_of(kind, self.lanes)}")
        return Vector(self.writer, ref, kind, self.lanes)

    def spread(self, lanes: int) -> Vector:
        """This one number in all lanes."""
        if lanes == 1 or self.lanes == lanes:
            return self
        kind = type_of(self.kind, lanes)
        first = self.writer.make(f"insertelement {kind} poison, {self.type} {self.ref}, i32 0")
        ref = self.writer.make(f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer")
        return Vector(self.writer, ref, self.kind, lanes)


def type_of(kind: str, lanes: int) -> str:
    return NAMES[kind] if lanes == 1 else f"<{lanes} x {NAMES[kind]}>"


def constant(writer: Writer, value: Any, kind: str, lanes: int) -> Vector:
    """`value` in all lanes."""
    if kind == "b":
        told = "true" if value else "false"
    elif kind in "il":
        told = str(int(value))
    else:
        rounded = struct.unpack("f", struct.pack("f", _in_range(value)))[0] if kind == "f" else float(value)
        told = f"0x{struct.unpack('<Q', struct.pack('<d', rounded))[0]:016X}"
    ref = told if lanes == 1 else "<" + ", ".join([f"{NAMES[kind]} {told}"] * lanes) + ">"
    return Vector(writer, ref, kind, lanes)


def _in_range(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) > 3.4028235677973366e38 else value


# Functions

# Fitted for this file: least largest relative error over the range, highest powers first.
# (exp(r) - 1 - r) / r² for |r| up to log(2) / 2, to 3e-9.
EXP = (1.3814590639e-03, 8.3687165752e-03, 4.1668388993e-02, 1.6666521132e-01, 4.9999994040e-01)
# tanh(x) / x in x², numerator and denominator, for |x| up to 9, where tanh is 1 - 3e-8: to 2e-8.
TANH_P = (1.3354706674e-08, 2.0609117200e-05, 3.4955905285e-03, 1.3381028175e-01, 1.0)
TANH_Q = (7.7765776041e-07, 3.2856385224e-04, 2.5876991451e-02, 4.6714344621e-01, 1.0)


def _horner(x: Vector, coefficients: Sequence[float]) -> Vector:
    value = x.number(coefficients[0])
    for coefficient in coefficients[1:]:
        value = value.times_plus(x, coefficient)
    return value


def exp(x: Vector) -> Vector:
    """exp: in single precision 2ⁿ times a polynomial of what is left, else the C library's."""
    if x.kind == "d":
        return x.call("exp")
    near = clip(x, -87.0, 89.0)
    shifted = near.times_plus(1.44269504088896341, 12582912.0)  # the sum's last bits are n, the nearest whole number
    n = shifted - 12582912.0
    rest = n.times_plus(-0.693359375, near)
    rest = n.times_plus(2.12194440e-4, rest)
    power = _horner(rest, EXP).times_plus(rest * rest, rest + 1.0)
    whole = shifted.bits("i")
    moved = whole._binary("shl", whole.number(23))
    scale = moved._binary("add", moved.number(126 << 23)).bits("f")  # 2ⁿ / 2, which does not overflow
    return x.compare("olt", -87.0).choose(0.0, power * scale * 2.0)


def tanh(x: Vector) -> Vector:
    if x.kind == "d":
        return x.writer.call_each("tanh", [x])
    near = clip(x, -9.0, 9.0)
    square = near * near
    return clip(near * _horner(square, TANH_P) / _horner(square, TANH_Q), -1.0, 1.0)


def sigmoid(x: Vector) -> Vector:
    return 1.0 / (exp(-x) + 1.0)


def log1p_exp(x: Vector) -> Vector:
    """log(1 + exp(x)), without overflow."""
    small = x.writer.call_each("log1p", [exp(-x.call("fabs"))])
    return x.call("maximum", 0.0) + small


def sign(x: Vector) -> Vector:
    signed = x.number(1.0).call("copysign", x)
    return x.call("fabs").compare("ogt", 0.0).choose(signed, x)  # 0 and NaN stay


def power(x: Vector, exponent: float) -> Vector:
    whole = int(exponent)
    if whole == exponent and abs(whole) <= 4:
        value = x.number(1.0) if whole == 0 else x
        for _ in range(abs(whole) - 1):
            value = value * x
        return value if whole >= 0 else 1.0 / value
    return x.call("sqrt") if exponent == 0.5 else x.writer.call_each("pow", [x, x.number(exponent)])


def elu(x: Vector, alpha: float) -> Vector:
    below = x.writer.call_each("expm1", [x.call("minimum", 0.0)])
    return x.compare("ogt", 0.0).choose(x, below * alpha)


def clip(x: Vector, low: float | None, high: float | None) -> Vector:
    if low is not None:
        x = x.compare("olt", low).choose(low, x)
    return x if high is None else x.compare("ogt", high).choose(high, x)


def _libm(name: str) -> Callable[[Vector], Vector]:
    return lambda x: x.writer.call_each(name, [x])


def _as_answer(x: Vector) -> Vector:
    return x if x.kind == "b" else x.compare("une", 0.0)


# By the operation's name, on operands of the result's kind.
FUNCTIONS: dict[str, Callable[..., Vector]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y if x.kind != "b" else x.logical("and", y),
    "divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "copy": lambda x: x,
    "reciprocal": lambda x: 1.0 / x,
    "square": lambda x: x * x,
    "sqrt": lambda x: x.call("sqrt"),
    "exp": exp,
    "expm1": _libm("expm1"),
    "log": lambda x: x.call("log") if x.kind == "d" else x.writer.call_each("log", [x]),
    "log1p": _libm("log1p"),
    "sin": _libm("sin"),
    "cos": _libm("cos"),
    "erf": _libm("erf"),
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": log1p_exp,
    "log_sigmoid": lambda x: -log1p_exp(-x),
    "relu": lambda x: x.call("maximum", 0.0),
    "maximum": lambda x, y: x.call("maximum", y),
    "minimum": lambda x, y: x.call("minimum", y),
    "abs": lambda x: x.call("fabs"),
    "fabs": lambda x: x.call("fabs"),
    "sign": sign,
    "power": power,
    "clip": clip,
    "leaky_relu": lambda x, negative_slope: x.compare("ogt", 0.0).choose(x, x * negative_slope),
    "elu": elu,
    "astype": lambda x, dtype: x,
}  # fmt: skip
COMPARISONS = {
    "less": "olt",
    "less_equal": "ole",
    "greater": "ogt",
    "greater_equal": "oge",
    "equal": "oeq",
    "not_equal": "une",
}
LOGICAL = {"logical_and": "and", "logical_or": "or", "logical_xor": "xor"}


def apply(name: str, args: Sequence[Vector], options: dict[str, Any], kind: str) -> Vector:
    """The operation `name` on vectors; its result has `kind`."""
    if name == "where":
        answer, yes, no = args
        return _as_answer(answer).choose(yes.as_kind(kind), no.as_kind(kind))
    if name in COMPARISONS:
        common = next((arg.kind for arg in args if arg.kind != "b"), "f")
        return args[0].as_kind(common).compare(COMPARISONS[name], args[1].as_kind(common))
    if name in LOGICAL:
        return _as_answer(args[0]).logical(LOGICAL[name], _as_answer(args[1]))
    if name == "logical_not":
        answer = _as_answer(args[0])
        return answer.logical("xor", answer.number(1))
    return FUNCTIONS[name](*[arg.as_kind(kind) for arg in args], **options)


def is_known(name: str) -> bool:
    return name in FUNCTIONS or name in COMPARISONS or name in LOGICAL or name in ("where", "logical_not")
