"""The recorded graph: its nodes, their reverse order, and the backward walk.

Backpropagation, through time too, is nothing but `walk`: visit the nodes in the reverse of the order in
which they were made, hand each one's gradient to its VJP rules, add what they return to the parents.
Nothing here recurses, so a graph may be 100,000 steps deep.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Union

from .backend import Array, Following, backend_of, several_devices
from .errors import (
    GraphFreedError,
    InplaceError,
    MinigradError,
    NoGradientError,
    NonScalarError,
    ShapeError,
)
from .hooks import Hook, after_hooks
from .mode import MODE, Mode

if TYPE_CHECKING:
    from .primitive import Op, Plan
    from .tensor import Tensor

# One clock for all: it orders nodes, and tells whether an array was overwritten after a node used it.
tick = itertools.count(1).__next__

# An array of at most this many elements costs no more than the node that made it; such values and gradients
# stay on their nodes, so that a graph small enough to be drawn can always be drawn with its numbers.
SMALL = 256

Parent = Union["Node", "Tensor", float, None]


class Node:
    """One operation that was run on Tensors; `new_node` makes it."""

    op: Op
    parents: Sequence[Parent]  # an entry per argument: the node that made it, the leaf that it is, a number, or None
    plan: Plan  # which arguments need a gradient, and the rules that give it
    saved: Any  # the arguments, None for those that no rule names; None once freed; a Recall where to be recomputed
    options: dict[str, Any]
    out: Array | None  # the result, where a rule names it, or where it is small
    shape: tuple[Any, ...]  # of several results: theirs
    dtype: Any
    mode: Mode
    index: float  # its tick; of a node that was put between others, a fraction
    name: str | None
    grad: Array | None  # where small, once a backward walk has come by
    hooks: list[Hook] | None

    # In one place for all nodes, without a dictionary in each.
    __slots__ = ("__weakref__", *__annotations__)

    requires_grad = True

    @property
    def scope(self) -> tuple[str, ...]:
        """The names of the `scope`s that it was made in, outermost first."""
        return self.mode.scope

    @property
    def of(self) -> Node | None:
        """In a recorded backward walk: the forward node that is being differentiated."""
        return self.mode.of

    def __repr__(self) -> str:
        return f"<{' '.join([self.op.name, str(self.shape), *self.scope])}>"


def new_node(op, parents, plan, saved, options, out, mode) -> Node:  # type: ignore[no-untyped-def]
    """A Node with these attributes, for the result `out`."""
    node = Node()
    node.op = op
    node.parents = parents
    node.plan = plan
    node.saved = saved
    node.options = options
    node.out = out if plan.keeps_out or out.size <= SMALL else None
    node.shape = out.shape
    node.dtype = out.dtype
    node.mode = mode
    node.index = tick()
    node.name = node.grad = node.hooks = None
    if mode.watching:
        from .anomaly import remember

        remember(node)
    return node


def ancestors(roots: Iterable[Node], since: float = 0) -> list[Node]:
    """`roots` and every node made after the tick `since` that they were computed from, in the order of their making."""
    seen = {root for root in roots if root.index > since}
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if parent.__class__ is Node and parent.index > since and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.index)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` over the axes along which an argument of `shape` was broadcast; ValueError if it was not."""
    lead = g.ndim - len(shape)
    if g.shape[lead:] == shape:
        return g.sum(axis=0 if lead == 1 else tuple(range(lead)))
    if lead < 0 or any(m not in (1, n) for n, m in zip(g.shape[lead:], shape, strict=True)):
        raise ValueError(f"shape {shape} does not broadcast to {g.shape}")
    stretched = tuple(i for i, n in enumerate(g.shape) if i < lead or (shape[i - lead] == 1 and n != 1))
    return g.sum(axis=stretched).reshape(shape)


