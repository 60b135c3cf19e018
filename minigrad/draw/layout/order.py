"""Where things stand in their rows: an order with few crossings, then even places that keep lines straight."""

from __future__ import annotations

from collections.abc import Sequence

GAP = 14.0  # between neighbours in a row
SWEEPS, QUICK, MANY = 12, 2, 20_000  # sweeps over the rows, and over those of more than so many cells


class Rows:
    """Cells in rows, bottom row first. `up` and `down` are each cell's neighbours in the rows next to its own."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.width: list[float] = []
        self.thin: list[bool] = []  # a line passing through its row, not a box
        self.up: list[list[int]] = []
        self.down: list[list[int]] = []
        self.fixed: dict[int, float] = {}

    def add(self, row: int, width: float, thin: bool = False) -> int:
        cell = len(self.width)
        while len(self.rows) <= row:
            self.rows.append([])
        self.rows[row].append(cell)
        self.width.append(width)
        self.thin.append(thin)
        self.up.append([])
        self.down.append([])
        return cell

    def link(self, lower: int, upper: int) -> None:
        self.up[lower].append(upper)
        self.down[upper].append(lower)

    def _sweeps(self) -> int:
        return SWEEPS if len(self.width) <= MANY else QUICK

    def reduce_crossings(self) -> None:
        """Barycentre sweeps (Sugiyama, Tagawa and Toda 1981), keeping the best order seen."""
        best, fewest = [list(row) for row in self.rows], self.crossings()
        for sweep in range(self._sweeps()):
            if fewest == 0:
                break
            upward = sweep % 2 == 0
            place = {cell: float(i) for row in self.rows for i, cell in enumerate(row)}
            order = range(1, len(self.rows)) if upward else range(len(self.rows) - 2, -1, -1)
            for r in order:
                near = self.down if upward else self.up
                if any(cell in self.fixed for cell in self.rows[r]):
                    continue
                centre = {c: _mean([place[n] for n in near[c]] or [place[c]]) for c in self.rows[r]}
                self.rows[r].sort(key=centre.__getitem__)
                place.update({cell: float(i) for i, cell in enumerate(self.rows[r])})
            count = self.crossings()
            if count < fewest:
                best, fewest = [list(row) for row in self.rows], count
        self.rows = best

    def crossings(self) -> int:
        """How many pairs of links between neighbouring rows cross."""
        total = 0
        for lower, upper in zip(self.rows, self.rows[1:]):
            place = {cell: i for i, cell in enumerate(upper)}
            ends = [place[n] for cell in lower for n in sorted(self.up[cell], key=place.__getitem__)]
            total += _inversions(ends, len(upper))
        return total

    def places(self) -> list[float]:
        """The x of every cell's centre: near the middle of its neighbours', no two closer than they have room."""
        x = [0.0] * len(self.width)
        self.at = {cell: (row, i) for row in self.rows for i, cell in enumerate(row)}
        offsets = [self._offsets(row) for row in self.rows]
        widest = max((steps[-1] for steps in offsets if steps), default=0.0)
        for row, steps in zip(self.rows, offsets):
            for cell, step in zip(row, steps):
                x[cell] = self.fixed.get(cell, step + (widest - steps[-1]) / 2)
        for sweep in range(2 * self._sweeps()):
            upward = sweep % 2 == 0
            for r in range(len(self.rows)) if upward else range(len(self.rows) - 1, -1, -1):
                row = self.rows[r]
                if not row or row[0] in self.fixed:
                    continue
                wanted, weights = [], []
                for cell in row:
                    near = self.down[cell] + self.up[cell]
                    pull = [self._pull(cell, n) for n in near]
                    total = sum(pull)
                    wanted.append(sum(x[n] * p for n, p in zip(near, pull)) / total if near else x[cell])
                    weights.append(total or 0.1)
                for cell, place in zip(row, spread(wanted, weights, offsets[r])):
                    x[cell] = place
        for _ in range(3):
            self._straighten(x, offsets)
        return x

    def _pull(self, cell: int, other: int) -> float:
        """How strongly `cell` wants to stand in line with `other`."""
        if self.thin[cell]:
            return 8.0 if self.thin[other] else 0.1
        if self.thin[other]:
            return 0.3
        return 1.0 if self.down[other] or not self.down[cell] else 0.05  # a leaf comes to its use, not the other way

    def _straighten(self, x: list[float], offsets: list[list[float]]) -> None:
        """Put what runs straight up, one thing above the other, at one x wherever its neighbours leave room."""
        least, most = {}, {}
        for row, steps in zip(self.rows, offsets):
            for i, cell in enumerate(row):
                fixed = cell in self.fixed
                least[cell] = x[cell] if fixed else x[row[i - 1]] + steps[i] - steps[i - 1] if i else -1e9
                most[cell] = x[cell] if fixed else x[row[i + 1]] - steps[i + 1] + steps[i] if i + 1 < len(row) else 1e9
        done: set[int] = set()
        for row in self.rows:
            for cell in row:
                if cell in done:
                    continue
                chain = [cell]
                while (after := self._straight_on(chain[-1])) is not None:
                    chain.append(after)
                done.update(chain)
                while len(chain) > 1:
                    low, high = max(least[c] for c in chain), min(most[c] for c in chain)
                    if low <= high + 1e-9:
                        middle = self._middle(chain, x)
                        for c in chain:
                            self._move(c, min(max(middle, low), high), x, least, most)
                        break
                    chain.pop()
                if len(chain) == 1 and cell not in self.fixed and (near := self.up[cell] + self.down[cell]):
                    pull = [self._pull(cell, n) for n in near]
                    wanted = sum(x[n] * p for n, p in zip(near, pull)) / sum(pull)
                    self._move(cell, min(max(wanted, least[cell]), most[cell]), x, least, most)

    def _middle(self, chain: list[int], x: list[float]) -> float:
        """Where a straight run wants to be: boxes where most of them are, a line at the boxes that it joins."""
        if not self.thin[chain[0]]:
            return sorted(x[c] for c in chain)[len(chain) // 2]
        joined = [n for c in chain for n in self.up[c] + self.down[c] if not self.thin[n]]
        return sum(x[n] for n in joined) / len(joined) if joined else x[chain[0]]

    def _move(self, cell: int, to: float, x: list[float], least: dict[int, float], most: dict[int, float]) -> None:
        row, i = self.at[cell]
        by = to - x[cell]
        x[cell] = to
        if i + 1 < len(row):
            least[row[i + 1]] += by
        if i:
            most[row[i - 1]] += by

    def _straight_on(self, cell: int) -> int | None:
        """The one thing that the cell leads to, if the cell is the main thing that it comes from."""
        thin = self.thin[cell]
        users = list({c for c in self.up[cell] if self.thin[c] == thin})
        if len(users) != 1 or thin:
            return users[0] if len(users) == 1 else None
        made = {c for c in self.down[users[0]] if not self.thin[c]}
        return users[0] if made == {cell} or {c for c in made if self.down[c]} == {cell} else None

    def _offsets(self, row: list[int]) -> list[float]:
        """How far each cell of a row is from the first at least."""
        steps: list[float] = []
        for i, cell in enumerate(row):
            if not i:
                steps.append(0.0)
            else:
                before = row[i - 1]
                steps.append(steps[-1] + (self.width[before] + self.width[cell]) / 2 + GAP)
        return steps


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _inversions(values: list[int], size: int) -> int:
    """The pairs that are out of order, counted in a Fenwick tree."""
    tree = [0] * (size + 1)
    total = 0
    for n, value in enumerate(values):
        i, smaller = value + 1, 0
        while i:
            smaller += tree[i]
            i &= i - 1
        total += n - smaller
        i = value + 1
        while i <= size:
            tree[i] += 1
            i += i & -i
    return total


def spread(wanted: Sequence[float], weights: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """The places nearest to `wanted` (least squares) that keep the order and the distances: isotonic regression."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets):
        mean, total, count = want - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            m, w, n = blocks.pop()
            mean, total, count = (mean * total + m * w) / (total + w), total + w, count + n
        blocks.append((mean, total, count))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets)]
