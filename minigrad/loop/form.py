"""The compiler's intermediate form: a traced step as expressions over the rows of a batch.

Most of a recurrent step works on matrices (batch, n), row by row: element by element, sums along a row, products with
a matrix that is the same at every step. Such an array is an expression of width n here, and cutting it into columns or
joining columns is no operation: a cut of a sum is the sum of the cuts, a cut of `h @ W` is `h` times columns of `W`,
and `concat(x, h) @ W` is `x` and `h` each times rows of `W`. So whatever way a cell is written (gates stacked or
apart), it comes to the same form, from which products can be moved and merged. Everything else is a call of its
operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..ops import indexing, pointwise, products, shape, special
from ..primitive import Op
from .trace import Call, Trace, Value


def _op(function: Any) -> Op:
    return function.op


ELEMENTWISE = {
    found.op
    for family in (pointwise, special)
    for name, found in vars(family).items()
    if hasattr(found, "op") and name not in ("to", "_to")
}
ADD, MULTIPLY, SUBTRACT, DIVIDE = map(_op, (pointwise.add, pointwise.multiply, pointwise.subtract, pointwise.divide))
EXP, LOG, SQRT, COPY = map(_op, (pointwise.exp, pointwise.log, pointwise.sqrt, pointwise.copy))
NOTHING = _op(pointwise.nothing)
MATMUL, GETITEM, SCATTER = _op(products.matmul), _op(indexing._getitem), _op(indexing._scatter_add)
CONCATENATE, RESHAPE, TRANSPOSE = _op(shape._concatenate), _op(shape._reshape), _op(shape._transpose)
LINEAR = {ADD, CONCATENATE}  # of several summed gradients


class Expr:
    """An array of one step. `width` is its number of columns; None where it is not a matrix of the batch's rows.

    `kind` is "in" (what comes in: `what` is its role and place), "fixed" (`what` is a Value that is the same at every
    step), "number" (`what`), "map" (`what` is an operation and its options, element by element), "product" (of each of
    `args` with the matrix in `what`, added up), "reduce" (along the row: `what` is "sum" or "max"), "part" (columns
    `what` of its one argument), "join" (columns of all of `args`), "call" (`what` is a Call), "item" (`what` is the
    place of a result of a call), or "saved" (`what` is the place among those that the forward loop saves).
    """

    __slots__ = ("args", "carried", "dtype", "kind", "shape", "what", "width")

    def __init__(
        self, kind: str, what: Any, args: tuple[Expr, ...], shape: tuple[int, ...], dtype: Any, width: int | None
    ):
        self.kind, self.what, self.args = kind, what, args
        self.shape, self.dtype, self.width = shape, dtype, width
        self.carried: bool = any(arg.carried for arg in args) or (kind == "in" and what[0] in ("carry", "dcarry"))

    def __repr__(self) -> str:
        told = self.what[0].name if self.kind == "map" else self.what if self.kind in ("in", "number", "part") else ""
        return f"<{self.kind} {told} {self.shape}>"


class Summed:
    """A gradient of something that is the same at every step: a sum over all steps.

    `kind` "outer" is the sum of aᵀ b over all rows of all steps, "rows" that of the rows of a, "steps" that of a.
    """

    __slots__ = ("args", "kind", "shape")

    def __init__(self, kind: str, args: tuple[Expr, ...], shape: tuple[int, ...]):
        self.kind, self.args, self.shape = kind, args, shape


class Transposed:
    """Rows of the batch as columns: the left operand of a weight's gradient. `value` are the rows."""

    def __init__(self, value: Value, expr: Expr):
        self.value, self.expr = value, expr


class Flat:
    """One number a row, without an axis for it: on its way to have one again."""

    def __init__(self, expr: Expr):
        self.expr = expr


