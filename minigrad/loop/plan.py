"""What runs before the loop, in it, and after it.

Of the expressions of a step, **P** depends on nothing but what is the same at every step, **X** also on the step's
input, **S** on the carried state and goes into the next one, **O** on the state, but no state depends on it. P is
computed once. The products of X run once over all rows of all steps before the loop, those of O after it; weights'
gradients are O. Only S stays in the loop, with the element-by-element work of X and O, which costs less there than a
trip to memory.
The way back is such a loop itself, in which what the forward loop saved comes in as X.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ops import pointwise, special
from .divide import divide
from .form import ADD, Expr, Form, Summed, ordered
from .loops import Loop, Place, Total
from .trace import Trace, Value

# Cheaper to compute again on the way back than to save.
CHEAP = {
    getattr(family, name).op
    for family, names in (
        (
            pointwise,
            "abs add copy divide equal fabs greater greater_equal less less_equal logical_and logical_not logical_or "
            "logical_xor maximum minimum multiply negative not_equal nothing positive sign square subtract where _clip "
            "_astype _truncate",
        ),
        (special, "relu _leaky_relu"),
    )
    for name in names.split()
}


@dataclass
class Plan:
    """A compiled step: its trace and form, the two loops, and what the first saves for the second."""

    trace: Trace
    form: Form
    forward: Loop
    backward: Loop | None
    saved: list[Expr] = field(default_factory=list)


def make_plan(trace: Trace, batch: int) -> Plan:
    """Plan the loops of a traced step over a batch."""
    form = Form(trace, batch)
    results = {f"y{k}": expr for k, expr in enumerate(form.ys)}
    if not trace.backward and not any(trace.dcarry):
        return Plan(trace, form, _plan_loop(form, False, form.carry_out, results, [], {}), None)
    grads, summed = _roots_of_back(form)
    saved, places = _choose_saved(form, [*grads, *(arg for total in summed for arg in total.args)])
    kept = {f"s{k}": expr for k, expr in enumerate(saved) if places[k] is None}
    forward = _plan_loop(form, False, form.carry_out, results | kept, [], {})
    lies = {}
    for k, expr in enumerate(saved):
        lies[_saved(form, k, expr)] = places[k] or _lies(forward, f"s{k}")
    stand_in = {expr: _saved(form, k, expr) for k, expr in enumerate(saved)}
    carry = [form.number(0.0, e.shape, e.dtype) if d is None else d for d, e in zip(form.dcarry, form.carry_out)]
    wanted = {f"dx{k}": expr for k, expr in enumerate(form.dxs) if expr is not None}
    backward = _plan_loop(form, True, carry, wanted, summed, lies, stand_in)
    return Plan(trace, form, forward, backward, saved)


def _saved(form: Form, k: int, expr: Expr) -> Expr:
    return form.make("saved", k, (), expr.shape, expr.dtype)


def _lies(loop: Loop, name: str) -> Place:
    """Where a result lies that the way back needs: in an array of its own if nothing else says so."""
    return loop.places.get(loop.results[name], Place(name))


def _roots_of_back(form: Form) -> tuple[list[Expr], list[Summed]]:
    grads = [expr for expr in [*form.dcarry, *form.dxs] if expr is not None]
    summed = [found for found in form.dclosed if isinstance(found, Summed)]
    for call in form.later:
        summed += [total for arg in call.args if isinstance(arg, Value) and (total := form.summed(arg))]
    for found in form.dclosed:
        if isinstance(found, Value) and (total := form.summed(found)):
            summed.append(total)
    return grads, list(dict.fromkeys(summed))


# What the way back needs of the way forth


def is_back(roots: Iterable[Expr]) -> dict[Expr, bool]:
    """Whether an expression depends on a gradient that comes in."""
    found: dict[Expr, bool] = {}
    for expr in ordered(roots):
        found[expr] = any(found[arg] for arg in expr.args) or (expr.kind == "in" and expr.what[0] in ("dcarry", "dy"))
    return found


def _choose_saved(form: Form, roots: list[Expr]) -> tuple[list[Expr], list[Place | None]]:
    """Which values of the forward loop the way back is given, and where those lie that are kept anyhow.

    What costs little is computed again where all that it needs is there.
    """
    back = is_back(roots)
    edge = [arg for expr in back if back[expr] for arg in expr.args if not back[arg]]
    edge += [root for root in roots if not back[root]]
    kept: dict[Expr, Place] = {}
    for k, y in enumerate(form.ys):
        kept.setdefault(y, Place(f"y{k}"))
    for i, after in enumerate(form.carry_out):
        kept.setdefault(after, Place(f"carry{i}", 0, "after"))
    saved: dict[Expr, None] = {}
    edge_set, order = set(edge), {expr: n for n, expr in enumerate(ordered(edge))}

    def misses(expr: Expr) -> set[Expr]:
        """What would have to be saved beside what is, so that `expr` can be computed again."""
        found: set[Expr] = set()
        stack = [expr]
        while stack:
            one = stack.pop()
            if one.kind in ("in", "fixed", "number") or one in saved or one in kept:
                continue
            if one.kind in ("part", "join") or (one.kind == "map" and one.what[0] in CHEAP):
                stack += one.args
            else:
                found.add(one)
        return found

    cheap: list[Expr] = []
    for expr in ordered(edge):
        if expr in edge_set and expr not in kept and expr.kind == "map" and expr.what[0] in CHEAP:
            cheap.append(expr)
        elif expr in edge_set and expr in kept:
            saved[expr] = None
        elif expr in edge_set:
            saved |= dict.fromkeys(misses(expr))
    for expr in cheap:
        missing = misses(expr)
        if len(missing) > 1:
            missing = {expr}
        saved |= dict.fromkeys(sorted(missing, key=order.__getitem__))
    used = _met_first([*edge], {*saved, *kept})
    saved = dict.fromkeys(used)
    return list(saved), [kept.get(expr) for expr in saved]


def _met_first(roots: Iterable[Expr], kept: set[Expr]) -> list[Expr]:
    """Those of `kept` that are come upon on the way down from `roots`."""
    return [expr for expr in ordered(roots, kept.__contains__) if expr in kept]


# One direction


def _plan_loop(
    form: Form,
    back: bool,
    carry: Sequence[Expr],
    results: dict[str, Expr],
    summed: Sequence[Summed],
    lies: dict[Expr, Place],
    stand_in: dict[Expr, Expr] | None = None,
) -> Loop:
    roots = [*carry, *results.values(), *(arg for total in summed for arg in total.args)]
    rewritten = _merge_sums(form, roots, stand_in or {})
    carry = [rewritten[expr] for expr in carry]
    results = {name: rewritten[expr] for name, expr in results.items()}
    loop = Loop(form, back, list(carry), results, places=dict(lies), became=rewritten)
    totals = [Total(total, total.kind, tuple([rewritten[arg] for arg in total.args])) for total in summed]
    divide(loop, totals)
    return loop


def _merge_sums(form: Form, roots: Sequence[Expr], stand_in: dict[Expr, Expr]) -> dict[Expr, Expr]:
    """Rewrite sums of products as one product with several left operands, those of X and those of S apart.

    `stand_in` are expressions to be replaced.
    """
    order = ordered(roots, stand_in.__contains__)
    uses: dict[Expr, int] = dict.fromkeys(order, 0)
    for expr in order:
        for arg in expr.args if expr not in stand_in else ():
            uses[arg] += 1
    for root in roots:
        uses[root] += 1
    new: dict[Expr, Expr] = {}

    def terms(expr: Expr) -> list[Expr]:
        if expr.kind == "map" and expr.what[0] is ADD and expr not in stand_in:
            found: list[Expr] = []
            for arg in expr.args:
                inner = arg.kind == "map" and arg.shape == expr.shape and uses[arg] == 1
                found += terms(arg) if inner else [arg]
            return found
        return [expr]

    for expr in order:
        if expr in stand_in:
            new[expr] = stand_in[expr]
            continue
        args = tuple([new[arg] for arg in expr.args])
        if expr.kind == "map" and expr.what[0] is ADD and expr.width is not None:
            merged: dict[Any, list[Expr]] = {}
            others: list[Expr] = []
            for term in terms(expr):
                if term.kind == "product" and term.shape == expr.shape and term not in stand_in and uses[term] == 1:
                    merged.setdefault((new[term].carried, term.dtype), []).append(new[term])
                else:
                    others.append(new[term])
            for products in merged.values():
                matrices = tuple([matrix for product in products for matrix in product.what])
                lefts = [left for product in products for left in product.args]
                others.insert(0, form.make("product", matrices, lefts, expr.shape, expr.dtype))
            others.sort(key=lambda term: not term.carried)  # what comes last in a step first: the rest is added with it
            total = others[0]
            for other in others[1:]:
                total = form.map(ADD, {}, (total, other), expr.shape, expr.dtype)
            new[expr] = total
        elif expr.kind == "join":
            new[expr] = form.join(args)
        elif expr.kind == "part":
            new[expr] = form.part(args[0], *expr.what)
        elif args != expr.args:
            new[expr] = form.make(expr.kind, expr.what, args, expr.shape, expr.dtype)
        else:
            new[expr] = expr
    return new
