"""Where everything is, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..picture import Edge
from .path import Path


@dataclass(frozen=True)
class Rect:
    """A rectangle by its left upper corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def moved(self, dx: float, dy: float) -> Rect:
        return Rect(self.x + dx, self.y + dy, self.width, self.height)


@dataclass
class Layout:
    """`boxes` by box id, `panels` by (group id, stage), `routes` by edge; the origin is the left upper corner.

    `taps` are the places where a route leaves a lane that it shares with others, `loops` where one goes back to the
    step that it came from; `titles` where panels have theirs, `bands` where the upper bands of panels begin;
    `lane_tops` where the lanes below the steps of a stage end.
    """

    width: float = 0.0
    height: float = 0.0
    boxes: dict[str, Rect] = field(default_factory=dict)
    panels: dict[tuple[str, int], Rect] = field(default_factory=dict)
    titles: dict[tuple[str, int], float] = field(default_factory=dict)
    routes: dict[Edge, Path] = field(default_factory=dict)
    taps: list[tuple[float, float, Edge]] = field(default_factory=list)
    loops: list[tuple[float, float, Edge]] = field(default_factory=list)
    bands: dict[int, list[float]] = field(default_factory=dict)
    lane_tops: dict[int, float] = field(default_factory=dict)

    def trimmed(self) -> Layout:
        """Move everything so that the left upper corner is the origin; round corners and numbers."""
        rects = [*self.boxes.values(), *self.panels.values()]
        points = [point for path in self.routes.values() for point in path.sample(1)]
        left = min([r.x for r in rects] + [x for x, _ in points], default=0.0)
        top = min([r.y for r in rects] + [y for _, y in points], default=0.0)
        self.width = max([r.right for r in rects] + [x for x, _ in points], default=0.0) - left
        self.height = max([r.bottom for r in rects] + [y for _, y in points], default=0.0) - top
        self.boxes = {key: r.moved(-left, -top) for key, r in self.boxes.items()}
        self.panels = {key: r.moved(-left, -top) for key, r in self.panels.items()}
        self.routes = {edge: path.moved(-left, -top).rounded() for edge, path in self.routes.items()}
        self.lane_tops = {stage: y - top for stage, y in self.lane_tops.items()}
        self.loops = [(x - left, y - top, edge) for x, y, edge in self.loops]
        self.bands = {stage: [y - top for y in tops] for stage, tops in self.bands.items()}
        self.taps = [(x - left, y - top, edge) for x, y, edge in self.taps]
        return self
