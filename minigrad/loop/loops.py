"""What a loop over time consists of: the compiler's plan, from which every kernel is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .form import Expr, Form, Summed, ordered
from .trace import Value


@dataclass(frozen=True)
class Place:
    """Where an array of one step lies: columns from `low` on of the array `array` at the step.

    `when` is "now", or for the carry, of which there is one more than steps, "before" or "after" the step.
    """

    array: str
    low: int = 0
    when: str = "now"


@dataclass(eq=False)
class Gemm:
    """Products with the same left operands, as one: each of `lefts` times its matrix of `matrices`, added up.

    `members` are the products, side by side from the columns on that are given with each.
    """

    lefts: tuple[Expr, ...]
    matrices: list[Value]
    members: list[tuple[Expr, int]]
    width: int


@dataclass(eq=False)
class Total:
    """A sum over all steps: `kind` and `args` as of a `Summed`, which `source` is."""

    source: Summed
    kind: str
    args: tuple[Expr, ...]


@dataclass
class Loop:
    """One direction of a scan.

    `steps` are the loop's expressions, each after those that it needs, and `gemms` the products among them; `early` are
    the products over all rows of all steps before it, `lifted` what else is computed over all steps at once, before or
    after it. `places` says where what comes in, is early, or is kept lies; `stores` what each step puts where; `arrays`
    the shape of one step of each array that the loop fills. `sums` are added up in the loop, `outers` after it.
    `stacked` are the parts of the carry of which all steps are kept. `became` says what sums of products made of the
    form's expressions.
    """

    form: Form
    back: bool
    carry: list[Expr]
    results: dict[str, Expr]
    steps: list[Expr] = field(default_factory=list)
    gemms: list[Gemm] = field(default_factory=list)
    early: list[Gemm] = field(default_factory=list)
    lifted: list[Expr] = field(default_factory=list)
    places: dict[Expr, Place] = field(default_factory=dict)
    stores: list[tuple[Expr, Place]] = field(default_factory=list)
    arrays: dict[str, tuple[tuple[int, ...], Any]] = field(default_factory=dict)
    sums: list[Total] = field(default_factory=list)
    outers: list[Total] = field(default_factory=list)
    stacked: set[int] = field(default_factory=set)
    became: dict[Expr, Expr] = field(default_factory=dict)
    kernel: Any = None  # its machine code, once it has run; False where there is none
    code: Any = None  # its array code

    @property
    def carried(self) -> str:
        """The role of what is carried from step to step."""
        return "dcarry" if self.back else "carry"

    def named(self, name: str) -> str:
        """An array of the loop's own: those of the two directions have names of their own."""
        return f"d{name}" if self.back else name


def all_of(loop: Loop) -> list[Expr]:
    """Every expression that the loop has to do with."""
    totals = [arg for total in [*loop.sums, *loop.outers] for arg in total.args]
    return ordered([*loop.steps, *loop.lifted, *loop.carry, *loop.results.values(), *totals])
