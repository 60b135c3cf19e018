"""A loop as CUDA C: one kernel for each pass over the rows, or for small matrices one for all steps.

A kernel is given a table of addresses and counts, and the number of its step. Where everything in a pass is of one
width there is a thread for each row and column. Where there are sums along rows, or numbers that hold for a whole row,
a block of threads has the row. A thread has the same columns all through a pass, so that it may read what it stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .form import Expr
from .loops import Gemm, Loop, Place
from .stages import KINDS, Stages, everything, side_by_side, span
from .trace import Value

NAMES = {"f": "float", "d": "double", "b": "bool"}
COLUMNS = 128  # threads of a block where each has a column
THREADS = 256  # of one that has a row: a power of 2, for sums
RESIDENT = 512  # of a block that runs all steps
SHARED = 232_448  # bytes: the most that a block may have of any device so far (compute capability 9.0)

# T is the loop's kind of float.
HELPERS = """
__device__ T maximum(T x, T y) { return x > y || x != x ? x : y; }
__device__ T minimum(T x, T y) { return x < y || x != x ? x : y; }
__device__ T add(T x, T y) { return x + y; }
__device__ T log1p_exp(T x) { return maximum(x, 0) + log1p(exp(-fabs(x))); }

template <T combine(T, T)>
__device__ T over_block(T value, T* shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    for (unsigned n = blockDim.x / 2; n > 0; n /= 2) {
        if (threadIdx.x < n) shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + n]);
        if (n > 32) __syncthreads(); else __syncwarp();
    }
    __syncthreads();
    const T total = shared[0];
    __syncthreads();
    return total;
}

