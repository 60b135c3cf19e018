"""From outputs to their picture."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np

from ..errors import DrawingError, MinigradError
from ..graph import SMALL, Node
from ..replay import replay
from ..tensor import Tensor, on_host
from . import text
from .collect import STEP, Vertex, collect, step_tag
from .condense import condense
from .edges import Edges
from .maths import formulas
from .maths.quantities import Quantities
from .options import Options
from .picture import Box, Group, Move, Picture, Style
from .rolled import layers, roll
from .steps import band_paths, parts, place

LIMIT = 5000  # boxes
FORMULAS = 300  # boxes: nobody reads the formulas of a larger picture, and setting them takes seconds


class Scene:
    """The graph behind some Tensors as a `picture`, and what its boxes stand for."""

    def __init__(self, outputs: Sequence[Tensor], options: Options):
        self.outputs, self.options = outputs, options
        level = "cell" if options.level in ("rolled", "layer") else options.level
        self.quantities = Quantities(outputs, options.convention) if options.formulas else None
        shown = self.quantities.shown if self.quantities and level == "gate" else ()
        detail = lambda found: condense(found, level, options.open, options.close, shown)
        self.vertices, self.steps = place(collect(outputs), detail)
        inputs: Counter[Any] = Counter((v.step, v.stage) for v in self.vertices if v.step is not None and v.is_leaf)
        self.names = {v.source: _name(v, inputs[v.step, v.stage] == 1) for v in self.vertices}
        self.rolled = len(self.steps) if options.level in ("rolled", "layer") and len(self.steps) > 1 else 0
        if self.rolled:
            self.vertices = roll(self.vertices, self.steps)
            if options.level == "layer":
                self.vertices = layers(self.vertices)
        self.alike = {} if self.rolled else _alike(self.vertices)
        self.folded = set() if self.rolled else _folded(self.steps, options.max_steps)
        count = sum(vertex.step not in self.folded for vertex in self.vertices)
        if count > LIMIT:
            raise DrawingError(
                f"{count} boxes are more than a drawing can show ({LIMIT}): draw a shorter sequence or an earlier "
                'Tensor, or tag repeated steps with mg.scope("t=0"), mg.scope("t=1") …, whose middle is then folded'
            )
        self._ends = {vertex.source for vertex in self.vertices}
        if count > FORMULAS:
            self.quantities = None
        self._given = {tensor.node or tensor: grad for tensor, grad in options.grads.items()}
        self.ids: dict[Vertex, str] = {}
        boxes = self._boxes()
        self.edges = Edges(self.vertices, self.ids, self.folded, options.convention if options.locals else None)
        self.box_of = {node: self.ids[vertex] for vertex in self.vertices for node in _sources(vertex)}
        if options.backward and not self.rolled:
            boxes = self._with_messages(boxes)
        self.picture = Picture(
            options.title or self._title(),
            tuple(boxes),
            tuple(self.edges.list),
            self._groups(boxes),
            _bands(self.vertices),
            len(self.folded),
            self.rolled,
            Style(options.theme, _graph(options), options.flow),
        )

    def moves(self, cut: Callable[[Node, Any], bool] | None = None) -> list[Move]:
        """The backward walk that came by, rule by rule in the engine's order; [] if none did.

        `cut(node, parent)` cuts edges, as `replay` says; it raises what that raises.
        """
        rules: dict[Any, Any] = {}
        found = []
        for event in replay(self.outputs, cut):
            box = self.box_of.get(event.node)
            parent = self.box_of.get(_whole(event.parent))
            number = self.edges.of.get((event.node, event.argument))
            if number is not None:
                parent = self.edges.list[number].source
            if box is None or parent is None:
                continue  # a sequence that was stacked and unstacked again: its parts are joined directly
            place = event.node, event.argument
            if place not in rules:
                rules[place] = formulas.local_derivative(*place, self.options.convention)
            found.append(Move(box, parent, number, rules[place], event.upstream, event.local, event.message))
        return found

    # Boxes

    def _boxes(self) -> list[Box]:
        boxes: list[Box] = []
        folds: dict[int, str] = {}
        for vertex in self.vertices:
            if vertex.step in self.folded:
                if vertex.stage not in folds:
                    folds[vertex.stage] = f"n{len(boxes)}"
                    middle = sorted(self.folded)[len(self.folded) // 2]
                    label = f"⋯ {len(self.folded)} steps"
                    fold = Box(folds[vertex.stage], "fold", label, None, None, (), "", step=middle, stage=vertex.stage)
                    boxes.append(fold)
                self.ids[vertex] = folds[vertex.stage]
                continue
            self.ids[vertex] = f"n{len(boxes)}"
            boxes.append(self._box(vertex))
        return boxes

    def _box(self, vertex: Vertex) -> Box:
        source, options = vertex.source, self.options
        output = next((o for o in self.outputs if (o.node or o) is source), None)
        name = self._name(vertex)
        kind = _kind(vertex, output is not None)
        data, grad = _data(source, output), self._gradient(source)
        left, right = self._equation(vertex, kind)
        box = Box(
            id=self.ids[vertex],
            kind=kind,
            symbol=self._symbol(vertex, kind),
            name=name if options.names and kind != "cell" else None,
            op=None if isinstance(source, Tensor) else source.op.name,
            shape=source.shape,
            dtype=str(source.dtype),
            scope=vertex.scope,
            step=vertex.step,
            slot=vertex.slot,
            stage=vertex.stage,
            band=vertex.band,
            note=self._note(vertex, name),
            left=left if options.names else None,
            formula=right,
            needs_gradient=source.requires_grad,
            count=sum(1 for _ in _sources(vertex)),
        )
        if self.rolled and vertex.step is not None:
            return box
        value: tuple[str, ...] = ()
        gradient: tuple[str, ...] = ()
        if vertex.results:
            value = tuple(
                f"{name} {line}" for name, part in vertex.results.items() for line in _value(part.source, None)
            )
            gradient = tuple(
                f"{name} {line}"
                for name, part in vertex.results.items()
                for line in _slope(part.source, self._gradient(part.source))
            )
        else:
            value, gradient = _value(source, data), _slope(source, grad)
        return replace(
            box,
            data=data,
            grad=grad,
            value=value if options.values else (),
            gradient=gradient if options.backward else (),
        )

    def _gradient(self, source: Node | Tensor) -> np.ndarray | None:
        grad = self._given.get(source, source.grad)
        return None if grad is None else on_host(grad).copy()

    def _symbol(self, vertex: Vertex, kind: str) -> str:
        if vertex.title:
            return vertex.title.removesuffix("Cell") or vertex.title
        if isinstance(vertex.source, Tensor):
            return kind
        return text.symbol(vertex.source.op.name, vertex.source.options, vertex.source.parents)

    def _name(self, vertex: Vertex) -> str | None:
        """Its name; in a rolled picture that of step 3 is h_t, not h_3."""
        name = self.names.get(vertex.source)
        if self.rolled and name:
            middle = self.steps[len(self.steps) // 2]
            return f"{name.removesuffix(str(middle))}t" if name.endswith(f"_{middle}") else name
        return name

    def _note(self, vertex: Vertex, name: str | None) -> str:
        source, options = vertex.source, self.options
        parts = []
        if options.shapes or (vertex.is_leaf and name is None):
            parts.append(_shape(source))
        if options.dtypes:
            parts.append(str(source.dtype))
        if vertex.title:
            inside = list(_sources(vertex))
            weights = sum(part.size for part in inside if isinstance(part, Tensor) and part.requires_grad)
            count = sum(not isinstance(part, Tensor) for part in inside)
            told = f"{count} operation{'s' if count > 1 else ''}"
            parts.append(told + (f" ×{self.rolled}" if self.rolled and step_tag(vertex.scope) else ""))
            parts += [f"{weights} weights"] * bool(weights)
        if vertex in self.alike:
            parts.append(self.alike[vertex])
        return ", ".join(parts)

    def _equation(self, vertex: Vertex, kind: str) -> tuple[Any, Any]:
        if self.quantities is None or kind == "cell":
            return None, None
        return self.quantities.equation(vertex.source, self._ends)

    # What came back

    def _with_messages(self, boxes: list[Box]) -> list[Box]:
        try:
            events = replay(self.outputs)
        except MinigradError:  # large values were not kept: only gradients are shown
            return boxes
        messages = self.edges.measure(events)
        incoming: dict[str, dict[str, np.ndarray]] = {}
        users = {self.ids[vertex]: vertex for vertex in self.vertices}
        for number, message in messages.items():
            edge = self.edges.list[number]
            source, target = users[edge.source], users[edge.target]
            if source.step is None:
                continue
            label = self._whence(source, target)
            parts = incoming.setdefault(edge.source, {})
            if label not in parts:
                parts[label] = message
            elif parts[label].shape == message.shape:
                parts[label] = parts[label] + message
        return [
            replace(box, incoming=tuple((label, text.numbers(part)) for label, part in incoming[box.id].items()))
            if _is_sum(box, incoming.get(box.id, {}))
            else box
            for box in boxes
        ]

    def _whence(self, source: Vertex, target: Vertex) -> str:
        """Where a gradient comes from: another step, or the next named thing on the way to the output."""
        if source.step is not None and target.step is not None and source.step != target.step:
            hop = target.step - source.step
            return f"from t{'+' if hop > 0 else '−'}{abs(hop)}"
        while not target.source.name and len(target.outputs) == 1:
            target = target.outputs[0][0]
        return f"from {target.source.name or self._symbol(target, target.op)}"

    # Groups

    def _groups(self, boxes: list[Box]) -> tuple[Group, ...]:
        tag = next((match[1] for vertex in self.vertices if (match := step_tag(vertex.scope))), "t")
        members: dict[int, list[str]] = {}
        for box in boxes:
            if box.step is not None:
                members.setdefault(box.step, []).append(box.id)
        groups: list[Group] = []
        whose = {} if self.rolled else parts(self.vertices)
        for step in sorted(members):
            label = f"{min(self.folded)} … {max(self.folded)}" if step in self.folded else str(step)
            if self.rolled:
                label = f"{self.steps[0]} … {self.steps[-1]}"
            label = f"{whose[step]}, {tag} = {label}" if step in whose else f"{tag} = {label}"
            groups.append(Group(f"g{len(groups)}", label.replace("-", "−"), step, tuple(members[step])))
        return tuple(groups)

    def _title(self) -> str:
        if not self.steps:
            return "Computation graph"
        return f"Computation graph over {len(self.steps)} time step{'s' if len(self.steps) > 1 else ''}"


def _graph(options: Options) -> str:
    if not options.backward:
        return "forward"
    return "both" if options.backward is True else "backward"


def _sources(vertex: Vertex) -> Any:
    """All nodes, or the leaf, that a vertex stands for."""
    stack = [vertex]
    while stack:
        part = stack.pop()
        if part.members == [part]:
            yield part.source
        else:
            stack += part.members


def _whole(parent: Node | Tensor) -> Any:
    """The operation of whose results `parent` is one, else `parent` itself."""
    return parent.parents[0] if isinstance(parent, Node) and parent.op.name == "item" else parent


def _name(vertex: Vertex, only_input: bool) -> str | None:
    """The name of a vertex; of a part of a named sequence, the sequence's with the number of the step."""
    source = vertex.source
    if source.name or not isinstance(source, Tensor) or vertex.step is None:
        return source.name
    whole = source.view_of
    if whole is not None and whole.name:
        return f"{whole.name}_{vertex.step}"
    return f"x_{vertex.step}" if only_input else None


