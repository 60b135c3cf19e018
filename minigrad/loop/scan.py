"""`scan`: a loop over time as one node of the graph."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from ..backend import backend_of
from ..errors import GraphFreedError, InplaceError, ShapeError
from ..graph import walk
from ..mode import MODE
from ..primitive import Op, _several
from ..tensor import Memory, Tensor, tensor
from . import kernels
from .arrays import Arrays, Lift
from .environment import Environment, Path
from .expand import Recipe, expand_scan, without_hooks
from .form import Summed
from .plan import Plan, make_plan
from .results import Results
from .trace import CarryDtypeError, UntraceableError, Value, same_steps, trace
from .unrolled import flatten, labels, unflatten, unroll

CACHED = 64  # plans that are kept, the last used ones


class Compiled:
    """A plan, and where in the step's environment each Tensor that it closes over is found."""

    def __init__(self, plan: Plan, paths: list[Path | None]):
        self.plan, self.paths = plan, paths
        self.differentiable = plan.backward is not None
        self._results: dict[int, Results] = {}

    def results(self, steps: int, given: Sequence[Tensor]) -> Results:
        """What the results are after so many steps."""
        if steps not in self._results:
            self._results[steps] = Results(self.plan.trace, steps, [t.requires_grad for t in given])
        return self._results[steps]


_plans: OrderedDict[Any, Compiled | UntraceableError] = OrderedDict()
_changing: dict[Any, frozenset[Path]] = {}  # by a step's code: what tracing it changes, a counter, say
_warned: set[Any] = set()


