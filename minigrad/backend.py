"""NumPy or CuPy: one record per array library, and per device where there are several.

The backend of a computation is that of its input arrays, looked up by their type. What is chosen here,
by `use_backend` or the environment variable MINIGRAD_BACKEND, is only where *new* arrays are made.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import BackendUnavailableError
from .memory_use import MemoryUse, of_this_process

Array = Any  # numpy.ndarray or cupy.ndarray
ANYWHERE = contextlib.nullcontext()


@dataclass(frozen=True, eq=False)
class Backend:
    """An array library, or one of its devices: its namespace, its array type, and the few things that differ."""

    name: str
    xp: Any
    array_type: type
    to_numpy: Callable[[Array], np.ndarray]
    memory: Callable[[], MemoryUse] = of_this_process
    default_rng: Callable[[int | None], Any] = np.random.default_rng
    # Are indices out of range refused, and assignments to one place made one after the other? Not on a GPU.
    in_order: bool = True
    here: Any = ANYWHERE  # the context in which the device's arrays are computed with
    devices: tuple[Backend, ...] = ()  # of a library with several: the record of each
    random: dict[str, Any] = field(default_factory=dict, repr=False)

    def asarray(self, data: Any, dtype: Any = None) -> Array:
        """`data` as an array of this library. An array keeps its dtype; floats of lists become float32."""
        with self.here:
            array = self.xp.asarray(data, dtype)
            if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
                array = array.astype(np.float32)
            return array

    def copy(self, array: Array) -> Array:
        """A copy of `array`, where it is."""
        with self.here:
            return array.copy()

    def of(self, array: Array) -> Backend:
        """The record of the device that `array`, of this library, is on."""
        return self.devices[array.device.id] if self.devices else self

    @property
    def generator(self) -> Any:
        """The seeded random generator of this library (`mg.seed` restarts it)."""
        if "generator" not in self.random:
            with self.here:
                self.random["generator"] = self.default_rng(_seed[0])
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
            get_backend("cupy")
            return self.get(kind)
        else:  # a subclass of an array type (numpy.memmap, say) counts as that array type
            found = next((record for record in self.values() if record and issubclass(kind, record.array_type)), None)
        self[kind] = found
        return found


BY_TYPE = _ByType({np.ndarray: NUMPY, bool: SCALAR, int: SCALAR, float: SCALAR})

_seed: list[int | None] = [None]
_loaded: dict[str, Backend] = {"numpy": NUMPY}
_chosen: contextvars.ContextVar[Backend | None] = contextvars.ContextVar("minigrad_backend", default=None)


def _load_auto() -> Backend:
    try:
        return get_backend("cupy")
    except BackendUnavailableError:
        return NUMPY


def _load_cupy() -> Backend:
    from .cuda import load

    return load()


_LOADERS: dict[str, Callable[[], Backend]] = {"auto": _load_auto, "cupy": _load_cupy}


def get_backend(name: str) -> Backend:
    """The record called `name`: "numpy", "cupy", "cupy:1" (a device), or "auto" (CuPy if a device answers, else NumPy).

    Raises BackendUnavailableError if there is none, or it cannot be used on this machine.
    """
    library, _, device = name.partition(":")
    if library not in _loaded:
        if library not in _LOADERS:
            choices = ", ".join(sorted({*_loaded, *_LOADERS}))
            raise BackendUnavailableError(f"unknown backend {name!r}: choose one of {choices}")
        record = _LOADERS[library]()
        _loaded[library] = record
        BY_TYPE.setdefault(record.array_type, record)
    found = _loaded[library]
    if device and (not re.fullmatch("[0-9]+", device) or int(device) >= max(len(found.devices), 1) or found is NUMPY):
        known = ", ".join(record.name for record in found.devices or (found,))
        raise BackendUnavailableError(f"there is no device {name!r}: choose one of {known}")
    return found.devices[int(device or 0)] if found.devices else found


def backend_of(array: Any) -> Backend | None:
    """The record of the library and device that `array` belongs to; None if it is no array and no number."""
    found = BY_TYPE[type(array)]
    return found.of(array) if found is not None and found.devices else found


class Following:
    """Makes the device of each array that it is shown the current one, until it is closed."""

    def __init__(self) -> None:
        self._record: Backend | None = None
        self._entered = contextlib.ExitStack()

    def __call__(self, array: Array) -> None:
        record = backend_of(array)
        if record is not None and record is not self._record:
            self.close()
            self._entered.enter_context(record.here)
            self._record = record

    def close(self) -> None:
        """Leave the device where it was before the first array."""
        self._record = None
        self._entered.close()


def several_devices() -> bool:
    """Is there a library in use that has more than one device?"""
    return any(record.devices for record in _loaded.values())


def current_backend() -> Backend:
    """Where new arrays are made."""
    chosen = _chosen.get()
    if chosen is None:
        return get_backend(os.environ.get("MINIGRAD_BACKEND") or "numpy")
    return chosen


class use_backend:
    """Choose where new arrays are made: `use_backend("cupy")`, or `with use_backend("cupy:1"): ...`.

    `name` is "numpy", "cupy" (with a device's number: "cupy:1") or "auto", CuPy where it finds a device. As a call it
    holds for this thread from then on. Raises BackendUnavailableError at once if that library, or device,
    cannot be used here.
    """

    def __init__(self, name: str):
        self.backend = get_backend(name)
        self._token = _chosen.set(self.backend)

    def __enter__(self) -> Backend:
        return self.backend

    def __exit__(self, *exc_info: object) -> None:
        _chosen.reset(self._token)


def memory(backend: str | None = None) -> MemoryUse:
    """How much memory is in use on `backend`, or where new arrays are made: of a device, or of this process.

    In bytes: a `minigrad.memory_use.MemoryUse` of `used`, `held`, `free` and `total`. Raises BackendUnavailableError
    for a backend that is not there.
    """
    record = current_backend() if backend is None else get_backend(backend)
    with record.here:
        return record.memory()


def _records() -> list[Backend]:
    return [record for library in _loaded.values() for record in library.devices or (library,)]


def random_state() -> dict[str, Any]:
    """Where the random generator of every backend stands, by name, in numbers and text that JSON can hold."""
    return {record.name: record.generator.bit_generator.state for record in _records()}


def set_random_state(state: Mapping[str, Any]) -> None:
    """Go on with the random numbers that followed when `random_state` gave `state`. Other backends' are left.

    Raises BackendUnavailableError for a backend that this machine lacks.
    """
    for name, numbers in state.items():
        get_backend(name).generator.bit_generator.state = numbers


def seed(n: int) -> None:
    """Restart the random generator of every backend from the seed `n`."""
    _seed[0] = n
    for record in _records():
        record.random.clear()
