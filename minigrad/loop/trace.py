"""Tracing: one step is run, and every operation that it calls is noted; then its backward walk likewise.

What comes of it is a `Trace`: two lists of calls over `Value`s, from which the compiler works. The step is run as it
is, on real arrays; the engine's own walk and VJP rules make the calls of the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend import SCALAR, backend_of
from ..errors import users_line
from ..graph import tick, walk
from ..mode import MODE, Mode
from ..primitive import Op
from ..tensor import Tensor


class UntraceableError(Exception):
    """The step does what a trace cannot hold; `line` is the line of the user's that does it."""

    def __init__(self, why: str, line: str | None = None):
        super().__init__(why)
        self.why, self.line = why, line


class CarryDtypeError(UntraceableError):
    """The carry has other dtypes after the step: `dtypes`."""

    def __init__(self, why: str, dtypes: list[Any]):
        super().__init__(why)
        self.dtypes = dtypes


class Value:
    """An array of one step: what came in, or a result of a call.

    `role` says what comes in: "carry", "x", "closed" (a Tensor that the step closes over) or "constant"; on the way
    back also "dcarry" and "dy", the gradients of what went out. It is "" for the result of a call. `name` is that of
    its Tensor.
    """

    __slots__ = ("call", "dtype", "held", "name", "place", "role", "shape")

    def __init__(self, role: str, place: int, shape: tuple[int, ...], dtype: Any, call: Any = None, held: Any = None):
        self.role, self.place, self.shape, self.dtype = role, place, shape, dtype
        self.call: Call | None = call
        self.held = held  # the Tensor closed over, or the constant array
        self.name: str | None = None

    def __repr__(self) -> str:
        return f"<{self.role or (self.call.op.name if self.call else '?')}.{self.place} {self.shape} {self.dtype}>"


class Call:
    """One operation on Values, numbers and options; `line` is the line of the user's that called it.

    `live` says which arguments were Tensors with a gradient, rather than detached from it.
    """

    __slots__ = ("args", "line", "live", "op", "options", "results")

    def __init__(self, op: Op, args: tuple[Any, ...], options: dict[str, Any], line: str | None):
        self.op, self.args, self.options, self.line = op, args, options, line
        self.results: tuple[Value, ...] = ()
        self.live: tuple[bool, ...] = ()

    def __repr__(self) -> str:
        return f"{self.op.name}({', '.join(map(repr, self.args))})"


class Tape:
    """What the engine notes its operations on while a step is traced.

    On one with a `loop`, a scan is not its steps: `loop(step, inputs)` says what comes of it.
    """

    loop: Any = None

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.closed: list[Value] = []
        self.constants: list[Value] = []
        self._values: dict[int, Value] = {}  # id of a Tensor, or of its array -> its Value
        self._kept: list[Any] = []  # so that no id is used twice

    def __bool__(self) -> bool:
        return True

    def bring_in(self, role: str, tensor: Tensor, place: int) -> Value:
        """Say that `tensor` is what comes in at `place` among those of its role."""
        return self._know(tensor, Value(role, place, tensor.shape, tensor.dtype))

    def note(self, op: Op, args: tuple[Any, ...], options: dict[str, Any], results: Sequence[Tensor]) -> None:
        """The engine has run `op`."""
        call = Call(op, tuple([self.value(arg) for arg in args]), options, users_line())
        call.live = tuple([isinstance(arg, Tensor) and arg.requires_grad for arg in args])
        call.results = tuple(
            [self._know(t, Value("", i, t.shape, t.dtype, call)) for i, t in enumerate(results)]
        )  # fmt: skip
        self.calls.append(call)

    def refuse(self, why: str) -> None:
        """Raise UntraceableError at the user's line."""
        raise UntraceableError(why, users_line())

    def value(self, arg: Any) -> Any:
        """The Value of a Tensor or array, new to the tape or not; a number as it is."""
        found = self._values.get(id(arg))
        if found is None and isinstance(arg, Tensor):
            found = self._values.get(id(arg.data))  # detached, or taken from a node
        if found is not None:
            return found
        if isinstance(arg, Tensor):
            self.closed.append(Value("closed", len(self.closed), arg.shape, arg.dtype, held=arg))
            return self._know(arg, self.closed[-1])
        if backend_of(arg) in (None, SCALAR):
            return arg
        self.constants.append(Value("constant", len(self.constants), arg.shape, arg.dtype, held=arg))
        return self._know(arg, self.constants[-1])

    def alias(self, copy: Any, original: Any) -> None:
        """Say that the array `copy` holds what `original` does, where that is known."""
        if (found := self._values.get(id(original))) is not None:
            self._know(copy, found)

    def forget(self) -> None:
        """Let go of the Tensors that were seen, whose nodes know this tape."""
        self._values.clear()
        self._kept.clear()

    def _know(self, thing: Any, value: Value) -> Value:
        array = thing.data if isinstance(thing, Tensor) else thing
        self._values[id(thing)] = self._values[id(array)] = value
        self._kept.append((thing, array))
        return value

    def take_names(self) -> None:
        """Give Values the names that their Tensors have by now."""
        for thing, _ in self._kept:
            if isinstance(thing, Tensor) and thing.name:
                self._values[id(thing)].name = thing.name

    def by_node(self) -> dict[Any, Value]:
        """The Values so far by the nodes of the graph that they are results of."""
        return {t.node: self._values[id(t)] for t, _ in self._kept if isinstance(t, Tensor) and t.node is not None}


