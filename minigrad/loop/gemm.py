"""Products of matrices in LLVM's language, for loops in machine code and for what they leave to be done at once.

One idea (Goto and van de Geijn 2008): a block of a few rows by a panel of a few vectors of columns is summed up in
registers, while the right matrix is read from a copy in which the panel's columns lie in the order of use. A loop over
time multiplies by the same matrix at each step, so its copy is made once; that is what a library of separate products
cannot do. On rows too few to hide the copying, that is two thirds of the time.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from . import machine, pool
from .simd import NAMES, SIZES
from .stages import KINDS
from .threads import in_threads, threads_for

DEPTH = 256  # how many rows of a panel are copied at a time where the depth is that of all steps


def lanes_of(kind: str) -> int:
    """How many numbers a vector of this processor holds."""
    return machine.vector_bytes() // SIZES[kind]


def panel_of(kind: str, width: int) -> int:
    """How many columns to sum up together, of a product that has `width` of them."""
    lanes = lanes_of(kind)
    vectors = 4 if machine.registers() == 32 else 2
    while vectors > 1 and (vectors // 2) * lanes >= width:
        vectors //= 2
    return vectors * lanes


@functools.cache
def product_text(kind: str, panel: int, transposed: bool = False) -> str:
    """`@product_PANEL`: rows r0 to r1 of C = A B, or C + A B if `more`, with B packed in panels.

    `transposed` is `@outer_PANEL`, of C = Aᵀ B, with A packed too, in panels as wide as a block has rows.
    """
    scalar = NAMES[kind]
    sizes = [_rows_of(kind, panel)]
    sizes += [rows for rows in (4, 2, 1) if rows < sizes[0]]
    lines = [
        f"define internal void @{'outer' if transposed else 'product'}_{panel}(ptr %a, i64 %lda, ptr %packed, "
        "i64 %depth, ptr %c, i64 %ldc, i64 %columns, i64 %r0, i64 %r1, i1 %more) {",
        "entry:",
        f"  %panel_size = mul i64 %depth, {panel}",
        "  br label %panel",
        "panel:",
        "  %p = phi i64 [0, %entry], [%p_next, %panel_end]",
        "  %p_at = mul i64 %p, %panel_size",
        f"  %b = getelementptr {scalar}, ptr %packed, i64 %p_at",
        f"  %column = mul i64 %p, {panel}",
        f"  br label %enter{sizes[0]}",
    ]
    before, came_from = "%r0", "panel"
    for rows, after in zip(sizes, [*(f"enter{size}" for size in sizes[1:]), "panel_end"], strict=True):
        lines += _block(kind, panel, rows, transposed, before, came_from, after)
        before, came_from = f"%at{rows}", f"enter{rows}"
    lines += [
        "panel_end:",
        "  %p_next = add i64 %p, 1",
        f"  %columns_done = mul i64 %p_next, {panel}",
        "  %again = icmp slt i64 %columns_done, %columns",
        "  br i1 %again, label %panel, label %end",
        "end:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def _rows_of(kind: str, panel: int) -> int:
    """How many rows fit in the registers beside a panel's columns."""
    vectors = panel // lanes_of(kind)
    room = (machine.registers() - vectors - 2) // vectors
    return next(rows for rows in (8, 6, 4, 3, 2, 1) if rows <= max(room, 1))