class Run:
    """One run of a compiled scan: what its way back needs, and what the graph of its steps is made of."""

    def __init__(self, compiled: Compiled, step: Callable[..., Any], inputs: Inputs, closed: list[Tensor]):
        self.compiled, self.step, self.inputs, self.closed = compiled, step, inputs, closed
        self.arrays: Arrays | None = None
        self.index = 0.0  # of its node
        self.outputs: list[Memory] = []  # of what was put out, where the way back needs it too
        self._answered: tuple[Any, list[Any]] | None = None

    def forward(self) -> tuple[list[Any], list[Any]]:
        """The carry after the last step, and what all steps put out."""
        plan, inputs = self.compiled.plan, self.inputs
        trace, loop = plan.trace, plan.forward
        held = {value: t.data for value, t in zip(trace.closed, self.closed, strict=True)}
        arrays = self.arrays = Arrays(plan.form, inputs.backend.xp, inputs.steps, inputs.reverse, held)
        arrays.named = {f"x{i}": t.data for i, t in enumerate(inputs.xs)}
        arrays.make(loop)
        first, last = (inputs.steps, 0) if inputs.reverse else (0, inputs.steps)
        for i, t in enumerate(inputs.carry):
            arrays.named[f"carry{i}"][first] = t.data
        lift = Lift(arrays, loop, kernels.products(arrays.xp, loop.carry[0].dtype))
        lift.early()
        kernels.run(loop, arrays, inputs.order)
        lift.after_loop()
        for name, expr in loop.results.items():
            if name not in arrays.named and not (name.startswith("s") and expr in loop.places):
                arrays.named[name] = self._result(lift, name, expr)
        ys = [arrays.named[f"y{k}"] for k in range(len(trace.ys))]
        return [arrays.named[f"carry{i}"][last].copy() for i in range(len(trace.carry))], ys

    def _result(self, lift: Lift, name: str, expr: Any) -> Any:
        """A result that no step put anywhere: it lies in the carry, or is computed over all steps at once."""
        loop = lift.loop
        if expr in loop.carry and expr not in loop.lifted:
            array = lift.arrays.named[f"{loop.carried}{loop.carry.index(expr)}"]
            shift = 0 if self.inputs.reverse else 1
            return array[shift : shift + self.inputs.steps]
        values = lift.everywhere(expr)
        return values.copy() if values.base is not None else values

    def gradient(self, g: list[Any], i: int, recipe: Recipe) -> Any:
        """The gradient of input `i` for those of the results: all are computed when the first is asked for."""
        recorded = isinstance(g[0], Tensor)
        if not recorded:
            recipe.note(g, i)
        if self._answered is None or self._answered[0] is not g:
            self._check_unwritten()
            self._answered = g, self._gradients_recorded(g, recipe) if recorded else self._gradients(g)
        return self._answered[1][i]

    def _check_unwritten(self) -> None:
        given = [*self.inputs.carry, *self.inputs.xs, *self.closed]
        if any(t.last_write > self.index for t in given) or any(m.written > self.index for m in self.outputs):
            what = next(
                (t.name or f"an input of shape {t.shape}" for t in given if t.last_write > self.index), "an output"
            )
            raise InplaceError(
                f"{what} of a scan was overwritten in place before the walk back through it: walk back before you "
                "change it, or change a copy"
            )

    def _gradients(self, g: list[Any]) -> list[Any]:
        plan, inputs, arrays = self.compiled.plan, self.inputs, self.arrays
        if arrays is None:
            raise GraphFreedError("the arrays of this scan were freed: call backward(retain_graph=True) the first time")
        loop, trace, xp = plan.backward, plan.trace, inputs.backend.xp
        assert loop is not None
        mine = Arrays(plan.form, xp, inputs.steps, inputs.reverse, arrays._fixed)
        mine.named = dict(arrays.named)
        count = len(trace.carry)
        for k, value in enumerate(trace.dys):
            if value is not None:
                mine.named[f"dy{k}"] = xp.ascontiguousarray(g[count + k])
        mine.make(loop, keep_all=False)
        first, last = (0, inputs.steps) if inputs.reverse else (inputs.steps, 0)
        for i, value in enumerate(trace.dcarry_out):
            array = mine.named[f"dcarry{i}"]
            array[0 if f"dcarry{i}" in mine.in_turn else first] = 0 if value is None else g[i]
        for n, total in enumerate(loop.sums):
            mine.named[f"sum{n}"] = xp.zeros(
                total.source.shape if total.kind == "steps" else total.args[0].shape[1:], total.args[0].dtype
            )
        lift = Lift(mine, loop, kernels.products(xp, loop.carry[0].dtype))
        lift.early()
        kernels.run(loop, mine, inputs.order[::-1])
        lift.after_loop()
        totals = lift.totals()
        totals |= {total.source: mine.named[f"sum{n}"] for n, total in enumerate(loop.sums)}
        end = {f"dcarry{i}": inputs.steps % 2 if f"dcarry{i}" in mine.in_turn else last for i in range(count)}
        carries = [mine.named[name][at] for name, at in end.items()]
        dxs = [
            None
            if e is None
            else mine.named[f"dx{k}"]
            if f"dx{k}" in mine.named
            else self._result(lift, f"dx{k}", loop.results[f"dx{k}"])
            for k, e in enumerate(plan.form.dxs)
        ]
        return [*carries, *dxs, *self._closed_gradients(mine, totals)]

    def _closed_gradients(self, arrays: Arrays, totals: dict[Summed, Any]) -> list[Any]:
        """The gradients of what the step closes over, from the sums over all steps."""
        form, trace, xp = self.compiled.plan.form, self.compiled.plan.trace, arrays.xp
        values: dict[Value, Any] = {}

        def of(value: Any) -> Any:
            if not isinstance(value, Value):
                return value
            if (total := form.summed(value)) is not None:
                return totals[total].reshape(value.shape)
            return values[value] if value in values else arrays.fixed(value)

        for call in form.later:
            out = call.op.kernel(xp, *map(of, call.args), **call.options)
            for value, result in zip(call.results, out if isinstance(out, tuple) else (out,), strict=True):
                values[value] = result
        return [
            None if found is None else totals[found] if isinstance(found, Summed) else of(found)
            for found in form.dclosed
        ]

    def _gradients_recorded(self, g: list[Tensor], recipe: Recipe) -> list[Any]:
        """The same as Tensors, of the graph of all steps: for higher derivatives."""
        scan: Any = recipe.node()
        seeds: dict[Any, Any] = {}
        for result, weight in zip(expand_scan(scan), g, strict=True):
            unused = weight.node is None and not weight.data.any()
            if not unused and result.node is not None and result.node.index > scan.index:
                seeds[result.node] = seeds[result.node] + weight if result.node in seeds else weight
        with without_hooks(seeds):  # they have seen these gradients
            arrived = walk(seeds, retain=True, recorded=True, since=scan.index)
        return [arrived.get(parent) for parent in scan.parents]


class Inputs:
    """What a scan is given, taken apart. Raises ShapeError where the sequences are not of one length."""

    def __init__(self, init: Any, xs: Any, length: int | None, reverse: bool):
        carry, self.carry_structure = flatten(init)
        sequences, self.structure = flatten(xs)
        self.carry = [leaf if isinstance(leaf, Tensor) else tensor(leaf) for leaf in carry]
        self.xs = [leaf if isinstance(leaf, Tensor) else tensor(leaf) for leaf in sequences]
        lengths = {leaf.shape[0] if leaf.ndim else None for leaf in self.xs} | ({length} - {None})
        if len(lengths) != 1 or None in lengths or 0 in lengths:
            told = ", ".join(str(leaf.shape) for leaf in self.xs) or "nothing"
            raise ShapeError(
                f"scan runs over the first axis of xs, which must be of one length of at least 1: not of {told}"
                + (f" and length={length}" if length is not None else "; without xs give length")
            )
        self.steps: int = lengths.pop()  # type: ignore[assignment]
        self.reverse = reverse
        given = [*self.carry, *self.xs]
        self.backend: Any = backend_of(given[0].data) if given else None

    @property
    def order(self) -> range:
        return range(self.steps - 1, -1, -1) if self.reverse else range(self.steps)

    def init(self) -> Any:
        return unflatten(self.carry_structure, self.carry)

    def cast(self, dtypes: Sequence[Any]) -> None:
        """Start from states of these dtypes, as the first step would make them."""
        self.carry = [t.astype(dtype) for t, dtype in zip(self.carry, dtypes, strict=True)]


