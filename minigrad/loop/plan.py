"""What runs before the loop, in it, and after it.

Of the expressions of a step, **P** depends on nothing but what is the same at every step, **X** also on the step's
input, **S** on the carried state and goes into the next one, **O** on the state, but no state depends on it. P is
computed once. The products of X run once over all rows of all steps before the loop, those of O after it; weights'
gradients are O. Only S stays in the loop, with the element-by-element work of X and O, which costs less there than a
trip to memory.
The way back is such a loop itself, in which what the forward loop saved comes in as X.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ops import pointwise, special
from .form import ADD, Expr, Form, Summed, cut_of
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


@dataclass(frozen=True)
class Place:
    """Where an array of one step lies: columns from `low` on of the array `array` at the step.

    `when` is "now", or for the carry, of which there is one more than steps, "before" or "after" the step.
    """

    array: str
    low: int = 0
    when: str = "now"


@dataclass(eq=False)
class Gemm:
    """Products with the same left operands, as one: each of `lefts` times its matrix of `matrices`, added up.

    `members` are the products, side by side from the columns on that are given with each.
    """

    lefts: tuple[Expr, ...]
    matrices: list[Value]
    members: list[tuple[Expr, int]]
    width: int


@dataclass(eq=False)
class Total:
    """A sum over all steps: `kind` and `args` as of a `Summed`, which `source` is."""

    source: Summed
    kind: str
    args: tuple[Expr, ...]


@dataclass
class Loop:
    """One direction of a scan.

    `steps` are the loop's expressions, each after those that it needs, and `gemms` the products among them; `early` are
    the products over all rows of all steps before it, `lifted` what else is computed over all steps at once, before or
    after it. `places` says where what comes in, is early, or is kept lies; `stores` what each step puts where; `arrays`
    the shape of one step of each array that the loop fills. `sums` are added up in the loop, `outers` after it.
    `stacked` are the parts of the carry of which all steps are kept. `became` says what sums of products made of the
    form's expressions.
    """

    form: Form
    back: bool
    carry: list[Expr]
    results: dict[str, Expr]
    steps: list[Expr] = field(default_factory=list)
    gemms: list[Gemm] = field(default_factory=list)
    early: list[Gemm] = field(default_factory=list)
    lifted: list[Expr] = field(default_factory=list)
    places: dict[Expr, Place] = field(default_factory=dict)
    stores: list[tuple[Expr, Place]] = field(default_factory=list)
    arrays: dict[str, tuple[tuple[int, ...], Any]] = field(default_factory=dict)
    sums: list[Total] = field(default_factory=list)
    outers: list[Total] = field(default_factory=list)
    fixed: list[Value] = field(default_factory=list)
    stacked: set[int] = field(default_factory=set)
    became: dict[Expr, Expr] = field(default_factory=dict)
    kernel: Any = None  # its machine code, once it has run; False where there is none
    code: Any = None  # its array code

    @property
    def carried(self) -> str:
        """The role of what is carried from step to step."""
        return "dcarry" if self.back else "carry"

    def named(self, name: str) -> str:
        """An array of the loop's own: those of the two directions have names of their own."""
        return f"d{name}" if self.back else name


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


# Expressions in order


def ordered(roots: Iterable[Expr], stop: Callable[[Expr], bool] = lambda expr: False) -> list[Expr]:
    """`roots` and all that they are computed of, each after its arguments; what `stop` says has no arguments."""
    done: dict[Expr, None] = {}
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        expr, ready = stack.pop()
        if ready:
            done[expr] = None
        elif expr not in done:
            stack.append((expr, True))
            if not stop(expr):
                stack += [(arg, False) for arg in reversed(expr.args) if arg not in done]
    return list(done)


def is_back(roots: Iterable[Expr]) -> dict[Expr, bool]:
    """Whether an expression depends on a gradient that comes in."""
    found: dict[Expr, bool] = {}
    for expr in ordered(roots):
        found[expr] = any(found[arg] for arg in expr.args) or (expr.kind == "in" and expr.what[0] in ("dcarry", "dy"))
    return found


# What the way back needs of the way forth


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
    _divide(loop, totals)
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


