"""What a model computes, for any batch size and number of steps: a `Program`, from its runs at a few of them.

A run is noted on a tape, operation by operation, a loop over time as one operation. What the runs have in common is the
program; a length in which they differ is fitted as a polynomial of the sizes that were run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.errors import MinigradError
from minigrad.loop.run import Inputs
from minigrad.loop.scan import SCAN
from minigrad.loop.trace import Call, CarryDtypeError, Tape, Trace, UntraceableError, Value, same_steps, trace
from minigrad.loop.unrolled import flatten, unflatten, unroll
from minigrad.mode import MODE, Mode
from minigrad.tensor import Tensor, on_host

Sizes = Mapping[str, int]
SHORTEST, APART = 6, 5  # of the sizes that are run: a half or a third of a length would not stay whole


class ExportError(MinigradError, ValueError):
    """A model that cannot be exported as it is."""


@dataclass(frozen=True)
class Length:
    """A whole number that depends on the sizes: Σ factor * Π axes. Without terms it is none that could be told."""

    terms: tuple[tuple[int, tuple[str, ...]], ...]

    def __str__(self) -> str:
        return " + ".join("*".join([str(n)] * (n != 1 or not axes) + list(axes)) for n, axes in self.terms)


class Var:
    """An array of a program. `held` is a constant's Tensor or array; `varies` says that it is no constant after all."""

    __slots__ = ("dtype", "held", "shape", "varies")

    def __init__(self, shape: tuple[int | Length, ...], dtype: Any, held: Any = None, varies: bool = False):
        self.shape, self.dtype, self.held, self.varies = shape, np.dtype(dtype), held, varies


@dataclass
class Operation:
    """One primitive on Vars, numbers and Lengths; for a loop the `body` is its step, carry and items in, both out."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    results: tuple[Var, ...]
    line: str | None
    body: Program | None = None


@dataclass
class Program:
    inputs: list[Var]
    operations: list[Operation]
    outputs: list[Var]


@dataclass
class Run:
    """What was noted of one run; in a loop's body `outer` says what of around it the step closes over."""

    calls: list[Call]
    inputs: list[Value]
    outputs: list[Value]
    outer: dict[Value, Value] = field(default_factory=dict)


def sizes_to_run(axes: Sequence[str]) -> list[dict[str, int]]:
    """For each axis two lengths, in all combinations, so that a polynomial linear in each is told by its values."""
    pairs = [(SHORTEST - i % 3, SHORTEST - i % 3 + APART) for i in range(len(axes))]
    return [dict(zip(axes, lengths, strict=True)) for lengths in itertools.product(*pairs)]


def record(function: Callable[..., Any], arrays: Sequence[Any]) -> Run:
    """`function(*Tensors of arrays)`, noted. Raises ExportError."""
    tape = _LoopTape()
    token = MODE.set(Mode(False, MODE.get().scope, tape=tape))
    try:
        given = [Tensor(array) for array in arrays]
        inputs = [tape.bring_in("input", t, i) for i, t in enumerate(given)]
        leaves, _ = flatten(function(*given))
        if not all(isinstance(leaf, Tensor) for leaf in leaves):
            raise ExportError("the model returns something else than Tensors: return Tensors, tuples or lists of them")
        return Run(tape.calls, inputs, [tape.value(leaf) for leaf in leaves])
    except UntraceableError as error:
        raise ExportError(
            f"the model cannot be exported, for {error.why}: compute with Tensors from end to end", error.line
        ) from None
    finally:
        MODE.reset(token)
        tape.forget()


