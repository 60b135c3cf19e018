"""One time step, laid out once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from ..picture import Box, Edge, Picture
from .block import Block, Line, Target

LineOf = tuple[Any, ...]  # ("slot", slot, result) | ("rail", slot, result, hop) | ("tap", signal)


def signal_of(edge: Edge, boxes: Mapping[str, Box]) -> tuple[str, str]:
    """The value that an edge carries: a box, and which of its results where it has several."""
    several = edge.label and not edge.label.startswith("×")
    return (edge.source, edge.label if several else "")


class Template:
    """The union of all steps of one stage: every part that any of them has, at the same place in all.

    `block` is None if there are no steps of this stage. `skips` counts the values that skip steps, above the panels.
    """

    def __init__(
        self,
        picture: Picture,
        stage: int,
        column: Mapping[int, int],
        sizes: Mapping[str, tuple[float, float]],
        port_steps: Mapping[str, float],
        by_rail: Callable[[Edge], bool],
    ):
        boxes = picture.by_id
        self.lines: dict[Hashable, Line] = {}
        self.rails: dict[Target, list[LineOf]] = {}
        members = [box for box in picture.nodes if box.step is not None and box.stage == stage]
        self.block: Block | None = None
        self.skips = 0
        self.title_x = 0.0
        if not members:
            return
        rooms: dict[Hashable, tuple[float, float]] = {}
        bands: dict[Hashable, int] = {}
        apart: dict[Hashable, float] = {}
        for box in members:
            if box.kind != "fold":
                width, height = sizes[box.id]
                known = rooms.get(box.slot, (0.0, 0.0))
                rooms[box.slot] = max(known[0], width), max(known[1], height)
                if not self._is_input(box):
                    bands[box.slot] = box.band
                if box.id in port_steps:
                    apart[box.slot] = max(apart.get(box.slot, 0.0), port_steps[box.id])
        through_fold = []
        room = 7.0 if picture.style.graph == "both" else 0.0  # for a gradient's way back, between a line and a name
        for edge in picture.edges:
            source, target = boxes[edge.source], boxes[edge.target]
            signal = signal_of(edge, boxes)
            goal = (target.slot, edge.argument)
            if source.step is not None and source.stage == stage and not by_rail(edge) and source.kind != "fold":
                self._line(source.slot, signal[1]).to_top = True
            if target.step is None or target.stage != stage:
                continue
            if not by_rail(edge):
                if target.kind != "fold":
                    self._aim(("tap", signal), Line(room=room), goal)
            elif source.kind in ("state", "fold") or target.kind == "fold":
                through_fold.append((edge, goal))
            elif edge.kind == "loop":
                self._carry(source.slot, signal[1], 1, goal)
            elif source.step == target.step:
                self._aim(("slot", source.slot, signal[1]), Line(source.slot), goal)
            else:
                self._carry(source.slot, signal[1], column[target.step] - column[source.step], goal)  # type: ignore[index]
        for edge, goal in through_fold:  # along the rails of other steps, where there are any
            source, target = boxes[edge.source], boxes[edge.target]
            if target.kind != "fold":
                if goal not in self.rails:
                    self._rail(("rail", None, "", 1), goal)
            elif source.kind != "state":
                side = "right" if column[target.step] > column[source.step] else "left"  # type: ignore[index]
                line = self._line(source.slot, signal_of(edge, boxes)[1])
                line.to_top = line.to_top or side not in line.out
        inputs = {box.slot for box in members if box.kind != "fold" and self._is_input(box)}
        self.block = Block(rooms, self.lines, frozenset(inputs), panel=True, band=bands, port_steps=apart)
        exits = [self.block.to_top(key).end[0] for key, line in self.lines.items() if line.to_top]
        wide = 9.5 * max((len(group.label) for group in picture.groups), default=0)
        self.title_x = next((x for x in (14.0, self.block.width - wide - 8.0) if not _near(x, wide, exits)), 14.0)
        self.skips = len({key for keys in self.rails.values() for key in keys if abs(key[3]) > 1})

    @staticmethod
    def _is_input(box: Box) -> bool:
        return box.op is None or (box.op == "item" and box.kind == "input")

    def _line(self, slot: Any, result: str) -> Line:
        return self.lines.setdefault(("slot", slot, result), Line(slot))

    def _aim(self, key: LineOf, line: Line, goal: Target) -> None:
        targets = self.lines.setdefault(key, line).targets
        if goal not in targets:
            targets.append(goal)

    def _rail(self, key: LineOf, goal: Target) -> None:
        self._aim(key, Line(side="left" if key[3] > 0 else "right"), goal)
        if key not in self.rails.setdefault(goal, []):
            self.rails[goal].append(key)

    def _carry(self, slot: Any, result: str, hop: int, goal: Target) -> None:
        """A value that goes to another step: from its box to one side, and in again at the other."""
        key = ("rail", slot, result, hop)
        self._rail(key, goal)
        if abs(hop) > 1:
            self._line(slot, result).to_top = True
        else:
            self._line(slot, result).out["right" if hop > 0 else "left"] = key

    def rail_to(self, goal: Target, hop: int, source: Any = None) -> LineOf:
        """The rail that brings an argument: that of `source` (slot and result) and `hop`, or one of that direction."""
        rails = self.rails[goal]
        if source is not None and ("rail", *source, hop) in rails:
            return "rail", *source, hop
        return next((key for key in rails if key[3] * hop > 0), rails[0])


def _near(x: float, wide: float, exits: list[float]) -> bool:
    return any(x - 10.0 < other < x + wide for other in exits)
