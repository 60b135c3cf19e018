"""The arrays of a run of a scan, and what is computed over all steps at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import pool
from .form import Expr, Form, pieces
from .loops import Loop, Place, Total
from .threads import blas_threads_for
from .trace import Call, Value


class Arrays:
    """The arrays of one run: by name, and of what is the same at every step by Value.

    An array has the steps on its first axis; one of the carry has one entry more (the state before and after each
    step), or two in turn where not all are kept.
    """

    def __init__(self, form: Form, xp: Any, steps: int, reverse: bool, held: dict[Value, Any]):
        self.form, self.xp, self.steps, self.reverse = form, xp, steps, reverse
        self.named: dict[str, Any] = {}
        self.in_turn: set[str] = set()
        self._fixed: dict[Value, Any] = dict(held)

    def fixed(self, value: Value) -> Any:
        """The array of what is the same at every step."""
        stack = [value]
        while stack:
            found = stack[-1]
            if found in self._fixed:
                stack.pop()
            elif found.call is None:
                self._fixed[stack.pop()] = found.held
            else:
                missing = [a for a in found.call.args if isinstance(a, Value) and a not in self._fixed]
                if missing:
                    stack += missing
                else:
                    self._compute(found.call)
        return self._fixed[value]

    def _compute(self, call: Call) -> None:
        args = [self._fixed[arg] if isinstance(arg, Value) else arg for arg in call.args]
        out = call.op.kernel(self.xp, *args, **call.options)
        for value, result in zip(call.results, out if isinstance(out, tuple) else (out,), strict=True):
            self._fixed[value] = self.xp.asarray(result)

    def make(self, loop: Loop, keep_all: bool = True) -> None:
        """Allocate the arrays that a loop fills."""
        for name, (shape, dtype) in loop.arrays.items():
            count = self.steps
            if name.startswith(loop.carried):
                all_kept = keep_all or int(name.removeprefix(loop.carried)) in loop.stacked
                count = count + 1 if all_kept else 2
                if not all_kept:
                    self.in_turn.add(name)
            self.named[name] = self.empty((count, *shape), dtype)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array to be filled."""
        return pool.empty(shape, dtype) if self.xp is np else self.xp.empty(shape, dtype)

    def shift(self, place: Place) -> int:
        """At which index, counted from the step's, a place of the carry lies (not of one kept in turn)."""
        upward = self.reverse == place.array.startswith("d")
        return int((place.when == "after") == upward) if place.when != "now" else 0

    def at_all_steps(self, place: Place, width: int | None) -> Any:
        """What lies at a place, at all steps."""
        array, shift = self.named[place.array], self.shift(place)
        if len(array) != self.steps:
            array = array[shift : shift + self.steps]
        return array if width in (None, array.shape[-1]) else array[:, :, place.low : place.low + width]


class Products:
    """Products over the rows of all steps at once, in array code."""

    def __init__(self, xp: Any):
        self.xp = xp

    def product(self, left: Any, matrix: Any, out: Any, add: bool = False) -> None:
        """left (rows, depth) times matrix (depth, columns) into `out`, or added to it."""
        with self._threads(left.size * matrix.shape[1]):
            if add:
                out += left @ matrix
            else:
                self.xp.matmul(left, matrix, out=out)

    def outer(self, left: Any, right: Any) -> Any:
        """leftᵀ right, of (rows, depth) and (rows, columns)."""
        with self._threads(left.size * right.shape[1]):
            return left.swapaxes(0, 1) @ right

    def _threads(self, work: int) -> Any:
        return blas_threads_for(work) if self.xp is np else contextlib.nullcontext()


