"""Memory traded for time: a part of the graph that saves nothing, and is computed again on the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .backend import random_state, set_random_state
from .errors import InplaceError, MinigradError
from .graph import Node, ancestors, tick
from .mode import MODE, Mode
from .tensor import Tensor


def checkpoint(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """`f(*args, **options)`, keeping none of the arrays that its backward walk will need.

    They come from running `f` again when the walk gets there, once, with the random numbers of the first time. So a
    chain of n checkpointed parts holds the arrays of one part, and what passes between parts (Chen et al. 2016,
    section 4). The graph and its gradients are those of `f` itself, of any order, also for what `f` closes over.
    `f` must compute the same each time, and its arguments must not be overwritten before the walk.
    """
    if not MODE.get().recording:
        return f(*args, **options)
    recall = Recall(f, args, options)
    result = f(*args, **options)
    for place, node in enumerate(recall.made(result)):
        if node.saved or node.plan.keeps_out:
            recall.places[node.index] = place
            node.saved, node.out = recall, None
    return result


class Recall:
    """What stands in place of the arrays that a checkpointed node saved: how to get them again.

    It holds no node of the graph, so that the graph still dies by reference counting.
    """

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]):
        self.f, self.args, self.options = f, args, options
        self.start = tick()
        self.random = random_state()
        self.scope = MODE.get().scope
        self.places: dict[float, int] = {}  # index of a node -> its place among those that `f` makes
        self.again: dict[int, Node] = {}  # place -> the node that was made there the second time

    def made(self, result: Any, since: int = 0) -> list[Node]:
        """The nodes that `f` made on the way to its `result`, in order."""
        return ancestors(_nodes(result), since or self.start)

    def restore(self, node: Node) -> None:
        """Give `node` what it saved: raises InplaceError or MinigradError where that cannot be had again."""
        if not self.again:
            self.again = dict(enumerate(self._run_again()))
        twin = self.again.pop(self.places[node.index], None)
        if twin is None or twin.op is not node.op or twin.shape != node.shape:
            raise MinigradError(
                f"a checkpointed function computed something else the second time (it came to {twin}, the first time "
                f"to {node}): let it depend on its arguments, and on nothing that changes"
            )
        if twin.saved.__class__ is not tuple:  # a checkpoint within the checkpoint
            twin.saved.restore(twin)
        node.saved, node.out = twin.saved, twin.out

    def _run_again(self) -> list[Node]:
        for arg in self.args:
            if isinstance(arg, Tensor) and arg.last_write > self.start:
                raise InplaceError(
                    f"{arg.name or 'an argument'} of shape {arg.shape} of a checkpointed function was overwritten in "
                    "place before the backward walk: walk back before you change it, or change a copy"
                )
        now = random_state()
        set_random_state(self.random)
        token = MODE.set(Mode(scope=self.scope))
        try:
            since = tick()
            return self.made(self.f(*self.args, **self.options), since)
        finally:
            MODE.reset(token)
            set_random_state(now)


def _nodes(result: Any) -> list[Node]:
    """The nodes of the Tensors in `result`, a Tensor or tuples, lists and dicts of them."""
    if isinstance(result, Tensor):
        return [] if result.node is None else [result.node]
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, (tuple, list)) else ()
    return [node for part in parts for node in _nodes(part)]
