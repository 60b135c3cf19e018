"""Indices out of range, on a device that does not refuse them.

NumPy raises at once. A GPU counts on from the other end instead, and to ask it whether that happened the host would
have to wait for all that it still has to do. So the answer stays there, and is read with the next number that the host
asks for: then the error comes up, with the line that made it.
"""

from __future__ import annotations

from typing import Any

from .backend import Backend
from .errors import OutOfRangeError, users_line

MOST = 1000  # answers kept on the device: then it is waited for
_flags: dict[tuple[Backend, str | None, str], Any] = {}  # where and what -> an array of the device: did it happen


def watch(backend: Backend, index: Any, shape: tuple[int, ...], name: str) -> None:
    """See to it that an index array among `index` into `shape` that is out of range is noticed sooner or later."""
    axis = 0
    parts = index if isinstance(index, tuple) else (index,)
    for place, part in enumerate(parts):
        if part is None:
            continue
        if part is Ellipsis:
            axis = len(shape) - sum(map(_axes, parts[place + 1 :]))
            continue
        if hasattr(part, "dtype") and part.dtype.kind in "iu" and axis < len(shape):
            n = shape[axis]
            told = f"{name} of shape {shape} has no such part: an index of axis {axis} is not from {-n} to {n - 1}"
            notice(backend, ((part < -n) | (part >= n)).any(), told)
        axis += _axes(part)


def _axes(part: Any) -> int:
    """How many axes this part of an index stands for."""
    return 0 if part is None else part.ndim if hasattr(part, "dtype") and part.dtype.kind == "b" else 1


def notice(backend: Backend, bad: Any, what: str) -> None:
    """Raise OutOfRangeError that says `what`, at the next read, if `bad`, an array of the device, is true."""
    if len(_flags) >= MOST:
        raise_noticed()
    key = (backend, users_line(), what)
    with backend.here:
        _flags[key] = _flags[key] | bad if key in _flags else bad


def raise_noticed() -> None:
    """Raise OutOfRangeError if an index was out of range since this was last asked. The host waits for the device."""
    while _flags:
        (_, line, what), bad = _flags.popitem()
        if bool(bad):
            _flags.clear()
            raise OutOfRangeError(what, line)
