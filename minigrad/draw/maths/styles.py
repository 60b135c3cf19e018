"""How the pieces of an expression are written: in Unicode text, in LaTeX, and in MathML.

Names may be any text of a user's: control characters are left out, and what means something to LaTeX or to a browser is
escaped.
"""

from __future__ import annotations

import math
import unicodedata
from fractions import Fraction
from html import escape
from typing import Protocol

# How tightly something binds. What binds less than its place asks for is put in brackets.
SUM, PRODUCT, POWER, ATOM = range(4)
LATEX_FUNCTIONS = {"tanh", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "max", "min"}
_SPELT = """alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi pi rho sigma tau phi chi psi omega
    ell"""
GREEK = dict(zip("αβγδεζηθκλμνξπρστφχψωℓ", _SPELT.split(), strict=True))  # letter -> LaTeX's name for it
SIGNS = {"-": "-", "∘": r"\circ", "≥": r"\ge", "≤": r"\le", "≠": r"\ne", "<": r"\lt", ">": r"\gt"}  # in LaTeX


def written(value: Fraction | float) -> str:
    """A number as it is written: in full if it is a ratio of integers, else to six digits."""
    if isinstance(value, Fraction):
        return str(value)
    return str(value).replace("inf", "∞") if math.isinf(value) else f"{value:.6g}"


