"""A loop as machine code: all steps of some rows of the batch in one call, forward or back.

The rows of a batch do not see each other, so each thread runs all steps of its own rows, and no thread waits for
another. In a step, products come first (the matrices were packed once, before the loop: panels of a few vectors' width,
read in order), then one pass over each row in which everything element by element happens in registers. Where a product
or a sum along the row needs what was made in such a pass, the step has several.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from . import gemm, machine, pool, simd
from .arrays import Arrays
from .form import Expr
from .loops import Gemm, Loop, Place
from .simd import SIZES, Vector, Writer, constant, type_of
from .stages import KINDS, Stages, everything, is_of_rows, span
from .threads import in_threads, threads_for


def can_run(loop: Loop) -> bool:
    """Is everything in the loop of a kind that this file knows?"""
    return is_of_rows(loop, simd.is_known)


class _Code:
    """The code of one loop, and what it wants in its table: pointers and counts, by name."""

    def __init__(self, loop: Loop):
        self.loop, self.w, self.order = loop, Writer(), Stages(loop)
        self.kind = self.order.kind
        self.lanes = gemm.lanes_of(self.kind)
        self.stage, self.turn, self.member = self.order.stage, self.order.turn, self.order.member
        self.stores, self.sums = self.order.stores, self.order.sums
        self.table: dict[Any, int] = {}
        self.scratch: dict[Any, int] = {}  # what is kept on the way through a step -> how wide its rows are
        self.panels: set[int] = set()

    def _place(self, expr: Expr) -> Place | None:
        """Where an expression lies that came in or was kept, not one that this step computes."""
        return self.loop.places.get(expr) if expr not in self.stage else None

    # The table

    def entry(self, what: Any) -> str:
        """The name of a word of the table."""
        return f"%w{self.table.setdefault(what, len(self.table))}"

    def write(self) -> str:
        """The module's text."""
        w = self.w
        self._plan_scratch()
        w.label("step")
        w.add("%k = phi i64 [0, %entry], [%k_next, %step_end]")
        w.add(f"%offset = mul i64 %k, {self.entry('stride')}")
        w.add(f"%t = add i64 %offset, {self.entry('first')}")
        w.add("%odd = and i64 %k, 1")
        w.add("%even = xor i64 %odd, 1")
        self.at: dict[tuple[str, str], str] = {}
        for place in dict.fromkeys((place.array, place.when) for place in self._all_places()):
            self.at[place] = self._step_pointer(*place)
        for stage in range(self.order.last + 1):
            for product in self.loop.gemms:
                if self.stage[product.members[0][0]] == stage:
                    self._multiply(product)
            self._rows(stage)
        w.add("br label %step_end")
        w.label("step_end")
        w.add("%k_next = add i64 %k, 1")
        w.add(f"%more = icmp slt i64 %k_next, {self.entry('steps')}")
        w.add("br i1 %more, label %step, label %done")
        loads = []
        for what, n in self.table.items():
            loads.append(f"  %p{n} = getelementptr i64, ptr %table, i64 {n}")
            kind = "i64" if isinstance(what, str) else "ptr"
            loads.append(f"  %w{n} = load {kind}, ptr %p{n}")
        body = "\n".join(["entry:", *loads, "  br label %step", *w.lines, "done:", "  ret void"])
        text = f"define void @loop(ptr %table, i64 %r0, i64 %r1, i64 %thread) {{\n{body}\n}}\n"
        kernels = [gemm.product_text(self.kind, panel) for panel in sorted(self.panels)]
        return "\n".join([*sorted(w.declared | {gemm.declared(self.kind)}), *kernels, text])

    def _all_places(self) -> list[Place]:
        found = [place for _, place in self.stores]
        return found + [place for expr in everything(self.loop) if (place := self._place(expr))]

    def _step_pointer(self, array: str, when: str) -> str:
        """Where an array's rows of this step start."""
        w, columns = self.w, self.entry(f"columns {array}")
        if when == "now":
            index = "%t"
        else:
            turned = self.entry(f"turn {array}")  # 1 where there are two in turn, else 0
            shifted = w.make(f"add i64 %t, {self.entry(f'{when} {array}')}")
            in_turn = w.make(f"icmp ne i64 {turned}, 0")
            index = w.make(f"select i1 {in_turn}, i64 {'%odd' if when == 'before' else '%even'}, i64 {shifted}")
        rows = w.make(f"mul i64 {index}, {self.entry('batch')}")
        elements = w.make(f"mul i64 {rows}, {columns}")
        kind = self._kind_of(array)
        return w.make(
            f"getelementptr i8, ptr {self.entry(('array', array))}, i64 {w.make(f'mul i64 {elements}, {SIZES[kind]}')}"
        )

    def _kind_of(self, array: str) -> str:
        for expr in everything(self.loop):
            place = self._place(expr)
            if place and place.array == array:
                return KINDS[np.dtype(expr.dtype)]
        return next(KINDS[np.dtype(expr.dtype)] for expr, place in self.stores if place.array == array)

    # What must be in memory between the passes of a step

    def _plan_scratch(self) -> None:
        for product in self.loop.gemms:
            panel = gemm.panel_of(self.kind, product.width)
            self.scratch[product] = -(-product.width // panel) * panel
            for left in product.lefts:
                if not self._in_memory(left):
                    self.scratch[left] = left.shape[1]
        for expr in self.loop.steps:
            for arg in expr.args:
                if expr.kind == "product" or arg not in self.stage or arg.kind == "product":
                    continue
                same = self._group(arg) == self._group(expr)
                scalar = arg.shape[1] == 1 and self.stage[arg] == self.stage[expr]
                if not same and not scalar and not self._in_memory(arg):
                    self.scratch[arg] = arg.shape[1]

    def _group(self, expr: Expr) -> tuple[int, int, int]:
        return self.stage[expr], self.turn[expr], span(expr)

    def _in_memory(self, expr: Expr) -> bool:
        """Does it lie somewhere, or will it once its pass is over?"""
        if expr.kind == "part":
            return self._in_memory(expr.args[0])
        return expr in self.member or self.order.place(expr) is not None

    def source(self, expr: Expr) -> tuple[str, str, int, str]:
        """Where the rows of an expression are: pointer, distance of rows (in elements), first column, kind."""
        if expr.kind == "part":
            pointer, distance, low, kind = self.source(expr.args[0])
            return pointer, distance, low + expr.what[0], kind
        kind = KINDS[np.dtype(expr.dtype)]
        if expr in self.member:
            product, low = self.member[expr]
            return self.entry(("scratch", product)), str(self.scratch[product]), low, kind
        place = self.order.place(expr)
        if place is not None:
            return self.at[place.array, place.when], self.entry(f"columns {place.array}"), place.low, kind
        return self.entry(("scratch", expr)), str(self.scratch[expr]), 0, kind

    # Products

    def _multiply(self, product: Gemm) -> None:
        w, panel = self.w, gemm.panel_of(self.kind, product.width)
        out, distance = self.entry(("scratch", product)), self.scratch[product]
        self.panels.add(panel)
        runs = self.left_runs(product)
        for n, run in enumerate(runs):
            pointer, rows, low, _ = self.source(product.lefts[run[0]])
            depth = sum(product.lefts[k].shape[1] for k in run)
            start = w.make(f"getelementptr {simd.NAMES[self.kind]}, ptr {pointer}, i64 {low}")
            packed, more = self.entry(("packed", product, run)), "true" if n else "false"
            w.add(
                f"call void @product_{panel}(ptr {start}, i64 {rows}, ptr {packed}, i64 {depth}, ptr {out}, "
                f"i64 {distance}, i64 {distance}, i64 %r0, i64 %r1, i1 {more})"
            )

    def left_runs(self, product: Gemm) -> list[tuple[int, ...]]:
        """The left operands of a product, those together whose columns lie side by side in memory."""
        runs: list[list[int]] = []
        end: Any = None
        for k, left in enumerate(product.lefts):
            pointer, rows, low, _ = self.source(left)
            if runs and end == (pointer, rows, low):
                runs[-1].append(k)
            else:
                runs.append([k])
            end = pointer, rows, low + left.shape[1]
        return [tuple(run) for run in runs]

    # Rows

    def _rows(self, stage: int) -> None:
        """A pass over each row for everything element by element in a stage."""
        w = self.w
        inside = [expr for expr in self.loop.steps if self.stage[expr] == stage and expr.kind in ("map", "reduce")]
        copies = [item for item in self.stores if self.order.put_in(item[0]) == stage]
        sums = [item for item in self.sums if self.order.put_in(item[0]) == stage]
        if not (inside or copies or sums):
            return
        n = len(w.lines)
        row, after = f"row{n}", f"rows_done{n}"
        w.add(f"br label %{row}_start")
        w.label(f"{row}_start")
        some = w.make("icmp slt i64 %r0, %r1")
        w.add(f"br i1 {some}, label %{row}, label %{after}")
        w.label(row)
        self.row = f"%b{n}"
        w.add(f"{self.row} = phi i64 [%r0, %{row}_start], [{self.row}_next, %{row}_end]")
        self.pointers: dict[Any, str] = {}
        self.scalars: dict[Expr, Vector] = {}
        groups: dict[tuple[int, int], list[Expr]] = {}
        for expr in inside:
            groups.setdefault((self.turn[expr], span(expr)), []).append(expr)
        for expr in [*(expr for expr, _ in copies), *(expr for expr, _, _ in sums)]:
            groups.setdefault((self.order.after(expr, stage), expr.shape[1]), [])
        for (turn, width), exprs in sorted(groups.items(), key=lambda item: item[0]):
            here = [item for item in copies if (self.order.after(item[0], stage), item[0].shape[1]) == (turn, width)]
            added = [item for item in sums if (self.order.after(item[0], stage), item[0].shape[1]) == (turn, width)]
            self._pass(exprs, here, added, width)
        w.add(f"br label %{row}_end")
        w.label(f"{row}_end")
        w.add(f"{self.row}_next = add i64 {self.row}, 1")
        more = w.make(f"icmp slt i64 {self.row}_next, %r1")
        w.add(f"br i1 {more}, label %{row}, label %{after}")
        w.label(after)

    def _pass(self, exprs: list[Expr], copies: list[tuple[Expr, Place]], sums: list[Any], width: int) -> None:
        """All columns of one row: whole vectors in a loop, then what is left over."""
        w = self.w
        reduced = [expr for expr in exprs if expr.kind == "reduce"]
        totals: dict[Expr, Vector] = {}
        for expr in reduced:
            start = 0.0 if expr.what == "sum" else -np.inf
            totals[expr] = constant(w, start, self.kind, self.lanes)
        whole = width // self.lanes * self.lanes
        if whole > self.lanes:
            n = len(w.lines)
            before = f"before{n}"
            w.add(f"br label %{before}")
            w.label(before)
            self._warm(exprs, copies, sums)
            w.add(f"br label %columns{n}")
            w.label(f"columns{n}")
            column = f"%j{n}"
            w.add(f"{column} = phi i64 [0, %{before}], [{column}_next, %columns{n}]")
            sofar = {expr: Vector(w, w.name(), self.kind, self.lanes) for expr in reduced}
            place_of_sums = len(w.lines)
            made = self._columns(exprs, copies, sums, column, self.lanes)
            for expr in reduced:
                total = _combine(expr, sofar[expr], made[expr])
                old = f"[{totals[expr].ref}, %{before}], [{total.ref}, %columns{n}]"
                w.lines.insert(place_of_sums, f"  {sofar[expr].ref} = phi {total.type} {old}")
                totals[expr] = total
            w.add(f"{column}_next = add i64 {column}, {self.lanes}")
            more = w.make(f"icmp slt i64 {column}_next, {whole}")
            w.add(f"br i1 {more}, label %columns{n}, label %columns_done{n}")
            w.label(f"columns_done{n}")
        elif whole:
            made = self._columns(exprs, copies, sums, "0", self.lanes)
            totals = {expr: _combine(expr, totals[expr], made[expr]) for expr in reduced}
        results = {expr: _across(expr, totals[expr]) for expr in reduced} if whole else {}
        rest = width - whole
        if rest:
            made = self._columns(exprs, copies, sums, str(whole), rest)
            for expr in reduced:
                left_over = _across(expr, made[expr])
                results[expr] = _combine(expr, results[expr], left_over) if whole else left_over
        for expr, value in results.items():
            self.scalars[expr] = value
            self._put(expr, value, "0")

    def _warm(self, exprs: list[Expr], copies: list[tuple[Expr, Place]], sums: list[Any]) -> None:
        """Compute the pointers to this row, and the single numbers, before the loop over its columns."""
        known = {*exprs, *self.scalars}
        for expr in exprs:
            for arg in expr.args:
                if arg not in known and arg.kind != "number":
                    self._row_of(arg)
                    if arg.width == 1 or (arg.kind == "fixed" and self._is_single(arg)):
                        self._scalar(arg)
            if expr in self.scratch:
                self._row_pointer(self.entry(("scratch", expr)), str(self.scratch[expr]), self.kind)
            for other, place in self.stores:
                if other is expr:
                    self._row_at(place, expr)
        for expr, place in copies:
            if expr not in known and expr.kind != "number":
                self._row_of(expr)
                if expr.width == 1:
                    self._scalar(expr)
            self._row_at(place, expr)
        for expr, n, _ in sums:
            if expr not in known and expr.kind != "number":
                self._row_of(expr)
            self._sum_pointer(n)

    def _is_single(self, expr: Expr) -> bool:
        return not expr.shape or expr.shape[-1] == 1

    def _row_pointer(self, pointer: str, distance: str, kind: str) -> str:
        key = pointer, distance
        if key not in self.pointers:
            offset = self.w.make(f"mul i64 {self.row}, {distance}")
            self.pointers[key] = self.w.make(f"getelementptr {_stored(kind)}, ptr {pointer}, i64 {offset}")
        return self.pointers[key]

    def _row_at(self, place: Place, expr: Expr) -> str:
        """A pointer to this row of the array in which an expression is put."""
        array, distance = self.at[place.array, place.when], self.entry(f"columns {place.array}")
        return self._row_pointer(array, distance, KINDS[np.dtype(expr.dtype)])

    def _row_of(self, expr: Expr) -> tuple[str, int, str]:
        """A pointer to this row of an expression that lies in memory, its first column, and its kind."""
        if expr.kind == "fixed":
            kind = KINDS[np.dtype(expr.dtype)]
            by_row = len(expr.shape) == 2 and expr.shape[0] == self.loop.form.batch != 1
            distance = str(expr.shape[1]) if by_row else "0"
            return self._row_pointer(self.entry(("fixed", expr.what)), distance, kind), 0, kind
        pointer, distance, low, kind = self.source(expr)
        return self._row_pointer(pointer, distance, kind), low, kind

    def _scalar(self, expr: Expr) -> Vector:
        """A single number of this row."""
        if expr not in self.scalars:
            pointer, low, kind = self._row_of(expr)
            self.scalars[expr] = self._load(pointer, str(low), kind, 1)
        return self.scalars[expr]

    def _load(self, pointer: str, column: str, kind: str, lanes: int) -> Vector:
        at = self.w.make(f"getelementptr {_stored(kind)}, ptr {pointer}, i64 {column}")
        stored = type_of(kind, lanes) if kind != "b" else ("i8" if lanes == 1 else f"<{lanes} x i8>")
        value = self.w.make(f"load {stored}, ptr {at}, align {SIZES[kind]}")
        if kind == "b":
            value = self.w.make(f"icmp ne {stored} {value}, {'0' if lanes == 1 else 'zeroinitializer'}")
        return Vector(self.w, value, kind, lanes)

    def _save(self, value: Vector, pointer: str, column: str) -> None:
        kind, w = value.kind, self.w
        at = w.make(f"getelementptr {_stored(kind)}, ptr {pointer}, i64 {column}")
        ref, stored = value.ref, value.type
        if kind == "b":
            stored = "i8" if value.lanes == 1 else f"<{value.lanes} x i8>"
            ref = w.make(f"zext {value.type} {ref} to {stored}")
        w.add(f"store {stored} {ref}, ptr {at}, align {SIZES[kind]}")

    def _columns(
        self, exprs: list[Expr], copies: list[tuple[Expr, Place]], sums: list[Any], column: str, lanes: int
    ) -> dict[Expr, Vector]:
        """Everything that a pass does with `lanes` columns from `column` on."""
        w = self.w
        made: dict[Expr, Vector] = {}

        def value(expr: Expr, lanes: int) -> Vector:
            if expr in made:
                return made[expr].spread(lanes)
            if expr.kind == "number":
                kind = self.kind if not isinstance(expr.what, bool) else "b"
                return constant(w, expr.what, kind, lanes)
            if expr in self.scalars or expr.width == 1 or (expr.kind == "fixed" and self._is_single(expr)):
                return self._scalar(expr).spread(lanes)
            pointer, low, kind = self._row_of(expr)
            at = w.make(f"add i64 {column}, {low}") if low else column
            made[expr] = self._load(pointer, at, kind, lanes)
            return made[expr]

        for expr in exprs:
            if expr.kind == "reduce":
                made[expr] = value(expr.args[0], lanes)
                continue
            kind = KINDS[np.dtype(expr.dtype)]
            op, options = expr.what
            args = [value(arg, lanes) for arg in expr.args]
            found = simd.apply(op.name, args, options, kind).as_kind(kind)
            made[expr] = found
            if expr.shape[1] == 1:
                self.scalars[expr] = found
            self._put(expr, found, column)
        for expr, place in copies:
            if expr not in exprs:
                found = value(expr, lanes).as_kind(KINDS[np.dtype(expr.dtype)])
                self._save_at(expr, place, found, column)
        for expr, n, low in sums:
            pointer = self._sum_pointer(n)
            at = w.make(f"add i64 {column}, {low}") if low else column
            before = self._load(pointer, at, self.kind, lanes)
            self._save(before + value(expr, lanes), pointer, at)
        return {expr: made[expr] for expr in exprs if expr.kind == "reduce"}

    def _put(self, expr: Expr, value: Vector, column: str) -> None:
        """Store an expression of this pass wherever it belongs."""
        for other, place in self.stores:
            if other is expr:
                self._save_at(expr, place, value, column)
        if expr in self.scratch:
            self._save(
                value, self._row_pointer(self.entry(("scratch", expr)), str(self.scratch[expr]), value.kind), column
            )

    def _save_at(self, expr: Expr, place: Place, value: Vector, column: str) -> None:
        pointer = self._row_at(place, expr)
        at = self.w.make(f"add i64 {column}, {place.low}") if place.low else column
        self._save(value, pointer, at)

    def _sum_pointer(self, n: int) -> str:
        """Where a sum over all steps lies: one row for each thread, or the batch's rows."""
        total = self.loop.sums[n]
        width = total.args[0].shape[1]
        pointer = self.entry(("sum", n))
        if total.kind == "steps":
            return self._row_pointer(pointer, str(width), self.kind)
        key = pointer, "thread"
        if key not in self.pointers:
            offset = self.w.make(f"mul i64 %thread, {width}")
            self.pointers[key] = self.w.make(f"getelementptr {simd.NAMES[self.kind]}, ptr {pointer}, i64 {offset}")
        return self.pointers[key]


def _stored(kind: str) -> str:
    return "i8" if kind == "b" else simd.NAMES[kind]


def _combine(expr: Expr, total: Vector, value: Vector) -> Vector:
    return total + value if expr.what == "sum" else total.call("maximum", value)


def _across(expr: Expr, total: Vector) -> Vector:
    """The sum or the largest of all lanes."""
    found = Vector(total.writer, total.lane(0), total.kind, 1)
    for lane in range(1, total.lanes):
        found = _combine(expr, found, Vector(total.writer, total.lane(lane), total.kind, 1))
    return found


# Running it


class Kernel:
    """The machine code of a loop, for any number of steps and rows."""

    def __init__(self, loop: Loop):
        self.code = _Code(loop)
        self.library = machine.Library(self.code.write())
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        self.function = self.library.function("loop", pointer, number, number, number)
        self.dtype = np.dtype("float32" if self.code.kind == "f" else "float64")
        self.work = sum(product.width * sum(m.shape[0] for m in product.matrices) for product in loop.gemms)
        self.work += 50 * max(expr.shape[1] for expr in loop.carry)  # multiplications a row and step, about
        self.matrices = {
            what: loop.form.put_together([what[1].matrices[k] for k in what[2]], 0)
            for what in self.code.table
            if what[0] == "packed"
        }
        self.tables: dict[bool, np.ndarray] = {}  # by direction: the words that are the same in all runs

    def run(self, loop: Loop, arrays: Arrays, order: range) -> None:
        """Run the loop over the steps in `order`."""
        batch = loop.form.batch
        threads = threads_for(batch, self.work * batch * len(order))
        if arrays.reverse not in self.tables:
            self.tables[arrays.reverse] = self._constants(arrays)
        table = self.tables[arrays.reverse].copy()
        held: list[Any] = []  # alive until the call is over
        partial: dict[int, np.ndarray] = {}
        for what, n in self.code.table.items():
            if isinstance(what, tuple):
                array = self._array(what, loop, arrays, threads, partial)
                held.append(array)
                table[n] = array.__array_interface__["data"][0]
            elif what in ("steps", "first", "stride"):
                table[n] = {"steps": len(order), "first": order[0], "stride": order.step}[what]
        address = table.__array_interface__["data"][0]
        bounds = [batch * n // threads for n in range(threads + 1)]
        in_threads([functools.partial(self.function, address, *bounds[n : n + 2], n) for n in range(threads)])
        for n, rows in partial.items():
            arrays.named[f"sum{n}"][...] = rows.sum(axis=0)

    def _array(
        self, what: tuple[Any, ...], loop: Loop, arrays: Arrays, threads: int, partial: dict[int, np.ndarray]
    ) -> np.ndarray:
        """The array that a word of the table points to."""
        kind, thing = what[:2]
        if kind == "array":
            array = arrays.named[thing]
            if not array.flags.c_contiguous:
                array = arrays.named[thing] = np.ascontiguousarray(array)
            return array
        if kind == "scratch":
            return pool.empty((loop.form.batch, self.code.scratch[thing]), self.dtype)
        if kind == "packed":
            matrix = arrays.fixed(self.matrices[what])
            return gemm.pack(np.asarray(matrix, self.dtype), gemm.panel_of(self.code.kind, thing.width))
        if kind == "fixed":
            value = arrays.fixed(thing)
            return np.ascontiguousarray(value if value.dtype == bool else np.asarray(value, self.dtype))
        if loop.sums[thing].kind == "steps":
            return arrays.named[f"sum{thing}"]
        partial[thing] = np.zeros((threads, loop.sums[thing].args[0].shape[1]), self.dtype)
        return partial[thing]

    def _constants(self, arrays: Arrays) -> np.ndarray:
        """A table with the words that any run in this direction has."""
        table = np.zeros(len(self.code.table), np.int64)
        for what, n in self.code.table.items():
            name, _, array = what.partition(" ") if isinstance(what, str) else ("", "", "")
            if name == "columns":
                table[n] = arrays.named[array].shape[2]
            elif name in ("before", "after"):
                table[n] = arrays.shift(Place(array, 0, name))
            elif name == "turn":
                table[n] = array in arrays.in_turn
            elif name == "batch":
                table[n] = arrays.form.batch
        return table
