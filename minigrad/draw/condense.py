"""Levels of detail: which vertices are drawn as one.

"op" draws every operation. "gate" draws each quantity: what has a name, is used more than once, or is an activation of
something that holds a parameter; the operations in between are part of its formula. "cell" draws each cell of each
step as one box, "rolled" one step for all of them, its state a loop, and "layer" each layer as one box.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any

from .collect import Vertex, linked, step_tag
from .text import ACTIVATIONS

SPLITS = {"split", "unstack"}
Key = tuple[Hashable, ...]


def condense(
    vertices: list[Vertex], level: str, opened: Iterable[str], closed: Iterable[str], shown: Collection[Any] = ()
) -> list[Vertex]:
    """The vertices of the picture at `level`, but for the groups that tags in `opened` and `closed` name.

    A group is named by one of its tags, or several joined by "/": "t=2", "layer 1", "layer 0/t=2". `shown` are nodes
    that are quantities in any case.
    """
    to_open, to_close = [set(name.split("/")) for name in opened], [set(name.split("/")) for name in closed]
    roots = _roots(vertices, shown) if level != "op" else {}
    cells = {cell_of(vertex.scope) for vertex in vertices}
    around = {cell[:-1] for cell in cells if cell and step_tag(cell[-1:]) is None}  # steps with cells of their own
    keys: dict[Vertex, Key] = {}
    for vertex in vertices:
        if vertex.is_leaf or vertex.op == "item":
            continue
        tags = set(vertex.scope)
        if any(tags >= names for names in to_open):
            continue
        shut = next((names for names in to_close if tags >= names), None)
        if shut is not None:
            keys[vertex] = ("closed", _until(vertex.scope, shut))
        elif level not in ("gate", "op") and (cell := cell_of(vertex.scope)) and cell not in around:
            keys[vertex] = ("closed", cell)
        elif level != "op":
            keys[vertex] = ("tree", roots[vertex])
    return joined(vertices, keys)


def cell_of(scope: tuple[str, ...]) -> tuple[str, ...]:
    """The path of the cell that a node of a time step belongs to: up to the step's tag and the one after it."""
    step = step_tag(scope)
    if step is None:
        return ()
    end = scope.index(step.string) + 1
    return scope[: end + 1]


def _until(scope: tuple[str, ...], names: set[str]) -> tuple[str, ...]:
    """The part of a scope up to the last tag in `names`."""
    return scope[: 1 + max(i for i, tag in enumerate(scope) if tag in names)]


def _roots(vertices: list[Vertex], shown: Collection[Any]) -> dict[Vertex, Vertex]:
    """For each operation the quantity of whose formula it is part."""
    holds: set[Vertex] = set()  # what is computed of a parameter, since the last quantity
    roots: dict[Vertex, Vertex] = {}
    for vertex in vertices:
        if vertex.is_leaf:
            if vertex.source.requires_grad and not vertex.start:
                holds.add(vertex)
            continue
        parents = [parent for parent, _, _ in vertex.inputs]
        held = any(parent in holds for parent in parents)
        users = {user for user, _ in vertex.outputs}
        split = any(user.op in SPLITS for user in users)
        alone = len(users) == 1 and next(iter(users)).step == vertex.step and not next(iter(users)).cuts
        gate = vertex.op in ACTIVATIONS and (held or any(parent.op in SPLITS for parent in parents))
        if vertex.op in SPLITS and not parents[0].is_leaf and parents[0].step == vertex.step:
            roots[vertex] = parents[0]  # the pieces of a quantity
        elif (
            vertex.source.name or vertex.source in shown or not alone or gate or split or vertex.op in ("item", *SPLITS)
        ):
            roots[vertex] = vertex
        elif held:
            holds.add(vertex)
    slots = {v.slot for v, root in roots.items() if v is root and v.slot is not None}  # the same in all steps
    for vertex in reversed(vertices):
        if not vertex.is_leaf and (vertex not in roots and vertex.slot in slots):
            roots[vertex] = vertex
        if not vertex.is_leaf and vertex not in roots:
            roots[vertex] = roots[vertex.outputs[0][0]]
    return roots


