"""The recorded graph as one generic time step: which parts of the steps are the same, and what they depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ...errors import DrawingError
from ...graph import Node
from ...tensor import Tensor
from ..collect import Vertex, collect, step_of
from ..steps import place
from ..text import NUMBERS

LIMIT = 1000  # parts, each counted once for all steps
Key = tuple[Any, ...]  # ("t", slot): the same part of every step; ("out", n): one part outside the steps


class Part:
    """A node or a leaf; each result of an operation with several is one too, with op "item"."""

    __slots__ = ("inputs", "key", "op", "outputs", "source", "start", "step", "terms")

    def __init__(self, source: Node | Tensor, key: Key, step: int | None, start: bool = False):
        self.source: Any = source
        self.key = key
        self.step = step
        self.start = start
        self.op = "leaf" if isinstance(source, Tensor) else source.op.name
        self.inputs: list[tuple[Part, int]] = []
        self.outputs: list[tuple[Part, int]] = []
        self.terms: Fraction | float | None = None  # of a running sum over the steps: the numbers in it

    @property
    def is_leaf(self) -> bool:
        return isinstance(self.source, Tensor)

    @property
    def name(self) -> str | None:
        """Its name; of a part of a named sequence, the sequence's."""
        if self.source.name or not self.is_leaf:
            return self.source.name
        whole = self.source.view_of
        return whole.name if whole is not None and self.step is not None else None


