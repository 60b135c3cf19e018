"""What the compiler made of a step: which operations left the loop, what was merged and fused, bytes and FLOPs."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..draw import THEMES
from ..draw.maths import algebra as al
from ..draw.maths.expression import Expression
from ..errors import DrawingError, MinigradError
from ..memory_use import readable
from ..mode import MODE
from ..serialize import atomic_write
from . import cuda_kernels, kernels, llvm_kernels, machine
from .environment import Environment
from .form import CONCATENATE, COPY, ELEMENTWISE, NOTHING, Expr, is_leaf, ordered, pieces
from .loops import Gemm, Loop, Total, all_of
from .notation import Notation, Range, label
from .plan import Plan
from .scan import Inputs, Ran, _trace_and_plan, why_not
from .simd import is_known
from .stages import Stages
from .trace import Call, CarryDtypeError, UntraceableError, Value

CLASSES = {
    "P": "of parameters alone: once",
    "X": "of the input and parameters: all steps at once",
    "S": "of the state, and feeds it: step by step",
    "O": "of the state, but feeds none: all steps at once",
}
PLACES = ("before", "loop", "after")
TextRow = tuple[str, str, str, str]  # where, class, formula, note
OF_ARGUMENT = {"sum": 1, "mean": 1, "max": 1, "min": 1, "var": 4, "softmax": 5, "log_softmax": 5, "normalize": 6}


@dataclass(frozen=True)
class Operation:
    """One operation: of class `kind`, done `where` ("before", in the "loop", "after"); `formula` is its result."""

    name: str
    kind: str
    where: str
    formula: Expression


@dataclass(frozen=True)
class Product:
    """Products that became one: `lefts` (side by side) times `matrix` gives `blocks` (side by side).

    Matrix sizes are those of (rows, depth) times (depth, columns); `widths` and `depths` are those of the blocks and of
    the left operands; `parts` are what the matrix is put together of. In a sum over all steps (`summed`) the left
    operand is transposed. `stage` is that of a product in the loop.
    """

    kind: str
    where: str
    blocks: tuple[Expression, ...]
    lefts: tuple[Expression, ...]
    matrix: Expression
    rows: int
    depth: int
    columns: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    parts: tuple[Expression, ...]
    stage: int = 0
    summed: bool = False

    @property
    def flops(self) -> int:
        """A multiplication and an addition for each number of each row times each column."""
        return 2 * self.rows * self.depth * self.columns

    @property
    def made(self) -> Expression:
        """All that it gives."""
        return _beside(self.blocks)

    @property
    def formula(self) -> Expression:
        left = _beside(self.lefts)
        return al.matmul(al.transpose(left) if self.summed else left, self.matrix)

    @property
    def size(self) -> str:
        return f"({self.rows}×{self.depth})·({self.depth}×{self.columns})"

    @property
    def merged(self) -> int:
        """How many products of blocks it is made of."""
        return max(len(self.widths), len(self.depths))


@dataclass(frozen=True)
class Line:
    """What a pass computes: a formula, and the symbol of its result if it has one."""

    symbol: Expression | None
    formula: Expression
    kind: str

    def __str__(self) -> str:
        return f"{self.symbol} = {self.formula}" if self.symbol is not None else str(self.formula)


@dataclass(frozen=True)
class Pass:
    """Everything element by element of one stage of a step: one kernel if compiled. `operations` are (name, count).

    Also what is done so before or after the loop, for all steps at once, in array code.
    """

    where: str
    stage: int
    lines: tuple[Line, ...]
    operations: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        return sum(n for _, n in self.operations)


@dataclass(frozen=True)
class Prepared:
    """A matrix that is made of parameters once; `order` names the blocks that were put side by side."""

    matrix: Expression
    order: tuple[str, ...]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        order = f", its columns in the order {' '.join(self.order)}" if self.order else ""
        return f"{self.matrix}{order} ({'×'.join(map(str, self.shape))})"


@dataclass(frozen=True)
class Direction:
    """One way through time, "forward" or "backward".

    `kernels` is what runs its loop, "LLVM" or "CUDA" if it is compiled, else "NumPy" or "CuPy": `why` says why. `carry`
    has what a step is given and hands on, `calls` are operations that run as they are, `kept` is what it stores for
    later, with the bytes of one step. FLOPs are for all steps; `unrolled_flops` and, for one step,
    `unrolled_operations` are those of the step as it was written.
    """

    name: str
    kernels: str
    why: str
    operations: tuple[Operation, ...]
    products: tuple[Product, ...]
    passes: tuple[Pass, ...]
    prepared: tuple[Prepared, ...]
    calls: tuple[str, ...]
    carry: tuple[tuple[Expression, Expression], ...]
    kept: tuple[tuple[Expression, int], ...]
    bytes_per_step: int
    flops_before: int
    flops_loop: int
    flops_after: int
    unrolled_flops: int
    unrolled_operations: int

    def at(self, where: str) -> list[Product]:
        """The products before, in ("loop") or after the loop."""
        return [product for product in self.products if product.where == where]

    def passes_at(self, where: str) -> list[Pass]:
        """What is element by element before, in ("loop") or after the loop."""
        return [found for found in self.passes if found.where == where]

    @property
    def kernels_per_step(self) -> int:
        """How many kernels one step runs: products, passes and calls; at most so many where no pass is fused."""
        passes = [1 if self.compiled else found.count for found in self.passes_at("loop")]
        return len(self.at("loop")) + sum(passes) + len(self.calls)

    @property
    def stages(self) -> list[int]:
        """The stages of its loop: in each there are products, then a pass over what they gave."""
        return sorted({*(p.stage for p in self.at("loop")), *(found.stage for found in self.passes_at("loop"))})

    @property
    def told(self) -> str:
        """Operations and kernels of one step, in words."""
        n = self.kernels_per_step
        kernels = f"{n} kernel{'s' * (n != 1)}" if self.compiled else f"at most {n} calls of array code"
        return f"{self.unrolled_operations} operations a step as written → {kernels} a step"

    @property
    def compiled(self) -> bool:
        return not self.why

    @property
    def flops(self) -> int:
        return self.flops_before + self.flops_loop + self.flops_after


@dataclass(frozen=True)
class Explanation:
    """What `scan.explain` returns: the two directions as data, and as text and as a picture.

    `bytes_per_step` are kept for the way back at each step, `bytes_kept` in all (0 where no gradient is recorded).
    """

    steps: int
    batch: int
    dtype: str
    reverse: bool
    forward: Direction
    backward: Direction | None
    bytes_per_step: int
    bytes_kept: int

    @property
    def directions(self) -> tuple[Direction, ...]:
        return (self.forward,) if self.backward is None else (self.forward, self.backward)

    @property
    def title(self) -> str:
        way = ", from the last to the first" if self.reverse else ""
        batch = f", batch {self.batch}" if self.batch else ""
        return f"scan: {self.steps} steps{way}{batch}, {self.dtype}"

    def __str__(self) -> str:
        return "\n".join(_report(self)) + "\n"

    def svg(self, theme: str = "light") -> str:
        """The picture as SVG text; `theme` is "light", "dark" or "print", else DrawingError."""
        from .picture import svg

        if theme not in THEMES:
            raise DrawingError(f"there is no theme {theme!r}: choose one of {', '.join(map(repr, THEMES))}")

        return svg(self, theme)

    def save(self, path: str | os.PathLike[str], theme: str = "light") -> None:
        """Write it to `path`: .svg, .png and .pdf are the picture, .txt the text. DrawingError for another suffix."""
        suffix = os.path.splitext(path)[1].lower()
        if suffix in (".png", ".pdf"):
            from ..draw.printers.canvas import paint

            with atomic_write(path) as temporary:
                paint(self.svg(theme), temporary, suffix[1:])
        elif suffix in (".svg", ".txt"):
            with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
                file.write(self.svg(theme) if suffix == ".svg" else str(self))
        else:
            raise DrawingError(
                f"name the file of an explanation with .svg, .png, .pdf or .txt at its end, not {suffix or 'nothing'!r}"
            )

    def _repr_svg_(self) -> str:
        return self.svg()


def explain(
    step: Callable[..., Any] | None = None,
    init: Any = None,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> Explanation:
    """`scan.explain`, which says what there is to say about it."""
    found = _last() if step is None else _planned(step, Inputs(init, xs, length, reverse))
    print(found, end="")
    return found


def _last() -> Explanation:
    ran = Ran.last
    if ran is None:
        raise MinigradError("no scan has run yet: run one, or give explain a step, where it starts and what it reads")
    if ran.compiled is None:
        raise _not_compiled(*ran.why)
    compiled = ran.compiled()
    if compiled is None:
        raise MinigradError("the plan of the last scan is gone with its graph: give explain the step and its inputs")
    return describe(compiled.plan, ran.backend, ran.steps, ran.reverse)


def _planned(step: Callable[..., Any], inputs: Inputs) -> Explanation:
    why = why_not(inputs)
    if why is None:
        try:
            return describe(_plan(step, inputs), inputs.backend, inputs.steps, inputs.reverse)
        except UntraceableError as error:
            why = error
    raise _not_compiled(why.why, why.line)


def _plan(step: Callable[..., Any], inputs: Inputs) -> Plan:
    try:
        return _trace_and_plan(step, inputs, MODE.get().recording, Environment(step))[0].plan
    except CarryDtypeError as error:
        inputs.cast(error.dtypes)
        return _trace_and_plan(step, inputs, MODE.get().recording, Environment(step))[0].plan


def _not_compiled(why: str, line: str | None) -> MinigradError:
    return MinigradError(f"a scan of this step runs as the graph of all its steps, not compiled: {why}", line)


def describe(plan: Plan, backend: Any, steps: int, reverse: bool = False) -> Explanation:
    """The explanation of a plan for so many steps, of arrays of the library `backend`."""
    notation = Notation(plan, plan.forward, reverse=reverse)
    forward = _Reader(plan, plan.forward, notation, backend, steps).direction()
    backward, kept = None, 0
    if plan.backward is not None:
        back = Notation(plan, plan.backward, notation, reverse)
        backward = _Reader(plan, plan.backward, back, backend, steps).direction()
        kept = forward.bytes_per_step
    carry = sum(map(_bytes, plan.forward.carry)) if kept else 0  # one more than there are steps
    dtype = str(np.dtype(plan.forward.carry[0].dtype))
    return Explanation(steps, plan.form.batch, dtype, reverse, forward, backward, kept, kept * steps + carry)


class _Reader:
    """Reads one loop of a plan."""

    def __init__(self, plan: Plan, loop: Loop, notation: Notation, backend: Any, steps: int):
        self.plan, self.loop, self.form, self.notation = plan, loop, plan.form, notation
        self.backend, self.steps = backend, steps
        self.feeds = set(ordered(loop.carry))
        self.fixed: dict[Expr, bool] = {}
        for expr in all_of(loop):
            known = [self.fixed[arg] for arg in expr.args]
            self.fixed[expr] = all(known) if expr.args else expr.kind in ("fixed", "number")
        self.stage = Stages(loop).stage
        self.inside = set(loop.steps)
        self.before = set(ordered([expr for gemm in loop.early for expr, _ in gemm.members]))

    def direction(self) -> Direction:
        loop, calls = self.loop, self.plan.trace.backward if self.loop.back else self.plan.trace.calls
        name, why = _kernels(loop, self.backend)
        operations, products = tuple(self._operations()), tuple(self._products())
        flops = dict.fromkeys(PLACES, 0)
        for product in products:
            flops[product.where] += product.flops * (self.steps if product.where == "loop" else 1)
        for expr in [*loop.steps, *loop.lifted]:
            flops[self._where(expr)] += _flops(expr) * self.steps
        for total in [*loop.sums, *loop.outers]:
            if total.kind != "outer":
                flops["loop" if total in loop.sums else "after"] += math.prod(total.args[0].shape) * self.steps
        return Direction(
            "backward" if loop.back else "forward", name, why, operations, products, tuple(self._passes()),
            tuple(self._prepared()), tuple([_told(expr) for expr in loop.steps if expr.kind == "call"]), self._carry(),
            tuple(self._kept()), self._bytes_per_step(), flops["before"], flops["loop"], flops["after"],
            sum(map(flops_of, calls)) * self.steps, len(calls),
        )  # fmt: skip

    # What runs where

    def _kind(self, expr: Expr) -> str:
        if self.fixed[expr]:
            return "P"
        if not expr.carried:
            return "X"
        return "S" if expr in self.feeds else "O"

    def _where(self, expr: Expr) -> str:
        if expr in self.inside:
            return "loop"
        return "before" if expr in self.before else "after"

    def _operations(self) -> Iterator[Operation]:
        for value in _calls_of(self.loop):
            yield Operation(value.call.op.name, "P", "before", self.notation.matrix(value))  # type: ignore[union-attr]
        for expr in all_of(self.loop):
            if not is_leaf(expr) and expr.kind not in ("part", "join", "item"):
                yield Operation(_told(expr), self._kind(expr), self._where(expr), self.notation.of(expr))
        for total in [*self.loop.sums, *self.loop.outers]:
            name = "matmul" if total.kind == "outer" else "sum"
            where = "after" if total in self.loop.outers else "loop"
            yield Operation(name, "O", where, self.notation.gradients(total))

    def _products(self) -> Iterator[Product]:
        rows = self.form.batch * self.steps
        for gemm in self.loop.early:
            yield self._product(gemm, "before", rows)
        for gemm in self.loop.gemms:
            yield self._product(gemm, "loop", self.form.batch)
        for expr in self.loop.lifted:
            if expr.kind == "product" and expr not in self.before:
                alone = Gemm(expr.args, list(expr.what), [(expr, 0)], expr.shape[1])
                yield self._product(alone, self._where(expr), rows)
        yield from self._sums_over_time()

    def _product(self, gemm: Gemm, where: str, rows: int) -> Product:
        n = self.notation
        members = [expr for expr, _ in gemm.members]
        kinds = {self._kind(expr) for expr in members}
        depths = tuple([left.shape[1] for left in gemm.lefts])
        widths = tuple([expr.shape[1] for expr in members])
        cut = gemm.matrices if len(gemm.lefts) > 1 else [expr.what[0] for expr in members]
        parts = tuple(map(n.matrix, cut))
        blocks, lefts, kind = tuple(map(n.of, members)), tuple(map(n.of, gemm.lefts)), max(kinds)
        return Product(
            kind, where, blocks, lefts, n.stacked(gemm.matrices), rows, sum(depths), sum(widths), widths, depths, parts,
            self.stage.get(members[0], 0),
        )  # fmt: skip

    def _sums_over_time(self) -> Iterator[Product]:
        """The gradients of matrices: for each left operand one product with all that lies side by side."""
        n = self.notation
        by_left: dict[Expr, list[tuple[Total, Range, Expr]]] = {}
        for total in [total for total in self.loop.outers if total.kind == "outer"]:
            at = 0
            for left in pieces(total.args[0]):
                rows = at, at + left.shape[1]
                by_left.setdefault(left, []).extend([(total, rows, right) for right in pieces(total.args[1])])
                at = rows[1]
        for left, wanted in by_left.items():
            for run in self._neighbours(wanted):
                widths, depth = tuple([right.shape[1] for *_, right in run]), self.form.batch * self.steps
                rights = tuple([n.of(right) for *_, right in run])
                gradients = dict.fromkeys([n.gradients(total, rows) for total, rows, _ in run])
                yield Product(
                    "O", "after", tuple(gradients), (n.of(left),), _beside(rights), left.shape[1], depth,
                    sum(widths), widths, (depth,), rights, summed=True,
                )  # fmt: skip

    def _neighbours(self, wanted: list[tuple[Total, Range, Expr]]) -> list[list[tuple[Total, Range, Expr]]]:
        """Right operands that lie side by side in one array, together."""
        places = {
            right: place for *_, right in wanted if (place := self.loop.places.get(right)) and place.when == "now"
        }
        order = {right: (place.array, place.low) for right, place in places.items()}
        runs: list[list[tuple[Total, Range, Expr]]] = []
        end: tuple[str, int] | None = None
        for item in sorted(wanted, key=lambda item: order.get(item[2], ("", 0))):
            right = item[2]
            if runs and right in places and end == order[right]:
                runs[-1].append(item)
            else:
                runs.append([item])
            end = (places[right].array, places[right].low + right.shape[1]) if right in places else None
        return runs

    def _passes(self) -> Iterator[Pass]:
        """What is computed element by element, by stage, and before and after the loop."""
        groups: dict[tuple[str, int], tuple[list[Expr], list[Total]]] = {}
        for expr in [*self.loop.steps, *self.loop.lifted]:
            if expr.kind in ("map", "reduce"):
                groups.setdefault((self._where(expr), self.stage.get(expr, 0)), ([], []))[0].append(expr)
        for total in self.loop.sums:
            stage = max([self.stage.get(piece, 0) for piece in pieces(total.args[0])])
            groups.setdefault(("loop", stage), ([], []))[1].append(total)
        for total in self.loop.outers:
            if total.kind != "outer":
                groups.setdefault(("after", 0), ([], []))[1].append(total)
        for (where, stage), (here, totals) in sorted(groups.items()):
            names = [_told(expr) for expr in here] + ["sum"] * len(totals)
            lines = [*self._lines(here), *map(self._added, totals)]
            yield Pass(where, stage, tuple(lines), tuple(Counter(names).items()))

    def _lines(self, here: list[Expr]) -> Iterable[Line]:
        """What has a symbol, and what is only kept; all, if that is nothing."""
        n = self.notation
        summed = {
            piece for total in [*self.loop.sums, *self.loop.outers] for arg in total.args for piece in pieces(arg)
        }
        told = [expr for expr in here if expr in n.symbols or not (n.users.get(expr) or expr in summed)]
        lines: dict[Expression, Line] = {}  # by formula: what is told once need not be told again
        for expr in told or here:
            formula = n.formula(expr)
            lines.setdefault(formula, Line(n.symbols.get(expr), formula, self._kind(expr)))
        return lines.values()

    def _added(self, total: Total) -> Line:
        """A sum over all steps that is added up in the loop."""
        symbol, each = self.notation.gradients(total), self.notation.of(total.args[0])
        if total.kind == "rows":
            each = al.apply("sum", each, sub=("rows",))
        return Line(symbol, al.total(symbol, each), "O")

    def _prepared(self) -> Iterator[Prepared]:
        """Matrices that are made of parameters once: blocks side by side, and what else the step computes of them."""
        for value in _calls_of(self.loop):
            assert value.call is not None
            if value.call.op.name not in ("getitem", "split", "transpose", "reshape"):
                matrix = self.notation.matrix(value)
                parts = value.call.args if value.call.op is CONCATENATE and matrix.kind != "blocks" else ()
                order = tuple([label(self.notation.matrix(part)) for part in parts])
                yield Prepared(matrix, order, value.shape)

    def _carry(self) -> tuple[tuple[Expression, Expression], ...]:
        """What a step is given, and what it hands on."""
        n, loop = self.notation, self.loop
        came = {expr.what[1]: expr for expr in all_of(loop) if expr.kind == "in" and expr.what[0] == loop.carried}
        return tuple((n.of(came[i]) if i in came else n.of(expr), n.of(expr)) for i, expr in enumerate(loop.carry))

    def _kept(self) -> Iterator[tuple[Expression, int]]:
        """What is stored at each step: the carry, and what the way back or a sum over all steps needs."""
        stored = [expr for whole, place in self.loop.stores if not self._in_turn(place.array) for expr in pieces(whole)]
        for expr in dict.fromkeys(stored):
            yield self.notation.of(expr), _bytes(expr)

    def _in_turn(self, array: str) -> bool:
        """Is it of a part of the carry of which only the last is kept?"""
        number = array.removeprefix(self.loop.carried)
        return number.isdigit() and int(number) not in self.loop.stacked

    def _bytes_per_step(self) -> int:
        """Of the arrays that the loop fills, and that are computed of it, at each step."""
        loop, total = self.loop, 0
        for name, (shape, dtype) in loop.arrays.items():
            total += 0 if self._in_turn(name) else math.prod(shape) * np.dtype(dtype).itemsize
        for name, expr in loop.results.items():
            seen = name in loop.arrays or (name.startswith("s") and expr in loop.places)
            if not seen and not (expr in loop.carry and expr not in loop.lifted):
                total += _bytes(expr)
        return total


def _beside(parts: tuple[Expression, ...]) -> Expression:
    return parts[0] if len(parts) == 1 else al.blocks(parts, "beside")


def _kernels(loop: Loop, backend: Any) -> tuple[str, str]:
    """What runs the loop, and why it is not compiled."""
    chosen, array_code = kernels.choice(), "NumPy" if backend.xp is np else "CuPy"
    if chosen == "numpy":
        return array_code, "MINIGRAD_KERNELS is numpy"
    if backend.xp is np and not machine.available():
        return array_code, "llvmlite is not installed: pip install 'minigrad[jit]'"
    if backend.xp is not np and not hasattr(backend.xp, "RawModule"):
        return str(backend.name), "there is no compiler for these arrays"
    if backend.xp is not np and chosen != "cuda":
        return array_code, "CUDA kernels are asked for with MINIGRAD_KERNELS=cuda"
    module = llvm_kernels if backend.xp is np else cuda_kernels
    if module.can_run(loop):
        return ("LLVM" if backend.xp is np else "CUDA"), ""
    return array_code, _unknown(loop)


def _unknown(loop: Loop) -> str:
    """What in a loop no compiled kernel knows."""
    for expr in loop.steps:
        if expr.kind in ("call", "item"):
            line = expr.what.line if expr.kind == "call" else None
            return f"{_told(expr)} does not work row by row" + (f", at {line}" if line else "")
        if expr.kind == "map" and not is_known(expr.what[0].name):
            return f"{expr.what[0].name} is not among its operations"
        if np.dtype(expr.dtype) not in (np.dtype("float32"), np.dtype("float64"), np.dtype("bool")):
            return f"it does not compute in {np.dtype(expr.dtype)}"
    return "not all of it works row by row, in one dtype"


def _calls_of(loop: Loop) -> list[Value]:
    """What is computed of parameters alone, each after what it needs."""
    wanted = [matrix for gemm in [*loop.early, *loop.gemms] for matrix in gemm.matrices]
    early = {expr for gemm in loop.early for expr, _ in gemm.members}
    for expr in all_of(loop):
        if expr.kind == "fixed":
            wanted.append(expr.what)
        elif expr.kind == "product" and expr in loop.lifted and expr not in early:
            wanted += expr.what
        elif expr.kind == "call":
            wanted += [arg for arg in expr.what.args if isinstance(arg, Value) and loop.form.is_fixed(arg)]
    found: dict[Value, None] = {}
    stack = [(value, False) for value in reversed(wanted)]
    while stack:
        value, ready = stack.pop()
        if ready:
            found[value] = None
        elif value.call is not None and value not in found:
            stack.append((value, True))
            stack += [(arg, False) for arg in reversed(value.call.args) if isinstance(arg, Value)]
    return list(found)


def _told(expr: Expr) -> str:
    """The name of an expression's operation."""
    if expr.kind == "product":
        return "matmul"
    if expr.kind == "call":
        return str(expr.what.op.name)
    return str(expr.what if expr.kind == "reduce" else expr.what[0].name if expr.kind == "map" else expr.kind)