def joined(vertices: list[Vertex], keys: Mapping[Vertex, Key]) -> list[Vertex]:
    """One vertex for all of the same key; groups that would feed themselves through others are left apart."""
    while True:
        groups: dict[Any, list[Vertex]] = {}
        for vertex in vertices:
            groups.setdefault(keys.get(vertex, vertex), []).append(vertex)
        caught = _in_cycles(groups, keys)
        if not caught:
            break
        keys = {vertex: key for vertex, key in keys.items() if key not in caught}
    if all(len(members) == 1 for members in groups.values()) and not any(key[0] == "closed" for key in keys.values()):
        return vertices
    return _quotient(vertices, groups, keys)


def _in_cycles(groups: dict[Any, list[Vertex]], keys: Mapping[Vertex, Key]) -> set[Any]:
    """The keys of the groups of several that lie on a cycle: what is left when all that is free has been taken away."""
    needs: dict[Any, set[Any]] = {key: set() for key in groups}
    feeds: dict[Any, set[Any]] = {key: set() for key in groups}
    for key, members in groups.items():
        for vertex in members:
            for parent, _, _ in vertex.inputs:
                other = keys.get(parent, parent)
                if other != key:
                    needs[key].add(other)
                    feeds[other].add(key)
    left = set(groups)
    for forward, back in ((needs, feeds), (feeds, needs)):
        waiting = {key: len(forward[key] & left) for key in left}
        ready = [key for key, n in waiting.items() if n == 0]
        for key in ready:
            left.discard(key)
            for other in back[key]:
                if other in left:
                    waiting[other] -= 1
                    if not waiting[other]:
                        ready.append(other)
    return {key for key in left if len(groups[key]) > 1}


def _quotient(vertices: list[Vertex], groups: dict[Any, list[Vertex]], keys: Mapping[Vertex, Key]) -> list[Vertex]:
    into: dict[Vertex, Vertex] = {}
    slots: dict[Any, int] = {}
    free = 1 + max((vertex.slot for vertex in vertices if vertex.slot is not None), default=-1)
    for key, members in groups.items():
        last = key[1] if isinstance(key, tuple) and key[0] == "tree" else members[-1]
        group = Vertex(last.source, members[-1].number)
        group.members = members
        steps = {vertex.step for vertex in members}
        group.step = steps.pop() if len(steps) == 1 else None
        group.slot = last.slot
        if isinstance(key, tuple) and key[0] == "closed":
            path: Any = key[1]
            kinds = tuple(tag for tag in path if step_tag((tag,)) is None)
            group.title = kinds[-1] if kinds else path[-1]
            if group.step is not None:
                group.slot = slots.setdefault(kinds, free + len(slots))
        for vertex in members:
            into[vertex] = group
    results = _results(vertices, into)
    for vertex, name in results.items():
        into[vertex].results[name] = vertex
    numbers: dict[Any, dict[Any, int]] = {}  # of a group's arguments, the same in every step: by where they go first
    for group in dict.fromkeys(into.values()):
        known = numbers.setdefault(group if group.slot is None else group.slot, {})
        arguments: dict[Any, int] = {}
        for vertex in group.members:
            for parent, argument, label in vertex.inputs:
                source = into[parent]
                if source is group:
                    continue
                end = source, results.get(parent, "") + label
                if end not in arguments:
                    goal = (vertex.slot, argument) if vertex.slot is not None else (vertex.number, argument)
                    arguments[end] = argument if len(group.members) == 1 else known.setdefault(goal, len(known))
                    group.inputs.append((source, arguments[end], end[1]))
                if argument in vertex.cuts:
                    group.cuts.add(arguments[end])
                for place, port in vertex.ports.items():
                    if port == argument:
                        group.ports[place] = arguments[end]
    users = {parent for group in into.values() for parent, _, _ in group.inputs}
    return linked([group for group in dict.fromkeys(into.values()) if group not in users])


def _results(vertices: list[Vertex], into: dict[Vertex, Vertex]) -> dict[Vertex, str]:
    """What to call the members of a group that others use, where it, or the same group in another step, has several."""
    used: dict[Any, dict[Any, list[Vertex]]] = {}
    for vertex in vertices:
        for parent, _, _ in vertex.inputs:
            group = into[parent]
            if group is not into[vertex]:
                parts = used.setdefault(group if group.slot is None else group.slot, {})
                parts.setdefault(parent if parent.slot is None else parent.slot, []).append(parent)
    found: dict[Vertex, str] = {}
    for parts in used.values():
        if len(parts) > 1:
            for n, members in enumerate(parts.values()):
                for vertex in members:
                    found[vertex] = re.sub(r"_-?\d+$", "", vertex.source.name or "") or str(n)
    return found
