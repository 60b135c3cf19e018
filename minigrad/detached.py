"""The graph behind what was detached: no gradient goes there, and drawings show it all the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .graph import Node, ancestors
from .tensor import Tensor


def detached_from(source: Any) -> Node | None:
    """The node whose result a leaf was cut from by `detach`, if it is still there and the leaf has no gradient."""
    if not isinstance(source, Tensor) or source.node is not None or source.requires_grad or source._memory is None:
        return None
    return source._memory.node() if source._memory.node is not None else None


def with_what_was_cut(roots: Iterable[Node], since: float = 0) -> list[Node]:
    """The nodes behind `roots`, and those behind what was detached on the way, in the order of their making.

    Only those that were made after the tick `since`.
    """
    found: set[Node] = set()
    new = set(roots)
    while new:
        more = set(ancestors(new, since)) - found
        found |= more
        leaves = {parent for node in more for parent in node.parents if isinstance(parent, Tensor)}
        new = {origin for origin in map(detached_from, leaves) if origin is not None} - found
    return sorted(found, key=lambda node: node.index)