class Form:
    """A trace in this form; expressions that are the same are one object."""

    def __init__(self, trace: Trace, batch: int):
        self.batch = batch
        self._made: dict[Any, Expr] = {}
        self._of: dict[Value, Any] = {}  # -> Expr, Transposed, Summed
        self._fixed: set[Value] = set()
        self._later: set[Value] = set()  # what is computed of sums over all steps, after the loop
        self._keys: dict[Any, int] = {}
        self.later: list[Call] = []
        for value in [*trace.carry, *trace.xs, *trace.dcarry_out, *trace.dys]:
            if value is not None:
                self._of[value] = self.incoming(value.role, value.place, value.shape, value.dtype)
        for call in trace.calls:
            self._read(call)
        self.carry_out = [self.expr(value) for value in trace.carry_out]
        self.ys = [self.expr(value) for value in trace.ys]
        self._gradients_only = _only_for_gradients(trace)
        for call in trace.backward:
            self._read(call)
        self.dcarry = [None if value is None else self.expr(value) for value in trace.dcarry]
        self.dxs = [None if value is None else self.expr(value) for value in trace.dxs]
        self.dclosed = [None if value is None else self._summed(value) for value in trace.dclosed]

    # Making expressions

    def make(self, kind: str, what: Any, args: Sequence[Expr], shape: tuple[int, ...], dtype: Any) -> Expr:
        """The expression of these parts."""
        args = tuple(args)
        width = shape[1] if len(shape) == 2 and shape[0] == self.batch else None
        if kind == "item" or (kind == "call" and len(what.results) > 1):
            width = width if kind == "item" else None
        key = (kind, self._key(what), args, shape, dtype)
        if key not in self._made:
            self._made[key] = Expr(kind, what, args, shape, dtype, width)
        return self._made[key]

    def _key(self, what: Any) -> Any:
        if isinstance(what, (tuple, list)):
            return tuple([self._key(part) for part in what])
        if isinstance(what, dict):
            return tuple([(name, self._key(part)) for name, part in sorted(what.items())])
        if isinstance(what, (int, float, str, bool, type(None), slice)):
            return type(what), repr(what)
        if isinstance(what, Value) and what.call is not None:  # columns of a matrix, cut out twice, are the same
            key = ("value", what.call.op, self._key(what.call.args), self._key(what.call.options), what.place)
            return self._keys.setdefault(key, len(self._keys))
        return id(what)

    def incoming(self, role: str, place: int, shape: tuple[int, ...], dtype: Any) -> Expr:
        return self.make("in", (role, place), (), shape, dtype)

    def number(self, value: Any, shape: tuple[int, ...], dtype: Any) -> Expr:
        return self.make("number", value, (), shape, dtype)

    def map(self, op: Op, options: dict[str, Any], args: Sequence[Expr], shape: tuple[int, ...], dtype: Any) -> Expr:
        """`op` on rows; where an argument is joined of parts, so is the result."""
        cuts = sorted({0, shape[1], *(at for arg in args if arg.kind == "join" for at in _cuts(arg))})
        if len(cuts) > 2:
            parts = []
            for low, high in pairwise(cuts):
                pieces = [self._columns(arg, low, high) for arg in args]
                parts.append(self.map(op, options, pieces, (shape[0], high - low), dtype))
            return self.join(parts)
        if op is ADD:
            for arg, other in (args, args[::-1]):
                if arg.kind == "number" and arg.what == 0 and other.shape == shape and other.dtype == dtype:
                    return other
        return self.make("map", (op, options), args, shape, dtype)

    def part(self, expr: Expr, low: int, high: int) -> Expr:
        """Columns `low` to `high`."""
        if (low, high) == (0, expr.width):
            return expr
        shape = (self.batch, high - low)
        if expr.kind == "map":
            return self.make("map", expr.what, [self._columns(arg, low, high) for arg in expr.args], shape, expr.dtype)
        if expr.kind == "number":
            return self.number(expr.what, shape, expr.dtype)
        if expr.kind == "product":
            matrices = tuple([self.cut(matrix, 1, low, high) for matrix in expr.what])
            return self.make("product", matrices, expr.args, shape, expr.dtype)
        if expr.kind == "join":
            parts, at = [], 0
            for piece in expr.args:
                width = piece.shape[1]
                if at < high and at + width > low:
                    parts.append(self.part(piece, max(low - at, 0), min(high - at, width)))
                at += width
            return self.join(parts)
        if expr.kind == "part":
            start = expr.what[0]
            return self.part(expr.args[0], start + low, start + high)
        return self.make("part", (low, high), (expr,), shape, expr.dtype)

    def _columns(self, arg: Expr, low: int, high: int) -> Expr:
        """Columns of an operand of a map, where it has more than one."""
        if arg.kind != "fixed":
            return arg if arg.width in (None, 1) else self.part(arg, low, high)
        shape = arg.shape
        if not shape or shape[-1] == 1:
            return arg
        cut = self.cut(arg.what, len(shape) - 1, low, high)
        return self.make("fixed", cut, (), cut.shape, cut.dtype)

    def join(self, parts: Iterable[Expr]) -> Expr:
        """All columns of `parts`, side by side."""
        flat: list[Expr] = []
        for expr in parts:
            for piece in expr.args if expr.kind == "join" else (expr,):
                last = flat[-1] if flat else None
                if last is not None and _follows(last, piece):
                    flat[-1] = self.part(last.args[0], last.what[0], piece.what[1])
                else:
                    flat.append(piece)
        if len(flat) == 1:
            return flat[0]
        shape = (self.batch, sum(piece.shape[1] for piece in flat))
        return self.make("join", None, flat, shape, flat[0].dtype)

    def product(self, left: Expr, matrix: Value) -> Expr:
        """`left @ matrix`."""
        shape, dtype = (self.batch, matrix.shape[1]), np.result_type(left.dtype, matrix.dtype)
        if left.kind != "join":
            return self.make("product", (matrix,), (left,), shape, dtype)
        terms, at = [], 0
        for piece in left.args:
            if not (piece.kind == "number" and piece.what == 0):
                terms.append(self.product(piece, self.cut(matrix, 0, at, at + piece.shape[1])))
            at += piece.shape[1]
        total = terms[0] if terms else self.number(0.0, shape, dtype)
        for term in terms[1:]:
            total = self.map(ADD, {}, (total, term), shape, dtype)
        return total

    # What is the same at every step

    def cut(self, value: Value, axis: int, low: int, high: int) -> Value:
        """Rows or columns of something fixed."""
        if (low, high) == (0, value.shape[axis]):
            return value
        if value.call is not None and value.call.op is GETITEM and isinstance(value.call.options["index"], tuple):
            index = value.call.options["index"]
            if len(index) == axis + 1 and index[:axis] == (slice(None),) * axis and isinstance(index[axis], slice):
                source, start = value.call.args[0], index[axis].start
                if index[axis].step is None and start is not None:
                    return self.cut(source, axis, start + low, start + high)
        index = (slice(None),) * axis + (slice(low, high),)
        made = (*value.shape[:axis], high - low, *value.shape[axis + 1 :])
        return self.fix(Call(GETITEM, (value,), {"index": index}, None), made, value.dtype)

    def put_together(self, values: Sequence[Value], axis: int) -> Value:
        """Fixed matrices side by side (axis 1) or stacked (0); what they were cut from, if they are all of it."""
        if len(values) == 1:
            return values[0]
        cuts = [cut_of(value, axis) for value in values]
        if all(cut is not None and cut[0] is cuts[0][0] for cut in cuts):  # type: ignore[index]
            bounds = [cut[1:] for cut in cuts if cut]
            if all(a[1] == b[0] for a, b in pairwise(bounds)):
                return self.cut(cuts[0][0], axis, bounds[0][0], bounds[-1][1])  # type: ignore[index]
        lengths = [value.shape[axis] for value in values]
        made = list(values[0].shape)
        made[axis] = sum(lengths)
        places = [0, *np.cumsum(lengths).tolist()]
        call = Call(CONCATENATE, tuple(values), {"axis": axis, "bounds": places}, None)
        return self.fix(call, tuple(made), np.result_type(*[value.dtype for value in values]))

    def fix(self, call: Call, shape: tuple[int, ...], dtype: Any) -> Value:
        """The result of a call on what is fixed."""
        value = Value("", 0, shape, dtype, call)
        call.results = (value,)
        self._fixed.add(value)
        return value

    def is_fixed(self, arg: Any) -> bool:
        return not isinstance(arg, Value) or arg.role in ("closed", "constant") or arg in self._fixed

    # Reading the tape

    def expr(self, value: Value) -> Expr:
        """What a Value is in this form."""
        found = self._of.get(value)
        if isinstance(found, Expr):
            return found
        if self.is_fixed(value):
            if value.role == "constant" and _all_zero(value):
                return self.number(0.0, value.shape, value.dtype)
            return self.make("fixed", value, (), value.shape, value.dtype)
        if isinstance(found, Flat):
            column = Value("", 0, found.expr.shape, found.expr.dtype)
            self._of[column] = found.expr
            flat = Call(RESHAPE, (column,), {"shape": value.shape}, None)
            flat.results = (value,)
            return self.make("call", flat, (found.expr,), value.shape, value.dtype)
        assert isinstance(found, Transposed), value
        turned = Call(TRANSPOSE, (found.value,), {"axes": (1, 0)}, None)
        turned.results = (value,)
        return self.make("call", turned, (self.expr(found.value),), value.shape, value.dtype)

    def known(self, value: Value) -> Expr | None:
        """What a Value that is not fixed is in this form, if it is an expression."""
        found = self._of.get(value)
        return found if isinstance(found, Expr) else None

    def _read(self, call: Call) -> None:
        if all(map(self.is_fixed, call.args)):
            self._fixed.update(call.results)
            return
        if any(isinstance(arg, Value) and arg in self._later for arg in call.args):
            self.later.append(call)
            self._later.update(call.results)
            return
        reader: Callable[[Form, Call], Any] | None = READERS.get(call.op.name)
        if reader is None and call.op in ELEMENTWISE:
            reader = Form._elementwise
        made = None if reader is None else reader(self, call)
        if made is None:
            self._opaque(call)
        elif isinstance(made, Summed):
            self._later.add(call.results[0])
            self._of[call.results[0]] = made
        elif isinstance(made, (Expr, Transposed, Flat)):
            self._of[call.results[0]] = made
        else:
            for value, expr in zip(call.results, made, strict=True):
                self._of[value] = expr

    def _args(self, call: Call) -> list[Any]:
        return [self.expr(arg) if isinstance(arg, Value) else arg for arg in call.args]

    def _opaque(self, call: Call) -> None:
        """A call of the operation as it is, on whole arrays."""
        args = [self.expr(arg) for arg in call.args if isinstance(arg, Value) and not self.is_fixed(arg)]
        first = call.results[0]
        made = self.make("call", call, args, first.shape, first.dtype)
        if len(call.results) == 1:
            self._of[first] = made
        for place, value in enumerate(call.results if len(call.results) > 1 else ()):
            self._of[value] = self.make("item", place, (made,), value.shape, value.dtype)

    def _is_row(self, arg: Any) -> bool:
        found = self._of.get(arg) if isinstance(arg, Value) else None
        return isinstance(found, Expr) and found.width is not None

    def _elementwise(self, call: Call) -> Expr | Summed | None:
        result = call.results[0]
        if call.op is MULTIPLY and self.batch == 1:  # a column times a row is how NumPy likes a product of one row
            left = self._of.get(call.args[0]) if isinstance(call.args[0], Value) else None
            if isinstance(left, Transposed):
                return self._outer(call)
        if len(result.shape) != 2 or result.shape[0] != self.batch:
            return None
        if call.op is NOTHING:
            return self.number(0.0, result.shape, result.dtype)
        args: list[Expr] = []
        for arg in call.args:
            if not isinstance(arg, Value):
                args.append(self.make("number", arg, (), (), type(arg)))
                continue
            expr = self.expr(arg)
            flat = len(expr.shape) < 2 or expr.shape[0] == 1 or expr.shape[0] == self.batch
            if not (expr.width is not None or (expr.kind in ("fixed", "number") and len(expr.shape) <= 2 and flat)):
                return None
            if expr.width is not None and len(expr.shape) != 2:
                return None
            args.append(expr)
        return self.map(call.op, call.options, args, result.shape, result.dtype)

    def _matmul(self, call: Call) -> Expr | Summed | None:
        left, right = call.args
        if isinstance(left, Value) and isinstance(self._of.get(left), Transposed):
            return self._outer(call)
        if self._is_row(left) and isinstance(right, Value) and self.is_fixed(right) and len(right.shape) == 2:
            return self.product(self.expr(left), right)
        return None

    def _outer(self, call: Call) -> Summed | None:
        left, right = self._of.get(call.args[0]), call.args[1]
        if not isinstance(left, Transposed) or not self._is_row(right) or call.results[0] not in self._gradients_only:
            return None
        return Summed("outer", (left.expr, self.expr(right)), call.results[0].shape)

    def _transpose(self, call: Call) -> Transposed | None:
        axes = call.options.get("axes")
        if self._is_row(call.args[0]) and (axes is None or tuple(a % 2 for a in axes) == (1, 0)):
            return Transposed(call.args[0], self.expr(call.args[0]))
        return None

    def _reshape(self, call: Call) -> Expr | Transposed | None:
        found = self._of.get(call.args[0])
        if isinstance(found, Flat) and call.results[0].shape == (self.batch, 1):
            return found.expr
        same = call.results[0].shape == call.args[0].shape
        return found if same and isinstance(found, (Expr, Transposed)) else None

    def _split(self, call: Call) -> list[Expr] | None:
        source, bounds, axis = call.args[0], call.options["bounds"], call.options["axis"]
        if not self._is_row(source) or axis % 2 != 1:
            return None
        expr = self.expr(source)
        return [self.part(expr, low, high) for low, high in pairwise(bounds)]

    def _concatenate(self, call: Call) -> Expr | None:
        result = call.results[0]
        if len(result.shape) != 2 or result.shape[0] != self.batch or call.options["axis"] % 2 != 1:
            return None
        parts = []
        for arg in call.args:
            expr = self.expr(arg) if isinstance(arg, Value) else None
            if expr is None or len(expr.shape) != 2 or expr.dtype != result.dtype or expr.kind == "fixed":
                return None
            parts.append(expr)
        return self.join([part for part in parts if part.shape[1]])

    def _getitem(self, call: Call) -> Expr | None:
        columns = _columns_of(call.options["index"], call.args[0].shape) if self._is_row(call.args[0]) else None
        return None if columns is None else self.part(self.expr(call.args[0]), *columns)

    def _scatter(self, call: Call) -> Expr | None:
        """The way back from columns: the gradient among zeros."""
        whole, g = call.options["shape"], call.args[0]
        columns = _columns_of(call.options["index"], whole)
        if columns is None or len(whole) != 2 or whole[0] != self.batch or not self._is_row(g):
            return None
        widths = columns[0], whole[1] - columns[1]
        before, after = (self.number(0.0, (self.batch, width), g.dtype) for width in widths)
        parts = ((before, widths[0]), (self.expr(g), 1), (after, widths[1]))
        return self.join([part for part, width in parts if width])

    def _reduce(self, call: Call) -> Expr | Flat | Summed | None:
        """A sum, mean or largest along the rows; a sum of rows that only a gradient needs."""
        x, result, axis = call.args[0], call.results[0], call.options["axis"]
        if not self._is_row(x):
            return None
        axes = tuple(a % 2 for a in (axis if isinstance(axis, tuple) else (0, 1) if axis is None else (axis,)))
        expr = self.expr(x)
        if axes == (1,):
            made = self.reduce("max" if call.op.name == "max" else "sum", expr)
            if call.op.name == "mean":
                made = self.map(MULTIPLY, {}, (made, self._of_number(1 / x.shape[1])), made.shape, result.dtype)
            return made if len(result.shape) == 2 else Flat(made)
        if axes == (0,) and call.op.name == "sum" and result in self._gradients_only and not call.options["keepdims"]:
            return Summed("rows", (expr,), result.shape)
        if set(axes) == {0, 1} and call.op.name == "sum" and result in self._gradients_only:
            total = self.reduce("sum", expr)
            return Summed("rows", (total,), result.shape)
        return None

    def _of_number(self, value: float) -> Expr:
        return self.make("number", value, (), (), float)

    def reduce(self, how: str, expr: Expr) -> Expr:
        parts = expr.args if expr.kind == "join" else (expr,)
        total = None
        for piece in parts:
            found = self.make("reduce", how, (piece,), (self.batch, 1), piece.dtype)
            op = ADD if how == "sum" else _op(pointwise.maximum)
            total = found if total is None else self.map(op, {}, (total, found), (self.batch, 1), piece.dtype)
        assert total is not None
        return total

    def _broadcast(self, call: Call) -> Expr | None:
        x, result = call.args[0], call.results[0]
        if not self._is_row(x) or len(x.shape) != 2 or len(result.shape) != 2 or result.shape[0] != self.batch:
            return None
        if x.shape == result.shape:
            return self.expr(x)
        return self.map(COPY, {}, (self.expr(x),), result.shape, result.dtype)

    def _variance(self, call: Call) -> Expr | None:
        x, options = call.args[0], call.options
        if not self._along_row(call) or call.results[0].shape != (self.batch, 1):
            return None
        return self._deviation(x, x.shape[1] - options["ddof"])[1]

    def _normalize(self, call: Call) -> Expr | None:
        x = call.args[0]
        if not self._along_row(call):
            return None
        off, variance = self._deviation(x, x.shape[1])
        shape, dtype = variance.shape, x.dtype
        raised = self.map(ADD, {}, (variance, self._of_number(call.options["eps"])), shape, dtype)
        return self.map(DIVIDE, {}, (off, self.map(SQRT, {}, (raised,), shape, dtype)), x.shape, dtype)

    def _along_row(self, call: Call) -> bool:
        """Does a call work on rows, along each?"""
        return self._is_row(call.args[0]) and call.options["axis"] in (1, -1, (1,), (-1,))

    def _deviation(self, x: Value, count: float) -> tuple[Expr, Expr]:
        """What a row deviates from its mean, and the sum of its squares divided by `count`."""
        expr, dtype, column = self.expr(x), x.dtype, (self.batch, 1)
        mean = self.map(MULTIPLY, {}, (self.reduce("sum", expr), self._of_number(1 / x.shape[1])), column, dtype)
        off = self.map(SUBTRACT, {}, (expr, mean), x.shape, dtype)
        total = self.reduce("sum", self.map(MULTIPLY, {}, (off, off), x.shape, dtype))
        return off, self.map(MULTIPLY, {}, (total, self._of_number(1 / count)), column, dtype)

    def _softmax(self, call: Call) -> Expr | None:
        x = call.args[0]
        if not self._along_row(call):
            return None
        expr, dtype = self.expr(x), x.dtype
        off = self.map(SUBTRACT, {}, (expr, self.reduce("max", expr)), x.shape, dtype)
        power = self.map(EXP, {}, (off,), x.shape, dtype)
        total = self.reduce("sum", power)
        if call.op.name == "softmax":
            return self.map(DIVIDE, {}, (power, total), x.shape, dtype)
        return self.map(SUBTRACT, {}, (off, self.map(LOG, {}, (total,), (self.batch, 1), dtype)), x.shape, dtype)

    def _summed(self, value: Value) -> Value | Summed:
        """The gradient of something closed over: what it is computed of after the loop."""
        found = self._of.get(value)
        if isinstance(found, Summed) or value in self._later:
            return value
        return Summed("steps", (self.expr(value),), value.shape)

    def summed(self, value: Value) -> Summed | None:
        """What a Value among the arguments of `later` is a sum of."""
        found = self._of.get(value)
        return found if isinstance(found, Summed) else None


