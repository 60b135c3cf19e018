"""Which time step a vertex belongs to, and which part of the step it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

from .collect import STEP, Vertex, step_tag

TOWER = 8  # a running sum over more steps than this is drawn inside the steps, not as a tower above them
STAGES = 6  # a graph that leaves the time steps and comes back more often than this is drawn without them


def place(vertices: list[Vertex], detail: Callable[[list[Vertex]], list[Vertex]]) -> tuple[list[Vertex], list[int]]:
    """The vertices at a level of detail with their `step`, `stage`, `slot`, `band` and `start`, and the steps in order.

    `detail` joins vertices once their slots are known. There are no steps ([]) in a graph without tags, or in one that
    goes in and out of them too often.
    """
    if not any(vertex.step is not None for vertex in vertices):
        return detail(vertices), []
    rank = {step: i for i, step in enumerate(sorted({v.step for v in vertices if v.step is not None}))}
    _adopt_running(vertices, rank)
    _set_slots(vertices)
    _find_starts(vertices)  # for `detail`, and once more for what it made
    vertices = detail(vertices)
    if _set_stages(vertices) > STAGES:
        for vertex in vertices:
            vertex.step, vertex.slot, vertex.stage = None, None, 0
        return vertices, []
    _find_starts(vertices)
    _adopt_inputs(vertices)
    _set_bands(vertices)
    return vertices, sorted({v.step for v in vertices if v.step is not None})


def _after_steps(vertices: list[Vertex]) -> set[Vertex]:
    after: set[Vertex] = set()
    for vertex in vertices:
        if any(parent.step is not None or parent in after for parent, _, _ in vertex.inputs):
            after.add(vertex)
    return after


def _adopt_running(vertices: list[Vertex], rank: dict[int, int]) -> None:
    """Untagged vertices that run along with the steps become part of them.

    Those are: one that stands between a step and later ones (`h * mask` outside the scope), and each link of a long
    running sum.
    """
    after = _after_steps(vertices)
    before: set[Vertex] = set()  # what steps depend on
    for vertex in reversed(vertices):
        if any(user.step is not None or user in before for user, _ in vertex.outputs):
            before.add(vertex)
    links: dict[Vertex, tuple[int, int]] = {}  # its step, and how many steps the running sum behind it has seen
    for vertex in vertices:
        if vertex.step is not None or vertex not in after:
            continue
        came: list[tuple[int, int] | None] = [
            links.get(parent) if parent.step is None else (parent.step, 0)
            for parent, _, _ in vertex.inputs
            if parent in after or parent.step is not None
        ]
        found = [pair for pair in came if pair is not None]
        if len(found) == len(came) <= 2:
            steps = [rank[step] for step, _ in found]
            if max(steps) - min(steps) <= 1:
                seen = max(count + (rank[step] < max(steps)) for step, count in found)
                links[vertex] = (max(step for step, _ in found), seen)
    longest = {vertex: seen for vertex, (_, seen) in links.items()}
    for vertex in reversed(vertices):
        if vertex in links:
            longest[vertex] = max([longest[vertex], *(longest[user] for user, _ in vertex.outputs if user in links)])
    for vertex, (step, _) in links.items():
        parents = {parent.step for parent, _, _ in vertex.inputs if parent in after or parent.step is not None}
        if longest[vertex] > TOWER or (vertex in before and parents == {step}):
            vertex.step = step


def _set_stages(vertices: list[Vertex]) -> int:
    """Set which row of steps, or which zone outside them, a vertex belongs to; return the largest.

    Zone k lies below the steps of stage k, and holds what those need and what the steps of stage k - 1 led to. The
    same part of all steps is of one stage, also where the first step has less behind it than the others.
    """
    after = _after_steps(vertices)
    of_slot: dict[int | None, int] = {}
    for _ in range(STAGES + 2):
        before = dict(of_slot)
        for vertex in vertices:
            if vertex.step is not None:
                vertex.stage = max(vertex.stage, of_slot.get(vertex.slot, 0))
            for parent, _, _ in vertex.inputs:
                leaves = vertex.step is None and parent.step is not None
                vertex.stage = max(vertex.stage, parent.stage + leaves)
            if vertex.step is not None:
                of_slot[vertex.slot] = max(of_slot.get(vertex.slot, 0), vertex.stage)
        if of_slot == before:
            break
    for vertex in reversed(vertices):  # what depends on no step stands where it is first used
        if vertex.step is None and vertex not in after and vertex.outputs:
            vertex.stage = min(user.stage for user, _ in vertex.outputs)
    return max((vertex.stage for vertex in vertices), default=0)


def _set_slots(vertices: list[Vertex]) -> None:
    """Number the parts of a step, so that the same part has the same number in every step.

    The step with the most operations has them all; the others' are matched with its own in the order of creation.
    """
    steps: dict[int, list[Vertex]] = {}
    for vertex in vertices:
        if vertex.step is not None:
            steps.setdefault(vertex.step, []).append(vertex)
    kinds = {step: [_kind(vertex) for vertex in members] for step, members in steps.items()}
    full = max(kinds.values(), key=len)
    extra: dict[Any, int] = {}
    for step, members in steps.items():
        if kinds[step] == full:
            pairs = [(i, i) for i in range(len(full))]
        else:
            blocks = SequenceMatcher(None, kinds[step], full, autojunk=False).get_matching_blocks()
            pairs = [(a + i, b + i) for a, b, size in blocks for i in range(size)]
        for i, slot in pairs:
            members[i].slot = slot
        seen: Counter[Any] = Counter()
        for vertex, kind in zip(members, kinds[step]):
            if vertex.slot is None:
                vertex.slot = extra.setdefault((kind, seen[kind]), len(full) + len(extra))
                seen[kind] += 1


def _kind(vertex: Vertex) -> Any:
    scope = vertex.source.scope
    return vertex.op, tuple([tag for tag in scope if not STEP.fullmatch(tag)])


def _find_starts(vertices: list[Vertex]) -> None:
    """A leaf of the first step that stands where later steps get what the step before computed; or the mirror image."""
    carried: dict[tuple[int | None, int], set[bool]] = {}  # which parts get what from an earlier step, or a later one
    steps = [vertex.step for vertex in vertices if vertex.step is not None]
    for vertex in vertices:
        for parent, argument, _ in vertex.inputs:
            if vertex.step is not None and parent.step is not None and parent.step != vertex.step:
                carried.setdefault((vertex.slot, argument), set()).add(parent.step < vertex.step)
    ends = {True: min(steps), False: max(steps)}
    for vertex in vertices:
        if vertex.is_leaf and len({user.step for user, _ in vertex.outputs}) == 1:
            vertex.start = any(
                forward in carried.get((user.slot, argument), ()) and user.step == end
                for user, argument in vertex.outputs
                for forward, end in ends.items()
            )


def _adopt_inputs(vertices: list[Vertex]) -> None:
    """A leaf that one step alone uses is an input of that step, unless it is a weight of a single step's graph."""
    several = len({vertex.step for vertex in vertices if vertex.step is not None}) > 1
    count = max((vertex.slot for vertex in vertices if vertex.slot is not None), default=-1) + 1
    slots: dict[Any, int] = {}
    for vertex in vertices:
        users = {user.step for user, _ in vertex.outputs}
        item = vertex.op == "item"
        if vertex.start or len(users) != 1 or None in users or (vertex.step is not None and not item):
            continue
        if item or (vertex.is_leaf and (several or not vertex.source.requires_grad)):
            user, argument = vertex.outputs[0]
            vertex.step, vertex.stage = user.step, user.stage
            vertex.slot = slots.setdefault((user.slot, argument, vertex.is_leaf), count + len(slots))