def _block(kind: str, panel: int, rows: int, transposed: bool, before: str, came_from: str, after: str) -> list[str]:
    """Blocks of `rows` rows while there are so many, from row `before` on; then on to the label `after`."""
    scalar, lanes, size = NAMES[kind], lanes_of(kind), SIZES[kind]
    vector, vectors = f"<{lanes} x {scalar}>", panel // lanes
    cells = [(f"{rows}_{i}_{j}", i, j) for i in range(rows) for j in range(vectors)]
    packed = _rows_of(kind, panel)  # a transposed left operand is packed in panels of the largest block
    lines = [
        f"enter{rows}:",
        f"  %at{rows} = phi i64 [{before}, %{came_from}], [%at{rows}_next, %store{rows}]",
        f"  %at{rows}_next = add i64 %at{rows}, {rows}",
        f"  %fits{rows} = icmp sle i64 %at{rows}_next, %r1",
        f"  br i1 %fits{rows}, label %block{rows}, label %{after}",
        f"block{rows}:",
    ]
    if transposed:
        lines += [
            f"  %within{rows} = urem i64 %at{rows}, {packed}",
            f"  %panel_row{rows} = sub i64 %at{rows}, %within{rows}",
            f"  %panel_start{rows} = mul i64 %panel_row{rows}, %depth",
            f"  %a_first{rows} = add i64 %panel_start{rows}, %within{rows}",
        ]
    for i in range(rows):
        lines += [
            f"  %row{rows}_{i} = add i64 %at{rows}, {i}",
            f"  %a_at{rows}_{i} = "
            + (f"add i64 %a_first{rows}, {i}" if transposed else f"mul i64 %row{rows}_{i}, %lda"),
            f"  %a{rows}_{i} = getelementptr {scalar}, ptr %a, i64 %a_at{rows}_{i}",
            f"  %c_at{rows}_{i} = mul i64 %row{rows}_{i}, %ldc",
            f"  %c_in{rows}_{i} = add i64 %c_at{rows}_{i}, %column",
            f"  %c{rows}_{i} = getelementptr {scalar}, ptr %c, i64 %c_in{rows}_{i}",
        ]
    lines += [f"  br i1 %more, label %load{rows}, label %start{rows}", f"load{rows}:"]
    for cell, i, j in cells:
        lines.append(f"  %c_from{cell} = getelementptr {scalar}, ptr %c{rows}_{i}, i64 {j * lanes}")
        lines.append(f"  %old{cell} = load {vector}, ptr %c_from{cell}, align {size}")
    lines += [f"  br label %start{rows}", f"start{rows}:"]
    for cell, _, _ in cells:
        lines.append(f"  %from{cell} = phi {vector} [zeroinitializer, %block{rows}], [%old{cell}, %load{rows}]")
    lines += [
        f"  br label %depth{rows}",
        f"depth{rows}:",
        f"  %k{rows} = phi i64 [0, %start{rows}], [%k{rows}_next, %depth{rows}]",
    ]
    for cell, _, _ in cells:
        lines.append(f"  %sum{cell} = phi {vector} [%from{cell}, %start{rows}], [%new{cell}, %depth{rows}]")
    lines.append(f"  %b_at{rows} = mul i64 %k{rows}, {panel}")
    for j in range(vectors):
        lines += [
            f"  %b_in{rows}_{j} = add i64 %b_at{rows}, {j * lanes}",
            f"  %b_from{rows}_{j} = getelementptr {scalar}, ptr %b, i64 %b_in{rows}_{j}",
            f"  %b{rows}_{j} = load {vector}, ptr %b_from{rows}_{j}, align {size}",
        ]
    lines.append(f"  %a_in{rows} = mul i64 %k{rows}, {packed if transposed else 1}")
    for i in range(rows):
        lines += [
            f"  %a_from{rows}_{i} = getelementptr {scalar}, ptr %a{rows}_{i}, i64 %a_in{rows}",
            f"  %one{rows}_{i} = load {scalar}, ptr %a_from{rows}_{i}, align {size}",
            f"  %first{rows}_{i} = insertelement {vector} poison, {scalar} %one{rows}_{i}, i32 0",
            f"  %all{rows}_{i} = shufflevector {vector} %first{rows}_{i}, {vector} poison, <{lanes} x i32> "
            "zeroinitializer",
        ]
    fma = f"@llvm.fma.v{lanes}f{size * 8}"
    for cell, i, j in cells:
        lines.append(
            f"  %new{cell} = call {vector} {fma}({vector} %all{rows}_{i}, {vector} %b{rows}_{j}, {vector} %sum{cell})"
        )
    lines += [
        f"  %k{rows}_next = add i64 %k{rows}, 1",
        f"  %deeper{rows} = icmp slt i64 %k{rows}_next, %depth",
        f"  br i1 %deeper{rows}, label %depth{rows}, label %store{rows}",
        f"store{rows}:",
    ]
    for cell, i, j in cells:
        lines.append(f"  %c_to{cell} = getelementptr {scalar}, ptr %c{rows}_{i}, i64 {j * lanes}")
        lines.append(f"  store {vector} %new{cell}, ptr %c_to{cell}, align {size}")
    return [*lines, f"  br label %enter{rows}"]


