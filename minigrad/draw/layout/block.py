"""A block of boxes in rows, joined by lines that never cross a box.

A line carries one value from where it comes from to all who use it. Where it passes a row it has a place of its own
there, as if it were a narrow box. Between two rows is a channel, in which lines curve from place to place; a line that
enters or leaves through a side runs along a track of a channel. y grows downward, and the block's lower edge is y = 0.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from .order import Rows
from .path import Path

TRACK = 11.0  # between neighbouring tracks or lanes
MARGIN = 12.0
CHANNEL = 27.0
HEAD = 8.0  # a line arrives straight, for the length of its arrow head
HEADER = 28.0
LABELS = 44.0  # below a panel, where lines from outside carry their names
BAND = 24.0  # between bands
PORT = 22.0  # between the ends of lines at one box, at most

Target = tuple[Hashable, int]  # a box, and which of its arguments


@dataclass
class Line:
    """`source` is a box of the block, or None: then the line comes in from `side` ("below", "left" or "right").

    It goes to `targets`, out at the top if `to_top`, and out at each side in `out` at the height at which the line
    that is named there enters at the other side. `room` is how wide it is, with what is written along it.
    """

    source: Hashable = None
    side: str = "below"
    targets: list[Target] = field(default_factory=list)
    to_top: bool = False
    out: dict[str, Hashable] = field(default_factory=dict)
    x: float | None = None  # where it enters, if that is given
    room: float = 0.0

    @property
    def sideways(self) -> bool:
        return self.source is None and self.side != "below"


class CycleError(Exception):
    """The boxes have no order in which each comes after what it needs."""


class Block:
    """Places for `sizes` (box -> width, height) joined by `lines`; those in `bottom` stand below the panel.

    Boxes of a higher `band` (0 where none is given) stand above all of a lower one.
    """

    def __init__(
        self,
        sizes: dict[Hashable, tuple[float, float]],
        lines: dict[Hashable, Line],
        bottom: frozenset[Hashable] = frozenset(),
        panel: bool = False,
        band: Mapping[Hashable, int] | None = None,
        port_steps: Mapping[Hashable, float] | None = None,
    ):
        self.sizes, self.lines, self.bottom, self.panel = sizes, lines, bottom, panel
        self.port_steps = port_steps or {}  # how far the ends of lines at a box must be apart
        lowest = min((band or {}).values(), default=0)
        self.band = {box: lowest if box in bottom else (band or {}).get(box, lowest) for box in sizes}
        if any(
            self.band[line.source] > self.band[target]
            for line in lines.values()
            if line.source is not None and line.source not in bottom
            for target, _ in line.targets
        ):  # a lower band needs something of a higher one
            self.band = dict.fromkeys(sizes, 0)
        self.row = self._rank()
        self.count = max(self.row.values(), default=0) + 1
        self._spans = {key: self._span(line) for key, line in lines.items()}
        self._place_across()
        self._place_upward()
        self._place_ports()
        self._climbed: dict[Hashable, tuple[int, Path]] = {}  # how far up the course of a line is known, and the course

    # Rows

    def _rank(self) -> dict[Hashable, int]:
        """The row of each box: one above all that it needs; row 0 is for lines that come in from below."""
        after: dict[Hashable, list[Hashable]] = {box: [] for box in self.sizes}
        before: dict[Hashable, list[Hashable]] = {box: [] for box in self.sizes}
        for line in self.lines.values():
            if line.source is not None:
                for target, _ in line.targets:
                    after[line.source].append(target)
                    before[target].append(line.source)
        waiting = {box: len(found) for box, found in before.items()}
        ready = [box for box in self.sizes if not waiting[box]]
        rows = {box: 1 if box in self.bottom or not self.panel else 2 for box in self.sizes}
        for box in ready:
            for user in after[box]:
                waiting[user] -= 1
                if not waiting[user]:
                    ready.append(user)
        if len(ready) < len(self.sizes):
            raise CycleError
        ready.sort(key=self.band.__getitem__)  # needs come before users still: no line goes down a band
        self.first_rows: list[int] = []  # of the bands above the lowest
        least, highest = 0, 0
        for box, following in zip_longest(ready, ready[1:]):
            rows[box] = max(rows[box], least)
            for user in after[box]:
                rows[user] = max(rows[user], rows[box] + 1)
            highest = max(highest, rows[box])
            if following is not None and self.band[following] > self.band[box]:
                least = highest + 1
                self.first_rows.append(least)
        free: set[Hashable] = set()
        for box in ready:
            if box not in self.bottom and all(needed in free for needed in before[box]):
                free.add(box)
        width = [0.0] * (max(rows.values(), default=0) + 1)
        for box, r in rows.items():
            width[r] += self.sizes[box][0]
        for box in reversed(ready):
            if not after[box] or box in self.bottom:
                continue
            r, top = rows[box], min(rows[user] for user in after[box]) - 1
            if box not in self.bottom:
                top = min([top, *(first - 1 for first in self.first_rows if first > r)])
            if box in free:  # what needs nothing in the block stands close to where it is used
                rows[box] = top
            elif len(set(before[box])) <= 1:  # no longer lines if it moves: to where there is most room
                rows[box] = min(range(r, top + 1), key=lambda n: width[n] + (self.sizes[box][0] if n != r else 0.0))
            width[r] -= self.sizes[box][0]
            width[rows[box]] += self.sizes[box][0]
        return rows

    def _span(self, line: Line) -> range:
        """The rows that it passes."""
        ends = [self.row[target] for target, _ in line.targets]
        first = min(ends) if line.sideways else 0
        if line.source is not None:
            first = self.row[line.source] + 1
        last = self.count - 1 if line.to_top else max(ends, default=first) - 1
        return range(first, last + 1)

    # Places

    def _place_across(self) -> None:
        rows = Rows()
        rows.rows = [[] for _ in range(self.count)]
        cell = {box: rows.add(self.row[box], size[0]) for box, size in self.sizes.items()}
        passing: dict[tuple[Hashable, int], int] = {}
        for key, line in self.lines.items():
            below = cell.get(line.source)
            for r in self._spans[key]:
                here = passing[key, r] = rows.add(r, line.room, thin=True)
                if r == 0 and line.x is not None:
                    rows.fixed[here] = line.x
                if below is not None:
                    rows.link(below, here)
                below = here
            for target, _ in line.targets:
                under = passing.get((key, self.row[target] - 1), cell.get(line.source))
                if under is not None:
                    rows.link(under, cell[target])
        if rows.fixed:
            rows.rows[0].sort(key=lambda c: rows.fixed.get(c, 0.0))
        rows.reduce_crossings()
        x = rows.places()
        lanes = {side: [k for k, n in self.lines.items() if side in n.out] for side in ("left", "right")}
        shift = 0.0
        if not rows.fixed and x:
            shift = MARGIN + TRACK * len(lanes["left"]) - min(x[c] - rows.width[c] / 2 for c in range(len(x)))
        self.x = {box: x[c] + shift for box, c in cell.items()}
        self.passing = {place: x[c] + shift for place, c in passing.items()}
        right = max((x[c] + rows.width[c] / 2 + shift for c in range(len(x))), default=MARGIN)
        self.width = right + MARGIN + TRACK * len(lanes["right"])
        self._lanes = lanes

    def _place_upward(self) -> None:
        """Heights: rows as high as their highest box, channels as high as their tracks and slopes want."""
        incoming: dict[int, list[Hashable]] = {}
        outgoing: dict[int, list[tuple[Hashable, str]]] = {}
        for key, line in self.lines.items():
            if line.sideways:
                incoming.setdefault(self._spans[key].start, []).append(key)
            for side in line.out:
                outgoing.setdefault(self.row[line.source] + 1, []).append((key, side))
        heights = [0.0] * self.count
        for box, r in self.row.items():
            heights[r] = max(heights[r], self.sizes[box][1])
        self.low, self.high = [0.0], [0.0]
        self.track_in: dict[Hashable, float] = {}
        self.track_out: dict[tuple[Hashable, str], float] = {}
        self.border = 0.0
        self.band_tops: list[float] = []  # where the bands end that have others above them
        slopes = self._slopes()
        for r in range(1, self.count + 1):
            y = self.high[-1]
            if self.panel and r == 2:
                y -= 12.0
                self.border = y
            for out in outgoing.get(r, []):
                y -= TRACK
                self.track_out[out] = y
            for key in incoming.get(r, []):
                y -= TRACK
                self.track_in[key] = y
            if r == self.count:
                self.height = -(y - (HEADER if self.panel else 0.0))
                break
            if self.panel and r == 1:
                y -= 16.0 if self.bottom else LABELS
            else:
                y -= CHANNEL + slopes[r]
            if r in self.first_rows:
                y -= BAND
                self.band_tops.append(y + BAND)
            self.low.append(y)
            self.high.append(y - heights[r])
        self.y = {box: (self.low[r] + self.high[r]) / 2 for box, r in self.row.items()}

    def _slopes(self) -> list[float]:
        """How far sideways lines go below each row, at most, beyond what a curve takes well."""
        far = [0.0] * (self.count + 1)
        for key, line in self.lines.items():
            ends: dict[int, list[float]] = {r: [self.passing[key, r]] for r in self._spans[key]}
            for target, _ in line.targets:
                ends.setdefault(self.row[target], []).append(self.x[target])
            before = None if line.source is None else self.x[line.source]
            for r in sorted(ends):
                below = self.passing.get((key, r - 1), before if r == self._spans[key].start else None)
                if below is not None:
                    far[r] = max(far[r], *(abs(x - below) for x in ends[r]))
        return [min(48.0, 0.06 * max(0.0, x - 200.0)) for x in far]

    def _place_ports(self) -> None:
        """Where lines begin and end at a box: apart from each other, in the order in which they come."""
        ends: dict[Hashable, list[tuple[float, int, Hashable]]] = {}
        starts: dict[Hashable, list[tuple[float, Hashable]]] = {}
        for key, line in self.lines.items():
            for target, argument in line.targets:
                ends.setdefault(target, []).append((self._comes_from(key, target), argument, key))
            if line.source is not None:
                first = self._spans[key].start
                nexts = [self.x[target] for target, _ in line.targets if self.row[target] == first]
                if (key, first) in self.passing:
                    nexts.append(self.passing[key, first])
                starts.setdefault(line.source, []).append((sum(nexts) / len(nexts) if nexts else 1e9, key))
        self.ends: dict[tuple[Hashable, Hashable, int], float] = {}
        self.starts: dict[Hashable, float] = {}
        for box, found in ends.items():
            found.sort(key=lambda end: end[:2])
            for x, (_, argument, key) in zip(self._ports(box, [end[0] for end in found]), found):
                self.ends[key, box, argument] = x
        for box, begun in starts.items():
            begun.sort(key=lambda start: start[0])
            for x, (_, key) in zip(self._ports(box, [start[0] for start in begun]), begun):
                self.starts[key] = x

    def _comes_from(self, key: Hashable, target: Hashable) -> float:
        line, below = self.lines[key], self.row[target] - 1
        if (key, below) in self.passing:
            return self.passing[key, below]
        if line.source is not None:
            return self.x[line.source]
        return -1e9 if line.side == "left" else 1e9

    def _ports(self, box: Hashable, others: list[float]) -> list[float]:
        """Evenly apart; a line from straight below goes in straight, if the others still have room beside it."""
        middle, width = self.x[box], self.sizes[box][0]
        count = len(others)
        step = min(width / (count + 1), max(PORT, width / 5))
        if count > 1 and box in self.port_steps:
            step = max(step, min(self.port_steps[box], width / count))
        first = -(count - 1) / 2
        straight = [-i for i, x in enumerate(others) if abs(x - middle) < 1.0]
        if straight and max(-straight[0], count - 1 + straight[0]) * step < width / 2 - 8.0:
            first = straight[0]
        return [middle + (first + i) * step for i in range(count)]

    def widen(self, width: float) -> None:
        """Make the block so wide, with its boxes in the middle."""
        shift = (width - self.width) / 2
        self.width = width
        self.x = {key: x + shift for key, x in self.x.items()}
        self.passing = {key: x + shift for key, x in self.passing.items()}
        self.ends = {key: x + shift for key, x in self.ends.items()}
        self.starts = {key: x + shift for key, x in self.starts.items()}
        self._climbed.clear()

    # Courses of lines, in the coordinates of the block

    def _begin(self, key: Hashable) -> Path:
        line = self.lines[key]
        if line.source is not None:
            x, r = self.starts[key], self.row[line.source]
            return Path((x, self.y[line.source] - self.sizes[line.source][1] / 2)).line(x, self.high[r])
        if line.side == "below":
            return Path((self.passing[key, 0], 0.0))
        return Path((0.0 if line.side == "left" else self.width, self.track_in[key]))

    def _climb(self, key: Hashable, stop: int) -> Path:
        """From where the line begins or comes in, through the rows below `stop`."""
        reached, path = self._climbed.get(key, (-1, None))
        if path is None or reached > stop:
            reached, path = -1, self._begin(key)
        path = path.copy()
        for r in range(max(reached, self._spans[key].start), min(stop, self._spans[key].stop)):
            x = self.passing[key, r]
            if self.lines[key].sideways and not path.pieces:
                path.line(x, path.end[1]).line(x, self.low[r])
            path.rise(x, self.low[r]).line(x, self.high[r])
        self._climbed[key] = stop, path
        return path.copy()

    def to_target(self, key: Hashable, target: Target) -> Path:
        """From where the line begins or comes in, to an argument of a box."""
        box, argument = target
        path = self._climb(key, self.row[box])
        x = self.ends[key, box, argument]
        if self.lines[key].sideways and not path.pieces:
            path.line(x, path.end[1])
        return path.rise(x, self.low[self.row[box]] + HEAD).line(x, self.y[box] + self.sizes[box][1] / 2)

    def to_top(self, key: Hashable) -> Path:
        """From where it begins or comes in, to the upper edge."""
        path = self._climb(key, self.count)
        return path.line(path.end[0], -self.height)

    def to_side(self, key: Hashable, side: str) -> Path:
        """From its box to a side at which it leaves."""
        rails = {k: self.track_in[self.lines[k].out[side]] for k in self._lanes[side]}
        lanes = sorted(rails, key=lambda k: abs(self.track_out[k, side] - rails[k]))
        away = (len(lanes) - lanes.index(key)) * TRACK + 2.0
        x, edge = (self.width - away, self.width) if side == "right" else (away, 0.0)
        y, track = rails[key], self.track_out[key, side]
        path = self._begin(key)
        return path.line(path.end[0], track).line(x, track).line(x, y).line(edge, y)