class Ran:
    """A scan that ran, for `explain`: a reference to what was compiled, or else why nothing was, and the line."""

    last: Ran | None = None  # it keeps no array

    def __init__(self, inputs: Inputs, found: Compiled | UntraceableError):
        self.steps, self.reverse, self.backend = inputs.steps, inputs.reverse, inputs.backend
        self.compiled = weakref.ref(found) if isinstance(found, Compiled) else None
        self.why = (found.why, found.line) if isinstance(found, UntraceableError) else ("", None)


def why_not(inputs: Inputs) -> UntraceableError | None:
    """Why a scan of these inputs is not even traced; None if it is."""
    mode = MODE.get()
    if inputs.steps == 1 or not inputs.carry or inputs.backend is None:
        return UntraceableError("it is a single step" if inputs.steps == 1 else "nothing is carried from step to step")
    if mode.watching or mode.tape or mode.of:
        return UntraceableError("anomalies are looked for" if mode.watching else "it is part of another scan, or walk")
    return None


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    chunk: int | None = None,
    named: Callable[[Any, int], Any] | None = None,
) -> tuple[Any, Any]:
    """Run `step(carry, x) -> (carry, y)` over the first axis of `xs`; return the last carry and all y, stacked.

    `init`, `xs` and what `step` returns are Tensors, or tuples, lists and dicts of them (`xs` may be None, with
    `length`). The step is traced once for each signature (shapes, dtypes, what it closes over) and compiled: a single
    node of the graph, through which gradients of any order come to `init`, `xs` and all that the step closes over.
    `reverse` runs from the last item to the first; outputs stay in the order of `xs`. `chunk` steps at a time are kept
    for the way back, the others computed again: about √length of them need the least memory (Chen et al. 2016).
    Drawings show all steps, which are run again for it; `named(carry, t)` may give their carries names.

    A step that cannot be traced (it reads numbers from Tensors, draws random ones, changes Tensors in place, or has a
    carry that changes its shape) runs as the graph of all its steps, with one warning that names the line. Raises
    ShapeError for sequences of different lengths. `scan.explain()` tells, and draws, what was made of the step.
    """
    inputs = Inputs(init, xs, length, reverse)
    if chunk is not None:
        return _in_chunks(step, inputs, chunk, named)
    recording = MODE.get().recording
    compiled: Compiled | UntraceableError | None = why_not(inputs)
    if compiled is None:
        compiled, closed = _compiled(step, inputs, recording)
        if isinstance(compiled, CarryDtypeError):
            inputs.cast(compiled.dtypes)
            compiled, closed = _compiled(step, inputs, recording)
    Ran.last = Ran(inputs, compiled)
    if not isinstance(compiled, Compiled):
        return unroll(step, inputs.init(), inputs.xs, inputs.structure, inputs.steps, reverse, named)
    return _run(compiled, step, inputs, closed, named)


def _run(
    compiled: Compiled,
    step: Callable[..., Any],
    inputs: Inputs,
    closed: list[Tensor],
    named: Callable[[Any, int], Any] | None,
) -> tuple[Any, Any]:
    run = Run(compiled, step, inputs, closed)
    carry, ys = run.forward()
    mode, trace = MODE.get(), compiled.plan.trace
    given = [*inputs.carry, *inputs.xs, *closed]
    grads = [*trace.dcarry, *trace.dxs, *trace.dclosed] if compiled.differentiable else []
    needs = sum(1 << i for i, (t, g) in enumerate(zip(given, grads, strict=False)) if t.requires_grad and g is not None)
    outs = tuple([*carry, *ys])
    if not (needs and mode.recording):
        results = list(map(Tensor, outs))
        run.arrays = None
    else:
        parents = tuple([t.node or t for t in given])
        recipe = Recipe(step, inputs, closed, named)
        made = _several(SCAN, (run,), parents, needs, {"recipe": recipe}, outs, mode, inputs.backend)
        run.index = made[0].node.index  # type: ignore[union-attr]
        run.outputs = [t.memory for t in made]
        results = compiled.results(inputs.steps, given).place(made, given)
        recipe.made(made)
    count = len(carry)
    last_carry = unflatten(inputs.carry_structure, results[:count])
    if named is not None:
        named(last_carry, inputs.order[-1])
    return last_carry, unflatten(trace.y_structure, results[count:])