class Folded:
    """`parts` in the order of computation, and how they repeat.

    `members` has the parts of one key, `keys` the keys in order. `like` leads from a step to the step that stands for
    it: one of the same structure. `carried` says what a part's argument is in a step, where that comes from another
    step: (key, how many steps later); also at the end of the sequence, where an initial state takes its place.
    """

    def __init__(self, outputs: Sequence[Tensor]):
        vertices = collect(outputs)
        if len(vertices) > LIMIT and all(vertex.step is None for vertex in vertices):
            raise _too_many(len(vertices))
        sums = _running_sums(vertices)
        vertices = [vertex for vertex in vertices if vertex not in sums.absorbed]
        vertices, steps = place(vertices, lambda found: found)
        for vertex in vertices:
            if len(steps) < 2:
                vertex.step = None
            if vertex in sums.numbers:
                vertex.step = None
        self.parts = _parts(vertices, sums)
        of_source = {part.source: part for part in self.parts}
        self.roots = [of_source[tensor.node or tensor] for tensor in outputs]
        _match_by_inputs(self.parts)
        _adopt(self.parts)
        self.members: dict[Key, list[Part]] = {}
        for part in self.parts:
            self.members.setdefault(part.key, []).append(part)
        self.keys = list(self.members)
        if len(self.keys) > LIMIT:
            raise _too_many(len(self.keys))
        self.steps = sorted({part.step for part in self.parts if part.step is not None and not part.is_leaf})
        self.at = {(part.key, part.step): part for part in self.parts}
        self.shifts = _shifts(self.parts)
        self.carried = self._find_carried()
        self.like = self._find_alike()

    def representative(self, part: Part) -> Part:
        return part if part.step is None or part.is_leaf else self.at[part.key, self.like[part.step]]

    def reference(self, part: Part, argument: int) -> tuple[Key, int] | None:
        """(key, steps later) if the argument is carried between steps."""
        given = next(source for source, i in part.inputs if i == argument)
        if None not in (part.step, given.step):
            return (given.key, given.step - part.step) if given.step != part.step else None  # type: ignore[operator]
        found = self.carried.get((part.key, argument))
        return found if found is not None and self._starts(part, given, found) else None

    def _starts(self, part: Part, given: Part, found: tuple[Key, int]) -> bool:
        return part.step is not None and given.step is None and (found[0], part.step + found[1]) not in self.at

    def initial(self) -> list[tuple[Key, int, Part]]:
        """What stands in for a state before the first step (after the last): key, step, and the part."""
        found = {
            (self.carried[part.key, i][0], (part.step or 0) + self.carried[part.key, i][1]): given
            for part in self.parts
            for given, i in part.inputs
            if (part.key, i) in self.carried and self._starts(part, given, self.carried[part.key, i])
        }
        return [(key, step, given) for (key, step), given in found.items()]

    def _find_carried(self) -> dict[tuple[Key, int], tuple[Key, int]]:
        found: dict[tuple[Key, int], Counter[tuple[Key, int]]] = {}
        for part in self.parts:
            for given, i in part.inputs:
                if part.step is not None and given.step is not None and given.step != part.step:
                    ways = found.setdefault((part.key, i), Counter())
                    ways[given.key, given.step - part.step] += 1
        return {place: ways.most_common(1)[0][0] for place, ways in found.items()}

    def _find_alike(self) -> dict[int, int]:
        """For each step one of the same structure, if it can be from the middle of the sequence."""
        inside: dict[int, list[Any]] = {step: [] for step in self.steps}
        for part in self.parts:
            if part.step is not None and not part.is_leaf:
                inside[part.step].append(self._structure(part))
        groups: dict[Any, list[int]] = {}
        for step, structure in inside.items():
            groups.setdefault(tuple(sorted(structure, key=repr)), []).append(step)
        return {step: group[len(group) // 2] for group in groups.values() for step in group}

    def _structure(self, part: Part) -> Any:
        inputs = []
        for given, i in part.inputs:
            carried = self.reference(part, i)
            own = None if given.step is None else given.step - (part.step or 0)
            inputs.append((i, *(carried or (given.key, own))))
        options = {} if part.is_leaf else part.source.options
        numbers = () if part.is_leaf else tuple([p for p in part.source.parents if isinstance(p, NUMBERS)])
        written = (part.op, numbers, _plain_options(options)) if part.key not in self.shifts else (part.op,)
        return part.key, written, tuple(inputs)


def _too_many(count: int) -> DrawingError:
    return DrawingError(
        f"the equations of {count} operations are more than can be read ({LIMIT}): write those of an earlier Tensor, "
        'or tag repeated steps with mg.scope("t=0"), mg.scope("t=1") …, which are then written once'
    )


def _plain_options(options: dict[str, Any]) -> Any:
    """Options that are numbers and words; arrays count as equal."""
    return tuple(
        [(k, repr(v)) for k, v in sorted(options.items()) if not isinstance(v, np.ndarray) and "array" not in repr(v)]
    )


def _shifts(parts: Sequence[Part]) -> dict[Key, int]:
    """By how many steps what a part takes is later than the earliest that is taken of the same: x[t] and x[t + 1].

    Only of parts that take another item in each step.
    """
    found: dict[Key, list[Any]] = {}
    wholes: dict[Key, Any] = {}
    for part in parts:
        if part.op in ("getitem", "item") and part.step is not None:
            index, whole = part.source.options["index"], part.inputs[0][0]
            inside = whole.step is None and isinstance(index, int)
            found.setdefault(part.key, []).append(index - part.step if inside else None)
            wholes[part.key] = whole.key
    shifts = {key: seen[0] for key, seen in found.items() if len(seen) > 1 and len({*seen}) == 1 and None not in seen}
    first: dict[Key, int] = {}
    for key, shift in shifts.items():
        first[wholes[key]] = min(shift, first.get(wholes[key], shift))
    return {key: shift - first[wholes[key]] for key, shift in shifts.items()}


class _Sums:
    """Running sums over steps: the vertices in between that vanish, and for the last one its terms and numbers."""

    def __init__(self) -> None:
        self.absorbed: set[Vertex] = set()
        self.numbers: dict[Vertex, Any] = {}
        self.origins: dict[tuple[Vertex, int], Any] = {}  # (last one, place) -> what its node has as a parent there


def _running_sums(vertices: Sequence[Vertex]) -> _Sums:
    sums = _Sums()
    seen: set[Vertex] = set()
    for root in reversed(vertices):
        if root.op != "add" or root in seen:
            continue
        terms: list[tuple[Vertex, int, str, Any]] = []
        absorbed: list[Vertex] = []
        added: Any = 0
        stack = [root]
        while stack:
            vertex = stack.pop()
            parents: Any = vertex.source.parents
            given = {i: (parent, label) for parent, i, label in vertex.inputs}
            numbers: list[Any] = [parent for parent in parents if isinstance(parent, NUMBERS)]
            added += sum(numbers)
            for i, (parent, label) in sorted(given.items(), reverse=True):
                link = parent.op == "add" and not parent.source.name and len(parent.outputs) == 1
                if link and parent.source.shape == root.source.shape:
                    absorbed.append(parent)
                    seen.add(parent)
                    stack.append(parent)
                else:
                    terms.append((parent, i, label, parents[i]))
            if any(parent is None for parent in parents):
                added = None  # an array, which is no term that can be named here
                break
        steps = {step for term in terms if (step := step_of(getattr(term[0].source, "scope", ()))) is not None}
        if added is None or len(steps) < 2 or len(absorbed) < max(len(steps) - 2, 1 if root.step is not None else 0):
            continue
        terms.sort(key=lambda term: term[0].number)
        for vertex in absorbed:
            for parent, i, _ in vertex.inputs:
                parent.outputs.remove((vertex, i))
        for parent, i, _ in root.inputs:
            parent.outputs.remove((root, i))
        root.inputs = [(parent, k, label) for k, (parent, _, label, _) in enumerate(terms)]
        for parent, k, _ in root.inputs:
            parent.outputs.append((root, k))
        root.step = None
        sums.absorbed.update(absorbed)
        sums.numbers[root] = added
        sums.origins.update({(root, k): term[3] for k, term in enumerate(terms)})
    return sums


def _parts(vertices: Sequence[Vertex], sums: _Sums) -> list[Part]:
    """The vertices as parts, each result of an operation with several as one of its own."""
    parts: list[Part] = []
    of: dict[Any, Part] = {}
    for vertex in vertices:
        key: Key = ("t", vertex.slot) if vertex.step is not None else ("out", vertex.number)
        part = Part(vertex.source, key, vertex.step, vertex.start)
        part.terms = sums.numbers.get(vertex)
        for given, i, label in vertex.inputs:
            source = of[given]
            if label:
                parent = sums.origins.get((vertex, i)) or part.source.parents[i]
                source = _result(source, parent, of, parts)
            part.inputs.append((source, i))
            source.outputs.append((part, i))
        of[vertex] = part
        parts.append(part)
    return parts


def _result(whole: Part, parent: Any, of: dict[Any, Part], parts: list[Part]) -> Part:
    """The result of `whole` that the argument `parent` is, or stands for, made if it is not there yet."""
    while parent.parents[0] is not whole.source:  # a stack that was only made to be unstacked again
        parent = parent.parents[0].parents[0].parents[parent.options["index"]]
    if parent not in of:
        kind, number = whole.key[:2]
        made = of[parent] = Part(parent, (kind, number, parent.options["index"]), whole.step)
        made.inputs.append((whole, 0))
        whole.outputs.append((made, 0))
        parts.append(made)
    return of[parent]


def _match_by_inputs(parts: Sequence[Part]) -> None:
    """Where a step lacks a part, another of the same operation may have been taken for it: what it is given decides."""
    usual: dict[Key, Counter[Any]] = {}
    there: set[tuple[Key, int | None]] = set()

    def given(part: Part) -> Any:
        return part.op, tuple([(i, "" if source.is_leaf else source.key) for source, i in part.inputs])

    inside = [part for part in parts if part.step is not None and not part.is_leaf]
    for part in inside:
        usual.setdefault(part.key, Counter())[given(part)] += 1
        there.add((part.key, part.step))
    of_inputs = {found.most_common(1)[0][0]: key for key, found in usual.items()}
    for part in inside:
        better = of_inputs.get(given(part), part.key)
        if usual[part.key].most_common(1)[0][0] != given(part) and (better, part.step) not in there:
            part.key = better
            there.add((better, part.step))


def _adopt(parts: Sequence[Part]) -> None:
    """Leaves and items that only steps use, another one in each step, become parts of the steps that use them first."""
    users: dict[Any, list[tuple[Part, int]]] = {}
    for part in parts:
        if part.is_leaf and not part.start and part.step is not None:
            part.step, part.key = None, (*part.key, "leaf")  # all of a kind are adopted together
        elif part.step is not None or part.start or not (part.is_leaf or part.op == "item"):
            continue
        if part.outputs and all(user.step is not None for user, _ in part.outputs):
            for user, i in part.outputs:
                users.setdefault((user.key, i), []).append((part, user.step))  # type: ignore[arg-type]
    for place_, found in users.items():
        if len({part for part, _ in found}) == len(found) > 1:
            known = next(((part.key, part.step - step) for part, step in found if part.step is not None), None)
            key, later = known or (("t", place_), 0)
            for part, step in found:
                if part.step is None:
                    part.key, part.step = key, step + later
