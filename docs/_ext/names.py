"""What is public, found in the packages themselves: the reference and its test ask here. Needs no Sphinx."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from minigrad_rnn import data

# Where users find names. Whatever else there is serves these.
PLACES = (
    "minigrad", "minigrad.nn", "minigrad.nn.init", "minigrad.optim", "minigrad.linalg", "minigrad.errors",
    "minigrad.draw",
    "minigrad_rnn", "minigrad_rnn.cells", "minigrad_rnn.models", "minigrad_rnn.charmodel", "minigrad_rnn.evaluating",
    "minigrad_rnn.metrics", "minigrad_rnn.plotting", "minigrad_rnn.pictures", "minigrad_rnn.projections",
    "minigrad_rnn.search", "minigrad_rnn.training", "minigrad_rnn.training.plots", "minigrad_rnn.systems",
    "minigrad_rnn.serve", "minigrad_rnn.data",
    *[f"minigrad_rnn.data.{found.name}" for found in iter_modules(data.__path__) if found.name != "errors"],
)  # fmt: skip


def offered(place: str) -> dict[str, Any]:
    """The functions and classes that a user finds there: of a package all that is ours, of a module its own."""
    found = vars(import_module(place))
    listed = found.get("__all__")
    names = listed if listed is not None else [name for name in found if not name.startswith("_")]
    root = place.partition(".")[0]
    home = root if listed is not None or "__path__" in found else place
    return {
        name: found[name]
        for name in names
        if (inspect.isroutine(found[name]) or inspect.isclass(found[name]))
        and f"{found[name].__module__}.".startswith(f"{home}.")
    }


@cache
def public() -> dict[str, dict[str, Any]]:
    """By place, what is public there; what several places offer counts for the first of them."""
    found: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for place in PLACES:
        found[place] = {name: what for name, what in offered(place).items() if id(what) not in seen}
        seen |= set(map(id, found[place].values()))
    return found


def part(home: str, place: str) -> list[str]:
    """Of what is public at `place`, that which the module `home` defines, in the order of its file."""
    given = list(vars(import_module(home)))
    return sorted([name for name, what in public()[place].items() if what.__module__ == home], key=given.index)