def declared(kind: str) -> str:
    """The declaration that the text of products needs."""
    lanes = lanes_of(kind)
    vector = f"<{lanes} x {NAMES[kind]}>"
    return f"declare {vector} @llvm.fma.v{lanes}f{SIZES[kind] * 8}({vector}, {vector}, {vector})"


def _pack_text(kind: str, panel: int) -> str:
    """`@pack_PANEL`: panels p0 to p1 of a matrix, with zeros where there are no more columns."""
    scalar, size = NAMES[kind], SIZES[kind]
    return f"""
define void @pack_{panel}(ptr %from, i64 %row, i64 %column, i64 %depth, i64 %columns, ptr %to, i64 %p0, i64 %p1) {{
entry:
  %some = icmp slt i64 %p0, %p1
  br i1 %some, label %panel, label %end
panel:
  %p = phi i64 [%p0, %entry], [%p_next, %panel_end]
  %first = mul i64 %p, {panel}
  %left = sub i64 %columns, %first
  %fewer = icmp slt i64 %left, {panel}
  %width = select i1 %fewer, i64 %left, i64 {panel}
  %from_at = mul i64 %first, %column
  %source = getelementptr {scalar}, ptr %from, i64 %from_at
  %rows_before = mul i64 %p, %depth
  %to_at = mul i64 %rows_before, {panel}
  %target = getelementptr {scalar}, ptr %to, i64 %to_at
  %dense = icmp eq i64 %column, 1
  %full = icmp eq i64 %width, {panel}
  %quick = and i1 %dense, %full
  br i1 %quick, label %at_once, label %piecemeal
at_once:
  %q = phi i64 [0, %panel], [%q_next, %at_once]
  %q_at = mul i64 %q, %row
  %in_q = getelementptr {scalar}, ptr %source, i64 %q_at
  %line = load <{panel} x {scalar}>, ptr %in_q, align {size}
  %q_to = mul i64 %q, {panel}
  %out_q = getelementptr {scalar}, ptr %target, i64 %q_to
  store <{panel} x {scalar}> %line, ptr %out_q, align {size}
  %q_next = add i64 %q, 1
  %more_lines = icmp slt i64 %q_next, %depth
  br i1 %more_lines, label %at_once, label %panel_end
piecemeal:
  %across = icmp eq i64 %row, 1
  br i1 %across, label %by_column, label %by_row
by_row:
  %k = phi i64 [0, %piecemeal], [%k_next, %row_end]
  %k_at = mul i64 %k, %row
  %in = getelementptr {scalar}, ptr %source, i64 %k_at
  %k_to = mul i64 %k, {panel}
  %out = getelementptr {scalar}, ptr %target, i64 %k_to
  br label %copy
copy:
  %j = phi i64 [0, %by_row], [%j_next, %copy]
  %j_at = mul i64 %j, %column
  %in_j = getelementptr {scalar}, ptr %in, i64 %j_at
  %value = load {scalar}, ptr %in_j
  %out_j = getelementptr {scalar}, ptr %out, i64 %j
  store {scalar} %value, ptr %out_j
  %j_next = add i64 %j, 1
  %more_columns = icmp slt i64 %j_next, %width
  br i1 %more_columns, label %copy, label %fill
fill:
  %f = phi i64 [%width, %copy], [%f_next, %zero]
  %lacks = icmp slt i64 %f, {panel}
  br i1 %lacks, label %zero, label %row_end
zero:
  %out_f = getelementptr {scalar}, ptr %out, i64 %f
  store {scalar} 0.0, ptr %out_f
  %f_next = add i64 %f, 1
  br label %fill
row_end:
  %k_next = add i64 %k, 1
  %more_rows = icmp slt i64 %k_next, %depth
  br i1 %more_rows, label %by_row, label %panel_end
by_column:
  %c = phi i64 [0, %piecemeal], [%c_next, %column_end]
  %there = icmp slt i64 %c, %width
  %c_at = mul i64 %c, %column
  %in_c = getelementptr {scalar}, ptr %source, i64 %c_at
  %out_c = getelementptr {scalar}, ptr %target, i64 %c
  br label %down
down:
  %d = phi i64 [0, %by_column], [%d_next, %stored]
  br i1 %there, label %read, label %stored
read:
  %in_d = getelementptr {scalar}, ptr %in_c, i64 %d
  %one = load {scalar}, ptr %in_d
  br label %stored
stored:
  %written = phi {scalar} [%one, %read], [0.0, %down]
  %d_to = mul i64 %d, {panel}
  %out_d = getelementptr {scalar}, ptr %out_c, i64 %d_to
  store {scalar} %written, ptr %out_d
  %d_next = add i64 %d, 1
  %further = icmp slt i64 %d_next, %depth
  br i1 %further, label %down, label %column_end
column_end:
  %c_next = add i64 %c, 1
  %more_across = icmp slt i64 %c_next, {panel}
  br i1 %more_across, label %by_column, label %panel_end
panel_end:
  %p_next = add i64 %p, 1
  %more_panels = icmp slt i64 %p_next, %p1
  br i1 %more_panels, label %panel, label %end
end:
  ret void
}}
"""


