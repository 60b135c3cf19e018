"""A page that plays a graph: the forward pass, then the backward pass rule by rule, with all numbers. One file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from ...errors import MinigradError
from ...graph import SMALL, Node
from .. import text
from ..build import Scene
from ..collect import step_of
from ..layout.sheet import Layout
from ..maths.expression import Expression, mathml
from ..maths.expression import text as plain
from ..picture import Box, Edge, Move, Picture
from .marks import course
from .svg import Printer

SCRIPTS = ("data", "events", "rule", "sums", "picture", "details", "controls")  # one script, in this order
MOVES = 6000  # in all truncated walks together; beyond that not every length is offered
KINDS = {"float64": "f8", "float32": "f4", "float16": "f2", "bool": "b"}
BEFORE = "No gradient has been computed: call backward() on the result, and draw again."
ROLLED = "One step stands for all here: draw it unrolled to see its backward walk."


def page(scene: Scene) -> str:
    """The page as HTML: it needs no other file, and asks for none."""
    here = files(__package__) / "player"
    printer = Printer(scene.picture)
    return PAGE.format(
        title=escape(_encodable(scene.picture.title)),
        heading="".join(
            f"<sub>{escape(piece)}</sub>" if low else escape(piece)
            for piece, low in text.indexed(_encodable(scene.picture.title))
        ),
        style=here.joinpath("player.css").read_text("utf-8"),
        picture=_encodable(printer.text(heading=False)),
        data=json.dumps(_contents(scene, printer.layout), separators=(",", ":"), allow_nan=False).replace(
            "<", "\\u003c"
        ),
        script="\n".join(here.joinpath(f"{part}.js").read_text("utf-8") for part in SCRIPTS),
    )


def _encodable(string: str) -> str:
    return string.encode("utf-8", "replace").decode()


def _contents(scene: Scene, layout: Layout) -> dict[str, Any]:
    """All that the page plays, as plain data; arrays and formulas are listed once and named by their numbers."""
    picture, pool = scene.picture, Pool()
    number = {box.id: n for n, box in enumerate(picture.nodes)}
    of_source: dict[str, list[Edge]] = {box.id: [] for box in picture.nodes}
    for edge in picture.edges:
        of_source[edge.source].append(edge)
    routes = layout.routes
    moves, why = _walk(scene)
    is_running_sum = _running_sums(scene)
    walks, cuts = {0: _packed(moves, number, pool)}, {}
    for k in _lengths(len(scene.steps), len(moves)):
        crosses = _crossing(scene, k, is_running_sum)
        walks[k] = _packed(scene.moves(crosses), number, pool)
        cuts[k] = sorted({n for (node, i), n in scene.edges.of.items() if crosses(node, node.parents[i])})
    running = {n for (node, i), n in scene.edges.of.items() if is_running_sum(node, node.parents[i])}
    return {
        "boxes": [
            {
                "id": box.id,
                "label": box.label,
                "title": _title(box, picture, of_source),
                "name": _called(box),
                "kind": box.kind,
                "symbol": box.symbol,
                "shape": _shape(box),
                "several": box.kind in ("fold", "cell") or text.several(box.shape),
                "dtype": box.dtype,
                "scope": " / ".join(box.scope),
                "step": box.step,
                "needs": box.needs_gradient,
                "data": pool.array(box.data),
                "grad": pool.array(box.grad),
                "formula": pool.formula(box.formula),
            }
            for box in picture.nodes
        ],
        "edges": [
            {
                "source": number[edge.source],
                "target": number[edge.target],
                "label": edge.label,
                "whence": _whence(edge, picture, of_source),
                "path": course(routes[edge]) if edge in routes else "",
            }
            for edge in picture.edges
        ],
        "steps": [{"step": group.step, "label": group.label} for group in picture.groups],
        "ledger": [number[box.id] for box in picture.nodes if _is_summed(box, of_source[box.id])],
        "states": _states(picture, number, running),
        "walks": walks,
        "cuts": cuts,
        "why": why,
        "arrays": pool.arrays,
        "formulas": pool.formulas,
    }


def _walk(scene: Scene) -> tuple[list[Move], str]:
    """The backward walk, and why there is none."""
    if scene.rolled:
        return [], ROLLED
    try:
        moves = scene.moves()
    except MinigradError as error:
        return [], f"The backward walk cannot be shown: {error}"
    return moves, "" if moves else BEFORE


# Numbers and formulas


class Pool:
    """Arrays and formulas, each kept once. An array is [shape, kind, numbers], or [shape, "", norm] if it is large."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self.formulas: list[tuple[str, str]] = []
        self.seen: dict[Any, int] = {}

    def array(self, value: Any) -> int | None:
        """Its number. A tuple of arrays is one too: a list of numbers."""
        if value is None:
            return None
        if isinstance(value, tuple):
            return self._put(self.arrays, tuple([self.array(part) for part in value]))
        kind = KINDS.get(str(value.dtype), "i" if value.dtype.kind in "iu" else "")
        if value.size > SMALL or not kind:
            norm = float(np.linalg.norm(value.reshape(-1)))
            return self._put(self.arrays, (value.shape, "", norm if np.isfinite(norm) else str(norm)))
        return self._put(self.arrays, (value.shape, kind, _digits(value)))

    def formula(self, expression: Expression | None) -> int | None:
        if expression is None:
            return None
        return self._put(self.formulas, (mathml(expression), plain(expression)))

    def _put(self, where: list[Any], what: Any) -> int:
        if what not in self.seen:
            self.seen[what] = len(where)
            where.append(what)
        return self.seen[what]