class _LoopTape(Tape):
    """A tape on which a loop is one operation, and an integer index one of its arguments."""

    def note(self, op: Any, args: tuple[Any, ...], options: dict[str, Any], results: Sequence[Tensor]) -> None:
        if "index" in options:
            options = {"index": self._noted(options["index"])}
        super().note(op, args, options, results)

    def _noted(self, index: Any) -> Any:
        """`index` with Values for the arrays that are known, and arrays for lists."""
        if isinstance(index, tuple):
            return tuple([self._noted(part) for part in index])
        if isinstance(index, list):
            return np.asarray(index)
        return self._values.get(id(index), index) if hasattr(index, "dtype") else index

    def loop(self, step: Callable[..., Any], inputs: Inputs) -> Any:
        try:
            first = self._trace_step(step, inputs, [t.data for t in inputs.carry], inputs.order[0])
        except CarryDtypeError as error:
            inputs.cast(error.dtypes)
            first = self._trace_step(step, inputs, [t.data for t in inputs.carry], inputs.order[0])
        if inputs.steps > 1:
            again = self._trace_step(step, inputs, first.ends, inputs.order[1])
            if (why := same_steps(first, again)) is not None:
                raise why
        token = MODE.set(MODE.get().but(tape=None))
        try:
            run = unroll(step, inputs.init(), inputs.xs, inputs.structure, inputs.steps, inputs.reverse)
        finally:
            MODE.reset(token)
        leaves = [leaf for part in run for leaf in flatten(part)[0]]
        results = [Tensor(leaf.backend.copy(leaf.data)) for leaf in leaves]  # none that the tape knows already
        inner = Run(first.calls, [*first.carry, *first.xs], [*first.carry_out, *first.ys])
        for value in [*inner.outputs, *(arg for call in inner.calls for arg in call.args)]:
            if isinstance(value, Value) and value.role in ("closed", "constant"):
                inner.outer[value] = self.value(value.held)
        count = len(inputs.carry)
        options = {"step": step, "reverse": inputs.reverse, "states": count, "body": inner}
        self.note(SCAN, (*inputs.carry, *inputs.xs), options, results)
        return unflatten(inputs.carry_structure, results[:count]), unflatten(first.y_structure, results[count:])

    def _trace_step(self, step: Callable[..., Any], inputs: Inputs, carry: list[Any], t: int) -> Trace:
        items = [leaf.data[t] for leaf in inputs.xs]
        given = (carry, inputs.carry_structure), (items, inputs.structure), [False] * len(items)
        return trace(step, *given, False, flatten, unflatten)


