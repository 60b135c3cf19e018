"""One run of a compiled scan, forward and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backend import backend_of
from ..errors import GraphFreedError, InplaceError, ShapeError
from ..graph import walk
from ..tensor import Memory, Tensor, tensor
from . import kernels
from .arrays import Arrays, Lift
from .environment import Path
from .expand import Recipe, expand_scan, without_hooks
from .form import Summed
from .plan import Plan
from .results import Results
from .trace import Value
from .unrolled import flatten, unflatten


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


class Run:
    """One run of a compiled scan: what its way back needs."""

    def __init__(self, compiled: Compiled, inputs: Inputs, closed: list[Tensor]):
        self.compiled, self.inputs, self.closed = compiled, inputs, closed
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
        form, xp = self.compiled.plan.form, arrays.xp
        values: dict[Value, Any] = {}

        def of(value: Any) -> Any:
            if not isinstance(value, Value):
                return value
            if (total := form.summed(value)) is not None:
                return totals[total].reshape(value.shape)
            return values[value] if value in values else arrays.fixed(value)

        for call in form.later:
            out = call.op.kernel(xp, *map(of, call.args), **call.options)
            values |= zip(call.results, out if isinstance(out, tuple) else (out,), strict=True)
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