@dataclass
class Trace:
    """A step: its calls, what comes in and what goes out, and the same of its way back.

    `dcarry_out` and `dys` are the gradients that come to the way back, `dcarry`, `dxs` and `dclosed` those that it
    brings; None where there is none. `gradients` pairs Values of the way back with those that they are gradients of.
    """

    calls: list[Call]
    carry: list[Value]
    xs: list[Value]
    closed: list[Value]
    carry_out: list[Value]
    ys: list[Value]
    y_structure: Any
    backward: list[Call] = field(default_factory=list)
    dcarry_out: list[Value | None] = field(default_factory=list)
    dys: list[Value | None] = field(default_factory=list)
    dcarry: list[Value | None] = field(default_factory=list)
    dxs: list[Value | None] = field(default_factory=list)
    dclosed: list[Value | None] = field(default_factory=list)
    gradients: list[tuple[Value, Value]] = field(default_factory=list)
    ends: list[Any] = field(default_factory=list)  # the carry after the step, to trace the next one with


Flatten = Callable[[Any], tuple[list[Any], Any]]
Unflatten = Callable[[Any, Sequence[Any]], Any]


def trace(
    step: Callable[..., Any],
    carry: tuple[Sequence[Any], Any],
    x: tuple[Sequence[Any], Any],
    needs: Sequence[bool],
    recording: bool,
    flatten: Flatten,
    unflatten: Unflatten,
) -> Trace:
    """Run `step` on raw arrays `carry` and `x` (each as leaves and structure) and note what it calls.

    `needs` says which of the inputs' leaves need a gradient. With `recording` the way back is noted too. Raises
    UntraceableError where the step reads numbers, changes arrays in place, or changes the carry's form.
    """
    tape, since = Tape(), tick()
    token = MODE.set(Mode(recording, MODE.get().scope, tape=tape))
    try:
        carry_in = [_leaf(array, True) for array in carry[0]]
        x_in = [_leaf(array, need) for array, need in zip(x[0], needs, strict=True)]
        carry_values = [tape.bring_in("carry", t, i) for i, t in enumerate(carry_in)]
        x_values = [tape.bring_in("x", t, i) for i, t in enumerate(x_in)]
        answer = step(unflatten(carry[1], carry_in), unflatten(x[1], x_in))
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise UntraceableError("the step does not return (carry, y)")
        (out_leaves, out_structure), (y_leaves, y_structure) = flatten(answer[0]), flatten(answer[1])
        if out_structure != carry[1]:
            raise UntraceableError("the carry has other parts after the step than before it")
        carry_out, ys = ([_as_tensor(leaf) for leaf in leaves] for leaves in (out_leaves, y_leaves))
        for before, after in zip(carry_in, carry_out, strict=True):
            if before.shape != after.shape:
                raise UntraceableError(f"the carry is {before.shape} before the step and {after.shape} after it")
        dtypes = [after.dtype for after in carry_out]
        if dtypes != [before.dtype for before in carry_in]:
            raise CarryDtypeError("the carry has another dtype after the step than before it", dtypes)
        made = Trace(
            tape.calls,
            carry_values,
            x_values,
            tape.closed,
            [tape.value(t) for t in carry_out],
            [tape.value(t) for t in ys],
            y_structure,
            ends=[t.data for t in carry_out],
        )
        tape.take_names()
        if recording:
            _trace_back(tape, made, carry_in, x_in, carry_out, ys, since)
        return made
    finally:
        MODE.reset(token)
        tape.forget()