def _divide(loop: Loop, totals: list[Total]) -> None:
    """Say what runs before the loop, in it and after it, and where everything lies."""
    outputs = list(loop.results.values())
    everything = ordered([*loop.carry, *outputs, *(arg for total in totals for arg in total.args)])
    lifts: dict[Expr, bool] = {}  # can it be computed over all steps at once?
    for expr in everything:
        lifts[expr] = expr.kind not in ("call", "item") and all(lifts[arg] for arg in expr.args)
    products = [expr for expr in everything if expr.kind == "product"]
    early = {expr for expr in products if not expr.carried and lifts[expr]}
    late = _late(everything, set(ordered(loop.carry)), {expr for expr in products if expr not in early})
    for total in totals:
        outside = total.kind == "outer" or any(arg in late for arg in total.args)
        (loop.outers if outside else loop.sums).append(total)

    inside: dict[Expr, None] = {}  # what the loop computes for those who need it at all steps at once
    lifted: dict[Expr, None] = {}

    def need_at_once(expr: Expr) -> None:
        stack = [expr]
        while stack:
            found = stack.pop()
            if found.kind == "in" and found.what[0] == "dcarry":
                loop.stacked.add(found.what[1])
            if is_leaf(found) or found in lifted or found in inside:
                continue
            if (
                found in late
                or found in early
                or found.kind in ("part", "join")
                or (lifts[found] and not found.carried)
            ):
                lifted[found] = None
                stack += found.args
            else:
                inside[found] = None

    for expr in outputs:
        if expr in late or expr in early:
            need_at_once(expr)
    for total in loop.outers:
        for arg in total.args:
            need_at_once(arg)
    roots = [*loop.carry, *(e for e in outputs if e not in lifted), *(a for total in loop.sums for a in total.args)]
    steps = ordered([*roots, *inside], early.__contains__)
    for expr in steps:
        if expr in early:
            need_at_once(expr)
    steps = ordered([*roots, *inside], early.__contains__)
    loop.lifted = [expr for expr in everything if expr in lifted]
    loop.steps = [expr for expr in steps if expr not in early and not is_leaf(expr)]
    loop.early = _gemms(loop.form, [expr for expr in products if expr in early and expr in lifted])
    loop.gemms = _gemms(loop.form, [expr for expr in products if expr in set(loop.steps)])
    _place(loop, list(inside))
    _find_fixed(loop)


def is_leaf(expr: Expr) -> bool:
    """Is it there without being computed?"""
    return expr.kind in ("in", "saved", "fixed", "number")


def _late(everything: list[Expr], feeds_carry: set[Expr], products: set[Expr]) -> set[Expr]:
    """The products that no state depends on, and all that is computed of them; none that a call needs."""
    bad: set[Expr] = set()
    for expr in reversed(everything):
        if expr in feeds_carry or expr.kind in ("call", "item"):
            bad.add(expr)
        if expr in bad:
            bad.update(expr.args)
    late: set[Expr] = set()
    for expr in everything:
        if expr not in bad and (expr in products or any(arg in late for arg in expr.args)):
            late.add(expr)
    return late


def _gemms(form: Form, products: list[Expr]) -> list[Gemm]:
    """Products with the same left operands side by side; columns of a matrix that two of them want are there once."""
    groups: dict[Any, list[Expr]] = {}
    for expr in products:
        groups.setdefault((expr.args, expr.dtype), []).append(expr)
    found = []
    for (lefts, _), members in groups.items():
        wanted: dict[Any, list[tuple[int, int, Expr]]] = {}  # of the same matrices: which columns, from the first one's
        for expr in members:
            cuts = [cut_of(matrix, 1) or (matrix, 0, matrix.shape[1]) for matrix in expr.what]
            start = cuts[0][1]
            same = tuple([(base, low - start) for base, low, _ in cuts])
            wanted.setdefault(same, []).append((start, start + expr.shape[1], expr))
        matrices: list[list[Value]] = [[] for _ in lefts]
        columns: list[tuple[Expr, int]] = []
        at = 0
        for same, ranges in wanted.items():
            for low, high, together in _runs(ranges):
                for k, (base, shift) in enumerate(same):
                    matrices[k].append(form.cut(base, 1, low + shift, high + shift))
                columns += [(expr, at + start - low) for start, expr in together]
                at += high - low
        found.append(Gemm(lefts, [form.put_together(parts, 1) for parts in matrices], columns, at))
    return found


def _runs(ranges: list[tuple[int, int, Expr]]) -> list[tuple[int, int, list[tuple[int, Expr]]]]:
    """Overlapping ranges of columns as one range each, with where those within it start."""
    runs: list[tuple[int, int, list[tuple[int, Expr]]]] = []
    for low, high, expr in sorted(ranges, key=lambda item: item[:2]):
        if runs and low < runs[-1][1]:
            first, last, together = runs[-1]
            runs[-1] = first, max(last, high), [*together, (low, expr)]
        else:
            runs.append((low, high, [(low, expr)]))
    return runs


