"""Options of cells that are one of a few words."""

from __future__ import annotations

from collections.abc import Collection

import minigrad as mg

NONLINEARITIES = {"tanh": mg.tanh, "relu": mg.relu, "sigmoid": mg.sigmoid, "identity": lambda x: x}


def one_of(what: str, given: str, known: Collection[str]) -> str:
    """`given`. Raises ValueError if it is not one of `known`."""
    if given not in known:
        raise ValueError(f"unknown {what} {given!r}: choose one of {', '.join(known)}")
    return given