class Merge:
    """What runs of one model at several sizes have in common."""

    def __init__(self, runs: Sequence[Run], sizes: Sequence[Sizes], around: Merge | None = None):
        self.runs, self.sizes, self.around = runs, sizes, around
        self._vars: dict[tuple[Value, ...], Var] = {}
        self._line: str | None = None  # of the operation at work

    def program(self) -> Program:
        """Raises ExportError where the runs differ in what they compute."""
        inputs = [self._result(values) for values in zip(*(run.inputs for run in self.runs), strict=True)]
        if len({len(run.calls) for run in self.runs}) > 1:
            raise self._differs(self._first_difference())
        operations = [self._operation(calls) for calls in zip(*(run.calls for run in self.runs), strict=True)]
        outputs = [self.var(values) for values in zip(*(run.outputs for run in self.runs), strict=True)]
        return Program(inputs, operations, outputs)

    def _first_difference(self) -> tuple[Call, ...]:
        each = list(itertools.zip_longest(*(run.calls for run in self.runs)))
        return next((calls for calls in each if len({call and call.op for call in calls}) > 1), each[-1])

    def _differs(self, calls: Sequence[Call | None]) -> ExportError:
        call = next(call for call in calls if call is not None)
        return ExportError(
            f"with another batch size or number of steps the model computes something else, from {call.op.name!r} on: "
            "export has no loops in Python over time, so let Recurrent, unroll(…, compiled=True) or mg.scan run them",
            call.line,
        )

    def _operation(self, calls: tuple[Call, ...]) -> Operation:
        first = calls[0]
        self._line = first.line
        alike = {(call.op, len(call.args), len(call.results), tuple(call.options)) for call in calls}
        if len(alike) > 1:
            raise self._differs(calls)
        options = {name: [call.options[name] for call in calls] for name in first.options}
        body = None
        if "body" in options:
            body = Merge(options.pop("body"), self.sizes, self).program()
            options["step"] = options["step"][:1]  # one a run, all of the same kind
        args = tuple([self._together(values) for values in zip(*(call.args for call in calls), strict=True)])
        results = tuple([self._result(values) for values in zip(*(call.results for call in calls), strict=True)])
        together = {name: self._together(values) for name, values in options.items()}
        return Operation(first.op.name, args, together, results, first.line, body)

    def _result(self, values: tuple[Value, ...]) -> Var:
        self._vars[values] = made = Var(self._shape([value.shape for value in values]), values[0].dtype)
        return made

    def var(self, values: tuple[Value, ...]) -> Var:
        """The Var that stands for one Value of each run."""
        found = self._vars.get(values)
        if found is None:
            outer = [run.outer.get(value) for run, value in zip(self.runs, values, strict=True)]
            if self.around is not None and None not in outer:
                found = self.around.var(tuple(outer))  # type: ignore[arg-type]
            elif {value.role for value in values} <= {"closed", "constant"}:
                found = self._constant([value.held for value in values])
            else:
                raise ExportError(
                    "with another batch size or number of steps the model computes with something else: "
                    "export wants the same operations on the same values at every size",
                    self._line,
                )
            self._vars[values] = found
        return found

    def _constant(self, held: list[Any]) -> Var:
        """A constant; if it is larger in some runs, but the same along that axis, one entry of it."""
        arrays = [on_host(one) for one in held]
        if all(one is held[0] for one in held) or all(np.array_equal(array, arrays[0]) for array in arrays):
            return Var(arrays[0].shape, arrays[0].dtype, held[0])
        shape = self._shape([array.shape for array in arrays])
        part = arrays[0][tuple([slice(1) if isinstance(n, Length) else slice(None) for n in shape])]
        if all(np.array_equal(array, np.broadcast_to(part, array.shape)) for array in arrays):
            return Var(shape, part.dtype, part)
        return Var(shape, part.dtype, varies=True)

    def _shape(self, shapes: Sequence[tuple[int, ...]]) -> tuple[int | Length, ...]:
        if len(set(map(len, shapes))) > 1:
            raise ExportError("with another batch size or number of steps an array has more axes", self._line)
        return tuple([self._length(lengths) for lengths in zip(*shapes, strict=True)])

    def _length(self, numbers: Sequence[int]) -> int | Length:
        """The number that all runs have, or the polynomial of the sizes that tells each one's."""
        if len(set(numbers)) == 1:
            return int(numbers[0])
        axes = list(self.sizes[0])
        monomials = [some for count in range(len(axes) + 1) for some in itertools.combinations(axes, count)]
        values = [[math.prod([size[axis] for axis in some]) for some in monomials] for size in self.sizes]
        factors = np.linalg.solve(np.array(values, "float64"), np.array(numbers, "float64"))
        if not np.allclose(factors, factors.round(), rtol=0, atol=1e-6):
            return Length(())
        return Length(tuple([(round(n), some) for n, some in zip(factors, monomials, strict=True) if round(n)]))

    def _together(self, values: Sequence[Any]) -> Any:
        """One argument or option, of each run."""
        first = values[0]
        if all(isinstance(value, Value) for value in values):
            return self.var(tuple(values))
        if all(type(value) in (int, np.int64) for value in values):
            return self._length(values)
        if isinstance(first, (tuple, list)):
            if len(set(map(len, values))) > 1:
                raise ExportError("with another batch size or number of steps a list has more entries", self._line)
            parts = [self._together(part) for part in zip(*values, strict=True)]
            return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
        if isinstance(first, slice):
            start, stop = ([getattr(value, end) for value in values] for end in ("start", "stop"))
            return slice(self._together(start), self._together(stop), first.step)
        if hasattr(first, "dtype"):
            return self._constant(list(values))
        if any(value != first for value in values):
            raise ExportError(
                f"with another batch size or number of steps the model computes with {first!r} or {values[-1]!r}: "
                "use a whole number of steps or sequences, or a Tensor's own operations (mean, say)",
                self._line,
            )
        return first