def _bytes(expr: Expr) -> int:
    return math.prod(expr.shape) * int(np.dtype(expr.dtype).itemsize)


def _flops(expr: Expr) -> int:
    """Of one step; of products none, which are counted as merged."""
    if expr.kind == "map":
        return 0 if expr.what[0] in (COPY, NOTHING) else math.prod(expr.shape)
    if expr.kind == "reduce":
        return math.prod(expr.args[0].shape)
    return flops_of(expr.what) if expr.kind == "call" else 0


def flops_of(call: Call) -> int:
    """FLOPs of an operation as it was written; none for one that only moves numbers, or has no count here (einsum)."""
    shape = call.results[0].shape
    first = call.args[0].shape if call.args and isinstance(call.args[0], (Value, Expr)) else ()
    if call.op.name == "matmul":
        return 2 * math.prod(shape) * (first[-1] if first else 1)
    if call.op.name in OF_ARGUMENT:
        return OF_ARGUMENT[call.op.name] * math.prod(first)
    return math.prod(shape) if call.op in ELEMENTWISE - {COPY, NOTHING} else 0


# The text


def _report(e: Explanation) -> Iterator[str]:
    yield e.title
    if e.backward is not None:
        yield f"kept for the way back: {readable(e.bytes_per_step)} a step, {readable(e.bytes_kept)} in all"
    for direction in e.directions:
        yield ""
        yield from _direction(direction, e.steps)


