"""The picture of a compiled step: what runs before the loop, in it and after it, forward and backward."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..draw.layout.sheet import Rect
from ..draw.layout.typeset import Formula, typeset
from ..draw.maths import algebra as al
from ..draw.maths.expression import Expression, latex
from ..draw.maths.styles import LatexStyle
from ..draw.printers.marks import formula as ink
from ..draw.printers.marks import glyphs, n, rectangle, safe
from ..draw.printers.svg import SANS
from ..draw.printers.themes import THEMES, Theme
from ..memory_use import readable
from .explain import CLASSES, PLACES, Direction, Explanation, Line, Pass, Product, count
from .notation import label

LOOKS = {"P": "parameter", "X": "input", "S": "state", "O": "cell"}  # of the theme, by class
LETTER, HEAD, SMALL, LEAST = 16.0, 13.5, 12.5, 10.5  # font sizes
EM = 0.62  # of a letter, on the safe side
PAD, GAP, EDGE = 12.0, 14.0, 28.0
WIDEST = {"before": 330.0, "loop": 470.0, "after": 330.0}  # of what is in a box
ARROW, TURN = 52.0, 44.0  # the room for an arrow between columns, and for the one from step to step
EMPTY = {
    ("forward", "before"): ("nothing: all of it", "depends on the state"),
    ("forward", "after"): ("nothing: all of it", "feeds the state"),
    ("backward", "before"): ("nothing: gradients and what", "was kept come in as they are"),
    ("backward", "after"): ("nothing: gradients are", "added up in the loop"),
}
CAPTIONS = {"before": "before the loop", "loop": "the loop", "after": "after the loop"}


@dataclass
class Row:
    """Something with a size that is drawn with its upper left corner somewhere."""

    width: float
    height: float
    pieces: list[tuple[float, float, str | tuple[Formula, float, str]]] = field(default_factory=list)

    def draw(self, x: float, y: float) -> list[str]:
        out = []
        for dx, dy, piece in self.pieces:
            if isinstance(piece, str):
                out.append(f'<g transform="translate({n(x + dx)} {n(y + dy)})">{piece}</g>')
            else:
                out.append(ink(piece[0], x + dx, y + dy, piece[1], piece[2]))
        return out


class Printer:
    """Draws one explanation."""

    def __init__(self, explanation: Explanation, theme: str):
        self.e, self.theme = explanation, THEMES[theme]
        self.formulas: list[Formula] = []

    def text(self) -> str:
        e, theme = self.e, self.theme
        lanes = [Lane(self, direction) for direction in e.directions]
        widths = {where: max(lane.columns[where].width for lane in lanes) for where in PLACES}
        key, key_width = self._legend()
        inner = sum(widths.values()) + 2 * ARROW + 2 * PAD
        width = max(inner, key_width, max(lane.heading_width for lane in lanes) + 2 * PAD) + 2 * EDGE
        spread = (width - 2 * EDGE - inner) / 2
        out, y = [], 64.0
        for lane in lanes:
            rect = Rect(EDGE, y, width - 2 * EDGE, lane.height)
            out += [rectangle(rect, 14.0, theme.panel, theme.border, 1.2), *lane.draw(rect, widths, spread)]
            y = rect.bottom
            if lane is not lanes[-1]:
                kept = self._kept(lane.direction)
                out += self._down(width / 2 - kept.width / 2 - 22, y, kept)
                y += kept.height + 2 * GAP
        height = y + 56.0
        told = f"{e.title}. " + " ".join(f"{direction.name}: {direction.kernels}." for direction in e.directions)
        return (
            "\n".join(
                [
                    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n(width)} {n(height)}" width="{n(width)}" '
                    f'height="{n(height)}" role="img" aria-labelledby="scan-title scan-desc" font-family="{SANS}" '
                    'style="max-width:100%;height:auto">',
                    f'<title id="scan-title">{safe(e.title)}</title>',
                    f'<desc id="scan-desc">{safe(told)}</desc>',
                    glyphs(self.formulas),
                    f'<rect width="{n(width)}" height="{n(height)}" fill="{theme.paper}"/>',
                    self.write(e.title, EDGE, 38, 20, theme.ink, bold=True),
                    *out,
                    f'<g transform="translate({n(EDGE)} {n(height - 26)})">{key}</g>',
                    "</svg>",
                ]
            )
            + "\n"
        )

    # Words and formulas

    def write(
        self, text: str, x: float, y: float, size: float, colour: str, bold: bool = False, anchor: str = "start"
    ) -> str:
        weight = ' font-weight="600"' if bold else ""
        place = f' text-anchor="{anchor}"' if anchor != "start" else ""
        return f'<text x="{n(x)}" y="{n(y)}" font-size="{n(size)}"{weight}{place} fill="{colour}">{safe(text)}</text>'

    def words(self, text: str, size: float = SMALL, colour: str = "", limit: float = math.inf) -> Row:
        """A line of words; cut off where it is too long."""
        most = int(limit / (size * EM)) if limit < math.inf else len(text)
        shown = text if len(text) <= most else text[: most - 1] + "…"
        line = self.write(shown, 0, size * 0.95, size, colour or self.theme.quiet)
        return Row(len(shown) * size * EM, size * 1.35, [(0, 0, line)])

    def formula(self, left: Expression | None, right: Expression, limit: float) -> Row:
        """`left = right`, smaller or cut off where it is too long."""
        sides = [side for side in (left, right) if side is not None]
        found = typeset(" = ".join(map(_latex, sides)))
        size = LETTER if found is None else min(LETTER, limit / max(found.width, 0.1))
        if found is None or size < LEAST:
            return self.words(" = ".join(map(str, sides)), SMALL, self.theme.ink, limit)
        self.formulas.append(found)
        top = max(found.height, 0.75) * size + 3
        height = top + max(found.depth, 0.22) * size + 3
        return Row(found.width * size, height, [(0, top, (found, size, self.theme.ink))])

    # Parts of the picture

    def _legend(self) -> tuple[str, float]:
        out, x = [], 0.0
        for kind, meaning in CLASSES.items():
            fill, stroke, width = self.theme.looks[LOOKS[kind]]
            out.append(rectangle(Rect(x, -12.0, 22.0, 15.0), 3.0, fill, stroke, width))
            out.append(self.write(kind, x + 11, 0, 11.5, self.theme.ink, True, "middle"))
            out.append(self.write(meaning, x + 30, 0, SMALL, self.theme.ink))
            x += 30 + len(meaning) * SMALL * 0.53 + 20
        return "".join(out), x

    def _kept(self, forward: Direction) -> Row:
        """What goes from the way there to the way back."""
        head = self.words(
            f"kept for the way back: {readable(self.e.bytes_per_step)} a step, {readable(self.e.bytes_kept)} in all",
            HEAD, self.theme.ink,
        )  # fmt: skip
        symbols = list(dict.fromkeys([expression for expression, _ in forward.kept]))
        line = beside([self.formula(None, symbol, 200.0) for symbol in symbols[:14]], 18.0)
        return below([head, line], 2.0)

    def _down(self, x: float, y: float, kept: Row) -> list[str]:
        end = y + kept.height + 2 * GAP
        line = f'<path d="M{n(x)} {n(y)}L{n(x)} {n(end - 7)}" {stroke(self.theme.state, 2.6)}/>'
        return [line, tip(x, end, 0, -9, self.theme.state), *kept.draw(x + 22, y + GAP)]


def beside(rows: Sequence[Row], gap: float) -> Row:
    """Rows side by side, on one base line where they are alike."""
    height, x = max([row.height for row in rows], default=0.0), 0.0
    made = Row(0.0, height)
    for row in rows:
        made.pieces += [(x + dx, (height - row.height) / 2 + dy, piece) for dx, dy, piece in row.pieces]
        x += row.width + gap
    made.width = max(x - gap, 0.0)
    return made


def below(rows: Sequence[Row], gap: float) -> Row:
    """Rows one below the other."""
    made, y = Row(max([row.width for row in rows], default=0.0), 0.0), 0.0
    for row in rows:
        made.pieces += [(dx, y + dy, piece) for dx, dy, piece in row.pieces]
        y += row.height + gap
    made.height = max(y - gap, 0.0)
    return made


class Card:
    """A box of one class: its rows, and a word on what it is at the upper edge."""

    def __init__(self, printer: Printer, kind: str, head: str, note: str, rows: Sequence[Row]):
        self.printer, self.kind, self.head, self.note = printer, kind, head, note
        self.body = below(rows, 4.0)
        words = (len(head) + len(note) + 4) * SMALL * EM + 26.0
        self.width = max(self.body.width, words) + 2 * PAD
        self.height = self.body.height + SMALL * 1.5 + 2 * PAD - 2

    def draw(self, x: float, y: float, width: float) -> list[str]:
        p, theme = self.printer, self.printer.theme
        fill, stroke, thick = theme.looks[LOOKS[self.kind]]
        return [
            rectangle(Rect(x, y, width, self.height), 7.0, fill, stroke, thick),
            p.write(self.kind, x + PAD, y + PAD + 8, HEAD, stroke, True),
            p.write(self.head, x + PAD + 18, y + PAD + 8, SMALL, theme.ink, True),
            p.write(self.note, x + width - PAD, y + PAD + 8, SMALL, theme.ink, anchor="end"),
            *self.body.draw(x + PAD, y + PAD + SMALL * 1.5),
        ]


class Column:
    """Cards one below the other."""

    def __init__(self, cards: list[Card], least: float):
        self.cards = cards
        self.width = max([card.width for card in cards], default=least)
        self.height = sum(card.height + GAP for card in cards) - (GAP if cards else 0.0)


class Lane:
    """One direction: three columns, the loop in its frame."""

    def __init__(self, printer: Printer, direction: Direction):
        self.printer, self.direction = printer, direction
        self.columns = {
            "before": Column([*self._prepared(), *self._at_once("before")], 230.0),
            "loop": Column(self._loop(), 200.0),
            "after": Column(self._at_once("after"), 230.0),
        }
        self.names = below([printer.formula(None, after, 200.0) for _, after in direction.carry], 2.0)
        self.columns["loop"].width += TURN + self.names.width + 2 * PAD
        tall = [column.height + (2 * PAD if where == "loop" else 0.0) for where, column in self.columns.items()]
        self.body = max(tall)
        self.height = 30.0 + 26.0 + self.body + 2 * PAD + 6
        d = direction
        self.title = f"{d.name} pass"
        self.runs = printer.words(
            f"loop in {d.kernels}" + (f", not compiled: {d.why}" if d.why else ""), HEAD, "", 620.0
        )
        self.heading_width = (len(self.title) * 17 + len(d.told) * HEAD) * EM + self.runs.width + 60.0

    def _prepared(self) -> list[Card]:
        p, rows = self.printer, []
        for found in self.direction.prepared:
            size = "×".join(map(str, found.shape))
            order = f"  columns {' '.join(found.order)}" if found.order else ""
            matrix = p.formula(None, found.matrix, WIDEST["before"] - len(size + order) * SMALL * EM)
            rows.append(beside([matrix, p.words(size + order)], 10.0))
        return [Card(p, "P", "prepared", "once", rows)] if rows else []

    def _product(self, product: Product) -> Card:
        p, limit = self.printer, WIDEST[product.where]
        rows = [p.formula(_short(product.blocks), _formula(product), limit), self._matrices(product)]
        head = "GEMM" if product.merged == 1 else f"GEMM of {product.merged} blocks"
        if product.summed:
            head = "GEMM over all steps"
        return Card(p, product.kind, head, f"{count(product.flops)}FLOP", rows)

    def _matrices(self, product: Product) -> Row:
        """The operands, drawn to scale (lengths as square roots), with their blocks."""
        p = self.printer
        rows, depth, columns = (side(size) for size in (product.rows, product.depth, product.columns))
        deep = len(product.depths) > 1
        several = len(product.parts)
        columns = max(columns, 24.0 * several) if not deep else columns
        depth = max(depth, 18.0 * several) if deep else depth
        names = [label(part) for part in product.parts]
        names = names if len(set(names)) > 1 else [""] * several
        left = self._blocks(depth, rows, product.depths, [label(e) for e in product.lefts] if deep else [""], True)
        right = self._blocks(columns, depth, product.depths if deep else product.widths, names, not deep)
        sign = Row(6.0, 12.0, [(0, 0, p.write("·", 0, 13, 20, p.theme.ink))])
        size = [p.words(product.size, SMALL, p.theme.ink)]
        if product.where != "loop":
            steps, many = p.e.steps, product.depth if product.summed else product.rows
            size.append(p.words(f"{many} = {steps} steps × {many // steps}"))
        return beside([left, sign, right, below(size, 0.0)], 8.0)

    def _blocks(self, width: float, height: float, sizes: Sequence[int], names: Sequence[str], across: bool) -> Row:
        """A matrix with its blocks, side by side (`across`) or on top of each other."""
        theme, out, at = self.printer.theme, [], 0.0
        whole = width if across else height
        if len(names) != len(sizes):
            sizes = [1]
        for size, name in zip(sizes, names, strict=True):
            part = whole * size / sum(sizes)
            rect = Rect(at, 0.0, part, height) if across else Rect(0.0, at, width, part)
            out.append(rectangle(rect, 1.5, theme.paper, theme.ink, 1.1))
            if name and len(name) * 11 * EM < rect.width and rect.height >= 12:
                x, y = rect.x + rect.width / 2, rect.y + rect.height / 2 + 4
                out.append(self.printer.write(name, x, y, 11, theme.ink, anchor="middle"))
            at += part
        return Row(width, height, [(0, 0, "".join(out))])

    def _at_once(self, where: str) -> list[Card]:
        """What runs over all steps at once."""
        cards = [self._product(product) for product in self.direction.at(where)]
        return cards + [self._pass(found, "all steps, in array code") for found in self.direction.passes_at(where)]

    def _loop(self) -> list[Card]:
        """Products and passes in the order of their stages."""
        d, p, cards = self.direction, self.printer, []
        head = "one pass over each row" if d.compiled else "element by element"
        for stage in d.stages:
            cards += [self._product(product) for product in d.at("loop") if product.stage == stage]
            cards += [self._pass(found, head) for found in d.passes_at("loop") if found.stage == stage]
        if d.calls:
            names = ", ".join([f"{n} {name}" for name, n in Counter(d.calls).items()])
            rows = [p.words(line, SMALL, p.theme.ink) for line in textwrap.wrap(names, 56)]
            cards.append(Card(p, "S", "called as they are", f"{len(d.calls)} calls", rows))
        nothing = p.words("the state only moves on", SMALL, p.theme.ink)
        return cards or [Card(p, "S", "nothing to compute", "", [nothing])]

    def _pass(self, found: Pass, head: str) -> Card:
        kinds = [line.kind for line in found.lines]
        kind = "S" if "S" in kinds else max("OXP", key=kinds.count)
        rows = [self._line(line, kind, WIDEST[found.where]) for line in found.lines]
        fused = " fused" if found.where == "loop" and self.direction.compiled else ""
        return Card(self.printer, kind, head, f"{found.count} operation{'s' * (found.count > 1)}{fused}", rows)

    def _line(self, line: Line, kind: str, limit: float) -> Row:
        """A formula of a pass; its class before it where that is not the box's."""
        p = self.printer
        row = p.formula(line.symbol, line.formula, limit)
        if line.kind == kind:
            return row
        mark = p.write(line.kind, 0, 12, 11.5, p.theme.looks[LOOKS[line.kind]][1], True)
        return beside([Row(10.0, 14.0, [(0, 0, mark)]), row], 6.0)

    def draw(self, rect: Rect, widths: dict[str, float], spread: float) -> list[str]:
        p, theme, d = self.printer, self.printer.theme, self.direction
        out = [
            p.write(self.title, rect.x + PAD, rect.y + 25, 17, theme.ink, True),
            p.write(d.told, rect.x + PAD + len(self.title) * 17 * EM + 24, rect.y + 25, HEAD, theme.ink),
            *self.runs.draw(rect.right - PAD - self.runs.width, rect.y + 25 - HEAD),
        ]
        flops = dict(zip(PLACES, (d.flops_before, d.flops_loop, d.flops_after), strict=True))
        x, top = rect.x + PAD + spread, rect.y + 30.0 + 26.0 + PAD - 4
        middle = top + self.body / 2
        starts = {}
        for where in PLACES:
            starts[where] = x
            often = f", {p.e.steps} times" if where == "loop" else ""
            caption = CAPTIONS[where] + often + (f" · {count(flops[where])}FLOP" if flops[where] else "")
            out.append(p.write(caption, x, top - 8, HEAD, theme.line, True))
            x += widths[where] + ARROW
        tall = self.columns["loop"].height + 2 * PAD
        loop = Rect(starts["loop"], middle - tall / 2, widths["loop"], tall)
        out += self._frame(loop)
        for where in ("before", "after"):
            column, width = self.columns[where], widths[where]
            y = middle - column.height / 2
            if not column.cards:
                for i, words in enumerate(EMPTY[d.name, where]):
                    x, y = starts[where] + width / 2, middle + 18 * i - 4
                    out.append(p.write(words, x, y, HEAD, theme.quiet, anchor="middle"))
                continue
            for card in column.cards:
                out += card.draw(starts[where], y, width)
                y += card.height + GAP
            begin, end = (starts[where] + width, loop.x) if where == "before" else (loop.right, starts[where])
            out += arrow(begin + 4, end - 3, middle, theme)
        return out

    def _frame(self, rect: Rect) -> list[str]:
        """The loop: its cards, and the arrow from step to step."""
        theme, column = self.printer.theme, self.columns["loop"]
        out = [rectangle(rect, 12.0, theme.paper, theme.state, 2.2)]
        y = first = rect.y + PAD
        width = rect.width - TURN - self.names.width - 2 * PAD
        for i, card in enumerate(column.cards):
            out += card.draw(rect.x + PAD, y, width)
            if i:
                x = rect.x + PAD + width / 2
                out.append(f'<path d="M{n(x)} {n(y - GAP + 1)}L{n(x)} {n(y - 6)}" {stroke(theme.line, 1.6)}/>')
                out.append(tip(x, y, 0, -7, theme.line))
            y += card.height + GAP
        right, low, high = rect.x + PAD + width, y - GAP - 22, first + 22
        bend = f"{n(right + TURN)} {n(low)} {n(right + TURN)} {n(high)} {n(right + 9)} {n(high)}"
        out.append(f'<path d="M{n(right)} {n(low)}C{bend}" {stroke(theme.state, 2.6)}/>')
        out.append(tip(right, high, 10, 0, theme.state))
        return out + self.names.draw(right + TURN - 4, (low + high) / 2 - self.names.height / 2)