def clean(name: str) -> str:
    """`name` without control, format and unassigned characters, and with single spaces."""
    kept = "".join(" " if c.isspace() else c for c in name if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join(kept.split())


class Style(Protocol):
    """How the pieces are written; everything that comes in is written already, but for names."""

    above_fraction: int  # how tightly the two sides of a fraction must bind, of SUM, PRODUCT and POWER

    def number(self, value: Fraction | float) -> str: ...
    def name(self, name: str, function: bool = False) -> str: ...
    def sign(self, sign: str) -> str: ...
    def minus(self, body: str) -> str: ...
    def spaced(self, pieces: list[str]) -> str: ...
    def product(self, factors: list[str]) -> str: ...
    def brackets(self, body: str, left: str = "(", right: str = ")") -> str: ...
    def scripts(self, base: str, sub: list[str], sup: list[str]) -> str: ...
    def fraction(self, above: str, below: str) -> str: ...
    def big_sum(self, lower: str, upper: str, body: str) -> str: ...
    def call(self, function: str, arguments: list[str]) -> str: ...
    def gradient(self, of: str, loss: str) -> str: ...
    def blocks(self, parts: list[str], below: bool) -> str: ...


class TextStyle:
    """Unicode text on one line."""

    above_fraction = POWER
    small = str.maketrans("0123456789-+ᵀ", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵀ")

    def number(self, value: Fraction | float) -> str:
        return written(value)

    def name(self, name: str, function: bool = False) -> str:
        return clean(name)

    def sign(self, sign: str) -> str:
        return sign

    def minus(self, body: str) -> str:
        return "-" + body

    def spaced(self, pieces: list[str]) -> str:
        return " ".join(pieces)

    product = spaced

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

    def fraction(self, above: str, below: str) -> str:
        return f"{above} / {below}"

    def big_sum(self, lower: str, upper: str, body: str) -> str:
        return self.scripts("Σ", [lower], []) + ("^" + self._group(upper) if upper else "") + " " + body

    def call(self, function: str, arguments: list[str]) -> str:
        return f"{function}({', '.join(arguments)})"

    def gradient(self, of: str, loss: str) -> str:
        return f"∇_{of if of.isalnum() else self._group(of)} {loss}"  # a space ends a word

    def blocks(self, parts: list[str], below: bool) -> str:
        return "[" + ("; " if below else ", ").join(parts) + "]"


class LatexStyle:
    """LaTeX, for math mode."""

    above_fraction = SUM
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
        base = shown.rstrip("′")
        if base != shown and base:
            return self.name(base) + "'" * (len(shown) - len(base))
        if shown in GREEK:
            return "\\" + GREEK[shown]
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

    def minus(self, body: str) -> str:
        return "-" + body

    def spaced(self, pieces: list[str]) -> str:
        return " ".join(pieces)

    product = spaced

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

    def fraction(self, above: str, below: str) -> str:
        return rf"\frac{{{above}}}{{{below}}}"

    def big_sum(self, lower: str, upper: str, body: str) -> str:
        return self.scripts(r"\sum", [lower], [upper] if upper else []) + " " + body

    def call(self, function: str, arguments: list[str]) -> str:
        return function + self.brackets(", ".join(arguments))

    def gradient(self, of: str, loss: str) -> str:
        return rf"\nabla_{{{of}}} {loss}"

    def blocks(self, parts: list[str], below: bool) -> str:
        sign = r" \\ " if below else " & "
        return rf"\begin{{bmatrix}} {sign.join(parts)} \end{{bmatrix}}"


class MathmlStyle:
    """Presentation MathML, without the <math> around it."""

    above_fraction = SUM

    def number(self, value: Fraction | float) -> str:
        if isinstance(value, Fraction) and value.denominator != 1:
            whole = f"<mfrac><mn>{abs(value.numerator)}</mn><mn>{value.denominator}</mn></mfrac>"
            return self.minus(whole) if value < 0 else whole
        told = written(value)
        return self.minus(f"<mn>{told[1:]}</mn>") if told.startswith("-") else f"<mn>{told}</mn>"

    def name(self, name: str, function: bool = False) -> str:
        return f"<mi>{escape(clean(name))}</mi>"

    def sign(self, sign: str) -> str:
        return f"<mo>{escape(sign)}</mo>"

    def minus(self, body: str) -> str:
        return f"<mrow><mo>-</mo>{body}</mrow>"

    def spaced(self, pieces: list[str]) -> str:
        return pieces[0] if len(pieces) == 1 else f"<mrow>{''.join(pieces)}</mrow>"

    def product(self, factors: list[str]) -> str:
        return f"<mrow>{'<mo>&#x2062;</mo>'.join(factors)}</mrow>"

    def brackets(self, body: str, left: str = "(", right: str = ")") -> str:
        return f"<mrow><mo>{escape(left)}</mo>{body}<mo>{escape(right)}</mo></mrow>"

    def scripts(self, base: str, sub: list[str], sup: list[str]) -> str:
        below, above = (f"<mtext>{escape(clean(','.join(scripts)))}</mtext>" for scripts in (sub, sup))
        if sub and sup:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        return f"<msub>{base}{below}</msub>" if sub else f"<msup>{base}{above}</msup>" if sup else base

    def fraction(self, above: str, below: str) -> str:
        return f"<mfrac>{above}{below}</mfrac>"

    def big_sum(self, lower: str, upper: str, body: str) -> str:
        below, above = f"<mtext>{escape(lower)}</mtext>", f"<mtext>{escape(upper)}</mtext>"
        under = f"<munderover><mo>∑</mo>{below}{above}</munderover>" if upper else f"<munder><mo>∑</mo>{below}</munder>"
        return self.spaced([under, body])

    def call(self, function: str, arguments: list[str]) -> str:
        inside = "<mo>,</mo>".join(arguments)
        return self.spaced([function, "<mo>&#x2061;</mo>", self.brackets(inside)])

    def gradient(self, of: str, loss: str) -> str:
        return self.spaced([f"<msub><mo>∇</mo>{of}</msub>", loss])

    def blocks(self, parts: list[str], below: bool) -> str:
        cells = [f"<mtd>{part}</mtd>" for part in parts]
        rows = "".join(f"<mtr>{cell}</mtr>" for cell in cells) if below else f"<mtr>{''.join(cells)}</mtr>"
        return self.brackets(f"<mtable>{rows}</mtable>", "[", "]")
