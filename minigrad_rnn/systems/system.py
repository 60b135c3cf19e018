"""System: a recipe with what is said of it, and the list of them all."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from minigrad.errors import MinigradError

from .figure import Figure
from .lab import Lab

RECIPES = f"{__package__.rpartition('.')[0]}.recipes"


class SystemNameError(MinigradError, LookupError):
    """A system that there is not, or that has no name."""


@dataclass(frozen=True)
class System:
    """A recipe by its `name`: `run(lab)` trains, measures and draws, and returns the figures. `list` shows the rest.

    `text` is the recipe's docstring: the idea, the equations, their source. `data` says what it runs on, `merit` what
    its figure is, `seconds` how long it takes on two cores, `takes` what the user's own file may be ("": it has no data
    but its own).
    """

    name: str
    what: str
    text: str
    data: str
    merit: str
    seconds: int
    takes: str
    run: Callable[[Lab], list[Figure]]


def system(data: str, merit: str, seconds: int, takes: str = "") -> Callable[[Callable[[Lab], list[Figure]]], System]:
    """Make a recipe's function its System, with `data`, `merit`, `seconds` and `takes` as there.

    The name, and what it is, are in the first line of the recipe's docstring:

        \"\"\"sum-inputs: a linear net that outputs the running sum.\"\"\"

        @system(data="random numbers", merit="largest error", seconds=1)
        def run(lab): …

    Raises SystemNameError where that line says no such thing.
    """

    def make(run: Callable[[Lab], list[Figure]]) -> System:
        text = sys.modules[run.__module__].__doc__ or ""
        name, _, what = text.partition("\n")[0].partition(": ")
        if not what and sys.flags.optimize < 2:  # python -OO takes docstrings away
            raise SystemNameError(
                f"the system has no name: begin {run.__module__} with a docstring, its name: what it is"
            )
        return System(name, what.removesuffix("."), text, data, merit, seconds, takes, run)

    return make


def parts() -> dict[str, tuple[str, ...]]:
    """The names of the systems in each part, by the part's title."""
    return import_module(RECIPES).PARTS


def names() -> list[str]:
    """The names of all systems, part by part."""
    return [name for part in parts().values() for name in part]


def get(name: str) -> System:
    """The system of that name. Raises SystemNameError if there is none."""
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SystemNameError(f"there is no system {name!r}: {hint}`minigrad-rnn list` shows all {len(known)}")
    return import_module(f"{RECIPES}.{name.replace('-', '_')}").run
