"""A backward walk that has come by, seen again: each use of a rule, in the order in which the engine runs them.

The engine's own walk is run once more and observed. Where the graph was freed, what its nodes had saved is put
back for as long as that takes, from the values that nodes keep where they are small.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .backend import backend_of
from .errors import GraphFreedError, MinigradError
from .graph import Node, ancestors, unbroadcast, walk
from .loop.expand import expand
from .tensor import Tensor, on_host


class Event(NamedTuple):
    """One use of a VJP rule: `upstream` (the gradient of `node`; a tuple of several results' ones) became `message`.

    It went to `parent`, argument `argument` of `node`. `local` is the factor between the two where the rule works
    element by element, else None.
    """

    node: Node
    argument: int
    parent: Node | Tensor
    upstream: Any
    local: np.ndarray | None
    message: np.ndarray


def replay(outputs: Sequence[Tensor], cut: Callable[[Node, Any], bool] | None = None) -> list[Event]:
    """The events of the walk that last came to `outputs`, [] if none did. Nobody's `.grad` changes.

    `cut(node, parent)` says whether the edge between the two is cut: then nothing comes back along it, as in truncated
    backpropagation through time. Raises GraphFreedError or InplaceError if values that the walk needs were too large
    to be kept, or were overwritten since.
    """
    expand(output.node for output in outputs if output.node is not None)
    seeds = _seeds(outputs)
    events: list[Event] = []

    def observe(node: Node, i: int, g: Any, values: Any, message: Any) -> bool:
        if cut and cut(node, node.parents[i]):
            return False
        told = on_host(message).copy()  # the walk may add to it in place
        upstream: Any
        if isinstance(g, list):
            upstream, local = tuple(on_host(part).copy() for part in g), None
        else:
            upstream = on_host(g).copy()
            local = _factor(node, i, g, values, upstream, told)
        events.append(Event(node, i, node.parents[i], upstream, local, told))  # type: ignore[arg-type]
        return True

    before = {node: node.grad for node in ancestors(seeds)}
    with kept(seeds):
        try:
            walk(dict(seeds), retain=True, observe=observe)
        finally:
            for node, grad in before.items():
                node.grad = grad
    return events


def _seeds(outputs: Sequence[Tensor]) -> dict[Any, Any]:
    """The gradients that were left at `outputs`; none for those that others are computed from."""
    nodes = [output.node for output in outputs if output.node is not None]
    inner = {parent for node in ancestors(nodes) for parent in node.parents if isinstance(parent, Node)}
    return {node: node.grad for node in nodes if node not in inner and node.grad is not None}


def _factor(node: Node, i: int, g: Any, values: Any, upstream: np.ndarray, message: np.ndarray) -> np.ndarray | None:
    """What the rule multiplies each element by; None if it does something else."""
    rule = dict(node.plan.rules)[i]
    count = len(rule.picks)
    asked = np.arange(1, upstream.size + 1, dtype=g.dtype).reshape(g.shape)  # all different: no mixture is a product
    probe = backend_of(g).xp.asarray(asked)  # type: ignore[union-attr]
    answer = on_host(rule.function(probe, *values[:count], **dict(zip(rule.names, values[count:], strict=True))))
    if asked.size > 1 and answer.shape != asked.shape:
        return None
    local = answer / asked
    product = upstream * local
    if product.shape != message.shape:
        product = unbroadcast(product, message.shape)
    return local if np.allclose(product, message, rtol=1e-4, atol=1e-7) else None


@contextlib.contextmanager
def kept(roots: Iterable[Node]) -> Iterator[None]:
    """Give the freed nodes behind `roots` back what they had saved, for as long as the block runs."""
    freed = [node for node in ancestors(roots) if node.saved is None]
    try:
        for node in freed:
            node.saved = _saved(node)
        yield
    finally:
        for node in freed:
            node.saved = None


def _saved(node: Node) -> tuple[Any, ...]:
    needed = {pick for _, rule in node.plan.rules for pick in rule.picks}
    if -1 in needed and node.out is None:
        raise _gone(node)
    args: list[Any] = []
    for i, parent in enumerate(node.parents):
        value: Any = parent
        if isinstance(parent, Node):
            value = None if parent.out is None else Tensor._computed(parent.out, parent)
        if value is None and i in needed:
            raise _gone(node)
        args.append(value if i in needed else None)
    return tuple(args)


def _gone(node: Node) -> MinigradError:
    return GraphFreedError(
        f"the backward walk freed an array that {node.op.name!r} {node.shape} needs, too large to be kept: "
        "call backward(retain_graph=True) to see the walk again"
    )