def _entries_text(kind: str, panel: int) -> str:
    """What Python calls: a product of all rows, and an outer product that packs its right operand as it goes."""
    scalar, rows = NAMES[kind], _rows_of(kind, panel)
    same = "ptr %a, i64 %lda, ptr %packed, i64 %depth, ptr %c, i64 %ldc, i64 %columns, i64 %r0, i64 %r1"
    return f"""
define void @rows_{panel}({same}, i64 %more) {{
  %add = icmp ne i64 %more, 0
  call void @product_{panel}({same}, i1 %add)
  ret void
}}
define void @summed_{panel}(ptr %a, i64 %lda, i64 %rows, ptr %b, i64 %ldb, i64 %depth, ptr %c, i64 %ldc,
                            i64 %columns, i64 %p0, i64 %p1, ptr %a_packed, ptr %b_packed) {{
entry:
  %blocks = add i64 %rows, {rows - 1}
  %whole = udiv i64 %blocks, {rows}
  br label %deep
deep:
  %k = phi i64 [0, %entry], [%k_next, %deep_end]
  %k_next = add i64 %k, {DEPTH}
  %left = sub i64 %depth, %k
  %fewer = icmp slt i64 %left, {DEPTH}
  %now = select i1 %fewer, i64 %left, i64 {DEPTH}
  %a_at = mul i64 %k, %lda
  %a_here = getelementptr {scalar}, ptr %a, i64 %a_at
  %b_at = mul i64 %k, %ldb
  %b_here = getelementptr {scalar}, ptr %b, i64 %b_at
  %more = icmp ne i64 %k, 0
  call void @pack_{rows}(ptr %a_here, i64 %lda, i64 1, i64 %now, i64 %rows, ptr %a_packed, i64 0, i64 %whole)
  br label %panel
panel:
  %p = phi i64 [%p0, %deep], [%p_next, %panel]
  %first = mul i64 %p, {panel}
  %b_panel = getelementptr {scalar}, ptr %b_here, i64 %first
  %c_panel = getelementptr {scalar}, ptr %c, i64 %first
  %width = sub i64 %columns, %first
  call void @pack_{panel}(ptr %b_panel, i64 %ldb, i64 1, i64 %now, i64 %width, ptr %b_packed, i64 0, i64 1)
  call void @outer_{panel}(ptr %a_packed, i64 0, ptr %b_packed, i64 %now, ptr %c_panel, i64 %ldc, i64 {panel}, i64 0,
                           i64 %rows, i1 %more)
  %p_next = add i64 %p, 1
  %again = icmp slt i64 %p_next, %p1
  br i1 %again, label %panel, label %deep_end
deep_end:
  %deeper = icmp slt i64 %k_next, %depth
  br i1 %deeper, label %deep, label %end
end:
  ret void
}}
"""


@functools.cache
def _library(kind: str, panel: int) -> tuple[Any, Any, Any]:
    text = [declared(kind), product_text(kind, panel), product_text(kind, panel, True)]
    text += [_pack_text(kind, size) for size in {panel, _rows_of(kind, panel)}]
    library = machine.Library("\n".join([*text, _entries_text(kind, panel)]))
    p, n = ctypes.c_void_p, ctypes.c_int64
    rows = library.function(f"rows_{panel}", p, n, p, n, p, n, n, n, n, n)
    summed = library.function(f"summed_{panel}", p, n, n, p, n, n, p, n, n, n, n, p, p)
    return rows, summed, library.function(f"pack_{panel}", p, n, n, n, n, p, n, n)