READERS: dict[str, Any] = {
    "matmul": Form._matmul, "transpose": Form._transpose, "reshape": Form._reshape, "split": Form._split,
    "concatenate": Form._concatenate, "getitem": Form._getitem, "scatter_add": Form._scatter, "sum": Form._reduce,
    "mean": Form._reduce, "max": Form._reduce, "broadcast_to": Form._broadcast, "var": Form._variance,
    "normalize": Form._normalize, "softmax": Form._softmax, "log_softmax": Form._softmax,
}  # fmt: skip


def _only_for_gradients(trace: Trace) -> set[Value]:
    """The Values of the way back that come to nothing but gradients of what is closed over, and linearly."""
    users: dict[Value, list[Call]] = {}
    for call in trace.backward:
        for arg in call.args:
            if isinstance(arg, Value):
                users.setdefault(arg, []).append(call)
    kept = {value for value in [*trace.dcarry, *trace.dxs] if value is not None}
    only: set[Value] = set()
    for call in reversed(trace.backward):
        for value in call.results:
            if value not in kept and all(_passes_on(user, value, only) for user in users.get(value, [])):
                only.add(value)
    return only


def _passes_on(user: Call, value: Value, only: set[Value]) -> bool:
    """Does `user` make of `value`, summed over the steps, the sum of what it makes at each?"""
    if not all(result in only for result in user.results):
        return False
    others = [arg for arg in user.args if isinstance(arg, Value) and arg is not value]
    return user.op in LINEAR or all(_is_constant(arg) for arg in others)


