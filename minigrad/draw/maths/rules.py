"""What a VJP rule computes, read off the graph that it records when it is run on stand-ins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import ops
from ...backend import backend_of
from ...graph import Node, ancestors
from ...mode import MODE, Mode
from ...tensor import Tensor
from . import algebra as al
from .expression import Expression
from .formulas import call_of, constant, express

LONGEST = 200  # operations of a rule; a longer one is not written out
SIGNS = {"__lt__": ("<", "less"), "__le__": ("≤", "less_equal"), "__gt__": (">", "greater")}
SIGNS |= {"__ge__": ("≥", "greater_equal"), "__eq__": ("=", "equal"), "__ne__": ("≠", "not_equal")}


class StandIn(Tensor):
    """A leaf in place of a value: of its shape and dtype, and it records what is compared with it.

    Answers have no gradient, so the graph does not know where they come from; here they are leaves that do.
    """

    made: tuple[str, Tensor, Any] | None = None

    __hash__ = Tensor.__hash__

    def __init__(self, data: Any):
        super().__init__(data)
        self.requires_grad = True  # of any dtype


def _comparison(sign: str, op: str) -> Any:
    def compared(self: StandIn, other: Any) -> StandIn:
        answer = getattr(ops, op)(Tensor(self.data), other.data if isinstance(other, Tensor) else other)
        made = StandIn(answer.data)
        made.made = (sign, self, other)
        return made

    return compared


for _method, (_sign, _op) in SIGNS.items():
    setattr(StandIn, _method, _comparison(_sign, _op))


def stand_in(shape: Any, dtype: Any, xp: Any) -> StandIn:
    """A stand-in filled with a half, which is harmless to divide by and to take a logarithm of."""
    kind = np.dtype(dtype).kind
    return StandIn(xp.full(shape, True if kind == "b" else 1 if kind in "iu" else 0.5, dtype))


def message(
    node: Node,
    i: int,
    rule: Any,
    g: Expression | list[Expression],
    args: Sequence[Expression],
    out: Expression,
    columns: bool,
    matrix: bool = False,
) -> Expression:
    """What the rule of `node` for argument `i` sends back, given the gradient `g` (a list: of several results).

    `args` and `out` are how its arguments and its result are written, `columns` and `matrix` as of `Call`.
    """
    shape: Any = node.shape
    call = call_of(node, args, columns)
    parent = node.parents[i]
    xp = backend_of(parent.data).xp if isinstance(parent, Tensor) else np  # type: ignore[union-attr]
    known: dict[Any, Expression] = {}

    def known_as(e: Expression, shape: Any, dtype: Any) -> StandIn:
        made = stand_in(shape, dtype, xp)
        known[made] = e
        return made

    if isinstance(g, list):
        given: Any = [known_as(part, shape[k], node.dtype) for k, part in enumerate(g)]
    else:
        given = known_as(g, shape, node.dtype)
    values: list[Any] = []
    for pick in rule.picks:
        source = node.parents[pick] if pick >= 0 else node
        if pick >= 0 and not isinstance(source, (Node, Tensor)) and source is not None:
            values.append(source)
        else:
            saved = node.saved[pick] if isinstance(node.saved, tuple) and 0 <= pick < len(node.saved) else None
            dtype = getattr(source, "dtype", getattr(saved, "dtype", node.dtype))
            values.append(known_as(args[pick] if pick >= 0 else out, call.shapes[pick] if pick >= 0 else shape, dtype))
    token = MODE.set(Mode())
    try:
        with np.errstate(all="ignore"):
            result = rule.function(given, *values, **rule.options(node, i))
        steps = ancestors([result.node]) if isinstance(result, Tensor) and result.node is not None else []
    except Exception:  # a rule may refuse stand-ins for any reason of its own
        result, steps = None, [node] * (LONGEST + 1)
    finally:
        MODE.reset(token)
    if len(steps) > LONGEST:
        return al.apply(f"vjp {node.op.name}", *(g if isinstance(g, list) else [g]), *args)
    if not isinstance(result, Tensor):
        return al.ZERO if np.all(np.asarray(result) == 0) else al.symbol("κ")
    made = _read(result, known, node, columns, matrix)
    if node.op.name == "concatenate" and isinstance(g, Expression):
        made = al.item(g, str(i))  # which block, rather than from where to where
    return _fitted(made, result.shape, parent.shape, columns)  # type: ignore[union-attr]


def _read(result: Tensor, known: dict[Any, Expression], node: Node, columns: bool, matrix: bool) -> Expression:
    def read(source: Any) -> Expression:
        if source in known:
            return known[source]
        if isinstance(source, Node):
            for step in ancestors([source]):
                if step not in known:
                    arguments = [_argument(step, k, read) for k in range(len(step.parents))]
                    known[step] = express(call_of(step, arguments, columns, matrix))
            return known[source]
        if isinstance(source, StandIn) and source.made is not None:
            sign, left, right = source.made
            known[source] = al.compare(read(left.node or left), sign, _side(right, read))
            return known[source]
        if isinstance(source, Tensor):  # an answer, which no graph knows the way to
            told = source.item() if source.size == 1 else None
            return constant(told) if told is not None and source.ndim == 0 else _unknown(node, known)
        return constant(source)

    return read(result.node or result)


def _side(other: Any, read: Any) -> Expression:
    return read(other.node or other) if isinstance(other, Tensor) else constant(other)


def _argument(step: Node, k: int, read: Any) -> Expression:
    parent = step.parents[k]
    if parent is not None:
        return read(parent)
    saved = step.saved[k] if isinstance(step.saved, tuple) and k < len(step.saved) else None
    return constant(saved.item()) if saved is not None and saved.size == 1 else al.symbol("κ")


def _unknown(node: Node, known: dict[Any, Expression]) -> Expression:
    return al.apply(node.op.name + "′", *[e for key, e in list(known.items())[1:] if isinstance(key, StandIn)])


def _fitted(e: Expression, shape: tuple[int, ...], wanted: tuple[int, ...], columns: bool) -> Expression:
    """`e` summed over the axes along which an argument of shape `wanted` was broadcast, as the engine does it.

    A sum over the leading axes is one over examples, and is not written.
    """
    if shape == wanted or e == al.ZERO:
        return e
    size = int(np.prod(wanted))
    if size == 1 and int(np.prod(shape)) > 1:
        return al.apply("sum", e)
    if columns and e.kind == "matmul" and e.parts[0].kind == "diag" and len(wanted) == 1:
        rest = [al.transpose(part) for part in reversed(e.parts[1:])]
        return al.matmul(*rest, e.parts[0].parts[0])
    if len(wanted) <= len(shape) and all(m == n for m, n in zip(shape[len(shape) - len(wanted) :], wanted)):
        return e
    lead = len(shape) - len(wanted)
    inner = [a for a in range(lead, len(shape)) if wanted[a - lead] == 1 and shape[a] > 1]
    if inner and inner[-1] == len(shape) - 1:
        return al.apply("sum", e)
    return e
