"""check_cell: does a cell work wherever the library's own do, and if not, which mistake is it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import minigrad as mg

from .. import cells
from ..cells import Cell
from .checks import CHECKS, FIRST
from .subject import Subject

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class Check:
    """One thing that was tried: its `name`, whether it `passed`, in `message` what is wrong, or that it did not run."""

    name: str
    passed: bool
    message: str = ""


@dataclass
class CellReport:
    """What `check_cell` found; true if every check passed."""

    cell: str
    checks: list[Check] = field(default_factory=list)

    def __bool__(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def __rich__(self) -> Table:
        from rich.table import Table

        passed = len(self.checks) - len(self.failed)
        table = Table("check", "", "what is wrong", title=f"{self.cell}: {passed} of {len(self.checks)} checks passed")
        for check in self.checks:
            table.add_row(check.name, "passed" if check.passed else "FAILED", check.message)
        return table


def check_cell(
    cell_class: type[Cell] | str, input_size: int = 3, hidden_size: int = 4, *, quiet: bool = False, **options: Any
) -> CellReport:
    """Try a cell wherever cells are used, print a table of what passed (unless `quiet`), and return it.

    `cell_class` is a Cell subclass, a registered name or "module:Class", and `options` go to its constructor, as do
    `input_size` and `hidden_size`. Tried are: parameters, one step, a step that leaves nothing on `self`, dtypes,
    gradients against finite differences, independence of the sequences in a batch, lengths, both directions, the
    compiled loop, stacking, truncation, drawing at every level, equations, saving and loading; all in evaluation mode.
    The result is true if all passed, and lists the checks, each with `name`, `passed` and `message`. What a cell does
    wrong is reported there, and never raised. Raises UnknownCellError for an unknown name, TypeError for what is no
    Cell subclass.
    """
    kind = cells.get(cell_class) if isinstance(cell_class, str) else cell_class
    if not (isinstance(kind, type) and issubclass(kind, Cell)):
        raise TypeError(f"check_cell takes a subclass of minigrad_rnn.Cell, or its name, not {kind!r}: give the class")
    subject = Subject(kind, input_size, hidden_size, options)
    report = CellReport(kind.__name__)
    random = mg.random_state()
    try:
        stopped = False
        for name, check in CHECKS.items():
            if stopped:
                report.checks.append(Check(name, False, f"not run: mend {report.failed[0].name!r} first"))
                continue
            message = subject.run(check)
            report.checks.append(Check(name, not message, message))
            stopped = bool(message) and name in FIRST
    finally:
        mg.set_random_state(random)
    if not quiet:
        from rich.console import Console

        Console(markup=False).print(report)
    return report
