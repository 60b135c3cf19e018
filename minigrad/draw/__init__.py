"""Drawings of recorded graphs, unrolled recurrent ones above all. `picture` is what is drawn; printers write it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DrawingError
from ..serialize import atomic_write
from ..tensor import Tensor

if TYPE_CHECKING:
    from .build import Scene
    from .maths.equations import Equations
    from .player import Player

__all__ = ["LEVELS", "THEMES", "Drawing", "draw"]

LEVELS = ("rolled", "layer", "cell", "gate", "op")
THEMES = ("light", "dark", "print")


class Drawing:
    """What `draw` returns: `picture` (plain data), and its printers. A notebook shows it as SVG.

    `draw` makes it of a `scene`: the graph, and what was chosen.
    """

    def __init__(self, scene: Scene):
        self.scene = scene
        self.picture = scene.picture

    def svg(self) -> str:
        """The drawing as SVG text, made without any other program."""
        from .printers.svg import svg

        return svg(self.picture)

    def dot(self) -> str:
        """The drawing as DOT text for Graphviz."""
        from .printers.dot import dot

        return dot(self.picture)

    def mermaid(self) -> str:
        """The drawing as Mermaid text."""
        from .printers.mermaid import mermaid

        return mermaid(self.picture)

    def tikz(self) -> str:
        r"""The drawing as a `tikzpicture` for LaTeX, to be `\input`; its second line says what the preamble needs."""
        from .printers.tikz import tikz

        return tikz(self.picture)

    def html(self) -> str:
        """A page that plays the forward pass and the backward walk, step by step; it needs nothing but a browser.

        Its picture has values and the backward graph, whatever else was chosen.
        """
        from dataclasses import replace

        from .build import Scene
        from .printers.html import page

        # Made anew: a backward walk may have come by since.
        return page(Scene(self.scene.outputs, replace(self.scene.options, values=True, backward=True)))

    def play(self, height: int = 900) -> Player:
        """The page of `html` inside of a notebook, in a frame so many pixels high: the cell's last value shows it."""
        from .player import Player

        return Player(self.html(), f"Step by step: {self.picture.title or 'the graph'}", height)

    def equations(self, convention: str = "columns") -> Equations:
        """The forward pass and the gradients as equations, derived from the graph, steps folded into one.

        With "columns" vectors are columns, as in textbooks; with "rows" products are written as the code has them.
        """
        from .maths.equations import equations

        return equations(self.scene.outputs, convention)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to `path`, in the format that the suffix tells; the file is there whole or not at all.

        .svg, .png, .pdf and .tikz are the drawing, .html the page that plays it, .dot and .mmd its text for Graphviz
        and Mermaid, .tex and .txt its equations. Raises DrawingError for any other suffix.
        """
        suffix = os.path.splitext(path)[1].lower()
        printers: dict[str, Callable[[], str]] = {
            ".svg": self.svg,
            ".tikz": self.tikz,
            ".html": self.html,
            ".dot": self.dot,
            ".mmd": self.mermaid,
            ".tex": lambda: self.equations().latex(),
            ".txt": lambda: self.equations().text(),
        }
        if suffix in (".png", ".pdf"):
            from .printers.canvas import paint

            with atomic_write(path) as temporary:
                paint(self.svg(), temporary, suffix[1:])
        elif suffix in printers:
            text = printers[suffix]()
            with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            known = ", ".join([*printers, ".png"])
            raise DrawingError(f"name a drawing's file with {known} or .pdf at its end, not {suffix or 'nothing'!r}")

    def _repr_svg_(self) -> str:
        return self.svg()


def draw(
    x: Tensor | Sequence[Tensor],
    level: str = "op",
    backward: bool | str = False,
    values: bool = False,
    grads: Mapping[Tensor, Any] | None = None,
    shapes: bool = False,
    dtypes: bool = False,
    names: bool = True,
    formulas: bool | None = None,
    locals: bool = False,
    flow: bool = False,
    theme: str = "light",
    open: str | Sequence[str] = (),
    close: str | Sequence[str] = (),
    title: str | None = None,
    max_steps: int = 50,
) -> Drawing:
    """Draw the graph behind `x`, a Tensor or several.

    Nodes tagged as time steps (`mg.scope("t=3")`) stand side by side, one panel a step; beyond `max_steps` the middle
    ones are folded into one. `level` is the detail: "op" (every operation), "gate" (every quantity, with its formula),
    "cell" (one box a cell and step), "layer" (one box a layer), "rolled" (one step for all, with loops). `open` and
    `close` name groups by their tags, "t=2" or "layer 0/t=2", which are drawn in full, or as one box, all the same.

    `backward` lays the backward graph over the forward one, with the gradients that the last walk brought ("not
    computed" before one); "only" draws it alone. `values` writes the numbers of small arrays, `shapes` and `dtypes`
    those; `names=False` leaves names out. `formulas` writes what a box computes (at the level "gate" unless False; not
    in pictures of more than 300 boxes), `locals` the local derivative on each edge that a gradient comes back along:
    beside numbers (`values`, `backward`) of the arrays as stored, x W, else as textbooks have it, W x.
    `flow` shows by width and colour how large that gradient is. `grads` gives gradients to be shown for Tensors in
    place of their own. `title` says in words what is to be seen, for those who do not see it. `theme` is "light",
    "dark" or "print" (for greyscale). Raises DrawingError for a choice that there is not, and for a graph too large.
    """
    for what, given, choices in (
        ("level", level, LEVELS),
        ("theme", theme, THEMES),
        ("backward", backward, (False, True, "only")),
    ):
        if given not in choices:
            raise DrawingError(
                f"there is no {what} {given!r} of a drawing: choose one of {', '.join(map(repr, choices))}"
            )
    outputs = list(x) if isinstance(x, Iterable) and not isinstance(x, Tensor) else [x]
    if not outputs or not all(isinstance(output, Tensor) for output in outputs):
        raise DrawingError("draw takes a Tensor or a sequence of at least one Tensor, such as a loss")
    from .build import Scene  # and with it all of drawing, not before a picture is wanted
    from .options import Options

    options = Options(
        level,
        [open] if isinstance(open, str) else open,
        [close] if isinstance(close, str) else close,
        backward,
        values,
        grads or {},
        shapes,
        dtypes,
        names,
        level == "gate" if formulas is None else formulas,
        locals,
        flow,
        theme,
        title,
        max_steps,
    )
    return Drawing(Scene(outputs, options))
