"""`scan`: a loop over time as one node of the graph."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from ..mode import MODE
from ..primitive import Op, _several
from ..tensor import Tensor
from .environment import Environment, Path
from .expand import Recipe
from .plan import make_plan
from .run import Compiled, Inputs, Run
from .trace import CarryDtypeError, UntraceableError, same_steps, trace
from .unrolled import flatten, labels, unflatten, unroll

CACHED = 64  # plans that are kept, the last used ones


_plans: OrderedDict[Any, Compiled | UntraceableError] = OrderedDict()
_changing: dict[Any, frozenset[Path]] = {}  # by a step's code: what tracing it changes, a counter, say
_warned: set[Any] = set()


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
    if (tape := MODE.get().tape) is not None and tape.loop is not None:
        return tape.loop(step, inputs)
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
    run = Run(compiled, inputs, closed)
    carry, ys = run.forward()
    mode, trace = MODE.get(), compiled.plan.trace
    given = [*inputs.carry, *inputs.xs, *closed]
    grads = [*trace.dcarry, *trace.dxs, *trace.dclosed] if compiled.differentiable else []
    needs = sum(1 << i for i, (t, g) in enumerate(zip(given, grads, strict=False)) if t.requires_grad and g is not None)
    outs = (*carry, *ys)
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
    given = *[(t, t.shape) for t in inputs.carry], *[(t, t.shape[1:]) for t in inputs.xs]
    shapes = tuple([(shape, t.dtype, t.requires_grad) for t, shape in given])
    structures = str(inputs.carry_structure), str(inputs.structure)
    key: Any = (around.key(_changing.get(code, frozenset())), shapes, structures, inputs.backend, recording)
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
