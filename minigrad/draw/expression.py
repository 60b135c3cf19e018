"""Expressions as a blackboard has them, and three ways to write them: LaTeX, Unicode text and MathML.

`algebra` makes them; here is only what they are and how they look.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from html import escape
from typing import Any, Protocol

# How tightly a kind binds. What binds less than its place asks for is put in brackets.
SUM, PRODUCT, POWER, ATOM = range(4)
LEVEL = {"sum": SUM, "times": PRODUCT, "hadamard": PRODUCT, "matmul": PRODUCT, "quotient": PRODUCT}
LEVEL |= {"big sum": PRODUCT, "gradient": PRODUCT, "power": POWER, "transpose": POWER}
LATEX_FUNCTIONS = {"tanh", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "max", "min"}
SIGNS = {"-": "-", "∘": r"\circ", "≥": r"\ge", "≤": r"\le", "≠": r"\ne", "<": r"\lt", ">": r"\gt"}  # in LaTeX


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


def clean(name: str) -> str:
    """`name` without control, format and unassigned characters, and with single spaces."""
    kept = "".join(" " if c.isspace() else c for c in name if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())


class Style(Protocol):
    """How the pieces are written; everything that comes in is written already, but for names."""

    def number(self, value: Fraction | float) -> str: ...
    def name(self, name: str, function: bool = False) -> str: ...
    def sign(self, sign: str) -> str: ...
    def row(self, pieces: list[str]) -> str: ...
    def apart(self, pieces: list[str]) -> str: ...
    def brackets(self, body: str, left: str = "(", right: str = ")") -> str: ...
    def scripts(self, base: str, sub: list[str], sup: list[str]) -> str: ...
    def fraction(self, above: Expression, below: Expression) -> str: ...
    def big_sum(self, lower: str, upper: str, body: str) -> str: ...
    def call(self, function: str, arguments: list[str]) -> str: ...
    def blocks(self, parts: list[str], below: bool) -> str: ...


class TextStyle:
    """Unicode text on one line."""

    small = str.maketrans("0123456789-+ᵀ", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵀ")

    def number(self, value: Fraction | float) -> str:
        return written(value)

    def name(self, name: str, function: bool = False) -> str:
        return clean(name)

    def sign(self, sign: str) -> str:
        return sign

    def row(self, pieces: list[str]) -> str:
        return "".join(pieces)

    def apart(self, pieces: list[str]) -> str:
        return " ".join(pieces)

    def brackets(self, body: str, left: str = "(", right: str = ")") -> str:
        return left + body + right

    def scripts(self, base: str, sub: list[str], sup: list[str]) -> str:
        above = ",".join(sup)
        if above and all(ord(c) in self.small for c in above):
            above = above.translate(self.small)
        elif above:
            above = "^" + self._group(above)
        return base + ("_" + self._group(",".join(sub)) if sub else "") + above

    def _group(self, script: str) -> str:
        return script if len(script) == 1 else "{" + script + "}"

    def fraction(self, above: Expression, below: Expression) -> str:
        return f"{write(above, self, POWER)} / {write(below, self, POWER)}"

    def big_sum(self, lower: str, upper: str, body: str) -> str:
        return self.scripts("Σ", [lower], []) + ("^" + self._group(upper) if upper else "") + " " + body

    def call(self, function: str, arguments: list[str]) -> str:
        return f"{function}({', '.join(arguments)})"

    def blocks(self, parts: list[str], below: bool) -> str:
        return "[" + ("; " if below else ", ").join(parts) + "]"


class LatexStyle:
    """LaTeX, for math mode."""

    # In text of LaTeX; none of these may end a group or start a command.
    escapes = str.maketrans(
        {c: "\\" + c for c in "&%$#_{}"}
        | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
        | {"<": r"\textless{}", ">": r"\textgreater{}"}
    )

    def number(self, value: Fraction | float) -> str:
        if isinstance(value, Fraction) and value.denominator != 1:
            sign = "-" if value < 0 else ""
            return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
        return {"∞": r"\infty", "-∞": r"-\infty"}.get(written(value), written(value))

    def name(self, name: str, function: bool = False) -> str:
        shown = clean(name)
        if shown in ("σ", "ℓ", "θ", "κ"):
            return {"σ": r"\sigma", "ℓ": r"\ell", "θ": r"\theta", "κ": r"\kappa"}[shown]
        if function:
            if shown in LATEX_FUNCTIONS:
                return "\\" + shown
            return rf"\operatorname{{{self.text(shown)}}}"
        if shown.isascii() and shown.isalnum():
            return shown if len(shown) == 1 else rf"\mathrm{{{shown}}}"
        return rf"\text{{{self.text(shown)}}}"

    def text(self, shown: str) -> str:
        return clean(shown).translate(self.escapes)

    def sign(self, sign: str) -> str:
        return SIGNS.get(sign, sign)

    def row(self, pieces: list[str]) -> str:
        return " ".join(pieces)

    def apart(self, pieces: list[str]) -> str:
        return " ".join(pieces)

    def brackets(self, body: str, left: str = "(", right: str = ")") -> str:
        return rf"\left{left}{body}\right{right}"

    def scripts(self, base: str, sub: list[str], sup: list[str]) -> str:
        below, above = (",".join(map(self._script, scripts)) for scripts in (sub, sup))
        return base + (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")

    def _script(self, script: str) -> str:
        known = {"ᵀ": r"\top", "→": r"\rightarrow", "←": r"\leftarrow", "′": r"\prime"}
        if script in known or script.startswith("\\"):
            return known.get(script, script)
        plain = script.isascii() and all(c.isalnum() or c in "+-=()[]:/. " for c in script)
        return script if plain else rf"\text{{{self.text(script)}}}"

    def fraction(self, above: Expression, below: Expression) -> str:
        return rf"\frac{{{write(above, self)}}}{{{write(below, self)}}}"

    def big_sum(self, lower: str, upper: str, body: str) -> str:
        return self.scripts(r"\sum", [lower], [upper] if upper else []) + " " + body

    def call(self, function: str, arguments: list[str]) -> str:
        return function + self.brackets(", ".join(arguments))

    def blocks(self, parts: list[str], below: bool) -> str:
        sign = r" \\ " if below else " & "
        return rf"\begin{{bmatrix}} {sign.join(parts)} \end{{bmatrix}}"


class MathmlStyle:
    """Presentation MathML, without the <math> around it."""

    def number(self, value: Fraction | float) -> str:
        if isinstance(value, Fraction) and value.denominator != 1:
            whole = f"<mfrac><mn>{abs(value.numerator)}</mn><mn>{value.denominator}</mn></mfrac>"
            return self.row([self.sign("-"), whole]) if value < 0 else whole
        told = written(value)
        return f"<mrow><mo>-</mo><mn>{told[1:]}</mn></mrow>" if told.startswith("-") else f"<mn>{told}</mn>"

    def name(self, name: str, function: bool = False) -> str:
        return f"<mi>{escape(clean(name))}</mi>"

    def sign(self, sign: str) -> str:
        return f"<mo>{escape(sign)}</mo>"

    def row(self, pieces: list[str]) -> str:
        return pieces[0] if len(pieces) == 1 else f"<mrow>{''.join(pieces)}</mrow>"

    def apart(self, pieces: list[str]) -> str:
        return self.row([piece for pair in zip(["<mo>\u2062</mo>"] * len(pieces), pieces) for piece in pair][1:])

    def brackets(self, body: str, left: str = "(", right: str = ")") -> str:
        return f"<mrow><mo>{escape(left)}</mo>{body}<mo>{escape(right)}</mo></mrow>"

    def scripts(self, base: str, sub: list[str], sup: list[str]) -> str:
        below, above = (f"<mtext>{escape(clean(','.join(scripts)))}</mtext>" for scripts in (sub, sup))
        if sub and sup:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        return f"<msub>{base}{below}</msub>" if sub else f"<msup>{base}{above}</msup>" if sup else base

    def fraction(self, above: Expression, below: Expression) -> str:
        return f"<mfrac>{write(above, self)}{write(below, self)}</mfrac>"

    def big_sum(self, lower: str, upper: str, body: str) -> str:
        below, above = f"<mtext>{escape(lower)}</mtext>", f"<mtext>{escape(upper)}</mtext>"
        under = f"<munderover><mo>∑</mo>{below}{above}</munderover>" if upper else f"<munder><mo>∑</mo>{below}</munder>"
        return self.row([under, body])

    def call(self, function: str, arguments: list[str]) -> str:
        inside = "<mo>,</mo>".join(arguments)
        return self.row([function, "<mo>\u2061</mo>", self.brackets(inside)])

    def blocks(self, parts: list[str], below: bool) -> str:
        cells = [f"<mtd>{part}</mtd>" for part in parts]
        rows = "".join(f"<mtr>{cell}</mtr>" for cell in cells) if below else f"<mtr>{''.join(cells)}</mtr>"
        return self.brackets(f"<mtable>{rows}</mtable>", "[", "]")


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


def written(value: Fraction | float) -> str:
    """A number as it is written: in full if it is a ratio of integers, else to six digits."""
    if isinstance(value, Fraction):
        return str(value)
    return str(value).replace("inf", "∞") if math.isinf(value) else f"{value:.6g}"


def write(e: Expression, style: Style, least: int = SUM) -> str:
    """`e` in `style`, in brackets if it binds less than `least`."""
    body = _WRITERS[e.kind](e, style)
    level = LEVEL.get(e.kind, ATOM)
    if e.kind == "number" and (e.value < 0 or (isinstance(e.value, Fraction) and e.value.denominator != 1)):
        level = PRODUCT
    if style is not TEXT and level == PRODUCT and e.kind in ("quotient", "number") and not body.startswith("-"):
        level = POWER if e.kind == "number" else ATOM
    return body if level >= least else style.brackets(body)


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
    return style.apart(pieces) if style is not MATHML else style.row(pieces)


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
        return style.row([style.sign("-"), write(negated(e), style, PRODUCT)]).replace("- ", "-", 1)
    # Only the last factor may be a product of its own: a (W x).
    parts = [write(part, style, POWER) for part in e.parts[:-1]]
    last = e.parts[-1]
    return style.apart([*parts, write(last, style, PRODUCT if last.kind in ("matmul", "hadamard") else POWER)])


def _hadamard(e: Expression, style: Style) -> str:
    pieces = [style.sign("∘")] * (2 * len(e.parts) - 1)
    pieces[::2] = [write(part, style, POWER) for part in e.parts]
    return style.apart(pieces) if style is not MATHML else style.row(pieces)


def _matmul(e: Expression, style: Style) -> str:
    return style.apart([write(part, style, POWER) for part in e.parts])


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
    of, loss = e.parts
    below = write(of, style)
    if style is TEXT:
        return f"∇_{below if len(below) == 1 else '{' + below + '}'} {write(loss, style)}"
    if style is LATEX:
        return rf"\nabla_{{{below}}} {write(loss, style)}"
    return style.row([f"<msub><mo>∇</mo>{below}</msub>", write(loss, style)])


def _item(e: Expression, style: Style) -> str:
    return style.scripts(write(e.parts[0], style, ATOM), [] if e.time is None else [str(e.time)], list(e.sup))


def _compare(e: Expression, style: Style) -> str:
    left, right = (write(part, style, PRODUCT) for part in e.parts)
    pieces = [left, style.sign(e.name), right]
    return style.brackets(style.apart(pieces) if style is not MATHML else style.row(pieces), "[", "]")


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
    "quotient": lambda e, style: style.fraction(*e.parts),
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
