"""Expressions as a blackboard has them, and three ways to write them: LaTeX, Unicode text and MathML.

`algebra` makes them; here is only what they are and how they look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from .styles import ATOM, POWER, PRODUCT, SUM, LatexStyle, MathmlStyle, Style, TextStyle

LEVEL = {"sum": SUM, "times": PRODUCT, "hadamard": PRODUCT, "matmul": PRODUCT, "quotient": PRODUCT}
LEVEL |= {"big sum": PRODUCT, "gradient": PRODUCT, "power": POWER, "transpose": POWER}


@dataclass(frozen=True)
class Time:
    """A time step: `n` steps after step t, or step number `n`."""

    relative: bool
    n: int

    def __str__(self) -> str:
        if not self.relative:
            return str(self.n)
        return f"t{self.n:+d}" if self.n else "t"


@dataclass(frozen=True)
class Expression:
    """A node of an expression: its kind, the expressions that it is made of, and what else that kind needs.

    kind        parts              else
    number                         value
    ones                           an array of ones
    symbol                         name, sub, sup, time
    sum         terms
    times       factors            scalars, the last of any shape
    hadamard    factors            name: "matrix" if they are no vectors
    matmul      factors
    quotient    numerator, denominator
    power       base, exponent     element by element
    transpose   of what
    diag        of what
    apply       arguments          name of the function, sub
    big sum     of what            sub: the range if it is not all steps
    gradient    of L for what, L
    blocks      parts              name: "beside" or "below"
    item        of what            sup: which block; or time: which step's
    compare     two sides          name: the sign
    """

    kind: str
    parts: tuple[Expression, ...] = ()
    name: str = ""
    value: Fraction | float = 0
    sub: tuple[str, ...] = ()
    sup: tuple[str, ...] = ()
    time: Time | None = None

    def __str__(self) -> str:
        return text(self)

    def holds(self, found: Callable[[Expression], bool]) -> bool:
        """Whether `found` is true of this expression or of one inside."""
        return found(self) or any(part.holds(found) for part in self.parts)

    def with_times(self, change: Callable[[Time], Time]) -> Expression:
        """This expression with other time steps; a sum or a stack over all of them has a t of its own."""
        if self.kind == "big sum" or self.sub == ("t",):
            return self
        parts = tuple([part.with_times(change) for part in self.parts])
        return replace(self, parts=parts, time=None if self.time is None else change(self.time))


TEXT, LATEX, MATHML = TextStyle(), LatexStyle(), MathmlStyle()


def text(e: Expression) -> str:
    """`e` as Unicode text."""
    return write(e, TEXT)


def latex(e: Expression) -> str:
    """`e` as LaTeX for math mode; names in it are escaped."""
    return write(e, LATEX)


def mathml(e: Expression) -> str:
    """`e` as a <math> element of presentation MathML; names in it are escaped."""
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{write(e, MATHML)}</math>'


def write(e: Expression, style: Style, least: int = SUM) -> str:
    """`e` in `style`, in brackets if it binds less than `least`."""
    body = _WRITERS[e.kind](e, style)
    return body if _level(e, style) >= least else style.brackets(body)


def _level(e: Expression, style: Style) -> int:
    """How tightly `e` binds as it is written in `style`."""
    if e.kind == "number" and e.value < 0:
        return PRODUCT
    if e.kind == "quotient" or (e.kind == "number" and isinstance(e.value, Fraction) and e.value.denominator != 1):
        return PRODUCT if style is TEXT else POWER  # a fraction bar needs no brackets
    return LEVEL.get(e.kind, ATOM)


def _symbol(e: Expression, style: Style) -> str:
    sub = [*e.sub, str(e.time)] if e.time is not None else list(e.sub)
    return style.scripts(style.name(e.name), sub, list(e.sup))


def _sum(e: Expression, style: Style) -> str:
    pieces: list[str] = []
    for term in e.parts:
        minus = leading(term) < 0
        if pieces:
            pieces.append(style.sign("-" if minus else "+"))
            term = negated(term) if minus else term
        pieces.append(write(term, style, PRODUCT))
    return style.spaced(pieces)


def leading(e: Expression) -> Fraction | float:
    """The number in front."""
    first = e.parts[0] if e.kind == "times" else e
    return first.value if first.kind == "number" else 1


def negated(e: Expression) -> Expression:
    """`e`, which starts with a number, times -1."""
    if e.kind == "number":
        return replace(e, value=-e.value)
    rest = e.parts[1:]
    if e.parts[0].value == -1:
        return rest[0] if len(rest) == 1 else replace(e, parts=rest)
    return replace(e, parts=(replace(e.parts[0], value=-e.parts[0].value), *rest))


def _times(e: Expression, style: Style) -> str:
    if leading(e) < 0:
        return style.minus(write(negated(e), style, PRODUCT))
    # Only the last factor may be a product of its own: a (W x).
    parts = [write(part, style, POWER) for part in e.parts[:-1]]
    last = e.parts[-1]
    return style.product([*parts, write(last, style, PRODUCT if last.kind in ("matmul", "hadamard") else POWER)])


def _hadamard(e: Expression, style: Style) -> str:
    pieces = [style.sign("∘")] * (2 * len(e.parts) - 1)
    pieces[::2] = [write(part, style, POWER) for part in e.parts]
    return style.spaced(pieces)


def _matmul(e: Expression, style: Style) -> str:
    return style.product([write(part, style, POWER) for part in e.parts])


def _quotient(e: Expression, style: Style) -> str:
    above, below = (write(part, style, style.above_fraction) for part in e.parts)
    return style.fraction(above, below)


def _power(e: Expression, style: Style) -> str:
    base, exponent = e.parts
    return _raised(base, TEXT.number(exponent.value) if exponent.kind == "number" else text(exponent), style)


def _raised(base: Expression, script: str, style: Style) -> str:
    if base.kind == "symbol" and not base.sup:
        return _symbol(replace(base, sup=(script,)), style)
    body = write(base, style, ATOM)
    return style.scripts(style.brackets(body) if base.sup else body, [], [script])


def _apply(e: Expression, style: Style) -> str:
    function = style.scripts(style.name(e.name, True), list(e.sub), [])
    return style.call(function, [write(part, style) for part in e.parts])


def _gradient(e: Expression, style: Style) -> str:
    return style.gradient(write(e.parts[0], style), write(e.parts[1], style))


def _item(e: Expression, style: Style) -> str:
    return style.scripts(write(e.parts[0], style, ATOM), [] if e.time is None else [str(e.time)], list(e.sup))


def _compare(e: Expression, style: Style) -> str:
    left, right = (write(part, style, PRODUCT) for part in e.parts)
    return style.brackets(style.spaced([left, style.sign(e.name), right]), "[", "]")


def _big_sum(e: Expression, style: Style) -> str:
    lower, upper = (*(e.sub or ("t",)), "")[:2]
    body = e.parts[0]
    return style.big_sum(lower, upper, write(body, style, PRODUCT if body.kind != "gradient" else POWER))


_WRITERS: dict[str, Callable[[Expression, Any], str]] = {
    "number": lambda e, style: style.number(e.value),
    "ones": lambda e, style: "\\mathbf{1}" if style is LATEX else style.name("𝟏"),
    "symbol": _symbol,
    "sum": _sum,
    "times": _times,
    "hadamard": _hadamard,
    "matmul": _matmul,
    "quotient": _quotient,
    "power": _power,
    "transpose": lambda e, style: _raised(e.parts[0], "ᵀ", style),
    "diag": lambda e, style: style.call(style.name("diag", True), [write(e.parts[0], style)]),
    "apply": _apply,
    "big sum": _big_sum,
    "gradient": _gradient,
    "blocks": lambda e, style: style.blocks([write(part, style) for part in e.parts], e.name == "below"),
    "item": _item,
    "compare": _compare,
}