SCAN = Op("scan", lambda xp, run, *arrays, recipe: run, lambda g, run, recipe, i: run.gradient(g, i, recipe))


def _compiled(
    step: Callable[..., Any], inputs: Inputs, recording: bool
) -> tuple[Compiled | UntraceableError, list[Tensor]]:
    """The plan for this step and these inputs, and the Tensors that it closes over; why not, if it cannot be traced."""
    around = Environment(step)
    code = around.tokens.get(()), around.tokens.get(("function",))
    shapes = tuple(
        [(t.shape[lead:], t.dtype, t.requires_grad) for lead, ts in ((0, inputs.carry), (1, inputs.xs)) for t in ts]
    )
    key = (around.key(_changing.get(code, frozenset())), shapes, str(inputs.carry_structure), str(inputs.structure))
    key = (*key, inputs.backend, recording)
    found = _plans.get(key) if around.complete else None
    if isinstance(found, UntraceableError):
        return found, []
    if found is not None:
        _plans.move_to_end(key)
        return found, [around.tensors[path] for path in found.paths]  # type: ignore[index]
    try:
        made, closed = _trace_and_plan(step, inputs, recording, around)
    except UntraceableError as error:
        if not isinstance(error, CarryDtypeError):
            _warn(step, error)
        if around.complete:
            _remember(key, error.with_traceback(None))
        return error, []
    changed = around.changed(Environment(step))
    if changed - _changing.get(code, frozenset()):
        _changing[code] = _changing.get(code, frozenset()) | changed
        key = (around.key(_changing[code]), *key[1:])
    if around.complete and all(path is not None and path not in changed for path in made.paths):
        _remember(key, made)
    return made, closed


def _remember(key: Any, found: Compiled | UntraceableError) -> None:
    _plans[key] = found
    while len(_plans) > CACHED:
        _plans.popitem(last=False)


def _trace_and_plan(
    step: Callable[..., Any], inputs: Inputs, recording: bool, around: Environment
) -> tuple[Compiled, list[Tensor]]:
    carry = [t.data for t in inputs.carry]
    needs = [t.requires_grad for t in inputs.xs]
    first, second = inputs.order[0], inputs.order[1]

    def run(carry: Sequence[Any], t: int, recording: bool) -> Any:
        x = [leaf.data[t] for leaf in inputs.xs]
        return trace(step, (carry, inputs.carry_structure), (x, inputs.structure), needs, recording, flatten, unflatten)

    made = run(carry, first, recording)
    called = [*labels(inputs.carry_structure), *labels(inputs.structure)]
    for value, t, label in zip([*made.carry, *made.xs], [*inputs.carry, *inputs.xs], called, strict=True):
        value.name = t.name or label or value.name
    again = run(made.ends, second, False)
    why = same_steps(made, again)
    if why is not None:
        raise why
    made.ends = []
    batch = next((t.shape[0] for t in inputs.carry if t.ndim == 2), 0)
    plan = make_plan(made, batch)
    closed = [value.held for value in made.closed]
    return Compiled(plan, [around.path_of(t) for t in closed]), closed


def _warn(step: Callable[..., Any], why: UntraceableError) -> None:
    key = why.line or getattr(step, "__qualname__", type(step).__name__), why.why
    if key not in _warned:
        _warned.add(key)
        told = f": {why.line}" if why.line else ""
        warnings.warn(
            f"this step cannot be compiled, so the graph of all its steps is recorded: {why.why}{told}", stacklevel=4
        )


def _in_chunks(
    step: Callable[..., Any], inputs: Inputs, chunk: int, named: Callable[[Any, int], Any] | None
) -> tuple[Any, Any]:
    from ..ops import concatenate, getitem
    from ..recompute import checkpoint

    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, not {chunk}")
    carry, outputs = inputs.init(), []
    starts = range(0, inputs.steps, chunk)
    for start in reversed(starts) if inputs.reverse else starts:
        part = unflatten(inputs.structure, [getitem(x, slice(start, start + chunk)) for x in inputs.xs])
        count = min(chunk, inputs.steps - start)
        carry, ys = checkpoint(scan, step, carry, part, length=count, reverse=inputs.reverse, named=named)
        outputs.append(flatten(ys))
    if inputs.reverse:
        outputs.reverse()
    joined = [concatenate(parts) for parts in zip(*(leaves for leaves, _ in outputs), strict=True)]
    return carry, unflatten(outputs[0][1], joined)
