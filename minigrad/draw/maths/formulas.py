"""From nodes of a graph to expressions: a table for the common operations, `operation(arguments)` for all others."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph import Node
from ...tensor import Tensor
from ..text import NUMBERS, several, symbol
from . import algebra as al
from .algebra import ONE, ONES, ZERO
from .expression import Expression

Shape = tuple[Any, ...]


@dataclass
class Call:
    """An operation and what it is applied to.

    `columns` says that an array of one axis is a column, else it is a row. `matrix` says that the result is no vector
    (and no batch of them).
    """

    op: str
    args: list[Expression]
    shapes: list[Shape]
    shape: Shape
    options: dict[str, Any] = field(default_factory=dict)
    columns: bool = False
    matrix: bool = False

    def rows_and_columns(self, shape: Shape) -> tuple[int, int]:
        """The shape as that of a matrix; leading axes are rows too."""
        if len(shape) < 2:
            n = shape[0] if shape else 1
            return (n, 1) if self.columns else (1, n)
        return math.prod(shape[:-1]), shape[-1]


def express(call: Call) -> Expression:
    """The call as an expression."""
    writer = TABLE.get(call.op)
    found = None if writer is None else writer(call)
    if found is None:
        options = [f"{k} = {v:g}" for k, v in call.options.items() if isinstance(v, (int, float)) and k != "keepdims"]
        found = al.apply(call.op, *call.args, *(al.symbol(option) for option in options))
    return found


def product(call: Call) -> Expression:
    """Element by element, with scalars in front; a column and a row make a matrix."""
    (a, b), (sa, sb) = call.args, call.shapes
    size_a, size_b = math.prod(sa), math.prod(sb)
    if a == ZERO or b == ZERO:
        return ZERO
    ma, mb = call.rows_and_columns(sa), call.rows_and_columns(sb)
    if "transpose" in (a.kind, b.kind) and ma[1] == mb[0] == 1 and len(sa) == len(sb) == 2:
        return al.matmul(a, b)
    if size_a == 1 and (size_b > 1 or not sa):
        return al.times(a, b)
    if size_b == 1 and (size_a > 1 or not sb):
        return al.times(b, a)
    if call.columns and len(sa) != len(sb):  # broadcasting takes an array of one axis for a row
        a, sa = (al.transpose(a), (1, *sa)) if len(sa) == 1 else (a, sa)
        b, sb = (al.transpose(b), (1, *sb)) if len(sb) == 1 else (b, sb)
    ma, mb = call.rows_and_columns(sa), call.rows_and_columns(sb)
    if ma[0] == mb[1] == 1 and ma[1] > 1 and mb[0] > 1:
        return al.matmul(b, a)
    if ma[1] == mb[0] == 1 and ma[0] > 1 and mb[1] > 1:
        return al.matmul(a, b)
    if sa != sb and ma[0] == mb[0] and 1 in (ma[1], mb[1]):  # a number for each row
        if call.columns:
            return al.matmul(al.diag(a), b) if ma[1] == 1 else al.matmul(al.diag(b), a)
        return al.times(a, b) if ma[1] == 1 else al.times(b, a)
    return al.hadamard(a, b, matrix=call.matrix)


def _matmul(call: Call) -> Expression:
    (a, b), (sa, sb) = call.args, call.shapes
    if len(sa) == 1 and call.columns:
        a = al.transpose(a)
    if len(sb) == 1 and not call.columns:
        b = al.transpose(b)
    made = al.matmul(a, b)
    turned = (len(sa) == 1) != (len(sb) == 1) and (len(sa) == 1) == call.columns
    return al.transpose(made) if turned else made


def _divide(call: Call) -> Expression:
    (a, b), (sa, sb) = call.args, call.shapes
    number_each = sb[-1:] == (1,) or math.prod(sb) == 1  # one for each row
    if number_each and b.kind != "number" and (sa[-1:] == (1,) or sa != sb):
        return al.times(al.quotient(ONE, b), a)
    return al.quotient(a, b)


def _reshape(call: Call) -> Expression | None:
    x, before, after = call.args[0], call.shapes[0], call.shape
    rows, columns = call.rows_and_columns(before), call.rows_and_columns(after)
    if rows == columns or math.prod(after) == 1 or before[-1:] == after[-1:]:
        return x
    return al.transpose(x) if rows == columns[::-1] and 1 in rows else None


def _transpose(call: Call) -> Expression | None:
    x, shape, axes = call.args[0], call.shapes[0], call.options.get("axes")
    if len(shape) < 2 or axes == tuple(range(len(shape))):
        return x
    swapped = axes is None or [a % len(shape) for a in axes] == [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
    return al.transpose(x) if swapped and (len(shape) == 2 or axes is not None) else None


def _broadcast(call: Call) -> Expression:
    x, before, after = call.args[0], call.shapes[0], call.shape
    spread = math.prod(before) < math.prod(after) and (math.prod(before) == 1 or before[-1:] == (1,))
    return al.times(x, ONES) if spread else x


def _reduction(call: Call) -> Expression:
    x, shape, axis = call.args[0], call.shapes[0], call.options.get("axis")
    if math.prod(shape) == math.prod(call.shape):
        return x
    axes = [] if axis is None else [a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    if call.op == "logsumexp":
        return al.apply("logsumexp", x)
    outer = [a for a in axes if a < len(shape) - 1 and shape[a] > 1]
    return al.apply(call.op, x, sub=(f"axis {','.join(map(str, outer))}",) if outer else ())


def _concatenate(call: Call) -> Expression:
    axis = call.options.get("axis") or 0
    depth = len(call.shape)
    return al.blocks(
        call.args, "beside" if axis % depth == depth - 1 and not (call.columns and depth == 1) else "below"
    )


def _getitem(call: Call) -> Expression:
    parts = call.options["index"] if isinstance(call.options["index"], tuple) else (call.options["index"],)
    if not all(isinstance(part, (int, slice, np.integer, type(None), type(Ellipsis))) for part in parts):
        return al.apply("items", call.args[0])
    kept = [part for part in parts if not (isinstance(part, slice) and part == slice(None))]
    return al.item(call.args[0], symbol("getitem", {"index": kept[0] if len(kept) == 1 else parts})[1:-1])


def _where(call: Call) -> Expression | None:
    condition, x, y = call.args
    if y == ZERO:
        return al.hadamard(x, condition) if call.shape else al.times(condition, x)
    if x == ZERO:
        rest = al.minus(ONE, condition)
        return al.hadamard(y, rest) if call.shape else al.times(rest, y)
    return None


def _sign(sign: str) -> Callable[[Call], Expression]:
    return lambda call: al.compare(call.args[0], sign, call.args[1])


def _named(name: str) -> Callable[[Call], Expression]:
    return lambda call: al.apply(name, *call.args)


def _minus_target(call: Call) -> Expression:
    """g (softmax(x) - 1_y), where 1_y is 1 at the target and 0 elsewhere."""
    return al.times(call.args[0], al.minus(al.apply("softmax", call.args[1]), al.symbol("1", "y")))


SAME = ("astype", "copy", "positive", "to", "split", "unstack")
TABLE: dict[str, Callable[[Call], Expression | None]] = {
    **{op: lambda call: call.args[0] for op in SAME},
    "add": lambda call: al.total(*call.args),
    "subtract": lambda call: al.minus(*call.args),
    "negative": lambda call: al.times(al.MINUS, call.args[0]),
    "multiply": product,
    "divide": _divide,
    "reciprocal": lambda call: al.quotient(ONE, call.args[0]),
    "square": lambda call: al.power(call.args[0], al.number(2)),
    "power": lambda call: al.power(
        call.args[0], al.number(call.options["exponent"]) if "exponent" in call.options else call.args[1]
    ),
    "matmul": _matmul,
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast_to": _broadcast,
    "sum": _reduction,
    "mean": _reduction,
    "logsumexp": _reduction,
    "concatenate": _concatenate,
    "item": lambda call: al.item(call.args[0], str(call.options["index"])),
    "getitem": _getitem,
    "scatter_add": _named("scatter"),
    "where": _where,
    "nothing": lambda call: ZERO,
    "sigmoid": _named("σ"),
    "relu": _named("ReLU"),
    "sqrt": _named("√"),
    "log_softmax": _named("logsoftmax"),
    "softmax": _named("softmax"),
    "softmax_minus_target": _minus_target,
    "greater": _sign(">"),
    "greater_equal": _sign("≥"),
    "less": _sign("<"),
    "less_equal": _sign("≤"),
    "equal": _sign("="),
    "not_equal": _sign("≠"),
    **{op: _named(op) for op in ("cross_entropy", "stack", "clip", "power_of_number", "tanh", "exp", "log")},
}


def constant(value: Any) -> Expression:
    """A plain number among the arguments of a node."""
    return al.number(value) if isinstance(value, NUMBERS) else al.symbol("κ")


def is_matrix(source: Any) -> bool:
    """Whether a leaf is a parameter matrix; the rows of any other array are vectors."""
    return isinstance(source, Tensor) and source.requires_grad and source.ndim >= 2 and min(source.shape) > 1


def formula(node: Node, stop: Collection[Any] | None = None, convention: str = "columns") -> Expression:
    """What `node` computes, as an expression in its inputs.

    Inputs with a name, those in `stop` (nodes and leaves), and all if it is None, are symbols; the others are written
    out, at most ten deep. An input without a name is x, y, z … in the order of the arguments.
    """
    near = _within(node, stop)
    found: dict[Any, Expression] = {}
    spare = Spare(node)
    columns = native_columns([*near])
    for part in near:
        args = [_input(part, i, found, spare) for i in range(len(part.parents))]
        found[part] = express(call_of(part, args, columns))
    return al.textbook(found[node], not columns) if convention == "columns" else found[node]


def _within(node: Node, stop: Collection[Any] | None) -> list[Node]:
    """`node` and the nodes behind it that are written out, in the order of their making."""
    kept, layer = {node}, [node]
    for _ in range(10 if stop is not None else 0):
        layer = [p for n in layer for p in n.parents if isinstance(p, Node) and p not in stop and not p.name]  # type: ignore[operator]
        kept.update(layer)
    return sorted(kept, key=lambda kept_node: kept_node.index)


class Spare:
    """Symbols for inputs without a name: x, y, z, x_1 …, one each."""

    def __init__(self, node: Node):
        from .symbols import named

        self.named = named
        self.given: dict[Any, Expression] = {}
        self.taken = {part.name for part in (node, *node.parents) if isinstance(part, (Node, Tensor))}

    def __call__(self, source: Any, letters: str = "xyzuvw") -> Expression:
        if isinstance(source, (Node, Tensor)) and source.name:
            return self.named(source.name)
        if source not in self.given:
            free = [c for c in letters if c not in self.taken] or [f"x_{len(self.given)}"]
            self.taken.add(free[0])
            self.given[source] = self.named(free[0])
        return self.given[source]


def _input(node: Node, i: int, found: dict[Any, Expression], spare: Spare) -> Expression:
    parent = node.parents[i]
    if isinstance(parent, NUMBERS):
        return al.number(parent)
    return found[parent] if parent in found else spare(parent if parent is not None else (node, i))


def call_of(node: Node, args: Sequence[Expression], columns: bool, matrix: bool = False) -> Call:
    """The call that `node` records, of these arguments."""
    shapes: list[Shape] = []
    for i, parent in enumerate(node.parents):
        saved = node.saved[i] if isinstance(node.saved, tuple) and i < len(node.saved) else None
        shapes.append(getattr(parent, "shape", getattr(saved, "shape", node.shape if parent is None else ())))
    shape: Any = node.shape
    return Call(node.op.name, list(args), shapes, shape, node.options, columns, matrix)


def native_columns(nodes: Sequence[Node]) -> bool:
    """Whether matrices stand on the left of most products, as in W @ x; in x @ W vectors are rows."""
    left = right = 0
    for node in nodes:
        if node.op.name == "matmul":
            first, second = (is_matrix(parent) for parent in node.parents)
            left += first and not second
            right += second and not first
    return left > right


def local_derivative(node: Node, argument: int, convention: str = "columns") -> Expression:
    """What `node` multiplies the gradient of its result with for the gradient of that argument.

    Where it does more than multiply, the whole rule is given, in g (in u where g is the name of something else).
    """
    from .rules import message

    columns = native_columns([node])
    spare = Spare(node)
    args = [_input(node, i, {}, spare) for i in range(len(node.parents))]
    out = spare(node, "yhsz")
    taken = any(e.holds(lambda part: part.name == "g") for e in [*args, out])
    g = al.symbol("u" if taken else "g")
    gs: Any = [al.symbol(g.name, str(i)) for i in range(len(node.shape))] if several(node.shape) else g
    rule = dict(node.plan.rules).get(argument) or node.op.rules[argument]
    made = message(node, argument, rule, gs, args, out, columns)
    found = al.factor_of(made, g)
    made = made if found is None else found
    return al.textbook(made, not columns) if convention == "columns" else made
