"""The course of an edge: straight pieces and cubic curves."""

from __future__ import annotations

from dataclasses import dataclass, field

Point = tuple[float, float]


@dataclass
class Path:
    """Begins at `start`; each piece is a point (a straight line to it) or two control points and an end."""

    start: Point
    pieces: list[tuple[Point, ...]] = field(default_factory=list)

    @property
    def end(self) -> Point:
        return self.pieces[-1][-1] if self.pieces else self.start

    def line(self, x: float, y: float) -> Path:
        """Straight on to (x, y); what goes on in the same direction remains one piece."""
        x1, y1 = self.end
        if (x, y) == (x1, y1):
            return self
        if self.pieces and len(self.pieces[-1]) == 1:
            x0, y0 = self.pieces[-2][-1] if len(self.pieces) > 1 else self.start
            if (x0 == x1 == x and (y1 - y0) * (y - y1) > 0) or (y0 == y1 == y and (x1 - x0) * (x - x1) > 0):
                self.pieces.pop()
        self.pieces.append(((x, y),))
        return self

    def copy(self) -> Path:
        return Path(self.start, list(self.pieces))

    def rise(self, x: float, y: float) -> Path:
        """On to (x, y), leaving and arriving vertically."""
        x0, y0 = self.end
        if abs(x - x0) < 0.6:
            return self.line(x, y)
        middle = (y0 + y) / 2
        self.pieces.append(((x0, middle), (x, middle), (x, y)))
        return self

    def then(self, other: Path, dx: float = 0.0, dy: float = 0.0) -> Path:
        """This and then `other`, which is moved by (dx, dy) first."""
        result = self.copy()
        result.line(other.start[0] + dx, other.start[1] + dy)
        result.pieces += [tuple([(x + dx, y + dy) for x, y in piece]) for piece in other.pieces]
        return result

    def moved(self, dx: float, dy: float) -> Path:
        return Path((self.start[0] + dx, self.start[1] + dy)).then(self, dx, dy)

    def rounded(self, radius: float = 9.0) -> Path:
        """The same course with its square corners rounded."""
        result = Path(self.start)
        for i, piece in enumerate(self.pieces):
            after = self.pieces[i + 1] if i + 1 < len(self.pieces) else ()
            if len(piece) > 1 or len(after) != 1:
                result.pieces.append(piece)
                continue
            (x0, y0), (x1, y1), (x2, y2) = result.end, piece[0], after[0]
            a, b = abs(x1 - x0) + abs(y1 - y0), abs(x2 - x1) + abs(y2 - y1)
            if (abs(x1 - x0) < 0.1) == (abs(x2 - x1) < 0.1) or min(a, b) < 0.1:
                result.line(x1, y1)
                continue
            r = min(radius, a / 2, b / 2)
            before = (x1 - (x1 - x0) / a * r, y1 - (y1 - y0) / a * r)
            beyond = (x1 + (x2 - x1) / b * r, y1 + (y2 - y1) / b * r)
            result.line(*before)
            result.pieces.append(((x1, y1), (x1, y1), beyond))
        return result

    def sample(self, each: int = 12) -> list[Point]:
        """Points along it, `each` to a piece."""
        points = [self.start]
        for piece in self.pieces:
            x0, y0 = points[-1]
            for k in range(1, each + 1):
                s = k / each
                if len(piece) == 1:
                    x, y = piece[0]
                    points.append((x0 + (x - x0) * s, y0 + (y - y0) * s))
                else:
                    (x1, y1), (x2, y2), (x3, y3) = piece
                    a, b, c, d = (1 - s) ** 3, 3 * s * (1 - s) ** 2, 3 * s * s * (1 - s), s**3
                    points.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
        return points