def _digits(array: np.ndarray) -> str:
    """Its numbers in the shortest digits that are read as the same numbers again, as JavaScript reads them."""
    flat = array.reshape(-1)
    numbers = [str(int(x)) if array.dtype.kind in "biu" else str(x).removesuffix(".0") for x in flat]
    return " ".join(numbers).replace("inf", "Infinity").replace("nan", "NaN")


def _packed(moves: list[Move], number: dict[str, int], pool: Pool) -> dict[str, Any]:
    """A walk: where it starts and with what gradient, and eight numbers for each move.

    Those are the box, the parent, the edge, rule, upstream, local, message, and of what is too large to be added up
    in the page, the sum so far; −1 for what is not there.
    """
    arrived = {move.parent for move in moves if move.parent != move.box}
    seeds: dict[str, int | None] = {}
    sums: dict[str, np.ndarray] = {}
    flat: list[int] = []
    for move in moves:
        if move.box not in arrived:
            seeds.setdefault(move.box, pool.array(move.upstream))
        now = None
        if move.message.size > SMALL and move.parent != move.box:
            before = sums.get(move.parent)
            fits = before is not None and before.shape == move.message.shape
            sums[move.parent] = before + move.message if fits else move.message
            now = pool.array(sums[move.parent])
        numbers = [pool.formula(move.rule), *map(pool.array, (move.upstream, move.local, move.message)), now]
        ends = [number[move.box], number[move.parent], move.edge]
        flat += [-1 if n is None else n for n in (*ends, *numbers)]
    return {"seeds": [[number[box], seed] for box, seed in seeds.items()], "moves": flat}


# Names


def _shape(box: Box) -> str:
    shapes: Any = box.shape
    return ", ".join(map(text.shape, shapes)) if text.several(box.shape) else text.shape(shapes)


def _called(box: Box) -> str | None:
    """Its name, or the equations' symbol for what has none."""
    if box.name is None and box.left is not None:
        return plain(box.left).replace("{", "").replace("}", "")
    return box.name


def _onward(box: Box, picture: Picture, of_source: dict[str, list[Edge]]) -> Box:
    """The first thing with a name on the way from `box` to the result, as far as there is only one way."""
    seen = {box.id}
    while not _called(box) and len(of_source[box.id]) == 1:
        box = picture.by_id[of_source[box.id][0].target]
        if box.id in seen:  # a loop
            break
        seen.add(box.id)
    return box


def _title(box: Box, picture: Picture, of_source: dict[str, list[Edge]]) -> str:
    """What to call it where it stands alone: its name, or what it helps to compute."""
    if _called(box) or box.kind in ("fold", "cell"):
        return _called(box) or box.symbol
    end = _onward(box, picture, of_source)
    name = _called(end)
    return f"{box.symbol} {'in' if name else 'for'} {name or end.symbol}" if end is not box else box.symbol


def _whence(edge: Edge, picture: Picture, of_source: dict[str, list[Edge]]) -> str:
    """Where a gradient that comes back along an edge comes from: another step, or what is next on the way."""
    source, target = picture.by_id[edge.source], picture.by_id[edge.target]
    if source.step is not None and target.step is not None and source.step != target.step:
        hop = target.step - source.step
        return f"from t{'+' if hop > 0 else '−'}{abs(hop)}"
    end = _onward(target, picture, of_source)
    at = f" at t = {target.step}".replace("-", "−") if source.step is None and target.step is not None else ""
    return f"from {_called(end) or end.symbol}{at}"


# What is added up, and what is carried from step to step


def _is_summed(box: Box, edges: list[Edge]) -> bool:
    """Is its gradient a sum that the ledger shows: a leaf's, or that of what all steps share?"""
    if not box.needs_gradient or text.several(box.shape) or box.kind in ("fold", "cell"):
        return False
    return box.op is None or (box.step is None and any(edge.kind == "shared" for edge in edges))


def _step(box: Box) -> int:
    return 0 if box.step is None else box.step