def stroke(colour: str, width: float) -> str:
    return f'fill="none" stroke="{colour}" stroke-width="{width}"'


def tip(x: float, y: float, dx: float, dy: float, colour: str) -> str:
    """The head of an arrow that ends at (x, y) and comes from the direction of (dx, dy), of that length."""
    a, b = (x + dx - dy / 2, y + dy + dx / 2), (x + dx + dy / 2, y + dy - dx / 2)
    return f'<path d="M{n(x)} {n(y)} {n(a[0])} {n(a[1])} {n(b[0])} {n(b[1])}Z" fill="{colour}"/>'


def arrow(begin: float, end: float, y: float, theme: Theme) -> list[str]:
    """A level arrow."""
    line = f'<path d="M{n(begin)} {n(y)}L{n(end - 8)} {n(y)}" {stroke(theme.line, 2)}/>'
    return [line, tip(end, y, -9, 0, theme.line)]


def side(size: int) -> float:
    """How long the side of a matrix is drawn."""
    return min(max(3.0 * math.sqrt(size), 14.0), 104.0)


def _latex(e: Expression) -> str:
    """LaTeX with gradients as ∇ and a letter in italics, and words upright."""
    text = re.sub(r"\\text\{∇([^}]*)\}", lambda found: r"\nabla " + LatexStyle().name(found[1]), latex(e))
    text = re.sub(r"(?<=[\^_]\{)(next|rows)\}", r"\\mathrm{\1}}", text)
    return text.replace(r"\sum_{t}", r"\sum_{t}\,").replace(r"\lt", "<").replace(r"\gt", ">")


def _short(blocks: Sequence[Expression]) -> Expression:
    """Blocks of one name as that name: u for u_i, u_f."""
    if len(blocks) == 1:
        return blocks[0]
    alike = len({block.name for block in blocks}) == 1 and all(block.kind == "symbol" for block in blocks)
    return al.symbol(blocks[0].name) if alike else al.blocks(blocks, "beside")


def _formula(product: Product) -> Expression:
    """A product's formula; a sum over all steps as such."""
    return al.big_sum(product.formula) if product.summed else product.formula


def svg(explanation: Explanation, theme: str) -> str:
    """The SVG text of an explanation."""
    return Printer(explanation, theme).text()