def _trace_back(
    tape: Tape,
    made: Trace,
    carry_in: list[Tensor],
    x_in: list[Tensor],
    carry_out: list[Tensor],
    ys: list[Tensor],
    since: int,
) -> None:
    made.calls, tape.calls = tape.calls, []
    forward, arriving = tape.by_node(), {}
    seeds: dict[Any, Any] = {}

    def seed(role: str, tensors: list[Tensor]) -> list[Value | None]:
        values: list[Value | None] = []
        for place, t in enumerate(tensors):
            if not t.requires_grad:
                values.append(None)
                continue
            g = Tensor(t.backend.xp.ones(t.shape, t.dtype))
            values.append(tape.bring_in(role, g, place))
            key = t.node or t
            seeds[key] = seeds[key] + g if key in seeds else g
        return values

    made.dcarry_out, made.dys = seed("dcarry", carry_out), seed("dy", ys)

    def observe(node: Any, argument: int, g: Any, values: Any, message: Any) -> None:
        arriving[node] = g

    arrived = walk(seeds, retain=True, recorded=True, observe=observe, since=since)
    made.backward = tape.calls
    made.gradients = [
        (tape.value(g), forward[node]) for node, g in arriving.items() if node in forward and isinstance(g, Tensor)
    ]

    def gradient(t: Tensor) -> Value | None:
        g = arrived.get(t.node or t)
        return None if g is None or not t.requires_grad else tape.value(g)

    made.dcarry = [gradient(t) for t in carry_in]
    made.dxs = [gradient(t) for t in x_in]
    made.dclosed = [gradient(value.held) for value in made.closed]
    for value in tape.closed[len(made.dclosed) :]:  # what the rules themselves made and the tape did not see
        value.role, value.held = "constant", value.held.data


def same_steps(one: Trace, other: Trace) -> UntraceableError | None:
    """Why two traces of one step differ: it computes something else at another time. None if they do not."""
    names: dict[int, tuple[Any, ...]] = {}
    for made in (one, other):
        for place, call in enumerate(made.calls):
            for value in call.results:
                names[id(value)] = (place, value.place)

    def told(arg: Any) -> Any:
        if not isinstance(arg, Value):
            return type(arg), arg
        return names.get(id(arg)) or (arg.role, arg.place)

    def equal(a: Any, b: Any) -> bool:
        if isinstance(a, Value) and isinstance(b, Value) and a.role == b.role and a.role in ("constant", "closed"):
            if a.held is b.held:
                return True
            if getattr(a.held, "requires_grad", False) or getattr(b.held, "requires_grad", False):
                return False
            return _equal(_raw(a.held), _raw(b.held))
        return bool(_equal(told(a), told(b)))

    for a, b in zip(one.calls, other.calls, strict=False):
        same = a.op is b.op and len(a.args) == len(b.args) and all(map(equal, a.args, b.args))
        if not same or not _equal(a.options, b.options):
            return UntraceableError(f"it computes {a.op.name!r} of something else at each step, or at random", a.line)
    ends = zip([*one.carry_out, *one.ys], [*other.carry_out, *other.ys], strict=False)
    if len(one.calls) != len(other.calls) or len(one.ys) != len(other.ys) or not all(equal(a, b) for a, b in ends):
        return UntraceableError("it computes something else at each step")
    return None


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(_equal, a, b))
    if hasattr(a, "shape") and hasattr(b, "shape"):
        return a is b or (a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(_host(a), _host(b))))
    return type(a) is type(b) and bool(a == b or a is b or a != a)


def _host(array: Any) -> Any:
    record = backend_of(array)
    return array if record is None else record.to_numpy(array)


def _raw(held: Any) -> Any:
    return held.data if isinstance(held, Tensor) else held


def _leaf(array: Any, need: bool) -> Tensor:
    return Tensor(array[...], need and array.dtype.kind == "f")  # one array of its own, though two inputs share one


def _as_tensor(leaf: Any) -> Tensor:
    if isinstance(leaf, Tensor):
        return leaf
    if hasattr(leaf, "shape"):
        return Tensor(leaf)
    raise UntraceableError(f"the step returns a {type(leaf).__name__} where an array is wanted")