class Lift:
    """Computes expressions over all steps at once."""

    def __init__(self, arrays: Arrays, loop: Loop, products: Products):
        self.arrays, self.loop, self.products, self.xp = arrays, loop, products, arrays.xp
        self._done: dict[Expr, Any] = {}
        self._not_yet = set(loop.steps)  # what the loop still has to compute

    def after_loop(self) -> None:
        """Say that the loop has run."""
        self._not_yet.clear()

    def early(self) -> None:
        """The products that need nothing of the loop."""
        at = 0
        out = self.arrays.named.get(self.loop.named("early"))
        for gemm in self.loop.early:
            part = out[:, :, at : at + gemm.width]  # type: ignore[index]
            at += gemm.width
            for n, (left, matrix) in enumerate(zip(gemm.lefts, gemm.matrices, strict=True)):
                rows = self(left)
                rows = rows.reshape(-1, rows.shape[-1])
                self.products.product(rows, self.arrays.fixed(matrix), part.reshape(-1, gemm.width), n > 0)

    def __call__(self, expr: Expr) -> Any:
        """The values of `expr`, steps first."""
        stack = [expr]
        while stack:
            found = stack[-1]
            if found in self._done:
                stack.pop()
                continue
            place = self.loop.places.get(found)
            if place is not None and place.array in self.arrays.named and found not in self._not_yet:
                self._done[stack.pop()] = self.arrays.at_all_steps(place, found.width)
                continue
            missing = [arg for arg in found.args if arg not in self._done]
            if missing:
                stack += missing
            else:
                self._done[stack.pop()] = self._compute(found)
        return self._done[expr]

    def _compute(self, expr: Expr) -> Any:
        xp, args = self.xp, [self._done[arg] for arg in expr.args]
        if expr.kind == "number":
            return expr.what if not expr.shape else xp.full((self.arrays.steps, *expr.shape), expr.what, expr.dtype)
        if expr.kind == "fixed":
            return self.arrays.fixed(expr.what)
        if expr.kind == "part":
            return args[0][:, :, expr.what[0] : expr.what[1]]
        if expr.kind == "join":
            return xp.concatenate(args, axis=2)
        if expr.kind == "reduce":
            return getattr(args[0], expr.what)(axis=2, keepdims=True)
        if expr.kind == "product":
            total = xp.empty((self.arrays.steps, *expr.shape), expr.dtype)  # it may go to the user, so it is no pool's
            rows = total.reshape(-1, expr.shape[1])
            for n, (left, matrix) in enumerate(self._factors(expr)):
                self.products.product(left, matrix, rows, n > 0)
            return total
        op, options = expr.what
        out = op.kernel(xp, *args, **options)
        shape = (self.arrays.steps, *expr.shape)
        return out if out.shape == shape else xp.broadcast_to(out, shape)

    def _factors(self, expr: Expr) -> Iterator[tuple[Any, Any]]:
        """The operands of each product that `expr` is the sum of, over the rows of all steps.

        Left ones that lie side by side are one, their matrices stacked: one deep product is faster than several added.
        """
        runs: list[list[tuple[Expr, Value]]] = []
        end: tuple[str, int] | None = None
        for left, matrix in zip(expr.args, expr.what, strict=True):
            place = self._place(left)
            if runs and place and end == (place.array, place.low):
                runs[-1].append((left, matrix))
            else:
                runs.append([(left, matrix)])
            end = (place.array, place.low + left.shape[1]) if place else None
        for run in runs:
            matrices = [self.arrays.fixed(matrix) for _, matrix in run]
            stacked = matrices[0] if len(run) == 1 else self.xp.concatenate(matrices)
            yield self._columns([left for left, _ in run]), stacked

    def everywhere(self, expr: Expr) -> Any:
        """`expr` with all steps, also where it is the same at each."""
        values = self(expr)
        return self.xp.broadcast_to(values, (self.arrays.steps, *expr.shape)) if expr.kind == "fixed" else values

    def totals(self) -> dict[Any, Any]:
        """The sums over all steps that are taken after the loop, by what they are totals of."""
        found: dict[Any, Any] = {}
        lefts: dict[Expr, list[tuple[Total, int, Expr, int]]] = {}
        for total in self.loop.outers:
            if total.kind != "outer":
                values = self.everywhere(total.args[0])
                found[total.source] = values.sum(axis=0 if total.kind == "steps" else (0, 1)).reshape(
                    total.source.shape
                )
                continue
            left, right = total.args
            dtype = self.xp.result_type(left.dtype, right.dtype)
            if len(pieces(left)) > 1 or len(pieces(right)) > 1:
                found[total.source] = self.xp.empty((left.shape[1], right.shape[1]), dtype)
            row = 0
            for rows in pieces(left):
                column = 0
                for columns in pieces(right):
                    lefts.setdefault(rows, []).append((total, row, columns, column))
                    column += columns.shape[1]
                row += rows.shape[1]
        for rows, wanted in lefts.items():
            left = self.everywhere(rows)
            left = left.reshape(-1, left.shape[-1])
            for run in self._runs(wanted):
                product = self.products.outer(left, self._columns([columns for _, _, columns, _ in run]))
                if len(run) == 1 and run[0][0].source not in found:
                    found[run[0][0].source] = product
                    continue
                at = 0
                for total, row, columns, column in run:
                    width = columns.shape[1]
                    if total.source not in found:
                        found[total.source] = self.xp.empty((len(product), width), product.dtype)
                    into = found[total.source][row : row + len(product), column : column + width]
                    into[...] = product[:, at : at + width]
                    at += width
        return found

    def _runs(self, wanted: Sequence[tuple[Total, int, Expr, int]]) -> list[list[tuple[Total, int, Expr, int]]]:
        """Right operands that lie side by side, together."""
        runs: list[list[tuple[Total, int, Expr, int]]] = []
        end: tuple[str, int] | None = None
        for item in sorted(wanted, key=self._address):
            place = self._place(item[2])
            if runs and place and end == (place.array, place.low):
                runs[-1].append(item)
            else:
                runs.append([item])
            end = (place.array, place.low + item[2].shape[1]) if place else None
        return runs

    def _address(self, item: tuple[Total, int, Expr, int]) -> tuple[str, int]:
        place = self._place(item[2])
        return (place.array, place.low) if place else ("", 0)

    def _place(self, expr: Expr) -> Place | None:
        place = self.loop.places.get(expr)
        return place if place and place.when == "now" and place.array in self.arrays.named else None

    def _columns(self, run: list[Expr]) -> Any:
        place = self._place(run[0])
        if len(run) == 1 or place is None:
            values = self.everywhere(run[0])
        else:
            values = self.arrays.at_all_steps(place, sum(expr.shape[1] for expr in run))
        return values.reshape(-1, values.shape[-1])