template <int depth, int width, int parts>
__device__ void multiply(const T* left, const T* matrix, T* partial, T* out, bool more) {
    for (int n = threadIdx.x; n < width * parts; n += blockDim.x) {
        const int j = n % width;
        T total = 0;
        #pragma unroll 8
        for (int i = n / width; i < depth; i += parts) total += left[i] * matrix[i * width + j];
        partial[n] = total;
    }
    __syncthreads();
    for (int j = threadIdx.x; j < width; j += blockDim.x) {
        T total = more ? out[j] : 0;
        for (int part = 0; part < parts; ++part) total += partial[part * width + j];
        out[j] = total;
    }
    __syncthreads();
}
"""
ADVANCE = """
extern "C" __global__ void advance(long long* table, long long steps) { table[0] += steps; }
"""


# Functions


def _power(x: str, exponent: float) -> str:
    if exponent == int(exponent) and 0 < abs(exponent) <= 4:
        product = " * ".join([x] * abs(int(exponent)))
        return product if exponent > 0 else f"1 / ({product})"
    return f"sqrt({x})" if exponent == 0.5 else f"pow({x}, T({exponent!r}))"


def _clip(x: str, low: float | None, high: float | None) -> str:
    above = x if low is None else f"({x} < T({low!r}) ? T({low!r}) : {x})"
    return above if high is None else f"({x} > T({high!r}) ? T({high!r}) : {above})"


def _call(function: str) -> Callable[[str], str]:
    return lambda x: f"{function}({x})"


# By the operation's name, on operands of the result's kind.
FUNCTIONS: dict[str, Callable[..., str]] = {
    "add": lambda x, y: f"{x} + {y}",
    "subtract": lambda x, y: f"{x} - {y}",
    "multiply": lambda x, y: f"{x} * {y}",
    "divide": lambda x, y: f"{x} / {y}",
    "negative": lambda x: f"-{x}",
    "positive": lambda x: x,
    "copy": lambda x: x,
    "reciprocal": lambda x: f"1 / {x}",
    "square": lambda x: f"{x} * {x}",
    "sqrt": _call("sqrt"),
    "exp": _call("exp"),
    "expm1": _call("expm1"),
    "log": _call("log"),
    "log1p": _call("log1p"),
    "sin": _call("sin"),
    "cos": _call("cos"),
    "erf": _call("erf"),
    "tanh": _call("tanh"),
    "sigmoid": lambda x: f"1 / (1 + exp(-{x}))",
    "softplus": _call("log1p_exp"),
    "log_sigmoid": lambda x: f"-log1p_exp(-{x})",
    "relu": lambda x: f"maximum({x}, 0)",
    "maximum": lambda x, y: f"maximum({x}, {y})",
    "minimum": lambda x, y: f"minimum({x}, {y})",
    "abs": _call("fabs"),
    "fabs": _call("fabs"),
    "sign": lambda x: f"{x} > 0 ? T(1) : {x} < 0 ? T(-1) : {x}",
    "power": _power,
    "clip": _clip,
    "leaky_relu": lambda x, negative_slope: f"{x} > 0 ? {x} : {x} * T({negative_slope!r})",
    "elu": lambda x, alpha: f"{x} > 0 ? {x} : T({alpha!r}) * expm1({x})",
    "astype": lambda x, dtype: x,
}  # fmt: skip
COMPARISONS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}
LOGICAL = {"logical_and": "&&", "logical_or": "||", "logical_xor": "!="}


def is_known(name: str) -> bool:
    return name in FUNCTIONS or name in COMPARISONS or name in LOGICAL or name in ("where", "logical_not")


@dataclass(frozen=True)
class Term:
    """A name in the code, or a number, and its kind."""

    text: str
    kind: str

    def as_kind(self, kind: str) -> str:
        if kind == self.kind:
            return self.text
        return f"({self.text} != 0)" if kind == "b" else f"T({self.text})"


def apply(name: str, args: Sequence[Term], options: dict[str, Any], kind: str) -> str:
    """The operation `name` on terms; its result has `kind`."""
    if name == "where":
        answer, yes, no = args
        return f"{answer.as_kind('b')} ? {yes.as_kind(kind)} : {no.as_kind(kind)}"
    if name in COMPARISONS:
        common = next((arg.kind for arg in args if arg.kind != "b"), "b")
        return f"{args[0].as_kind(common)} {COMPARISONS[name]} {args[1].as_kind(common)}"
    if name in LOGICAL:
        return f"{args[0].as_kind('b')} {LOGICAL[name]} {args[1].as_kind('b')}"
    if name == "logical_not":
        return f"!{args[0].as_kind('b')}"
    return FUNCTIONS[name](*[arg.as_kind(kind) for arg in args], **options)


def number(value: Any, kind: str) -> Term:
    """A number as the code has it, to its last bit."""
    if kind == "b":
        return Term("true" if value else "false", kind)
    rounded = float(np.float32(value) if kind == "f" else value)
    if not np.isfinite(rounded):
        return Term("T(0.0 / 0.0)" if rounded != rounded else f"T({'-' if rounded < 0 else ''}1.0 / 0.0)", kind)
    return Term(f"T({rounded!r})", kind)


# The code


@dataclass(frozen=True)
class Pass:
    """A kernel of one stage: with a thread for each row and column, or `by_row` a block for each row."""

    stage: int
    name: str
    by_row: bool
    width: int  # the most columns that it goes over


@dataclass(eq=False)
class Factor:
    """Part of a product of a step: columns of a buffer, from `low` on, times a matrix."""

    gemm: Gemm
    buffer: Any
    low: int
    matrix: Value
    first: bool  # of its product: the others are added to it


class Source:
    """The code of a loop, and what it wants in its table.

    `buffers` are arrays (rows of the batch, columns) that lie at one place at all steps: the results of products, what
    is multiplied (of the carry, copies), and values that go from one pass to another. `stays` are the parts of the
    carry that are a product, and are read where it left them: by part, the product and the column there.
    """

    def __init__(self, loop: Loop):
        self.loop, self.order = loop, Stages(loop)
        self.kind, self.batch = self.order.kind, loop.form.batch
        self.table: dict[Any, int] = {}
        self.buffers: dict[Any, int] = {}  # -> its columns
        self.factors: list[Factor] = []
        self.writes: list[tuple[Expr, int, Any, int]] = []  # what, in which stage, to where, from which column on
        self.shared: dict[Any, int] = {}  # where in a block's memory a buffer or a matrix starts
        self._count = 0
        self._word("base")
        self._plan_products()
        self.stays = {i: self.order.member[expr] for i, expr in enumerate(loop.carry) if self._stays(i, expr)}
        self._plan_writes()
        self.passes = [made for stage in range(self.order.last + 1) if (made := self._pass(stage))]
        self.sequence: list[Factor | Pass] = []  # what one step is, when there is a kernel for each pass
        for stage in range(self.order.last + 1):
            self.sequence += self._factors(stage)
            self.sequence += [made for made in self.passes if made.stage == stage]
        kernels = [self._kernel(made) for made in self.passes]
        self.numbers = self._lay_out()  # in the memory of a block that runs all steps
        self.resident = self.numbers * (4 if self.kind == "f" else 8) <= SHARED
        if self.resident:
            kernels.append(self._all_steps())
        self.text = "\n".join([f"typedef {NAMES[self.kind]} T;", HELPERS, *kernels, ADVANCE])

    # What lies where

    def _plan_products(self) -> None:
        """Say where what is multiplied lies; what lies side by side is multiplied at once."""
        for gemm in self.loop.gemms:
            runs: list[tuple[Any, int, list[Value]]] = []
            end: Any = None
            for left, matrix in zip(gemm.lefts, gemm.matrices, strict=True):
                buffer, low = self._left(left, gemm)
                if end == (buffer, low):
                    runs[-1][2].append(matrix)
                else:
                    runs.append((buffer, low, [matrix]))
                end = buffer, low + left.shape[1]
            self.buffers[gemm] = gemm.width
            for n, (buffer, low, matrices) in enumerate(runs):
                self.factors.append(Factor(gemm, buffer, low, self.loop.form.put_together(matrices, 0), n == 0))

    def _left(self, left: Expr, gemm: Gemm) -> tuple[Any, int]:
        """The buffer of what is multiplied, and from which column on it lies there."""
        if left in self.order.member:
            return self.order.member[left]
        if left.kind in ("in", "part"):
            whole, low = (left, 0) if left.kind == "in" else (left.args[0], left.what[0])
            state = "state", whole.what[1]
            if state not in self.buffers:
                self.buffers[state] = whole.shape[1]
                for piece, at in side_by_side(self.loop.carry[whole.what[1]]):
                    self.writes.append((piece, self.order.last, state, at))  # when all products have read the last one
            return state, low
        for expr, _, buffer, at in self.writes:
            if expr is left and buffer[0] == "lefts":
                return buffer, at
        lefts = "lefts", self.loop.gemms.index(gemm)
        at = self.buffers.get(lefts, 0)
        self.buffers[lefts] = at + left.shape[1]
        self.writes.append((left, self.order.stage[left], lefts, at))
        return lefts, at

    def _stays(self, i: int, expr: Expr) -> bool:
        """Can a part of the carry stay where a product put it? If it is kept for one step, and read before the next."""
        order, loop = self.order, self.loop
        if expr not in order.member or i in loop.stacked or loop.carry.count(expr) > 1 or ("state", i) in self.buffers:
            return False
        before = loop.form.incoming(loop.carried, i, expr.shape, expr.dtype)
        read = {before, *(part for part in loop.steps if part.kind == "part" and part.args[0] is before)}
        put = [put for put, *_ in [*order.stores, *order.sums] if put in read]
        late = [user for user in loop.steps if user.kind != "part" and order.stage[user] >= order.stage[expr]]
        return not put and not any(arg in read for user in late for arg in user.args)

    def _plan_writes(self) -> None:
        order = self.order
        stays = {f"{self.loop.carried}{i}" for i in self.stays}
        for expr, place in order.stores:
            if place.array in stays:
                continue
            self.writes.append((expr, order.put_in(expr), place, place.low))
        for expr in self.loop.steps:
            for arg in expr.args if expr.kind != "product" else ():
                if arg.kind not in ("map", "reduce") or ("value", arg) in self.buffers or order.place(arg) is not None:
                    continue
                same_stage, same_turn = order.stage[arg] == order.stage[expr], order.turn[arg] == order.turn[expr]
                if not (same_stage and (arg.shape[1] == 1 or (same_turn and span(arg) == span(expr)))):
                    self.buffers["value", arg] = arg.shape[1]
                    self.writes.append((arg, order.stage[arg], ("value", arg), 0))

    def _lay_out(self) -> int:
        """Where everything lies in the memory of a block that runs all steps; how many numbers that takes."""
        partial = max([factor.gemm.width * self._parts(factor) for factor in self.factors], default=0)
        sizes: dict[Any, int] = {"sums": RESIDENT, "partial": partial}
        sizes |= {factor: factor.matrix.shape[0] * factor.gemm.width for factor in self.factors}
        at = 0
        for what, size in [*sizes.items(), *self.buffers.items()]:
            self.shared[what] = at
            at += size
        return at

    def _parts(self, factor: Factor) -> int:
        """Among how many threads the rows of a matrix are shared, for each column."""
        return max(1, min(RESIDENT // factor.gemm.width, factor.matrix.shape[0] // 8))

    def kind_of(self, buffer: Any) -> str:
        """Of which kind a buffer's numbers are."""
        return KINDS[np.dtype(buffer[1].dtype)] if isinstance(buffer, tuple) and buffer[0] == "value" else self.kind

    def _kind_of_array(self, array: str) -> str:
        if array in self.loop.arrays:
            return KINDS[np.dtype(self.loop.arrays[array][1])]
        expr = next(e for e in everything(self.loop) if (place := self.loop.places.get(e)) and place.array == array)
        return KINDS[np.dtype(expr.dtype)]

    # Kernels

    def _factors(self, stage: int) -> list[Factor]:
        return [factor for factor in self.factors if self.order.stage[factor.gemm.members[0][0]] == stage]

    def _pass(self, stage: int) -> Pass | None:
        groups = self._groups(stage)
        widths = {width for _, width in groups}
        sums = any(expr.kind == "reduce" for exprs in groups.values() for expr in exprs)
        return Pass(stage, f"pass{stage}", sums or len(widths) > 1, max(widths)) if groups else None

    def _groups(self, stage: int) -> dict[tuple[int, int], list[Expr]]:
        """By turn and width what a stage computes; none where something is only put somewhere."""
        order = self.order
        groups: dict[tuple[int, int], list[Expr]] = {}
        for expr in self.loop.steps:
            if order.stage[expr] == stage and expr.kind in ("map", "reduce"):
                groups.setdefault((order.turn[expr], span(expr)), []).append(expr)
        for expr, _, _, _ in self._puts(stage):
            groups.setdefault((order.after(expr, stage), expr.shape[1]), [])
        return dict(sorted(groups.items(), key=lambda item: item[0]))

    def _puts(self, stage: int) -> list[tuple[Expr, str, Any, int]]:
        """What a stage puts where, and how: "=" or "+="."""
        stored = [(expr, "=", target, low) for expr, at, target, low in self.writes if at == stage]
        summed = [(expr, n, low) for expr, n, low in self.order.sums if self.order.put_in(expr) == stage]
        return stored + [(expr, "+=", ("sum", n), low) for expr, n, low in summed]

    def _kernel(self, made: Pass) -> str:
        shared = [f"__shared__ T memory[{THREADS}];"] if made.by_row else []
        lines = ["const int row = blockIdx.x;", "const long long step = table[0] + k;", *shared]
        lines += self._body(made.stage, made.by_row, in_block=False)
        return _function(made.name, "const long long* table, long long k", lines)

    def _all_steps(self) -> str:
        """One kernel for all steps, for matrices that fit into a block's memory."""
        lines = ["extern __shared__ T memory[];", "const int row = blockIdx.x;"]
        for factor in self.factors:
            size = factor.matrix.shape[0] * factor.gemm.width
            lines.append(_copy(size, self._local(factor), f"((T*)table[{self._word(factor)}])"))
        stay: list[Any] = list(dict.fromkeys([gemm for gemm, _ in self.stays.values()]))
        states = [what for what in self.buffers if isinstance(what, tuple) and what[0] == "state"]
        lines += [_copy(self.buffers[what], self._local(what), self._global(what)) for what in [*stay, *states]]
        lines += ["__syncthreads();", "for (long long step = 0; step < steps; ++step) {"]
        for stage in range(self.order.last + 1):
            lines += _indented([self._multiply(factor) for factor in self._factors(stage)])
            if self._groups(stage):
                body = self._body(stage, True, in_block=True)
                lines += ["    {", *("    " * 2 + line for line in body), "    }", "    __syncthreads();"]
        lines += ["}", *[_copy(self.buffers[gemm], self._global(gemm), self._local(gemm)) for gemm in stay]]
        return _function("all_steps", "const long long* table, long long steps", lines)

    def _local(self, what: Any) -> str:
        """Where a buffer or matrix is in a block's memory."""
        return f"(memory + {self.shared[what]})"

    def _global(self, buffer: Any) -> str:
        """This row of a buffer in memory of all blocks."""
        return f"((T*)table[{self._word(buffer)}] + (long long)row * {self.buffers[buffer]})"

    def _multiply(self, factor: Factor) -> str:
        depth, width, parts = factor.matrix.shape[0], factor.gemm.width, self._parts(factor)
        left = self.shared[factor.buffer] + factor.low
        places = left, self.shared[factor], self.shared["partial"], self.shared[factor.gemm]
        given = ", ".join(f"memory + {place}" for place in places)
        return f"multiply<{depth}, {width}, {parts}>({given}, {'false' if factor.first else 'true'});"

    # What a kernel does with a row

    def _body(self, stage: int, by_row: bool, in_block: bool) -> list[str]:
        first, stride = self._word("first"), self._word("stride")
        self._head = [f"const long long t = table[{first}] + table[{stride}] * step, odd = step & 1;"]
        self._pointers: dict[Any, str] = {}
        self._singles: dict[Expr, Term] = {}  # one number for the whole row
        self._in_block = in_block
        lines: list[str] = []
        for (turn, width), exprs in self._groups(stage).items():
            puts = [p for p in self._puts(stage) if (self.order.after(p[0], stage), p[0].shape[1]) == (turn, width)]
            lines += self._single(exprs, puts) if by_row and width == 1 else self._columns(exprs, puts, width)
        return [*self._head, *lines]

    def _single(self, exprs: list[Expr], puts: list[Any]) -> list[str]:
        """Numbers that hold for a whole row: each thread computes them, the first one stores them."""
        lines: list[str] = []
        for expr in exprs:
            self._singles[expr] = self._compute(expr, self._singles, lines)
        stores = [self._put(put, self._singles, lines, "0") for put in puts]
        if stores:  # over what all others may still have to read
            stores = ["__syncthreads();", "if (threadIdx.x == 0) {", *_indented(stores), "}"]
        return [*lines, *stores]

    def _columns(self, exprs: list[Expr], puts: list[Any], width: int) -> list[str]:
        """A loop over columns, those of a thread."""
        made: dict[Expr, Term] = {}
        inner: list[str] = []
        before: list[str] = []
        after: list[str] = []
        for expr in exprs:
            if expr.kind != "reduce":
                made[expr] = self._compute(expr, made, inner)
                continue
            total, combine = self._name(), "add" if expr.what == "sum" else "maximum"
            before.append(f"T {total} = {'0' if combine == 'add' else 'T(-1.0 / 0.0)'};")
            inner.append(f"{total} = {combine}({total}, {self._value(expr.args[0], made, inner).as_kind(self.kind)});")
            after.append(f"{total} = over_block<{combine}>({total}, memory);")
            self._singles[expr] = Term(total, self.kind)
        inner += [self._put(put, made, inner, "j") for put in puts]
        loop = f"for (int j = blockIdx.y * blockDim.x + threadIdx.x; j < {width}; j += gridDim.y * blockDim.x) {{"
        return [*before, loop, *_indented(inner), "}", *after]

    def _compute(self, expr: Expr, made: dict[Expr, Term], lines: list[str]) -> Term:
        kind = KINDS[np.dtype(expr.dtype)]
        args = [self._value(arg, made, lines) for arg in expr.args]
        if expr.kind == "reduce":  # along a row of one number
            return Term(args[0].as_kind(self.kind), self.kind)
        op, options = expr.what
        return self._named(lines, apply(op.name, args, options, kind), kind)

    def _put(self, put: tuple[Expr, str, Any, int], made: dict[Expr, Term], lines: list[str], column: str) -> str:
        expr, how, target, low = put
        value = self._value(expr, made, lines)
        if isinstance(target, Place):
            pointer, kind = self._array(target), self._kind_of_array(target.array)
        elif target in self.buffers:
            pointer, kind = self._buffer(target), self.kind_of(target)
        else:
            width = self.loop.sums[target[1]].args[0].shape[1]
            pointer, kind = self._pointer(target, NAMES[self.kind], f"(long long)row * {width}"), self.kind
        return f"{pointer}[{_sum(column, low)}] {how} {value.as_kind(kind)};"

    def _value(self, expr: Expr, made: dict[Expr, Term], lines: list[str]) -> Term:
        """The name under which an expression is there; it is loaded if need be."""
        if expr in made:
            return made[expr]
        if expr in self._singles:
            return self._singles[expr]
        if expr.kind == "number":
            return number(expr.what, "b" if isinstance(expr.what, bool) else self.kind)
        pointer, low, kind = self._source(expr)
        if expr.shape[-1:] in ((), (1,)):
            self._singles[expr] = self._named(self._head, f"{pointer}[{low}]", kind)
            return self._singles[expr]
        made[expr] = self._named(lines, f"{pointer}[{_sum('j', low)}]", kind)
        return made[expr]

    def _source(self, expr: Expr) -> tuple[str, int, str]:
        """A pointer to this row of what lies in memory, its first column there, and its kind."""
        if expr.kind == "part":
            pointer, low, kind = self._source(expr.args[0])
            return pointer, low + expr.what[0], kind
        if expr.kind == "in" and expr.what[0] == self.loop.carried and expr.what[1] in self.stays:
            gemm, low = self.stays[expr.what[1]]
            return self._buffer(gemm), low, self.kind
        if expr.kind == "fixed":
            kind = KINDS[np.dtype(expr.dtype)]
            by_row = len(expr.shape) == 2 and expr.shape[0] == self.batch != 1
            row = f"(long long)row * {expr.shape[1]}" if by_row else "0"
            return self._pointer(("fixed", expr.what), NAMES[kind], row), 0, kind
        if expr in self.order.member:
            gemm, low = self.order.member[expr]
            return self._buffer(gemm), low, self.kind
        place = self.order.place(expr)
        if place is not None:
            return self._array(place), place.low, self._kind_of_array(place.array)
        return self._buffer(("value", expr)), 0, self.kind_of(("value", expr))

    def _array(self, place: Place) -> str:
        """A pointer to this row of an array of the run, at this step."""
        kind, index = NAMES[self._kind_of_array(place.array)], "t"
        if place.when != "now":
            in_turn, shifted = self._word(("turn", place.array)), self._word((place.when, place.array))
            turned = "odd" if place.when == "before" else "1 - odd"
            index = f"(table[{in_turn}] ? {turned} : t + table[{shifted}])"
        distance = self._word(("columns", place.array))
        row = f"({index} * {self.batch} + row) * table[{distance}]"
        return self._pointer(("array", place.array), kind, row, place.when)

    def _buffer(self, buffer: Any) -> str:
        """A pointer to this row of a buffer, in memory of all blocks or of this one."""
        kind = NAMES[self.kind_of(buffer)]
        if not self._in_block:
            return self._pointer(buffer, kind, f"(long long)row * {self.buffers[buffer]}")
        if buffer not in self._pointers:
            self._pointers[buffer] = self._name()
            self._head.append(f"{kind}* const {self._pointers[buffer]} = ({kind}*)(memory + {self.shared[buffer]});")
        return self._pointers[buffer]

    def _pointer(self, word: Any, kind: str, row: str, when: str = "now") -> str:
        if (word, when) not in self._pointers:
            name = self._pointers[word, when] = self._name()
            self._head.append(f"{kind}* const {name} = ({kind}*)table[{self._word(word)}] + {row};")
        return self._pointers[word, when]

    def _word(self, what: Any) -> int:
        """Where in the table something is found."""
        return self.table.setdefault(what, len(self.table))

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _named(self, lines: list[str], text: str, kind: str) -> Term:
        name = self._name()
        lines.append(f"const {NAMES[kind]} {name} = {text};")
        return Term(name, kind)


def _function(name: str, arguments: str, lines: Sequence[str]) -> str:
    return "\n".join([f'extern "C" __global__ void {name}({arguments}) {{', *_indented(lines), "}\n"])


def _copy(size: int, to: str, what: str) -> str:
    return f"for (int n = threadIdx.x; n < {size}; n += blockDim.x) {to}[n] = {what}[n];"


def _indented(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]


def _sum(column: str, low: int) -> str:
    return f"{column} + {low}" if low else column