def _direction(d: Direction, steps: int) -> Iterator[str]:
    yield f"{d.name}: loop in {d.kernels}" + (f", not compiled: {d.why}" if d.why else "")
    rows = [("before", "P", str(matrix), "once") for matrix in d.prepared]
    rows += [*_at_once(d, "before"), *_in_loop(d), *_at_once(d, "after")]
    yield from _aligned(rows)
    flops = zip(PLACES, (d.flops_before, d.flops_loop, d.flops_after), strict=True)
    told = ", ".join(f"{where} {count(n)}FLOP" for where, n in flops)
    yield f"  {told}; unrolled {count(d.unrolled_flops)}FLOP"
    yield f"  {d.told}; unrolled {d.unrolled_operations * steps} operations in all"


def _at_once(d: Direction, where: str) -> list[TextRow]:
    """What runs over all steps at once."""
    return [*map(_of_product, d.at(where))] + [
        row for found in d.passes_at(where) for row in _lines(found, "element by element")
    ]


def _in_loop(d: Direction) -> list[TextRow]:
    """The loop in the order of its stages: products, then the pass over what they gave."""
    rows: list[TextRow] = []
    for stage in d.stages:
        rows += [_of_product(p, " a step") for p in d.at("loop") if p.stage == stage]
        for found in d.passes_at("loop"):
            if found.stage == stage:
                rows += _lines(found, "one pass" if d.compiled else "one by one")
    return rows + [("loop", "S", f"{n} {call}", "as it is") for call, n in Counter(d.calls).items()]


def _of_product(p: Product, often: str = "") -> TextRow:
    return p.where, p.kind, f"{p.made} = {p.formula}", f"{p.size}  {count(p.flops)}FLOP{often}"


def _lines(found: Pass, how: str) -> list[TextRow]:
    told = f"{how}: " + ", ".join(f"{n} {name}" for name, n in found.operations)
    return [(found.where, line.kind, str(line), told if i == 0 else "") for i, line in enumerate(found.lines)]


def _aligned(rows: list[TextRow]) -> Iterator[str]:
    wide = min(max([len(row[2]) for row in rows], default=0), 60)
    before = ""
    for where, kind, text, note in rows:
        yield f"  {where if where != before else '':<7}{kind} {text:<{wide}}  {note}".rstrip()
        before = where


def count(n: int) -> str:
    """A number with the prefix of a unit: "1.2 G"."""
    size, prefix = float(n), ""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if size < 1000 or prefix == "P":
            break
        size /= 1000
    return f"{size:.3g} {prefix}"
