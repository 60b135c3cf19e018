"""Operations on neighbouring columns as one: what the gates of a cell have in common is done for all of them at once.

The form cuts every array into the columns that are used together. In machine code that costs nothing, in array code
each cut is a call. So expressions of one operation whose operands lie side by side, in the same order, become one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .form import Expr, cut_of
from .loops import Loop, Place

Home = tuple[Any, int]  # what an operand's columns are columns of, and from which on


@dataclass(eq=False)
class Siblings:
    """Expressions `members` that one call computes, side by side."""

    members: list[Expr]

    @property
    def width(self) -> int:
        return sum(expr.shape[1] for expr in self.members)


class Homes:
    """Where the columns of expressions lie: in arrays, in products, or beside their siblings."""

    def __init__(self, loop: Loop):
        self.loop = loop
        self._of: dict[Expr, Home] = {}
        self._steps = set(loop.steps)
        for gemm in loop.gemms:
            for expr, low in gemm.members:
                self._of[expr] = gemm, low

    def settle(self, siblings: Siblings) -> None:
        """Say that these lie side by side."""
        at = 0
        for expr in siblings.members:
            self._of[expr] = siblings, at
            at += expr.shape[1]

    def home(self, expr: Expr) -> Home | None:
        """Where an expression's columns lie; None if it has none of its own."""
        if expr in self._of:
            return self._of[expr]
        if expr.kind == "part":
            base = self.home(expr.args[0])
            return base and (base[0], base[1] + expr.what[0])
        if expr.kind == "fixed":
            axis = len(expr.shape) - 1
            if axis < 0 or expr.shape[axis] == 1:
                return None
            cut = cut_of(expr.what, axis)
            return (cut[0], cut[1]) if cut else (expr.what, 0)
        place = self.loop.places.get(expr)
        if place is None or expr in self._steps or expr.width is None:
            return None
        return Place(place.array, 0, place.when), place.low


def families(loop: Loop, can_join: Callable[[Expr], bool]) -> tuple[list[Expr | Siblings], Homes]:
    """The loop's steps in an order of their own, those that `can_join` as siblings where their operands are."""
    homes = Homes(loop)
    level: dict[Expr, int] = {}
    gemm_of = {expr: gemm for gemm in loop.gemms for expr, _ in gemm.members}
    for expr in loop.steps:
        needed = gemm_of[expr].lefts if expr in gemm_of else expr.args
        level[expr] = max([level.get(arg, -1) for arg in needed], default=-1) + 1
    order: list[Expr | Siblings] = []
    for depth in range(max(level.values(), default=-1) + 1):
        here = [expr for expr in loop.steps if level[expr] == depth]
        groups: dict[Any, list[Expr]] = {}
        for expr in here:
            if can_join(expr):
                groups.setdefault((expr.what[0], len(expr.args), expr.dtype), []).append(expr)
            else:
                order.append(expr)
        for exprs in groups.values():
            for family in _chains(exprs, homes):
                homes.settle(family)
                order.append(family)
    return order, homes


def _chains(exprs: list[Expr], homes: Homes) -> list[Siblings]:
    """Expressions of one operation, those together whose operands follow each other."""
    first = {id(expr): next((home for arg in expr.args if (home := homes.home(arg))), None) for expr in exprs}
    names: dict[Any, int] = {}
    for home in first.values():
        if home:
            names.setdefault(home[0], len(names))

    def at(expr: Expr) -> tuple[int, int]:
        home = first[id(expr)]
        return (names[home[0]], home[1]) if home else (-1, 0)

    found: list[Siblings] = []
    ways: list[tuple[bool, ...]] = []  # how each operand of the last family goes on from member to member
    for expr in sorted(exprs, key=at):
        if found:
            pairs = list(zip(found[-1].members[-1].args, expr.args, strict=True))
            shared = tuple([one is other for one, other in pairs])
            if all(_follows(homes, *pair) for pair in pairs) and ways[-1] in ((), shared):
                found[-1].members.append(expr)
                ways[-1] = shared
                continue
        found.append(Siblings([expr]))
        ways.append(())
    return found


def _follows(homes: Homes, one: Expr, other: Expr) -> bool:
    """Do the columns of an operand start where those of the one before end, or is it the same for all columns?"""
    if one is other and (one.width == 1 or not one.shape or one.shape[-1] == 1):
        return True
    a, b = homes.home(one), homes.home(other)
    return a is not None and b is not None and a[0] == b[0] and a[1] + one.shape[-1] == b[1]
