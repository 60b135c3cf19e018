"""Drawings of recorded graphs, unrolled recurrent ones above all. `picture` is what is drawn; printers write it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DrawingError
from ..serialize import atomic_write
from ..tensor import Tensor

if TYPE_CHECKING:
    from .picture import Picture


class Drawing:
    """What `draw` returns: `picture` (plain data), and its printers. A notebook shows it as SVG."""

    def __init__(self, picture: Picture):
        self.picture = picture

    def svg(self) -> str:
        """The drawing as SVG text, made without any other program."""
        from .svg import svg

        return svg(self.picture)

    def dot(self) -> str:
        """The drawing as DOT text for Graphviz."""
        from .dot import dot

        return dot(self.picture)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to `path`, as SVG or DOT by the suffix; the file is there whole or not at all.

        Raises DrawingError for any other suffix.
        """
        suffix = os.path.splitext(path)[1]
        printers = {".svg": self.svg, ".dot": self.dot}
        if suffix not in printers:
            raise DrawingError(f"name a drawing's file with .svg or .dot at its end, not {suffix or 'nothing'!r}")
        text = printers[suffix]()
        with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(text)

    def _repr_svg_(self) -> str:
        return self.svg()


def draw(
    x: Tensor | Sequence[Tensor],
    level: str = "op",
    backward: bool = False,
    values: bool = False,
    grads: Mapping[Tensor, Any] | None = None,
    shapes: bool = False,
    title: str | None = None,
    max_steps: int = 50,
) -> Drawing:
    """Draw the graph behind `x`, a Tensor or several.

    Nodes tagged as time steps (`mg.scope("t=3")`) stand side by side, one panel a step; beyond `max_steps` the middle
    ones are folded into one. `values` writes the numbers of small arrays, `backward` the gradients that the
    last backward walk brought ("not computed" before one), `shapes` the shapes. `grads` gives gradients to be shown
    for Tensors in place of their own. Raises DrawingError for a level other than "op" and for a graph too large.
    """
    if level != "op":
        raise DrawingError(f'there is no level {level!r} of a drawing: choose "op"')
    outputs = [x] if isinstance(x, Tensor) else list(x)
    if not outputs or not all(isinstance(output, Tensor) for output in outputs):
        raise DrawingError("draw takes a Tensor or a sequence of at least one Tensor, such as a loss")
    from .build import picture_of  # and with it all of drawing, not before a picture is wanted

    return Drawing(picture_of(outputs, values, backward, grads, shapes, title, max_steps))
