"""One time step for all of them: the picture of a recurrent network as textbooks have it, with loops."""

from __future__ import annotations

from .collect import Vertex, linked, step_tag
from .condense import joined
from .steps import band_of

PARTS = {"item", "unstack"}  # of a sequence


def roll(vertices: list[Vertex], steps: list[int]) -> list[Vertex]:
    """The vertices of one step, which stands for all: what comes from another step is a loop."""
    middle = steps[len(steps) // 2]
    shown: dict[int | None, Vertex] = {}
    for vertex in vertices:
        if vertex.step is not None:
            known = shown.get(vertex.slot)
            if known is None or abs(vertex.step - middle) < abs((known.step or 0) - middle):
                shown[vertex.slot] = vertex
    stands = {vertex: vertex if vertex.step is None else shown[vertex.slot] for vertex in vertices}
    rolled: dict[Vertex, Vertex] = {}
    for vertex in vertices:
        if stands[vertex] is vertex:
            one = rolled[vertex] = Vertex(vertex.source, vertex.number)
            one.slot, one.stage, one.band, one.start = vertex.slot, vertex.stage, vertex.band, vertex.start
            one.title, one.cuts, one.members, one.ports = vertex.title, vertex.cuts, vertex.members, vertex.ports
            one.step = None if vertex.step is None else middle
    for vertex, stand in stands.items():
        one = rolled[stand]
        for parent, argument, label in vertex.inputs:
            source = rolled[stands[parent]]
            looped = vertex.step is not None and parent.step is not None and parent.step != vertex.step
            if vertex.step is None and parent.step is not None:  # all steps' results, as one
                argument = next((n for other, n, _ in one.inputs if other is source), argument)
            if looped and stand is not vertex:  # at the ends of time there may be others
                continue
            arrivals = one.loops if looped else one.inputs
            if (source, argument, label) not in arrivals:
                arrivals.append((source, argument, label))
    used = {parent for one in rolled.values() for parent, _, _ in one.inputs}
    looped_to = {parent for one in rolled.values() for parent, _, _ in one.loops}
    return linked([one for one in rolled.values() if one not in used or one in looped_to])


def layers(vertices: list[Vertex]) -> list[Vertex]:
    """The rolled picture with a box for each layer: its directions, its weights, its initial states; and no loops.

    What else is tagged, as the modules between layers are, is a box by its tag.
    """
    keys: dict[Vertex, tuple[str, tuple[str, ...]]] = {}
    for vertex in vertices:
        if vertex.title:
            keys[vertex] = ("closed", (*band_of(vertex.scope)[:1], vertex.title))
    taken = {path[0] for _, path in keys.values()}
    for vertex in reversed(vertices):
        if vertex in keys:
            continue
        users = {keys.get(user) for user, _ in vertex.outputs}
        key = users.pop() if len(users) == 1 else None
        sequence = {user.op for user, _ in vertex.outputs} <= PARTS and not vertex.is_leaf  # no weight, and no state
        own = vertex.op in PARTS or vertex.start or (vertex.source.requires_grad and not sequence)
        if vertex.op not in PARTS and step_tag(vertex.scope) is None and taken.isdisjoint(vertex.scope[:1] or taken):
            keys[vertex] = ("closed", vertex.scope[:1])
        elif key is not None and own:
            keys[vertex] = key
    found = joined(vertices, keys)
    for vertex in found:
        if vertex.title:
            vertex.title = " · ".join((*band_of(vertex.scope)[:1], vertex.title.removesuffix("Cell")))
        vertex.inputs = [(parent, argument, "") for parent, argument, _ in vertex.inputs]
        vertex.step = vertex.slot = None
        vertex.start, vertex.loops, vertex.stage, vertex.band = False, [], 0, 0
    return found
