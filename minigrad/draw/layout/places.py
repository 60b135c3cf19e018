"""Where everything is: time steps side by side, all laid out by one template, and what is outside them.

From bottom to top: zone 0 (weights and what is made of them), lanes that bring each of them under all steps, the row
of steps of stage 0, zone 1 (loss, outputs), and so on where the graph goes back into the steps. No Graphviz here.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ..picture import Box, Edge, Picture
from .block import TRACK, Block, CycleError, Line
from .face import local_lines, port_step, size
from .order import spread
from .path import Path
from .sheet import Layout, Rect
from .template import LineOf, Template, signal_of

GAP = 30.0  # between steps
LOOP = 9.0  # between loops around a step
FOLD = 150.0  # the width of the panel that stands for folded steps
Signal = tuple[str, str]


def lay_out(picture: Picture) -> Layout:
    """The layout of a picture."""
    try:
        return _Builder(picture).build()
    except CycleError:  # steps so different that they have no common order: draw the graph without them
        boxes = [_outside(box) for box in picture.nodes]
        return _Builder(Picture(picture.title, tuple(boxes), picture.edges)).build()


def _outside(box: Box) -> Box:
    return replace(box, step=None, slot=None, stage=0, kind="input" if box.kind == "state" else box.kind)


class _Builder:
    """Builds a layout from the bottom upwards; `y` is how far it has come (upward is negative)."""

    def __init__(self, picture: Picture):
        self.picture = picture
        self.box = picture.by_id
        self.column = {group.step: i for i, group in enumerate(picture.groups)}
        locals = {box.id: [line for _, line in local_lines(picture, box.id)] for box in picture.nodes}
        self.sizes = {box.id: size(box, locals[box.id]) for box in picture.nodes}
        self.port_steps: dict[Any, float] = {name: port_step(lines) for name, lines in locals.items() if lines}
        self.layout = Layout()
        self.y = 0.0
        self.carried: dict[Signal, Path] = {}  # values on their way up, and the way that they have come
        self.uses: dict[Signal, list[Edge]] = {}
        for edge in picture.edges:
            if not self._by_rail(edge):
                self.uses.setdefault(signal_of(edge, self.box), []).append(edge)
        self.stages = 1 + max((box.stage for box in picture.nodes), default=0)
        self.templates = [
            Template(picture, stage, self.column, self.sizes, self.port_steps, self._by_rail)
            for stage in range(self.stages)
        ]
        self._place_columns()

    def _by_rail(self, edge: Edge) -> bool:
        """Is it within a row of steps? All other edges go around the outside."""
        source, target = self.box[edge.source], self.box[edge.target]
        return target.step is not None and (
            source.kind == "state" or (source.step is not None and source.stage == target.stage)
        )

    def _place_columns(self) -> None:
        starts = [self.sizes[box.id][0] for box in self.picture.nodes if box.kind == "state"]
        self.aside = 34.0 + LOOP * sum(edge.kind == "loop" for edge in self.picture.edges)
        room = max(starts) + self.aside + 10.0 if starts else 0.0
        width = max((template.block.width for template in self.templates if template.block), default=0.0)
        for template in self.templates:
            if template.block:
                template.block.widen(width)
        gap = GAP + 8.0 * max((template.skips for template in self.templates), default=0)
        folds = {box.step for box in self.picture.nodes if box.kind == "fold"}
        self.left: list[float] = []
        self.wide: list[float] = []
        x = room
        for group in self.picture.groups:
            self.left.append(x)
            self.wide.append(FOLD if group.step in folds else width)
            x += self.wide[-1] + gap
        self.right = x - gap

    def build(self) -> Layout:
        for stage in range(self.stages):
            self._zone(stage)
            if self.templates[stage].block:
                self._lanes(stage)
                self._row(stage)
        return self.layout.trimmed()

    # Zones: what is outside the steps

    def _zone(self, stage: int) -> None:
        inside = [box for box in self.picture.nodes if box.step is None and box.kind != "state" and box.stage == stage]
        here = {box.id for box in inside}
        lines: dict[Hashable, Line] = {}
        for signal, edges in self.uses.items():
            source = self.box[signal[0]]
            if signal in self.carried or source.id in here:
                targets: list[Any] = [(edge.target, edge.argument) for edge in edges if edge.target in here]
                onward = any(self._is_above(edge, stage) for edge in edges)
                if targets or onward:
                    x = self.carried[signal].end[0] if signal in self.carried else None
                    lines[signal] = Line(source.id if source.id in here else None, "below", targets, onward, x=x)
        if not inside and not lines:
            return
        block = Block({box.id: self.sizes[box.id] for box in inside}, lines, port_steps=self.port_steps)
        fixed = any(line.x is not None for line in lines.values())
        dx = 0.0 if fixed else -min((block.x[i] - self.sizes[i][0] / 2 for i in here), default=0.0)
        for i in here:
            self._put(i, dx + block.x[i], self.y + block.y[i])
        for signal, edges in self.uses.items():
            if signal in lines:
                before = self.carried.pop(signal, None)
                for edge in edges:
                    if edge.target in here:
                        self._route(edge, before, block.to_target(signal, (edge.target, edge.argument)), dx)
                if lines[signal].to_top:
                    onward_path = block.to_top(signal)
                    self.carried[signal] = (
                        before.then(onward_path, dx, self.y) if before else onward_path.moved(dx, self.y)
                    )
        self.y -= block.height

    def _is_above(self, edge: Edge, stage: int) -> bool:
        """Is its target further up than zone `stage`?"""
        target = self.box[edge.target]
        return target.stage > stage or (target.stage == stage and target.step is not None)

    def _put(self, name: str, x: float, y: float) -> None:
        width, height = self.sizes[name]
        self.layout.boxes[name] = Rect(x - width / 2, y - height / 2, width, height)

    def _route(self, edge: Edge, before: Path | None, path: Path, dx: float) -> None:
        self.layout.routes[edge] = before.then(path, dx, self.y) if before else path.moved(dx, self.y)

    # Lanes: each value from below runs under all the steps, with a tap for each use

    def _lanes(self, stage: int) -> None:
        template = self.templates[stage]
        self.lane: dict[Signal, float] = {}
        for signal in sorted(self.carried, key=lambda signal: -self.carried[signal].end[0]):
            self.y -= TRACK
            self.lane[signal] = self.y
        outer = 0
        top = self.y - (TRACK if self.lane else 0.0)
        risers: dict[Signal, Path] = {}
        for signal, path in self.carried.items():
            path.line(path.end[0], self.lane[signal])
            if any(self._is_above(edge, stage) and not self._taps(edge, stage) for edge in self.uses[signal]):
                outer += 1
                x = self.right + 16.0 * (outer + 1)
                risers[signal] = path.copy().line(x, self.lane[signal])
        self.y = self.layout.lane_tops[stage] = top
        block = template.block
        assert block is not None
        for signal, path in self.carried.items():
            for edge in self.uses[signal]:
                if not self._taps(edge, stage):
                    continue
                target = self.box[edge.target]
                column = self.column[target.step]  # type: ignore[index]
                if target.kind == "fold":
                    self._tap_fold(edge, path, column, stage)
                    continue
                rest = block.to_target(("tap", signal), (target.slot, edge.argument))
                x = self.left[column] + rest.start[0]
                self.layout.taps.append((x, self.lane[signal], edge))
                start = path.copy().line(x, self.lane[signal])
                self.layout.routes[edge] = start.then(rest, self.left[column], self.y)
        self.carried = risers

    def _taps(self, edge: Edge, stage: int) -> bool:
        target = self.box[edge.target]
        return target.step is not None and target.stage == stage

    def _tap_fold(self, edge: Edge, path: Path, column: int, stage: int) -> None:
        lanes = list(self.lane)
        signal = signal_of(edge, self.box)
        x = self.left[column] + FOLD * (lanes.index(signal) + 1) / (len(lanes) + 1)
        self.layout.taps.append((x, self.lane[signal], edge))
        block = self.templates[stage].block
        assert block is not None
        down = path.copy().line(x, self.lane[signal])
        self.layout.routes[edge] = down.line(x, self.y + block.border)

    # Rows of steps

    def _row(self, stage: int) -> None:
        template = self.templates[stage]
        block = template.block
        assert block is not None
        top = self.y - block.height
        for group in self.picture.groups:
            x = self.left[self.column[group.step]]
            wide = self.wide[self.column[group.step]]
            members = [self.box[i] for i in group.members if self.box[i].stage == stage]
            if not members:
                continue
            panel = Rect(x, top, wide, self.y + block.border - top)
            self.layout.panels[group.id, stage] = panel
            self.layout.titles[group.id, stage] = template.title_x
            for box in members:
                if box.kind == "fold":
                    self.layout.boxes[box.id] = panel
                else:
                    self.sizes[box.id] = block.sizes[box.slot]
                    self._put(box.id, x + block.x[box.slot], self.y + block.y[box.slot])
        peak = self._place_starts(stage)
        skips = self._skip_lanes(stage, top)
        self.layout.bands[stage] = [self.y + y for y in block.band_tops]
        for edge in self.picture.edges:
            if self._by_rail(edge) and self.box[edge.target].stage == stage:
                self.layout.routes[edge] = self._inside(edge, stage, skips)
        up = min(top - TRACK * len(skips) - (4.0 if skips else 0.0), peak)
        for path in self.carried.values():
            path.line(path.end[0], up)
        for signal, edges in self.uses.items():
            source = self.box[signal[0]]
            if source.step is None or source.stage != stage or not edges:
                continue
            column = self.column[source.step]
            if source.kind == "fold":
                rect = self.layout.boxes[source.id]
                self.carried[signal] = Path((rect.x + rect.width / 2, top)).line(rect.x + rect.width / 2, up)
            else:
                path = block.to_top(("slot", source.slot, signal[1])).moved(self.left[column], self.y)
                self.carried[signal] = path.line(path.end[0], up)
        self.y = up

    def _place_starts(self, stage: int) -> float:
        """The states from which recurrences start, beside the step that takes them, at the height of the rail.

        Returns how far up they reach.
        """
        block = self.templates[stage].block
        assert block is not None
        sides: dict[str, dict[str, tuple[float, int]]] = {"left": {}, "right": {}}
        peak = self.y
        for edge in self.picture.edges:
            source, target = self.box[edge.source], self.box[edge.target]
            if source.kind == "state" and target.stage == stage and target.step is not None:
                key = self.templates[stage].rail_to((target.slot, edge.argument), self._start_side(target))
                side = block.lines[key].side
                sides[side].setdefault(source.id, (self.y + block.track_in[key], self.column[target.step]))
        for side, found in sides.items():
            names = sorted(found, key=lambda name: found[name][0])
            offsets = [0.0]
            for a, b in pairwise(names):
                offsets.append(offsets[-1] + (self.sizes[a][1] + self.sizes[b][1]) / 2 + 12.0)
            heights = spread([found[name][0] for name in names], [1.0] * len(names), offsets)
            low = max((y + self.sizes[name][1] / 2 for name, y in zip(names, heights)), default=self.y)
            over = max(0.0, low + 4.0 - self.y)  # into the lanes below
            for name, y in zip(names, [height - over for height in heights]):
                peak = min(peak, y - self.sizes[name][1] / 2 - 8.0)
                column = found[name][1]
                half = self.sizes[name][0] / 2 + self.aside
                right = self.left[column] + self.wide[column]
                self._put(name, self.left[column] - half if side == "left" else right + half, y)
        return peak

    def _skip_lanes(self, stage: int, top: float) -> dict[Signal, float]:
        """A lane above the panels for each value that skips steps."""
        found: dict[Signal, float] = {}
        for edge in self.picture.edges:
            over = edge.kind == "loop" or not self._side(edge)
            if self._by_rail(edge) and self.box[edge.target].stage == stage and over:
                found.setdefault(signal_of(edge, self.box), top - TRACK * (len(found) + 1))
        return found

    def _hop(self, edge: Edge) -> int:
        source, target = self.box[edge.source], self.box[edge.target]
        if source.step is None or target.step is None:
            return 0
        return self.column[target.step] - self.column[source.step]

    def _side(self, edge: Edge) -> str:
        """The side at which an edge leaves its step; "" if it goes over the top; "in" if it does not leave."""
        source, target = self.box[edge.source], self.box[edge.target]
        hop = self._hop(edge)
        side = "right" if hop > 0 else "left"
        if edge.kind == "loop":
            return "right"
        if hop == 0:
            return "in"
        if abs(hop) > 1:
            return ""
        block = self.templates[source.stage].block
        if target.kind != "fold" or block is None:
            return side
        return side if side in block.lines["slot", source.slot, signal_of(edge, self.box)[1]].out else ""

    def _inside(self, edge: Edge, stage: int, skips: dict[Signal, float]) -> Path:
        """The course of an edge from a step or a start into a step of the same row."""
        template = self.templates[stage]
        block = template.block
        assert block is not None
        source, target = self.box[edge.source], self.box[edge.target]
        signal = signal_of(edge, self.box)
        left = self.left[self.column[target.step]]  # type: ignore[index]
        hop, side = self._hop(edge), self._side(edge)
        goal = (target.slot, edge.argument)
        key: LineOf = ("slot", source.slot, signal[1])
        if source.kind == "state":
            return self._from_start(
                edge, block.to_target(template.rail_to(goal, self._start_side(target)), goal).moved(left, self.y)
            )
        if side == "in":
            return block.to_target(key, goal).moved(left, self.y)
        if target.kind == "fold":
            height = block.track_in[block.lines[key].out[side]] if side else -block.height / 2
            rest = Path((left if hop > 0 else left + FOLD, self.y + height))
        else:
            hop = hop or 1  # of a loop
            rest = block.to_target(template.rail_to(goal, hop, (source.slot, signal[1])), goal).moved(left, self.y)
        x, y = rest.start
        if edge.kind == "loop":
            return self._around(block.to_side(key, side).moved(left, self.y), rest, skips, edge)
        begin = self.left[self.column[source.step]]  # type: ignore[index]
        if source.kind == "fold":
            rect = self.layout.boxes[source.id]
            path = Path((rect.right if hop > 0 else rect.x, y)) if side else Path((rect.x + rect.width / 2, rect.y))
        else:
            path = (block.to_side(key, side) if side else block.to_top(key)).moved(begin, self.y)
        if not side:
            lane = skips[signal]
            away = 8.0 + 8.0 * list(skips).index(signal)
            between = x - away if hop > 0 else x + away
            path.line(path.end[0], lane).line(between, lane).line(between, y)
        return path.then(rest)

    def _around(self, path: Path, rest: Path, lanes: dict[Signal, float], edge: Edge) -> Path:
        """Out of a step at its right, over the top, and in again at its left."""
        signal = signal_of(edge, self.box)
        away = 10.0 + LOOP * list(lanes).index(signal)
        (right, _), (left, y) = path.end, rest.start
        path.line(right + away, path.end[1]).line(right + away, lanes[signal])
        self.layout.loops.append((left, lanes[signal], edge))
        return path.line(left - away, lanes[signal]).line(left - away, y).then(rest)

    def _start_side(self, target: Box) -> int:
        """Which way a recurrence runs that starts at a box: 1 for left to right."""
        return 1 if self.column[target.step] == 0 else -1  # type: ignore[index]

    def _from_start(self, edge: Edge, rest: Path) -> Path:
        rect = self.layout.boxes[edge.source]
        x, y = rest.start
        before = x < rect.x  # the recurrence runs from right to left
        path = Path((rect.x if before else rect.right, rect.y + rect.height / 2))
        between = x + (17.0 if before else -17.0)
        return path.line(between, path.end[1]).line(between, y).then(rest)