def band_of(scope: tuple[str, ...]) -> tuple[str, ...]:
    """The tags outside of the time step's: the layer and the direction."""
    step = step_tag(scope)
    return () if step is None else scope[: scope.index(step.string)]


def parts(vertices: list[Vertex]) -> dict[int, str]:
    """The part of the network that each step is of, encoder or decoder: the outermost tag of all that is in the step.

    {} where the steps do not differ in it.
    """
    tags: dict[int, set[str]] = {}
    for vertex in vertices:
        if vertex.step is not None and (path := band_of(vertex.scope)):
            tags.setdefault(vertex.step, set()).add(path[0])
    found = {step: own.pop() for step, own in tags.items() if len(own) == 1}
    return found if len(found) == len(tags) and len(set(found.values())) > 1 else {}


def band_paths(vertices: list[Vertex]) -> dict[Vertex, tuple[str, ...]]:
    """The layer and direction of each vertex in a step: the tags outside of the step's that are not those of all.

    A single direction is not told, nor the part of the network that a whole step is of.
    """
    paths = {vertex: band_of(vertex.scope) for vertex in vertices if vertex.step is not None}
    outer = 1 if parts(vertices) else 0
    both = any("backward" in path for path in paths.values())
    return {vertex: tuple([tag for tag in path[outer:] if both or tag != "forward"]) for vertex, path in paths.items()}


def _set_bands(vertices: list[Vertex]) -> None:
    """Number the layers and directions of a step from 0 up; what belongs to none stands above them all."""
    paths = band_paths(vertices)
    numbers = {path: n for n, path in enumerate(path for path in dict.fromkeys(paths.values()) if path)}
    if len(numbers) > 1:
        for vertex, path in paths.items():
            vertex.band = numbers.get(path, len(numbers))
