"""Makers of expressions; they simplify as they go, so that nobody has to afterwards.

Scalars stand in front of a product, numbers before them. Products are element by element (`hadamard`) or of matrices
(`matmul`); `textbook` turns arrays whose rows are vectors into a textbook's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from .expression import Expression, Time, leading

ELEMENTWISE = {"tanh", "σ", "exp", "log", "ReLU", "softmax", "logsoftmax", "sin", "cos", "softplus", "√", "sign"}


def number(value: Any) -> Expression:
    """A number: a ratio of integers is kept as one."""
    if isinstance(value, Fraction):
        return Expression("number", value=value)
    value = float(value)
    return Expression("number", value=Fraction(int(value)) if value.is_integer() else value)


ZERO, ONE, MINUS = number(0), number(1), number(-1)
ONES = Expression("ones")


def symbol(name: str, *sub: str, sup: tuple[str, ...] = (), time: Time | None = None) -> Expression:
    return Expression("symbol", name=name, sub=sub, sup=sup, time=time)


def apply(name: str, *arguments: Expression, sub: tuple[str, ...] = ()) -> Expression:
    """The function of that name of the arguments; sums and means let numbers out."""
    if name in ("sum", "mean") and arguments[0].kind == "times" and arguments[0].parts[0].kind == "number":
        first, *rest = arguments[0].parts
        return times(first, apply(name, times(*rest), sub=sub))
    return Expression("apply", arguments, name=name, sub=sub)


def gradient(of: Expression, loss: Expression) -> Expression:
    return Expression("gradient", (of, loss))


def compare(left: Expression, sign: str, right: Expression) -> Expression:
    """1 where it is true, else 0."""
    return Expression("compare", (left, right), name=sign)


def blocks(parts: Iterable[Expression], name: str) -> Expression:
    return Expression("blocks", tuple(parts), name=name)


def total(*terms: Expression) -> Expression:
    """The sum; equal terms are counted."""
    counts: dict[Expression, Fraction | float] = {}
    flat = [part for term in terms for part in (term.parts if term.kind == "sum" else (term,))]
    for term in flat:
        c, rest = _coefficient(term)
        counts[rest] = counts.get(rest, Fraction(0)) + c
    kept = [times(number(c), rest) for rest, c in counts.items() if c != 0]
    if not kept:
        return ZERO
    return kept[0] if len(kept) == 1 else Expression("sum", tuple(kept))


def minus(left: Expression, right: Expression) -> Expression:
    return total(left, times(MINUS, right))


def _coefficient(term: Expression) -> tuple[Fraction | float, Expression]:
    if term.kind == "number":
        return term.value, ONE
    if term.kind == "times" and term.parts[0].kind == "number":
        return term.parts[0].value, times(*term.parts[1:])
    return Fraction(1), term


def times(*factors: Expression) -> Expression:
    """The product of scalars and at most one array, which comes last."""
    value: Fraction | float = Fraction(1)
    others: list[Expression] = []
    for factor in factors:
        for part in factor.parts if factor.kind == "times" else (factor,):
            if part.kind == "number":
                value = value * part.value
            else:
                others.append(part)
    if value == 0:
        return ZERO
    if others and others[-1].kind == "sum" and value == -1 and len(others) == 1:
        return total(*(times(MINUS, term) for term in others[0].parts))
    ends = others[-1:] == [ONES]  # ones before another array add nothing to it
    rest = _powers(other for other in others if other != ONES) + ([ONES] if ends else [])
    if not rest:
        return number(value)
    if value == 1:
        return rest[0] if len(rest) == 1 else Expression("times", tuple(rest))
    return Expression("times", (number(value), *rest))


def _powers(factors: Iterable[Expression]) -> list[Expression]:
    """Equal factors as powers, each where it first came."""
    exponents: dict[Expression, Any] = {}
    for factor in factors:
        base, exponent = factor, Fraction(1)
        if factor.kind == "power" and factor.parts[1].kind == "number":
            base, exponent = factor.parts[0], factor.parts[1].value  # type: ignore[assignment]
        exponents[base] = exponents.get(base, 0) + exponent
    return [power(base, number(n)) for base, n in exponents.items() if n != 0]


def _front(factors: Iterable[Expression]) -> tuple[list[Expression], list[Expression]]:
    """The scalars in front of the factors, and the factors without them."""
    scalars: list[Expression] = []
    arrays: list[Expression] = []
    for factor in factors:
        if factor.kind == "number":
            scalars.append(factor)
        elif factor.kind == "times":
            scalars += factor.parts[:-1]
            arrays.append(factor.parts[-1])
        else:
            arrays.append(factor)
    return scalars, arrays


def hadamard(*factors: Expression, matrix: bool = False) -> Expression:
    """The product element by element of arrays of one shape."""
    scalars, arrays = _front(factors)
    scalars2, flat = _front([p for a in arrays for p in (a.parts if a.kind == "hadamard" else (a,))])
    if not flat:
        return times(*scalars, *scalars2)
    kept = _powers(a for a in flat if a.kind != "ones") or [ONES]
    whole = kept[0] if len(kept) == 1 else Expression("hadamard", tuple(kept), name="matrix" if matrix else "")
    return times(*scalars, *scalars2, whole)


def matmul(*factors: Expression) -> Expression:
    """The product of matrices."""
    scalars, arrays = _front(factors)
    flat = [part for array in arrays for part in (array.parts if array.kind == "matmul" else (array,))]
    if any(s == ZERO for s in scalars):
        return ZERO
    return times(*scalars, flat[0] if len(flat) == 1 else Expression("matmul", tuple(flat)))


def quotient(above: Expression, below: Expression) -> Expression:
    """The quotient element by element."""
    if above == below:
        return ONE
    if below.kind == "number" and below.value != 0:
        value = below.value
        return times(number(1 / value), above)
    if above.kind == "number":
        return Expression("quotient", (above, below)) if above != ZERO else ZERO
    c, rest = _coefficient(above)
    return times(number(c), Expression("quotient", (rest, below)))


def power(base: Expression, exponent: Expression) -> Expression:
    """`base` to the power `exponent`, element by element."""
    if exponent.kind == "number":
        if exponent == ONE:
            return base
        if exponent == ZERO:
            return ONE
        inner = base.parts[1] if base.kind == "power" else None
        if inner is not None and inner.kind == "number" and all(_whole(n) for n in (inner, exponent)):
            return power(base.parts[0], number(inner.value * exponent.value))
        if base.kind == "number" and _whole(exponent) and base.value != 0:
            return number(base.value ** int(exponent.value))
    return Expression("power", (base, exponent))


def _whole(e: Expression) -> bool:
    return isinstance(e.value, Fraction) and e.value.denominator == 1


def transpose(e: Expression) -> Expression:
    """The transpose; of a product of matrices the product of the transposes, in reverse."""
    if e.kind == "transpose":
        return e.parts[0]
    if e.kind in ("number", "diag"):
        return e
    if e.kind == "times":
        return times(*e.parts[:-1], transpose(e.parts[-1]))
    if e.kind == "matmul":
        return matmul(*map(transpose, reversed(e.parts)))
    return Expression("transpose", (e,))


def diag(e: Expression) -> Expression:
    return Expression("diag", (e,))


def big_sum(e: Expression, *limits: str) -> Expression:
    """The sum over steps: all of them, or from `limits[0]` to `limits[1]`."""
    return ZERO if e == ZERO else Expression("big sum", (e,), sub=limits)


def item(e: Expression, label: str) -> Expression:
    """Block `label` of `e`."""
    if e.kind == "symbol":
        return replace(e, sup=(*e.sup, f"[{label}]"))
    if e.kind == "blocks" and label.isdigit() and int(label) < len(e.parts):
        return e.parts[int(label)]
    if e.kind in ("number", "ones"):
        return e
    if e.kind == "times":
        return times(*e.parts[:-1], item(e.parts[-1], label))
    if e.kind in ("sum", "hadamard", "quotient", "power") and e.holds(lambda part: part.kind == "blocks"):
        return rebuilt(e, [item(part, label) for part in e.parts])
    return Expression("item", (e,), sup=(f"[{label}]",))


def at_step(e: Expression, time: Time, sequence: Callable[[Expression], bool]) -> Expression:
    """What of `e`, an array with one entry a step, belongs to step `time`; `sequence` says which parts are such."""
    if e.kind == "apply" and e.sub == ("t",):  # stacked over the steps: the step's own
        return e.parts[0].with_times(lambda own: Time(time.relative, own.n + time.n))
    if not e.holds(lambda part: sequence(part) or (part.kind == "apply" and part.sub == ("t",))):
        return e
    if e.kind == "symbol":
        return replace(e, time=time)
    if e.kind in MAKERS or (e.kind == "apply" and e.name in ELEMENTWISE):
        return rebuilt(e, [at_step(part, time, sequence) for part in e.parts])
    return Expression("item", (e,), time=time)


MAKERS: dict[str, Callable[..., Expression]] = {
    "sum": total,
    "times": times,
    "hadamard": hadamard,
    "matmul": matmul,
    "quotient": quotient,
    "power": power,
    "transpose": transpose,
}


def rebuilt(e: Expression, parts: Iterable[Expression]) -> Expression:
    """`e` with other parts, simplified again."""
    parts = tuple(parts)
    if e.kind == "hadamard":
        return hadamard(*parts, matrix=e.name == "matrix")
    if e.kind in MAKERS:
        return MAKERS[e.kind](*parts)
    return replace(e, parts=parts)


def factor_of(e: Expression, g: Expression) -> Expression | None:
    """What `e` multiplies `g` with; None where `g` is no mere factor."""
    if e == g:
        return ONE
    inside = [i for i, part in enumerate(e.parts) if part.holds(lambda inner: inner == g)]
    if e.kind == "sum" and len(inside) == len(e.parts):
        found = [factor_of(part, g) for part in e.parts]
        return None if None in found else total(*found)  # type: ignore[arg-type]
    if len(inside) != 1 or (e.kind == "quotient" and inside != [0]):
        return None
    i = inside[0]
    if e.kind == "matmul":
        return matmul(*e.parts[:i], *e.parts[i + 1 :]) if e.parts[i] == g and i in (0, len(e.parts) - 1) else None
    if e.kind not in ("times", "hadamard", "quotient"):
        return None
    inner = factor_of(e.parts[i], g)
    return None if inner is None else rebuilt(e, [*e.parts[:i], inner, *e.parts[i + 1 :]])


def textbook(e: Expression, transposed: bool) -> Expression:
    """`e` with columns for vectors: if `transposed`, each symbol stands for the transpose of what it stood for.

    What a gradient is multiplied with element by element becomes a diagonal matrix in front of it.
    """
    parts = [textbook(part, transposed) for part in e.parts]
    if e.kind == "matmul" and transposed:
        return matmul(*reversed(parts))
    if e.kind == "blocks":
        turned = {"beside": "below", "below": "beside"}[e.name] if transposed else e.name
        return blocks(parts, turned)
    if e.kind in ("hadamard", "quotient") and e.name != "matrix":
        inside = [part.holds(lambda inner: inner.kind == "gradient") for part in parts]
        if inside.count(True) == 1 and (e.kind == "hadamard" or inside[0]):
            i = inside.index(True)
            others = [parts[j] for j in range(len(parts)) if j != i]
            local = quotient(ONE, others[0]) if e.kind == "quotient" else hadamard(*others)
            return _in_front(local, parts[i])
    if e.kind == "sum":
        return _gathered(parts)
    return rebuilt(e, parts)


def _gathered(terms: Iterable[Expression]) -> Expression:
    """The sum, with what stands in front of the same gradient put together: diag(a) g + diag(b) g = diag(a + b) g."""
    found: dict[Expression, list[Expression]] = {}
    for term in terms:
        c, rest = _coefficient(term)
        local = ONE
        if rest.kind == "matmul" and rest.parts[0].kind == "diag":
            local, rest = rest.parts[0].parts[0], matmul(*rest.parts[1:])
        found.setdefault(rest, []).append(times(number(c), local))
    kept = []
    for rest, locals_ in found.items():
        local = total(*sorted(locals_, key=lambda e: leading(e) < 0))
        kept.append(times(local, rest) if local.kind == "number" else _in_front(local, rest))
    return total(*kept)


def _in_front(local: Expression, rest: Expression) -> Expression:
    scalars, arrays = _front([local])
    return matmul(*scalars, diag(arrays[0]), rest)
