"""In what order a step of a loop is computed, and what each part of it puts where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .form import Expr, ordered, pieces
from .loops import Gemm, Loop, Place

KINDS = {np.dtype("float32"): "f", np.dtype("float64"): "d", np.dtype("bool"): "b"}


def is_of_rows(loop: Loop, is_known: Callable[[str], bool]) -> bool:
    """Is everything in the loop of floats of one kind, row by row, and made of operations that `is_known` knows?"""
    found = everything(loop)
    kinds = _kinds(found)
    if len(kinds) != 1 or None in kinds:
        return False
    for expr in loop.steps:
        if expr.kind not in ("map", "product", "reduce", "part", "join") or expr.width is None:
            return False
        if expr.kind == "map" and not (is_known(expr.what[0].name) and _plain(expr.what[1])):
            return False
        if expr.kind == "part" and expr.args[0].kind not in ("in", "saved"):
            return False
        if expr.kind in ("map", "reduce") and any(arg.kind == "join" for arg in expr.args):
            return False
    put = [*loop.carry, *(expr for expr, _ in loop.stores), *(arg for total in loop.sums for arg in total.args)]
    incoming = [expr for expr in found if expr.kind in ("in", "saved")]
    return all(expr.width is not None for expr in [*put, *incoming])


def _kinds(exprs: list[Expr]) -> set[str | None]:
    """The kinds of their numbers, None for one not in KINDS. Python's numbers and answers take that of the others."""
    return {KINDS.get(np.dtype(expr.dtype)) for expr in exprs if expr.kind != "number" or expr.shape} - {"b"}


def _plain(options: dict[str, Any]) -> bool:
    return all(value is None or isinstance(value, (int, float, np.dtype, type, str)) for value in options.values())


def everything(loop: Loop) -> list[Expr]:
    """All that the loop computes, reads and stores."""
    steps = set(loop.steps)
    roots = [*loop.steps, *(expr for expr, _ in loop.stores), *(arg for total in loop.sums for arg in total.args)]
    return ordered(roots, lambda expr: expr in loop.places and expr not in steps)


class Stages:
    """A step's expressions by stage (before each there are products) and turn (before each, sums along rows).

    `stores` are those of the loop and `sums` what is added up to which of the loop's sums, both with joined expressions
    taken apart: the last number is the column from which on they lie.
    """

    def __init__(self, loop: Loop):
        self.loop = loop
        self.member: dict[Expr, tuple[Gemm, int]] = {e: (p, low) for p in loop.gemms for e, low in p.members}
        self.stage: dict[Expr, int] = {}
        self.turn: dict[Expr, int] = {}
        self._order()
        self.last = max(self.stage.values(), default=0)
        self.stores = [
            (piece, Place(place.array, place.low + at, place.when))
            for expr, place in loop.stores
            for piece, at in side_by_side(expr)
        ]
        self.sums = [(piece, n, at) for n, total in enumerate(loop.sums) for piece, at in side_by_side(total.args[0])]

    @property
    def kind(self) -> str:
        """The kind of float that a loop of rows works with."""
        (kind,) = _kinds(everything(self.loop))
        assert kind is not None  # is_of_rows
        return kind

    def _order(self) -> None:
        """Products as early as can be, all else just before it is needed: so passes are few, and hand on little."""
        for expr in self.loop.steps:
            before = [self.stage.get(arg, 0) for arg in expr.args]
            self.stage[expr] = max(before, default=0) + (expr.kind == "product")
        needed: dict[Expr, int] = {}
        for expr in reversed(self.loop.steps):
            product = expr.kind == "product"
            if not product:
                self.stage[expr] = needed.get(expr, self.stage[expr])
            for arg in expr.args:
                needed[arg] = min(needed.get(arg, self.stage[expr]), self.stage[expr] - product)
        for expr in self.loop.steps:
            self.turn[expr] = max([self.after(arg, self.stage[expr]) for arg in expr.args], default=0)

    def after(self, expr: Expr, stage: int) -> int:
        """The first turn of a stage in which an expression is there."""
        return self.turn[expr] + (expr.kind == "reduce") if self.stage.get(expr) == stage else 0

    def put_in(self, expr: Expr) -> int:
        """In which stage an expression is stored: what comes in, in the last."""
        return self.stage.get(expr, self.last)

    def place(self, expr: Expr) -> Place | None:
        """Where an expression lies in one of the run's arrays, once it is there."""
        if expr not in self.stage:
            return self.loop.places.get(expr)
        return next((place for other, place in self.stores if other is expr), None)


def span(expr: Expr) -> int:
    """Over how many columns one has to go to compute an expression."""
    return expr.args[0].shape[1] if expr.kind == "reduce" else expr.shape[1]


def side_by_side(expr: Expr) -> list[tuple[Expr, int]]:
    """The pieces of an expression, and from which column on each lies."""
    found, at = [], 0
    for piece in pieces(expr):
        found.append((piece, at))
        at += piece.width or 0  # one that is not of rows is the only piece
    return found
