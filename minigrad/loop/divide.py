"""What of a loop runs before it, in it and after it, and where everything lies."""

from __future__ import annotations

from typing import Any

from .form import Expr, Form, cut_of, is_leaf, ordered, pieces
from .loops import Gemm, Loop, Place, Total, all_of
from .trace import Value


def divide(loop: Loop, totals: list[Total]) -> None:
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
            need_at_once(expr)  # and what it is computed of, none of which the loop computes for it
    loop.lifted = [expr for expr in everything if expr in lifted]
    loop.steps = [expr for expr in steps if expr not in early and not is_leaf(expr)]
    loop.early = _gemms(loop.form, [expr for expr in products if expr in early and expr in lifted])
    loop.gemms = _gemms(loop.form, [expr for expr in loop.steps if expr.kind == "product"])
    _place(loop, list(inside))


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