def _place(loop: Loop, inside: list[Expr]) -> None:
    """Say where what comes in lies, and what the loop computes is put."""
    for expr in all_of(loop):
        if expr.kind == "in":
            role, place = expr.what
            loop.places[expr] = Place(f"{role}{place}", 0, "before" if role in ("carry", "dcarry") else "now")
    at = 0
    for gemm in loop.early:
        for expr, low in gemm.members:
            loop.places[expr] = Place(loop.named("early"), at + low)
        at += gemm.width
        loop.arrays[loop.named("early")] = (loop.form.batch, at), gemm.members[0][0].dtype
    for i, expr in enumerate(loop.carry):
        loop.stores.append((expr, Place(f"{loop.carried}{i}", 0, "after")))
        loop.arrays[f"{loop.carried}{i}"] = expr.shape, expr.dtype
    if not loop.back:
        loop.stacked = set(range(len(loop.carry)))
    steps, reused, kept = set(loop.steps), _reusable(loop), loop.named("kept")
    width = 0

    def keep(expr: Expr) -> None:
        nonlocal width
        if expr in loop.places:
            return
        if expr.width is None or expr.dtype != loop.carry[0].dtype:  # an array of its own
            loop.places[expr] = Place(loop.named(f"whole{len(loop.arrays)}"))
            loop.arrays[loop.places[expr].array] = expr.shape, expr.dtype
        elif expr in reused:
            loop.places[expr] = loop.places[reused[expr]]
        else:
            loop.places[expr] = Place(kept, width)
            width += expr.width
            loop.arrays[kept] = (loop.form.batch, width), expr.dtype
        loop.stores.append((expr, loop.places[expr]))

    for name, expr in loop.results.items():
        if name.startswith("s") and expr in steps and expr.dtype == loop.carry[0].dtype and expr.kind != "join":
            keep(expr)
        elif expr not in loop.lifted and (loop.back or expr not in loop.carry):
            loop.stores.append((expr, Place(name)))
            loop.arrays[name] = expr.shape, expr.dtype
            if expr in steps:
                loop.places.setdefault(expr, Place(name))
    for expr in _neighbours(loop, inside):
        keep(expr)


def all_of(loop: Loop) -> list[Expr]:
    """Every expression that the loop has to do with."""
    totals = [arg for total in [*loop.sums, *loop.outers] for arg in total.args]
    return ordered([*loop.steps, *loop.lifted, *loop.carry, *loop.results.values(), *totals])


def _reusable(loop: Loop) -> dict[Expr, Expr]:
    """Saved values that can lie where an early product lay, which only they are computed of."""
    users: dict[Expr, list[Expr]] = {}
    for expr in [*loop.steps, *loop.lifted]:
        for arg in dict.fromkeys(expr.args):
            users.setdefault(arg, []).append(expr)
    saved = {expr for name, expr in loop.results.items() if name.startswith("s")}
    others = {*loop.carry, *(expr for name, expr in loop.results.items() if not name.startswith("s"))}
    found: dict[Expr, Expr] = {}
    alone = [expr for gemm in loop.early for expr in _alone(gemm) if expr not in saved | others]
    for product in alone:
        expr = product
        while len(users.get(expr, [])) == 1 and users[expr][0].kind == "map" and users[expr][0].shape == product.shape:
            expr = users[expr][0]
            if expr in saved and expr not in others and expr.dtype == product.dtype and expr not in found:
                found[expr] = product
            if expr in saved | others:
                break
    return found


def _alone(gemm: Gemm) -> list[Expr]:
    """The members whose columns no other one has too."""
    ranges = [(low, low + expr.shape[1], expr) for expr, low in gemm.members]
    return [
        expr
        for low, high, expr in ranges
        if not any(other is not expr and start < high and low < end for start, end, other in ranges)
    ]


def _neighbours(loop: Loop, inside: list[Expr]) -> list[Expr]:
    """What is stored for later, in an order that makes the right operands of one left operand neighbours."""
    order: dict[Expr, None] = {}
    by_left: dict[Expr, list[Expr]] = {}
    for outer in loop.outers:
        if outer.kind == "outer":
            by_left.setdefault(outer.args[0], []).extend(pieces(outer.args[1]))
    for found in by_left.values():
        order |= dict.fromkeys(found)
    return [expr for expr in dict.fromkeys([*order, *inside]) if expr in inside]


def pieces(expr: Expr) -> tuple[Expr, ...]:
    """What an expression is joined of."""
    return expr.args if expr.kind == "join" else (expr,)


def _find_fixed(loop: Loop) -> None:
    """What is the same at every step and is needed: operands of products, maps and calls."""
    found: dict[Value, None] = {}
    for gemm in [*loop.gemms, *loop.early]:
        found |= dict.fromkeys(gemm.matrices)
    for expr in all_of(loop):
        if expr.kind == "fixed":
            found[expr.what] = None
        elif expr.kind == "product" and expr in loop.lifted:
            found |= dict.fromkeys(expr.what)
        elif expr.kind == "call":
            found |= dict.fromkeys([a for a in expr.what.args if isinstance(a, Value) and loop.form.is_fixed(a)])
    loop.fixed = list(found)
