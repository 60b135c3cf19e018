"""What each part of a graph contributes to a gradient: of one weight used in every time step, each step's own share."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from .errors import NoGradientError
from .graph import Node, ancestors, start, walk
from .loop.expand import expand
from .replay import kept
from .tensor import Tensor


def contributions(
    output: Tensor, source: Tensor, part: Callable[[tuple[str, ...]], Hashable], grad: Any = None
) -> dict[Any, Tensor]:
    """The gradient of `output` with respect to `source`, taken apart: part of the graph -> what came through it.

    `part(scope)` names the part that a node of that scope belongs to, None for no part; of a node made outside of any
    scope it is asked with (). Each way back from `output`
    to `source` counts for the last part that it passes, or None; parts that contribute nothing are left out. The sum
    of all is the gradient. `grad` weighs the output, as in `backward`. The graph is kept, and nobody's `.grad` changes.
    Raises what `mg.grad` raises, NoGradientError if `output` does not depend on `source` among them.
    """
    key, seed = start(output, grad)
    target: Any = source.node or source
    roots = [key] if isinstance(key, Node) else []
    expand(roots)
    order = ancestors(roots)
    if target is not key and not any(parent is target for node in order for parent in node.parents):
        raise NoGradientError(
            f"the output does not depend on {source.name or 'this Tensor'} (shape {source.shape}): give one that it "
            "was computed from"
        )
    later: set[Any] = set()  # the nodes of parts, and all that is computed from them
    for node in order:
        if part(node.scope) is not None or any(parent in later for parent in node.parents):
            later.add(node)
    if target in later:
        raise NoGradientError("only the gradient of what comes before all parts can be taken apart: give a leaf")
    seeds: dict[Any, dict[Any, Any]] = {} if key in later else {None: {key: seed}}

    def observe(node: Node, i: int, g: Any, values: Any, message: Any) -> None:
        parent: Any = node.parents[i]
        if node in later and parent not in later:
            arrived = seeds.setdefault(part(node.scope), {})
            arrived[parent] = arrived[parent] + message if parent in arrived else message.copy()

    with kept(order):
        walk({key: seed}, {target}, retain=True, observe=observe)
        found = {name: walk(begun, {target}, retain=True) for name, begun in seeds.items()}
    return {name: source._like(arrived[target]) for name, arrived in found.items() if target in arrived}
