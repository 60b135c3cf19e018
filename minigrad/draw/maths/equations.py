"""The equations of a recorded graph: what is computed, and its gradients, as a textbook writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ...errors import DrawingError
from ...tensor import Tensor
from ..text import INDEX
from . import algebra as al
from .backward import Backward
from .expression import LATEX, MATHML, Expression, latex, text, write
from .fold import Folded, Key
from .forward import Forward, in_step


@dataclass(frozen=True)
class Equation:
    """left = right; `note` says for which steps, if not for all."""

    left: Expression
    right: Expression
    note: str = ""

    def text(self) -> str:
        told = f"    ({self.note})" if self.note else ""
        return f"{text(self.left)} = {text(self.right)}{told}"

    def latex(self) -> str:
        return self._latex(" = ")

    def _latex(self, sign: str) -> str:
        told = rf" \quad \text{{({LATEX.text(self.note)})}}" if self.note else ""
        return f"{latex(self.left)}{sign}{latex(self.right)}{told}"

    def mathml(self) -> str:
        told = f"<mtext>({escape(self.note)})</mtext>" if self.note else ""
        left, right = write(self.left, MATHML), write(self.right, MATHML)
        return f"<mtr>{_cell(left, 'right')}{_cell(f'<mo>=</mo>{right}')}{_cell(told)}</mtr>"

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True)
class Equations:
    """The equations of the forward and of the backward pass, each in the order of computation, and notes to both."""

    forward: list[Equation]
    backward: list[Equation]
    notes: list[str]

    def text(self) -> str:
        """All of them as Unicode text, one a line."""
        blocks = ["\n".join(map(str, part)) for part in (self.forward, self.backward, self.notes) if part]
        return "\n\n".join(blocks)

    def latex(self) -> str:
        """All of them as one `aligned` block of LaTeX, for math mode."""
        lines = [e._latex(" &= ") for e in (*self.forward, *self.backward)]
        lines += [rf"&\text{{{LATEX.text(note)}}}" for note in self.notes]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def mathml(self) -> str:
        """All of them as one <math> element."""
        notes = [_indexed(note, "</mtext><msub><mi>{}</mi><mtext>{}</mtext></msub><mtext>") for note in self.notes]
        return self._table("".join(f"<mtr><mtd></mtd>{_cell(f'<mtext>{note}</mtext>')}</mtr>" for note in notes))

    def _table(self, below: str = "") -> str:
        rows = "".join(e.mathml() for e in (*self.forward, *self.backward)) + below
        return f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mtable>{rows}</mtable></math>'

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{_indexed(note, '<i>{}</i><sub>{}</sub>')}</p>" for note in self.notes)
        told = 'style="overflow-x: auto" tabindex="0" role="group" aria-label="equations"'
        return f"<div><div {told}>{self._table()}</div>{notes}</div>"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"


def _indexed(note: str, form: str) -> str:
    """A note with each `h_{-1}` in it in the form that is given, of a letter and its index."""
    return INDEX.sub(lambda found: form.format(found[1], (found[2] or found[3]).replace("-", "−")), escape(note))


def _cell(mathml: str, align: str = "left") -> str:
    """A table's cell; browsers heed `text-align`, and not MathML's own `columnalign`."""
    return f'<mtd style="text-align: {align}">{mathml}</mtd>'


def equations(outputs: Sequence[Tensor], convention: str = "columns") -> Equations:
    """The equations of the graph behind `outputs`, all time steps folded into one step t.

    The gradients are those of the output, a single number, or of the sum of all numbers in the outputs. With
    `convention` "columns" vectors are columns, as in a textbook, and what multiplies a gradient element by element is
    a diagonal matrix; with "rows" products are written as the code has them. Raises DrawingError for any other
    convention, and for a graph too large.
    """
    if convention not in ("columns", "rows"):
        raise DrawingError(f'there is no convention {convention!r}: choose "columns" or "rows"')
    forward = Forward(Folded(outputs))
    backward = Backward(forward)
    writer = _Writer(forward, backward, convention)
    there = [e for key in forward.shown for e in writer.forward_of(key)]
    if forward.own_loss:
        there.append(Equation(forward.loss, writer.shown(writer.loss())))
    keys = [key for key in reversed(forward.folded.keys) if writer.wanted(key, leaf=False)]
    keys += [key for key in forward.folded.keys if writer.wanted(key, leaf=True)]
    back = [e for key in keys for e in writer.gradient_of(key)]
    return Equations(there, back, writer.notes())


class _Writer:
    """Equations from what `Forward` and `Backward` know."""

    def __init__(self, forward: Forward, backward: Backward, convention: str):
        self.there = forward
        self.back = backward
        self.folded = forward.folded
        self.columns = convention == "columns"

    def shown(self, e: Expression) -> Expression:
        return al.textbook(e, not self.there.columns) if self.columns else e

    def loss(self) -> Expression:
        terms = []
        for root in self.folded.roots:
            e = self.there.own(root) if root.step is None else self.there.outside(root)
            terms.append(al.apply("sum", e) if root.source.shape else e)
        return al.total(*terms)

    def wanted(self, key: Key, leaf: bool) -> bool:
        part = self.folded.members[key][0]
        return part.is_leaf == leaf and part.source.requires_grad and self.back.has_symbol(part)

    def forward_of(self, key: Key) -> list[Equation]:
        members = self.folded.members[key]
        left = self.there.symbols.of(key)
        if members[0].step is None:
            return [Equation(left, self.shown(self.there.formula(members[0])))]
        found: dict[Expression, list[int]] = {}
        for member in members:
            right = self.there.formula(self.folded.representative(member))
            found.setdefault(right, []).append(member.step)  # type: ignore[arg-type]
        return self._for_steps(left, list(found.items()))

    def gradient_of(self, key: Key) -> list[Equation]:
        of = self.there.own(self.folded.representative(self.folded.members[key][0]))
        left = al.gradient(of, self.there.loss)
        found = self.back.gradients(key)
        if found[0][1] is None:
            return [Equation(left, self.shown(found[0][0]))]
        return self._for_steps(left, found)  # type: ignore[arg-type]

    def _for_steps(self, left: Expression, found: Sequence[tuple[Expression, list[int]]]) -> list[Equation]:
        if len(found) == 1 and sorted(found[0][1]) == self.folded.steps:
            return [Equation(left, self.shown(found[0][0]))]
        made = []
        for right, steps in found:
            if len(steps) == 1:
                made.append(Equation(in_step(left, steps[0]), self.shown(in_step(right, steps[0]))))
            elif steps:
                made.append(Equation(left, self.shown(right), f"t = {_ranges(steps)}"))
        return made

    def notes(self) -> list[str]:
        """What has to be known to read the equations."""
        found = []
        steps = self.folded.steps
        if steps:
            found.append(f"steps t = {_ranges(steps)}; what would come from a step outside them is 0")
        for key, step, given in self.folded.initial():
            state, start = self.there.symbols.of(key, step), self.there.own(given)
            unnamed = given.is_leaf and not given.name
            told = "" if unnamed or text(state) == text(start) else f" {text(self.shown(start))}"
            found.append(f"{text(state)} is the initial state{told}")
        matrices = any(part.op == "matmul" for part in self.folded.parts)
        if self.columns and matrices and not self.there.columns:
            leaves = [part for part in self.folded.parts if part.is_leaf and len(part.source.shape) == 2]
            names = [
                text(self.there.own(part))
                for part in leaves
                if part.source.requires_grad and part.step is None and not part.start
            ]
            told = f" ({', '.join(dict.fromkeys(names))})" if names else ""
            found.append(f"vectors are columns: a matrix{told} is the transpose of the array as stored")
        if self._batch():
            found.append(
                "written for one example: what it adds to the gradient of a parameter is summed over the batch"
            )
        hooked = [part for part in self.folded.parts if part.source.hooks]
        found += [f"a hook may change the gradient of {text(self.there.own(part))}" for part in hooked[:1]]
        return found + self.there.symbols.notes

    def _batch(self) -> bool:
        """Whether an array holds several vectors."""
        for part in self.folded.parts:
            shape: Any = part.source.shape
            vectors = part.op == "matmul" or part.step is not None
            if vectors and part not in self.there.matrices and len(shape) == 2 and isinstance(shape[0], int):
                count = shape[1] if self.there.columns else shape[0]
                if count > 1:
                    return True
        return False


def _ranges(steps: Sequence[int]) -> str:
    """Such as "0 … 3, 7"."""
    runs: list[list[int]] = []
    for step in sorted(steps):
        if runs and runs[-1][-1] == step - 1:
            runs[-1].append(step)
        else:
            runs.append([step])
    return ", ".join(f"{run[0]} … {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