def _is_constant(value: Value) -> bool:
    if value.role in ("closed", "constant"):
        return True
    return value.call is not None and all(_is_constant(arg) for arg in value.call.args if isinstance(arg, Value))


def _follows(one: Expr, other: Expr) -> bool:
    """Are two expressions neighbouring columns of one?"""
    return one.kind == other.kind == "part" and one.args == other.args and one.what[1] == other.what[0]


def _cuts(join: Expr) -> list[int]:
    return [0, *np.cumsum([piece.shape[1] for piece in join.args]).tolist()]


def _columns_of(index: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The columns that an index names, where it names a run of them and all rows."""
    if len(shape) != 2 or not isinstance(index, tuple) or len(index) != 2:
        return None
    rows, columns = index
    if rows is not Ellipsis and not (isinstance(rows, slice) and rows.indices(shape[0]) == (0, shape[0], 1)):
        return None
    if not isinstance(columns, slice):
        return None
    low, high, step = columns.indices(shape[1])
    return (low, high) if step == 1 and low < high else None


def cut_of(value: Value, axis: int) -> tuple[Value, int, int] | None:
    """What a Value was cut out of along `axis`, and where."""
    if value.call is None or value.call.op is not GETITEM:
        return None
    index = value.call.options["index"]
    if not isinstance(index, tuple) or len(index) != axis + 1 or index[:axis] != (slice(None),) * axis:
        return None
    part = index[axis]
    if not isinstance(part, slice) or part.step is not None or part.start is None:
        return None
    return value.call.args[0], part.start, part.stop


def _all_zero(value: Value) -> bool:
    held = value.held
    return math.prod(value.shape) > 0 and not bool((held != 0).any())


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


def is_leaf(expr: Expr) -> bool:
    """Is it there without being computed?"""
    return expr.kind in ("in", "saved", "fixed", "number")


def pieces(expr: Expr) -> tuple[Expr, ...]:
    """What an expression is joined of."""
    return expr.args if expr.kind == "join" else (expr,)
