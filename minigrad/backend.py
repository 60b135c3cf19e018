"""NumPy or CuPy: one record per array library.

The backend of a computation is that of its input arrays, looked up by their type. What is chosen here,
by `use_backend` or the environment variable MINIGRAD_BACKEND, is only where *new* arrays are made.
"""

from __future__ import annotations

import contextvars
import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import BackendUnavailableError

Array = Any  # numpy.ndarray or cupy.ndarray


@dataclass(frozen=True, eq=False)
class Backend:
    """An array library: its namespace, its array type, and the few things that differ between libraries."""

    name: str
    xp: Any
    array_type: type
    to_numpy: Callable[[Array], np.ndarray]
    random: dict[str, Any] = field(default_factory=dict, repr=False)

    def asarray(self, data: Any, dtype: Any = None) -> Array:
        """`data` as an array of this library. An array keeps its dtype; floats of lists become float32."""
        array = self.xp.asarray(data, dtype)
        if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
            array = array.astype(np.float32)
        return array

    @property
    def generator(self) -> Any:
        """The seeded random generator of this library (`mg.seed` restarts it)."""
        if "generator" not in self.random:
            self.random["generator"] = self.xp.random.default_rng(_seed[0])
        return self.random["generator"]


NUMPY = Backend("numpy", np, np.ndarray, lambda array: array)

# A scalar joins arrays of any library. Python's own are weak, NumPy's carry their dtype (NEP 50).
SCALAR = Backend("scalar", np, np.generic, np.asarray)


class _ByType(dict[type, "Backend | None"]):
    """The type of an operand -> the record of its library; None for what is no array and no number (a list, say)."""

    def __missing__(self, kind: type) -> Backend | None:
        if issubclass(kind, np.generic):
            found: Backend | None = SCALAR
        elif kind.__module__.partition(".")[0] == "cupy":
            found = get_backend("cupy")
        else:  # a subclass of an array type (numpy.memmap, say) counts as that array type
            found = next((record for record in _loaded.values() if issubclass(kind, record.array_type)), None)
        self[kind] = found
        return found


BY_TYPE = _ByType({np.ndarray: NUMPY, bool: SCALAR, int: SCALAR, float: SCALAR})

_seed: list[int | None] = [None]
_loaded: dict[str, Backend] = {"numpy": NUMPY}
_chosen: contextvars.ContextVar[Backend | None] = contextvars.ContextVar("minigrad_backend", default=None)


def _load_cupy() -> Backend:
    try:
        import cupy
    except ImportError as error:
        raise BackendUnavailableError(
            "CuPy is not installed: pip install 'minigrad[cuda13]' (or cuda12), or use the backend 'numpy'"
        ) from error
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendUnavailableError(f"CuPy finds no CUDA device ({error}): use the backend 'numpy'") from error
    if devices == 0:
        raise BackendUnavailableError("CuPy finds no CUDA device: use the backend 'numpy'")
    return Backend("cupy", cupy, cupy.ndarray, cupy.asnumpy)


def _load_auto() -> Backend:
    try:
        return get_backend("cupy")
    except BackendUnavailableError:
        return NUMPY


_LOADERS: dict[str, Callable[[], Backend]] = {"auto": _load_auto, "cupy": _load_cupy}


def get_backend(name: str) -> Backend:
    """The record called `name`: "numpy", "cupy", or "auto" (CuPy if a device answers, else NumPy).

    Raises BackendUnavailableError if there is none, or it cannot be used on this machine.
    """
    if name not in _loaded:
        if name not in _LOADERS:
            choices = ", ".join(sorted({*_loaded, *_LOADERS}))
            raise BackendUnavailableError(f"unknown backend {name!r}: choose one of {choices}")
        _loaded[name] = _LOADERS[name]()
        BY_TYPE[_loaded[name].array_type] = _loaded[name]
    return _loaded[name]


def backend_of(array: Any) -> Backend | None:
    """The record of the library that `array` belongs to; None if it is no array and no number."""
    return BY_TYPE[type(array)]


def current_backend() -> Backend:
    """Where new arrays are made."""
    chosen = _chosen.get()
    if chosen is None:
        return get_backend(os.environ.get("MINIGRAD_BACKEND") or "numpy")
    return chosen


class use_backend:
    """Choose where new arrays are made: `use_backend("cupy")`, or `with use_backend("cupy"): ...`.

    Raises BackendUnavailableError at once if that library cannot be used here.
    """

    def __init__(self, name: str):
        self.backend = get_backend(name)
        self._token = _chosen.set(self.backend)

    def __enter__(self) -> Backend:
        return self.backend

    def __exit__(self, *exc_info: object) -> None:
        _chosen.reset(self._token)


def random_states() -> dict[Backend, Any]:
    """A copy of every random generator that is in use, for `set_random_states`."""
    return {record: copy.deepcopy(record.generator) for record in _loaded.values()}


def set_random_states(states: dict[Backend, Any]) -> None:
    """Go on with the random numbers that followed when `states` was taken."""
    for record, generator in states.items():
        record.random["generator"] = copy.deepcopy(generator)


def seed(n: int) -> None:
    """Restart the random generator of every backend from the seed `n`."""
    _seed[0] = n
    for record in _loaded.values():
        record.random.clear()
