"""A scan's node as the graph of all its steps, for whatever looks at single steps: drawings, contributions, a replay.

The step is run again, recorded, on what it was given at the time; the nodes of the scan's results become those of the
last steps', so that all that was computed from them, and every Tensor at hand, is part of the graph of the steps.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..detached import with_what_was_cut
from ..errors import MinigradError
from ..graph import SMALL, Node, ancestors, tick, walk
from ..mode import MODE, Mode
from ..recompute import Recall
from ..tensor import Memory, Tensor
from .unrolled import flatten, unflatten, unroll


class Given(NamedTuple):
    """A Tensor that a scan was given, or that its step closes over, as it was then."""

    tensor: Any  # or a weak reference to it
    array: Any  # a copy of its data, where that is likely to be changed in place; else None
    requires_grad: bool

    @property
    def found(self) -> Tensor | None:
        return self.tensor() if isinstance(self.tensor, weakref.ref) else self.tensor


class Recipe:
    """How the graph of all steps of a scan is made: of which step, and of what it was given.

    It lives as long as the scan's node, also once that was freed, and keeps what the nodes of all steps would keep: of
    what was computed, arrays that are small at each step. So the steps can still be drawn with their numbers.
    """

    def __init__(self, step: Callable[..., Any], inputs: Any, closed: list[Tensor], named: Callable[..., None] | None):
        self.step, self.named = step, named
        self.carry_structure, self.structure = inputs.carry_structure, inputs.structure
        self.steps, self.reverse, self.backend = inputs.steps, inputs.reverse, inputs.backend
        self.carries, self.count = len(inputs.carry), len(inputs.carry) + len(inputs.xs)
        small = all(t.size <= SMALL for t in inputs.carry)
        self.given = [_given(t, 1) for t in inputs.carry]
        self.given += [_given(t, self.steps) for t in inputs.xs]
        self.given += [_given(t, 1, small) for t in closed]
        self.node: Any = None  # a weak reference to that of the scan
        self.items: list[Any] = []  # to those of its results; None for a result that has none
        self.memories: list[Memory] = []  # of the results
        self.arrived: list[Any] | None = None  # the gradients that last came to the results, if small at each step
        self.asked: set[int] = set()  # for which of those given they were walked on

    def made(self, results: Sequence[Tensor]) -> None:
        """Say which nodes are those of the scan and of its `results`."""
        self.items = [None if t.node is None else weakref.ref(t.node) for t in results]
        self.node = next((weakref.ref(t.node.parents[0]) for t in results if t.node is not None), None)
        self.memories = [t.memory for t in results]
        for t in results:  # the way from what is detached: nothing but a result's Tensor keeps its own node
            t.memory.node = None if t.node is None else self.node

    def note(self, g: list[Any], i: int) -> None:
        """The gradients `g` came to the results, in a walk to what was given in place `i`."""
        if self.arrived is None or any(one is not other for one, other in zip(self.arrived, g, strict=True)):
            large = any(part.size > SMALL * (1 if k < self.carries else self.steps) for k, part in enumerate(g))
            self.arrived, self.asked = None if large else g, set()
        self.asked.add(i)

    def run(self, scope: tuple[str, ...], given: Sequence[Tensor]) -> list[Tensor]:
        """The results, by the graph of all steps."""
        init, xs = unflatten(self.carry_structure, given[: self.carries]), given[self.carries : self.count]
        token = MODE.set(Mode(scope=scope))
        try:
            with np.errstate(all="ignore"):  # who ran the scan was warned, or did not want to be
                carry, ys = unroll(self.step, init, xs, self.structure, self.steps, self.reverse, self.named)
        finally:
            MODE.reset(token)
        return [*flatten(carry)[0], *flatten(ys)[0]]

    @contextlib.contextmanager
    def as_it_was(self, scan: Node) -> Iterator[tuple[list[Tensor], bool]]:
        """For as long as the block runs: all that was given as it was when `scan` was made, and whether it is known."""
        tensors, known, before = [], True, []
        for given, parent in zip(self.given, scan.parents, strict=True):
            t = given.found
            if t is None:  # large, and let go of when the graph was freed: something of its shape and dtype
                with self.backend.here:
                    t = Tensor(self.backend.xp.ones(parent.shape, parent.dtype))  # type: ignore[union-attr]
                known = False
            before.append((t, t.data, t.node, t.requires_grad))
            if t.last_write > scan.index:
                known = known and given.array is not None
                t.data = t.data if given.array is None else given.array
            t.node, t.requires_grad = parent if isinstance(parent, Node) else None, given.requires_grad
            tensors.append(t)
        try:
            yield tensors, known
        finally:
            for t, data, node, requires_grad in reversed(before):  # one that was given twice was changed twice
                t.data, t.node, t.requires_grad = data, node, requires_grad


def _given(t: Tensor, steps: int, copied: bool = False) -> Given:
    kept = t.node is None or t.size <= SMALL * steps
    # Optimizers change weights in place, and the picture of a small graph is that of the weights before.
    copied = copied and t.node is None and t.requires_grad and t.size <= SMALL * SMALL
    return Given(t if kept else weakref.ref(t), t.backend.copy(t.data) if copied else None, t.requires_grad)


def expand(roots: Iterable[Node], since: float = 0) -> bool:
    """Put the graph of all steps in the place of every scan behind `roots`, made after the tick `since`.

    Returns whether there was one. Raises MinigradError where a step does something else now than when it was run.
    """
    scans = [node for node in ancestors(roots, since) if isinstance(node.options.get("recipe"), Recipe)]
    for scan in scans:
        expand_scan(scan)
    return bool(scans)


def expand_scan(scan: Node) -> list[Tensor]:
    """Put the graph of all steps in the place of one scan; return its results, as Tensors of that graph."""
    recipe: Recipe = scan.options["recipe"]
    items = [reference and reference() for reference in recipe.items]
    since = tick()
    with recipe.as_it_was(scan) as (given, known):
        results = recipe.run(scan.mode.scope, given)
        ends = [t.node for t in results if t.node is not None and t.node.index > since]
        expand(ends, since)  # scans within the steps
        nodes = with_what_was_cut(ends, since)
        places = {t.node: item for t, item in zip(results, items, strict=True) if item is not None}
        _check(scan, places, nodes)
        if known and recipe.arrived is not None:
            seeds = {t.node: g for t, g in zip(results, recipe.arrived, strict=True) if t.node in places}
            walk(seeds, {scan.parents[i] for i in recipe.asked}, retain=scan.saved is not None, since=since)
        elif scan.saved is None:
            _free(nodes)
    if not known:
        _forget(nodes, given)
    _renumber(nodes, scan.index)
    _put(nodes, results, recipe.memories, places)
    for t, memory in zip(results, recipe.memories, strict=True):
        if t.node is not None and memory.written > scan.index:
            t.node.out = None
    return results


def _check(scan: Node, places: dict[Any, Node], nodes: list[Node]) -> None:
    """MinigradError where the step does something else than it did: what it reads was changed, say."""
    own = set(nodes)
    known = {*own, *scan.parents}
    same = all(node in own and node.shape == item.shape for node, item in places.items())
    if not same or any(node.parents[i] not in known for node in nodes for i, _ in node.plan.rules):
        raise MinigradError(
            "the step of a scan does something else now than when it was run: look at the graph before you change "
            "what the step reads"
        )


def _free(nodes: list[Node]) -> None:
    """Drop what a backward walk drops."""
    for node in nodes:
        node.saved = None
        if node.out is not None and node.out.size > SMALL:
            node.out = None


def _forget(nodes: list[Node], given: list[Tensor]) -> None:
    """Let values that are not those of the run count as overwritten."""
    theirs = set(map(id, given))
    Tensor.last_write_of_all = now = tick()
    for node in nodes:
        node.out = None
        for value in node.saved if isinstance(node.saved, tuple) else ():
            if isinstance(value, Tensor) and id(value) not in theirs:
                value.written = now


def _renumber(nodes: list[Node], index: float) -> None:
    """Give `nodes` their places in time: after the tick `index`, and before the next one."""
    for k, node in enumerate(nodes, 1):
        before, node.index = node.index, index + k / (len(nodes) + 1)
        if isinstance(node.saved, Recall):
            node.saved.places[node.index] = node.saved.places.pop(before)


def _put(nodes: list[Node], results: list[Tensor], memories: list[Memory], places: dict[Any, Node]) -> None:
    """Put the `nodes` of all steps into the graph: some take the `places` of nodes that are there."""
    own = set(nodes)
    for t, memory in zip(results, memories, strict=True):
        if t.node in own:
            t.node = places.get(t.node, t.node)
            t.memory.node = memory.node = weakref.ref(t.node)
    for node in nodes:
        if any(parent in places for parent in node.parents):
            node.parents = tuple([places.get(parent, parent) for parent in node.parents])
        for value in node.saved if isinstance(node.saved, tuple) else ():
            if isinstance(value, Tensor):
                value.node = places.get(value.node, value.node)
    for made, place in places.items():
        for name in Node.__annotations__:
            if name not in ("name", "out", "hooks"):
                setattr(place, name, getattr(made, name))
        place.name = place.name or made.name
        if place.out is None:  # a large one, which may be needed
            place.out = made.out


@contextlib.contextmanager
def without_hooks(nodes: Iterable[Node]) -> Iterator[None]:
    """Take the hooks of `nodes` away for as long as the block runs."""
    hooks = [(node, node.hooks) for node in nodes]
    for node, _ in hooks:
        node.hooks = None
    try:
        yield
    finally:
        for node, own in hooks:
            node.hooks = own