def _running_sums(scene: Scene) -> Callable[[Node, Any], bool]:
    """A function that says of an edge whether it carries no state, but a sum over steps, such as that of losses."""
    nodes = [node for node in scene.box_of if isinstance(node, Node)]
    uses = Counter(parent for node in nodes for parent in node.parents if isinstance(parent, Node))

    def is_running_sum(node: Node, parent: Any) -> bool:
        alone = node.op.name == "add" and isinstance(parent, Node) and uses[parent] == 1
        return alone and (not parent.name or parent.shape == ())

    return is_running_sum


def _states(picture: Picture, number: dict[str, int], running: Iterable[int]) -> list[dict[str, Any]]:
    """The quantities that steps hand on, such as h and c: a name, and the box of each step."""
    sums = {picture.edges[n].source for n in running}
    carried = {picture.by_id[e.source] for e in picture.edges if e.kind == "state"}
    slots = {
        (box.stage, box.slot): box
        for box in carried
        if box.step is not None and box.id not in sums and box.needs_gradient and box.kind not in ("fold", "cell")
    }
    found: dict[Any, list[Box]] = {place: [] for place in sorted(slots, key=str)}
    for box in picture.nodes:
        if (box.stage, box.slot) in found and box.step is not None:
            found[box.stage, box.slot].append(box)
    states = []
    for place, boxes in found.items():
        name = re.sub(r"_-?\d+$", "", slots[place].name or slots[place].symbol)
        band = picture.bands[boxes[0].band] if boxes[0].band < len(picture.bands) else ""
        states.append({"name": name, "band": band, "boxes": [number[box.id] for box in sorted(boxes, key=_step)]})
    return sorted(states, key=lambda state: (state["band"], -max(state["boxes"])))


# Truncation


def _lengths(steps: int, moves: int) -> list[int]:
    """The lengths of truncation that are offered."""
    every = list(range(1, steps)) if moves else []
    if len(every) * moves <= MOVES:
        return every
    few = max(2, MOVES // moves)
    return sorted({round(steps ** (n / few)) for n in range(few)} & set(every))


def _crossing(scene: Scene, k: int, is_running_sum: Callable[[Node, Any], bool]) -> Callable[[Node, Any], bool]:
    """A function that says of an edge whether it leads a state into another stretch of `k` steps."""
    rank = {step: n for n, step in enumerate(scene.steps)}

    def stretch(node: Any) -> int | None:
        step = step_of(node.scope) if isinstance(node, Node) else None
        box = scene.picture.by_id.get(scene.box_of.get(node, ""))
        if step is None and box is not None and box.kind != "fold":
            step = box.step
        return rank[step] // k if step in rank else None

    def crosses(node: Node, parent: Any) -> bool:
        if not isinstance(parent, Node):
            return False
        here, there = stretch(node), stretch(parent)
        return None not in (here, there) and here != there and not is_running_sum(node, parent)

    return crosses


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{heading}</h1>
<label id="cutting" hidden>Truncate: <input id="cut" type="range" min="0" max="0" value="0" step="1">
<output id="cut-now"></output></label>
<span id="score" hidden></span>
<button id="predict" aria-pressed="false" aria-keyshortcuts="p">Predict</button>
<button id="table" aria-pressed="false" aria-keyshortcuts="t">Table</button>
<button id="help" aria-keyshortcuts="?" aria-label="Help">?</button>
</header>
<main>
<section id="now" aria-label="What happens now"></section>
<section id="sums" aria-label="The gradients of the weights, term by term"></section>
<section id="norms" aria-label="The size of the gradients of the states over time" hidden></section>
<nav aria-label="Play">
<button id="home" aria-label="To the start" title="To the start (Home)">|◀</button>
<button id="back" aria-label="Previous event" title="Previous event (←)">◀</button>
<button id="play" title="Play or pause (Space)">Play</button>
<button id="forth" aria-label="Next event" title="Next event (→)">▶</button>
<button id="end" aria-label="To the end" title="To the end (End)">▶|</button>
<input id="position" type="range" min="0" value="0" step="1" aria-label="Event">
<span id="where"></span>
<label><span>Speed</span> <select id="speed" aria-label="Speed"><option value="3000">slow</option>
<option value="1500" selected>normal</option><option value="600">fast</option>
<option value="150">very fast</option></select></label>
</nav>
<div id="stage">
<a id="skip" href="#after">Skip the picture</a>
<div id="zoom"><button id="out" aria-label="Smaller" title="Smaller (−)">−</button>
<button id="fit" title="All of it (0)">Fit</button>
<button id="in" aria-label="Larger" title="Larger (+)">+</button></div>
<div id="picture">{picture}</div>
<div id="events" hidden></div>
<dialog id="details" aria-labelledby="details-title"></dialog>
<span id="after" tabindex="-1"></span>
</div>
</main>
<p id="said" aria-live="polite"></p>
<dialog id="keys" aria-labelledby="keys-title"></dialog>
<noscript>This page plays the picture with JavaScript, which is off in this browser.</noscript>
<script type="application/json" id="graph">{data}</script>
<script>
{script}</script>
</body>
</html>
"""
