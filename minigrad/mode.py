"""What holds for the operations being run: are they recorded, how are their nodes tagged, who else looks on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .graph import Node
    from .loop.trace import Tape


class Mode:
    """What holds for the operations being run. Never changed: another one takes its place."""

    __slots__ = ("idle", "of", "recording", "scope", "tape", "watching")

    def __init__(
        self,
        recording: bool = True,
        scope: tuple[str, ...] = (),
        of: Node | None = None,
        watching: bool = False,
        tape: Tape | None = None,
    ):
        self.recording = recording
        self.scope = scope
        self.of = of
        self.watching = watching  # for NaN and infinity
        self.tape = tape  # on which the loop compiler notes every operation of a step
        self.idle = not (recording or watching or tape)  # nothing is asked of an operation but its result

    def but(self, **changes: Any) -> Mode:
        """This mode with some attributes changed."""
        names = ("recording", "scope", "of", "watching", "tape")
        return Mode(**{name: changes.get(name, getattr(self, name)) for name in names})


MODE: ContextVar[Mode] = ContextVar("minigrad_mode", default=Mode())  # noqa: B039 (a Mode is immutable)


class _ModeChange(contextlib.ContextDecorator):
    """A change of the mode for as long as the block, or the decorated function, runs."""

    change: Mapping[str, bool]

    def __init__(self) -> None:
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        self._tokens.append(MODE.set(MODE.get().but(**self.change)))

    def __exit__(self, *exc_info: object) -> None:
        MODE.reset(self._tokens.pop())

    def _recreate_cm(self) -> _ModeChange:
        return type(self)()  # each call of a decorated function has tokens of its own, also in several threads


class no_grad(_ModeChange):
    """`with no_grad(): ...`, or as a decorator: operations inside are not recorded."""

    change = MappingProxyType({"recording": False})


class enable_grad(_ModeChange):
    """`with enable_grad(): ...`, or as a decorator: operations inside are recorded, also within `no_grad`."""

    change = MappingProxyType({"recording": True})


class detect_anomaly(_ModeChange):
    """`with detect_anomaly(): ...`: raise AnomalyError at the first NaN or infinity that an operation makes.

    Forward, and in a backward walk that runs inside; the message names the operation, its operands and the line of the
    user's that called it. An infinity that was handed in (a mask's, say) may pass on. Each result is looked through,
    so use it to find the place, not to train. NumPy's own warnings are off inside.
    """

    change = MappingProxyType({"watching": True})

    def __enter__(self) -> None:
        super().__enter__()
        self._tokens.append(np.seterr(all="ignore"))  # as errors they would come first, and tell less

    def __exit__(self, *exc_info: object) -> None:
        np.seterr(**self._tokens.pop())
        super().__exit__(*exc_info)


@contextlib.contextmanager
def scope(*names: str) -> Iterator[None]:
    """Tag the nodes made inside, for drawings and error messages. `scope("t=3")` places them in time step 3."""
    mode = MODE.get()
    token = MODE.set(mode.but(scope=mode.scope + names))
    try:
        yield
    finally:
        MODE.reset(token)