def _alike(vertices: list[Vertex]) -> dict[Vertex, str]:
    """For parameters of the same name the tags, from the outermost on, that tell what computes with each."""
    named: dict[str | None, dict[Vertex, list[str]]] = {}
    for vertex in vertices:
        if vertex.is_leaf and vertex.source.requires_grad and vertex.source.name and vertex.step is None:
            scopes = [[tag for tag in user.scope if not STEP.fullmatch(tag)] for user, _ in vertex.outputs]
            common = takewhile(lambda tags: len(set(tags)) == 1, zip(*scopes))
            named.setdefault(vertex.source.name, {})[vertex] = [tags[0] for tags in common]
    found: dict[Vertex, str] = {}
    for own in named.values():
        for vertex, path in own.items():
            others = [other for one, other in own.items() if one is not vertex]
            length = next((n for n in range(len(path)) if all(path[:n] != other[:n] for other in others)), len(path))
            if others and path:
                found[vertex] = " ".join(path[:length])
    return found


def _is_sum(box: Box, parts: Mapping[str, np.ndarray]) -> bool:
    """Is its gradient the sum of several parts, rather than of one, or of pieces?"""
    return (
        len(parts) > 1 and box.kind not in ("fold", "cell") and {part.shape for part in parts.values()} == {box.shape}
    )