def pack(matrix: np.ndarray, panel: int) -> np.ndarray:
    """A matrix (depth, columns) as panels of columns, each row by row; zeros where the last one is not full."""
    depth, columns = matrix.shape
    count = -(-columns // panel)
    packed = pool.empty((count, depth, panel), matrix.dtype)
    copy, size = _library(KINDS[matrix.dtype], panel)[2], matrix.itemsize
    row, column = (step // size for step in matrix.strides)
    threads = threads_for(count, depth * columns * 4)
    bounds = [count * n // threads for n in range(threads + 1)]
    given = matrix.ctypes.data, row, column, depth, columns, packed.ctypes.data
    in_threads([functools.partial(copy, *given, *bounds[n : n + 2]) for n in range(threads)])
    return packed


def _is_rows(array: np.ndarray) -> bool:
    """Do the numbers of a row lie next to each other?"""
    return array.strides[1] == array.itemsize and array.strides[0] % array.itemsize == 0


class Products:
    """Products over the rows of all steps at once, in this file's code and threads."""

    def product(self, left: np.ndarray, matrix: np.ndarray, out: np.ndarray, add: bool = False) -> None:
        """left (rows, depth) times matrix (depth, columns) into `out`, or added to it."""
        kind = KINDS[out.dtype]
        left = left if _is_rows(left) and left.dtype == out.dtype else np.ascontiguousarray(left, out.dtype)
        panel, (count, columns) = panel_of(kind, matrix.shape[1]), out.shape
        packed = pack(np.asarray(matrix, out.dtype), panel)
        depth = matrix.shape[0]
        threads = threads_for(count, count * depth * columns)
        full = columns // panel * panel
        rest = np.zeros((count, panel), out.dtype) if full < columns else None
        run, size = _library(kind, panel)[0], out.itemsize
        parts = [(out, 0, full, int(add))] if full else []
        parts += [] if rest is None else [(rest, full, panel, 0)]

        def share(first_row: int, last_row: int) -> None:
            for target, first, width, more in parts:
                panels = packed.ctypes.data + first * depth * size
                run(
                    left.ctypes.data, left.strides[0] // size, panels, depth, target.ctypes.data,
                    target.strides[0] // size, width, first_row, last_row, more,
                )  # fmt: skip

        bounds = [count * n // threads for n in range(threads + 1)]
        in_threads([functools.partial(share, *bounds[n : n + 2]) for n in range(threads)])
        if rest is not None:
            tail = rest[:, : columns - full]
            out[:, full:] = out[:, full:] + tail if add else tail

    def outer(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """leftᵀ right, of (rows, depth) and (rows, columns)."""
        dtype = np.result_type(left, right)
        left, right = (a if _is_rows(a) and a.dtype == dtype else np.ascontiguousarray(a, dtype) for a in (left, right))
        kind, depth, columns, size = KINDS[dtype], left.shape[1], right.shape[1], dtype.itemsize
        panel = panel_of(kind, columns)
        block, count = _rows_of(kind, panel), -(-columns // panel)
        padded = -(-depth // block) * block
        out = np.empty((depth, count * panel), dtype)
        by_panel = count > 1  # a share of the panels for each thread, or of the rows
        threads = threads_for(count if by_panel else padded // block, len(left) * depth * columns)
        buffers = pool.empty((threads, DEPTH, padded + panel), dtype)
        tasks = []
        for n in range(threads):
            panels = (count * n // threads, count * (n + 1) // threads) if by_panel else (0, 1)
            first, last = (
                (0, depth) if by_panel else (min(depth, padded // block * m // threads * block) for m in (n, n + 1))
            )
            buffer = buffers[n].ctypes.data
            tasks.append(
                functools.partial(
                    _library(kind, panel)[1], left.ctypes.data + first * size, left.strides[0] // size, last - first,
                    right.ctypes.data, right.strides[0] // size, len(left), out.ctypes.data + first * out.strides[0],
                    out.shape[1], columns, *panels, buffer, buffer + DEPTH * padded * size,
                )
            )  # fmt: skip
        in_threads(tasks)
        return out if out.shape[1] == columns else out[:, :columns]