def walk(
    seeds: dict[Any, Any],
    targets: set[Any] | None = None,
    retain: bool = False,
    recorded: bool = False,
    observe: Callable[[Node, int, Any, Any, Any], Any] | None = None,
    since: float = 0,
) -> dict[Any, Any]:
    """Walk back from `seeds` (node or leaf -> its gradient) and return the gradients that arrive.

    `targets` are the nodes and leaves whose gradients are wanted; None means every leaf that requires one. The rules
    run on raw arrays or, where `recorded`, on Tensors, so that the walk is itself a graph. Unless `retain`, what a
    node saved is dropped as soon as it has been used. `observe` is shown each rule as it is used: the node, which
    argument, the node's gradient, the values that the rule took, and the message that it returned; if it answers
    False, the message goes no further. Nodes made before the tick `since` are treated as leaves.
    """
    from .anomaly import check_gradient
    from .explain import out_of_memory
    from .tensor import Tensor

    def saved_values(node: Node, picks: tuple[int, ...]) -> list[Any]:
        values: list[Any] = []
        for i in picks:
            value = node.out if i < 0 else node.saved[i]
            if isinstance(value, Tensor):
                if last_write > node.index and value.last_write > node.index:
                    raise InplaceError(_overwritten(value.name or "a Tensor", value.shape, node))
                if not recorded:
                    value = value.data
            elif i < 0:
                if value is None:
                    raise InplaceError(_overwritten("the result", node.shape, node))
                if recorded:
                    value = Tensor._computed(value, node)
            values.append(value)
        return values

    last_write = Tensor.last_write_of_all
    tape = MODE.get().tape
    observe = observe or (check_gradient if MODE.get().watching else None)
    order = ancestors((key for key in seeds if key.__class__ is Node), since)
    useful = None if targets is None else _on_the_way_to(targets, order)
    grads = dict(seeds)  # what has arrived so far; a node's is complete, and taken out, when its turn comes
    owned: set[Any] = set()  # whose gradient is a buffer of this walk's own, to be added to in place
    results = {}
    token = MODE.set(MODE.get())
    follow = Following() if several_devices() else None
    try:
        while order:
            node = order.pop()
            g = grads.pop(node, None)
            if g is None:
                continue
            if node.saved.__class__ is not tuple:
                _restore(node)
            if node.hooks is not None:
                g = after_hooks(node.hooks, g, recorded)
            if targets is not None and node in targets:
                results[node] = g
            if not node.plan.rules:  # one of several results: its gradient takes its place among those of its parent
                grads.setdefault(node.parents[0], {})[node.options["index"]] = g
            if g.__class__ is dict:
                g = _fill_dropped(g, node, recorded)
            elif g.size <= SMALL:
                node.grad = g.data if recorded else g
            if recorded:
                MODE.set(Mode(True, node.mode.scope, node, tape=tape))
            elif follow:
                follow(g[0] if g.__class__ is list else g)
            parents: Any = node.parents
            for i, rule in node.plan.rules:
                parent = parents[i]
                if useful is not None and parent not in useful:
                    continue
                values = saved_values(node, rule.picks) if rule.picks else ()
                if rule.names:
                    options = rule.options(node, i)
                    message = rule.function(g, *values, **options)
                    values = [*values, *options.values()]
                else:
                    message = rule.function(g, *values)
                if follow and not recorded:  # "to" brings it to another device
                    follow(message)
                # A rule returns a new array, or one that it was given, or a view: only the first may be added to.
                fresh = not recorded and message is not g and message.base is None
                for value in values:
                    fresh = fresh and value is not message
                if message.shape != parent.shape:
                    message, fresh = _fit(message, node, i), True
                if message.dtype is not parent.dtype and message.dtype != parent.dtype:
                    message, fresh = _cast(message, node, i), True
                if observe and observe(node, i, g, values, message) is False:
                    continue
                arrived = grads.get(parent)
                if arrived is None:
                    grads[parent] = message
                elif parent in owned:
                    arrived += message
                    grads[parent] = arrived  # of a NumPy scalar, += made another
                    continue
                else:
                    grads[parent] = arrived + message
                    fresh = True
                if fresh and not recorded:
                    owned.add(parent)
            if not retain:
                node.saved = None
                if node.out is not None and node.out.size > SMALL:
                    node.out = None
    except MemoryError as error:
        raise error if isinstance(error, MinigradError) else out_of_memory(error, "the backward walk") from error
    finally:
        MODE.reset(token)
        if follow:
            follow.close()
    results.update(grads)  # only leaves are left
    if since:  # the leaves are not the walk's own: no hooks, and no copies
        return results
    for leaf, g in grads.items():
        if leaf.hooks is not None:
            results[leaf] = after_hooks(leaf.hooks, g, recorded)
            owned.discard(leaf)
    # No two results share a buffer, and none is a read-only view.
    return {key: g if key in owned else _copy(g, recorded) for key, g in results.items()}