def _bands(vertices: list[Vertex]) -> tuple[str, ...]:
    paths = {vertex.band: path for vertex, path in band_paths(vertices).items() if path}
    signs = {"forward": "→", "backward": "←"}
    names = {n: " ".join(signs.get(tag, tag) for tag in path) for n, path in paths.items()}
    return tuple(names.get(n, "") for n in range(max(names) + 1)) if len(names) > 1 else ()


def _folded(steps: list[int], max_steps: int) -> set[int]:
    max_steps = max(max_steps, 3)  # two steps before the fold show how one leads to the next
    if len(steps) <= max_steps:
        return set()
    first = (max_steps + 1) // 2
    return set(steps[first : len(steps) - (max_steps - first)])


def _kind(vertex: Vertex, asked_for: bool) -> str:
    if vertex.title:
        return "cell"
    if vertex.start:
        return "state"
    if isinstance(vertex.source, Tensor):
        return "parameter" if vertex.source.requires_grad else "input"
    if asked_for:
        return "output"
    return "input" if vertex.op == "item" else "op"


def _data(source: Node | Tensor, output: Tensor | None) -> np.ndarray | None:
    array: Any = source.data if isinstance(source, Tensor) else source.out if output is None else output.data
    return None if array is None or array.size > SMALL else on_host(array).copy()


def _value(source: Node | Tensor, data: np.ndarray | None) -> tuple[str, ...]:
    if data is not None:
        return text.numbers(data)
    if isinstance(source, Tensor):
        return text.numbers(source.data)
    return () if text.several(source.shape) else (text.shape(source.shape),)


def _slope(source: Node | Tensor, grad: np.ndarray | None) -> tuple[str, ...]:
    if not source.requires_grad or text.several(source.shape):
        return ()
    if grad is not None:
        return text.numbers(grad)
    large = isinstance(source, Node) and math.prod(source.shape) > SMALL
    return ("not kept",) if large else ("not computed",)


def _shape(source: Node | Tensor) -> str:
    shapes: Any = source.shape
    return ", ".join(map(text.shape, shapes)) if text.several(source.shape) else text.shape(shapes)
