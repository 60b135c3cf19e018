"""A loop as CUDA C: one kernel for each pass over the rows, or for small matrices one for all steps.

A kernel is given a table of addresses and counts, and the number of its step. Where everything in a pass is of one width
there is a thread for each row and column. Where there are sums along rows, or numbers that hold for a whole row, a block
of threads has the row; each thread has the same columns in all of the pass, so that what it stored itself it may read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .form import Expr
from .plan import Gemm, Loop, Place
from .stages import KINDS, Stages, everything, side_by_side, span
from .trace import Value

NAMES = {"f": "float", "d": "double", "b": "bool"}
THREADS = 256  # of a block: a power of 2, for sums along rows
RESIDENT = 512  # of a block that runs all steps

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


@dataclass(eq=False)
class Pass:
    """A kernel of one stage: over all columns at once, or with a block for each row."""

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
    depth: int
    matrix: Value
    first: bool  # of its product: the others are added to it


class Source:
    """The code of a loop, and what it wants in its table.

    `buffers` are the arrays (rows of the batch, columns) that hold something from one pass to the next: results of
    products, what is multiplied (the carry's copies, under "state", lie at one place at all steps; only so can a product
    be captured), and values between passes.
    """

    def __init__(self, loop: Loop):
        self.loop, self.order = loop, Stages(loop)
        self.kind, self.batch = self.order.kind, loop.form.batch
        self.table: dict[Any, int] = {"base": 0}
        self.buffers: dict[Any, int] = {}
        self.writes: list[tuple[Expr, int, Any, int]] = []  # what, in which stage, where to, from which column on
        self.shared: dict[Any, int] = {}  # in a kernel for all steps: where a buffer or matrix starts, in numbers
        self._kinds: dict[str, str] = {}
        self._count = 0
        self._plan_products()
        self._plan_writes()
        self.passes: list[Pass] = []
        bodies = []
        for stage in range(self.order.last + 1):
            found = self._groups(stage)
            if found:
                by_row = len({width for _, width in found}) > 1 or any(expr.kind == "reduce" for e in found.values() for expr in e)
                self.passes.append(Pass(stage, f"pass{stage}", by_row, max(width for _, width in found)))
                bodies.append(self._kernel(self.passes[-1]))
        self.text = "\n".join([f"typedef {NAMES[self.kind]} T;", HELPERS, *bodies, self._all_steps(), ADVANCE])

    # What lies where

    def _plan_products(self) -> None:
        """Say where what is multiplied lies; operands that lie side by side are multiplied at once."""
        self.factors: list[Factor] = []
        lies: dict[Expr, tuple[Any, int]] = {}
        for gemm in self.loop.gemms:
            runs: list[list[Any]] = []
            for left, matrix in zip(gemm.lefts, gemm.matrices, strict=True):
                buffer, low = lies.get(left) or self._lay(left, gemm)
                lies[left] = buffer, low
                if runs and runs[-1][0] is buffer and runs[-1][1] + runs[-1][2] == low:
                    runs[-1][2] += left.shape[1]
                    runs[-1][3].append(matrix)
                else:
                    runs.append([buffer, low, left.shape[1], [matrix]])
            self.buffers[gemm] = gemm.width
            for n, (buffer, low, depth, matrices) in enumerate(runs):
                stacked = self.loop.form.put_together(matrices, 0)
                self.factors.append(Factor(gemm, buffer, low, depth, stacked, n == 0))

    def _lay(self, left: Expr, gemm: Gemm) -> tuple[Any, int]:
        """The buffer of what is multiplied, and from which column on it lies there."""
        if left in self.order.member:
            return self.order.member[left]
        whole, at = (left.args[0], left.what[0]) if left.kind == "part" else (left, 0)
        if whole.kind == "in":
            i = whole.what[1]
            key = self._key("state", i)
            if key not in self.buffers:
                self.buffers[key] = whole.shape[1]
                pieces = side_by_side(self.loop.carry[i])
                self.writes += [(piece, self.order.last, key, low) for piece, low in pieces]
            return key, at
        key = self._key("lefts", self.loop.gemms.index(gemm))
        at = self.buffers.get(key, 0)
        self.buffers[key] = at + left.shape[1]
        self.writes.append((left, self.order.stage[left], key, at))
        return key, at

    def _key(self, *parts: Any) -> Any:
        """One object for each name of a buffer."""
        return self.__dict__.setdefault("_keys", {}).setdefault(parts, parts)