def backward(output: Tensor, grad: Any, retain_graph: bool, create_graph: bool) -> None:
    """Walk back from `output` and add the gradient of every leaf that requires one to its `.grad`."""
    key, seed = start(output, grad, create_graph)
    arrived = walk({key: seed}, None, retain_graph or create_graph, create_graph)
    for leaf, g in arrived.items():
        if leaf.grad is None:
            leaf.grad = g if create_graph else leaf._like(g)
        elif create_graph:
            leaf.grad = leaf.grad + g
        else:
            with leaf.backend.here:
                leaf.grad = leaf._like(leaf.grad.data + g)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    allow_unused: bool = False,
) -> Any:
    """The gradients of the sum of `outputs` with respect to `inputs`; nobody's `.grad` changes.

    `grad_outputs` weighs the outputs (one array an output, of its shape); it may be left out where outputs are single
    numbers. With `create_graph` the result can itself be differentiated; `retain_graph` (by default as `create_graph`)
    keeps what the graph saved for another walk. Returns one Tensor if `inputs` is a Tensor, else a tuple. Raises
    NoGradientError for an input that the outputs do not depend on, unless `allow_unused`, which gives None for it;
    NonScalarError, GraphFreedError and InplaceError as `Tensor.backward` does.
    """
    from .tensor import Tensor

    single = isinstance(inputs, Tensor)
    sources: list[Tensor] = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    results: list[Tensor] = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    weights = [grad_outputs] if isinstance(outputs, Tensor) else list(grad_outputs or [None] * len(results))
    if len(weights) != len(results):
        raise ShapeError(f"{len(results)} outputs but {len(weights)} grad_outputs: give one for each, or None")
    seeds: dict[Any, Any] = {}
    for result, weight in zip(results, weights, strict=True):
        key, seed = start(result, weight, create_graph)
        seeds[key] = seeds[key] + seed if key in seeds else seed
    keys = [source.node or source for source in sources]
    retain = create_graph if retain_graph is None else retain_graph
    arrived = walk(seeds, set(keys), retain, create_graph)
    found: list[Tensor | None] = []
    seen = set()
    for n, (key, source) in enumerate(zip(keys, sources, strict=True)):
        if key not in arrived and not allow_unused:
            raise NoGradientError(
                f"the outputs do not depend on input {n} ({source.name or 'unnamed'}, shape {source.shape}), or it "
                "does not require a gradient: set requires_grad=True before it is used, or pass allow_unused=True"
            )
        g = arrived.get(key)
        if g is not None and key in seen:  # asked for twice: memory of its own for each
            g = _copy(g, create_graph)
        seen.add(key)
        found.append(g if g is None or create_graph else source._like(g))
    return found[0] if single else tuple(found)


def start(output: Tensor, weight: Any, recorded: bool = False) -> tuple[Any, Any]:
    """Where a walk back from `output` starts (a node, or the leaf that it is), and with what gradient."""
    from .tensor import Tensor

    if not output.requires_grad:
        raise NoGradientError(
            "this Tensor was not computed from anything that requires a gradient: "
            "set requires_grad=True on a leaf, and do not compute inside no_grad()"
        )
    if weight is None:
        if output.size != 1:
            raise NonScalarError(
                f"a gradient starts from a single number, and this Tensor has shape {output.shape}: "
                "reduce it (.sum(), .mean()) or give the gradient to start from, of the same shape"
            )
        weight = output.backend.xp.ones(output.shape, output.dtype)
    seed = weight if isinstance(weight, Tensor) else output._like(output.backend.xp.asarray(weight, output.dtype))
    if seed.shape != output.shape:
        raise ShapeError(
            f"the gradient to start from has shape {seed.shape}, the output {output.shape}: give one of its shape"
        )
    return output.node or output, seed if recorded else seed.data


def _copy(g: Any, recorded: bool) -> Any:
    return g.twin() if recorded else backend_of(g).copy(g)  # type: ignore[union-attr]


def _on_the_way_to(targets: set[Any], order: list[Node]) -> set[Any]:
    useful = set(targets)
    for node in order:
        if any(parent in useful for parent in node.parents):
            useful.add(node)
    return useful


def _fit(message: Any, node: Node, i: int) -> Any:
    shape = node.parents[i].shape  # type: ignore[union-attr]
    try:
        return unbroadcast(message, shape)
    except ValueError:
        raise ShapeError(
            f"the VJP rule of {node.op.name!r} for argument {i} returned shape {message.shape}, "
            f"and the argument has shape {shape}: mend the rule"
        ) from None


def _cast(message: Any, node: Node, i: int) -> Any:
    dtype = node.parents[i].dtype  # type: ignore[union-attr]
    if message.dtype.kind == "c":
        raise NoGradientError(
            f"{node.op.name!r} made complex numbers of real ones ({dtype}), and these have no gradient here: "
            "compute with the real and the imaginary part"
        )
    return message.astype(dtype)


def _restore(node: Node) -> None:
    """Bring back what a checkpointed node saved; GraphFreedError where it is gone for good."""
    if node.saved is None:
        raise GraphFreedError(
            f"the graph behind {_describe(node)} was freed by an earlier backward walk: "
            "call backward(retain_graph=True) the first time to walk it again"
        )
    node.saved.restore(node)


def _fill_dropped(given: dict[int, Any], node: Node, recorded: bool) -> list[Any]:
    """The gradients of an operation's several results, zeros for those that nobody used."""
    like = next(iter(given.values()))
    backend: Any = backend_of(like.data if recorded else like)
    shapes: Any = node.shape  # one for each result
    zeros = {i: backend.xp.zeros(n, node.dtype) for i, n in enumerate(shapes) if i not in given}
    return [given[i] if i in given else like._like(zeros[i]) if recorded else zeros[i] for i in range(len(shapes))]


def _overwritten(what: str, shape: tuple[int, ...], node: Node) -> str:
    return (
        f"{what} of shape {shape}, needed to walk back through {_describe(node)}, was overwritten in place after it "
        "was used: walk back before you change it, or change a copy"
    )


def _describe(node: Node) -> str:
    return f"{node.op.name!r} {node.shape}" + (f" in {' / '.join(node.scope)}" if node.scope else "")
