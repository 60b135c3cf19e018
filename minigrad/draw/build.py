"""From outputs to their picture."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DrawingError
from ..graph import SMALL, Node
from ..tensor import Tensor
from . import text
from .collect import STEP, Vertex, collect
from .picture import Box, Edge, Group, Picture
from .steps import place

LIMIT = 5000  # boxes


def picture_of(
    outputs: Sequence[Tensor],
    values: bool = False,
    backward: bool = False,
    grads: Mapping[Tensor, Any] | None = None,
    shapes: bool = False,
    title: str | None = None,
    max_steps: int = 50,
) -> Picture:
    """The picture of the graph behind `outputs`; see `draw`."""
    vertices = collect(outputs)
    steps = place(vertices)
    folded = _folded(steps, max_steps)
    shown = [vertex for vertex in vertices if vertex.step not in folded]
    if len(shown) > LIMIT:
        raise DrawingError(
            f"{len(shown)} boxes are more than a drawing can show ({LIMIT}): draw a shorter sequence or an earlier "
            'Tensor, or tag repeated steps with mg.scope("t=0"), mg.scope("t=1") …, whose middle is then folded'
        )
    given = {tensor.node or tensor: tensor for tensor in outputs}
    told = {tensor.node or tensor: grad for tensor, grad in (grads or {}).items()}
    inputs = Counter((v.step, v.stage) for v in vertices if v.step is not None and v.is_leaf)
    ids: dict[Vertex, str] = {}
    boxes: list[Box] = []
    folds: dict[int, str] = {}
    for vertex in vertices:
        if vertex.step in folded:
            if vertex.stage not in folds:
                folds[vertex.stage] = f"n{len(boxes)}"
                middle = sorted(folded)[len(folded) // 2]
                label = f"⋯ {len(folded)} steps"
                fold = Box(folds[vertex.stage], "fold", label, None, None, (), "", step=middle, stage=vertex.stage)
                boxes.append(fold)
            ids[vertex] = folds[vertex.stage]
            continue
        ids[vertex] = f"n{len(boxes)}"
        source = vertex.source
        name = _name(vertex)
        if vertex.is_leaf and vertex.step is not None and not name:
            name = f"x_{vertex.step}" if inputs[vertex.step, vertex.stage] == 1 else None
        tensor = given.get(source)
        kind = _kind(vertex, tensor is not None)
        boxes.append(
            Box(
                id=ids[vertex],
                kind=kind,
                symbol=kind
                if isinstance(source, Tensor)
                else text.symbol(source.op.name, source.options, source.parents),
                name=name,
                op=None if isinstance(source, Tensor) else source.op.name,
                shape=source.shape,
                dtype=str(source.dtype),
                scope=() if isinstance(source, Tensor) else source.scope,
                step=vertex.step,
                slot=vertex.slot,
                stage=vertex.stage,
                value=_value(source, tensor) if values else (),
                gradient=_gradient(source, told) if backward else (),
                note=_shape(source) if shapes or (vertex.is_leaf and name is None) else "",
            )
        )
    edges = _edges(vertices, ids, folded)
    groups = _groups(boxes, steps, folded, vertices)
    return Picture(title or _title(vertices, steps), tuple(boxes), edges, groups, len(folded))


def _folded(steps: list[int], max_steps: int) -> set[int]:
    max_steps = max(max_steps, 3)  # two steps before the fold show how one leads to the next
    if len(steps) <= max_steps:
        return set()
    first = (max_steps + 1) // 2
    return set(steps[first : len(steps) - (max_steps - first)])


def _name(vertex: Vertex) -> str | None:
    """Its name; of a part of a named sequence, the sequence's with the number of the step."""
    source = vertex.source
    if source.name or not isinstance(source, Tensor):
        return source.name
    whole = source.view_of
    return f"{whole.name}_{vertex.step}" if whole is not None and whole.name and vertex.step is not None else None


def _kind(vertex: Vertex, asked_for: bool) -> str:
    if vertex.start:
        return "state"
    if isinstance(vertex.source, Tensor):
        return "parameter" if vertex.source.requires_grad else "input"
    if asked_for:
        return "output"
    return "input" if vertex.op == "item" else "op"


def _several(source: Node | Tensor) -> bool:
    return bool(source.shape) and isinstance(source.shape[0], tuple)


def _value(source: Node | Tensor, tensor: Tensor | None) -> tuple[str, ...]:
    if isinstance(source, Tensor):
        return text.numbers(source.data)
    array = tensor.data if tensor is not None else source.out
    if array is not None:
        return text.numbers(array)
    return () if _several(source) else (text.shape(source.shape),)


def _gradient(source: Node | Tensor, told: dict[Any, Any]) -> tuple[str, ...]:
    if not source.requires_grad or _several(source):
        return ()
    grad = told.get(source, source.grad)
    if grad is not None:
        return text.numbers(grad.data if isinstance(grad, Tensor) else grad)
    large = isinstance(source, Node) and math.prod(source.shape) > SMALL
    return ("not kept",) if large else ("not computed",)


def _shape(source: Node | Tensor) -> str:
    shapes: Any = source.shape
    return ", ".join(map(text.shape, shapes)) if _several(source) else text.shape(shapes)


def _edges(vertices: list[Vertex], ids: dict[Vertex, str], folded: set[int]) -> tuple[Edge, ...]:
    edges: dict[tuple[str, str, int], Edge] = {}
    counts: Counter[tuple[str, str, int]] = Counter()
    for vertex in vertices:
        for parent, argument, label in vertex.inputs:
            source, target = ids[parent], ids[vertex]
            if source == target:
                continue
            if parent.step in folded or vertex.step in folded:
                # All edges between two boxes become one, but an edge out of the fold still says where it arrives.
                inner = vertex.step not in folded and vertex.step is not None
                key = (source, target, argument if inner else -1)
                counts[key] += 1
                label = f"×{counts[key]}" if counts[key] > 1 and not inner else ""
            else:
                key = (source, target, argument)
            edges[key] = Edge(source, target, argument, _edge_kind(parent, vertex), label)
    return tuple(edges.values())


def _edge_kind(source: Vertex, target: Vertex) -> str:
    if source.start or (None not in (source.step, target.step) and source.step != target.step):
        return "state"
    if target.step is not None and source.step is None:
        return "shared"
    return "input" if source.step is not None and (source.is_leaf or source.op == "item") else "data"


def _groups(boxes: list[Box], steps: list[int], folded: set[int], vertices: list[Vertex]) -> tuple[Group, ...]:
    scopes = (vertex.source.scope for vertex in vertices if isinstance(vertex.source, Node))
    tag = next((match[1] for scope in scopes for match in map(STEP.fullmatch, scope) if match), "t")
    members: dict[int, list[str]] = {}
    for box in boxes:
        if box.step is not None:
            members.setdefault(box.step, []).append(box.id)
    groups: list[Group] = []
    for step in steps:
        if step in members:
            label = f"{min(folded)} … {max(folded)}" if step in folded else str(step)
            groups.append(Group(f"g{len(groups)}", f"{tag} = {label}".replace("-", "−"), step, tuple(members[step])))
    return tuple(groups)


def _title(vertices: list[Vertex], steps: list[int]) -> str:
    if not steps:
        return "Computation graph"
    return f"Computation graph over {len(steps)} time step{'s' if len(steps) > 1 else ''}"
