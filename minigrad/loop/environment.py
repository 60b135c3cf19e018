"""What a step closes over: its cells, defaults and globals, the attributes of what it is bound to, and of those.

A step is traced once for each signature. Its signature holds all of this: numbers, words and flags by value, Tensors by
shape. So a cell in evaluation is another step than the same cell in training, and a Tensor that was put in the place
of another (weights with some of them dropped) is found at its place.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

from ..backend import SCALAR, backend_of
from ..tensor import Tensor

LIMIT = 5_000  # things; what closes over more is traced each time
BY_VALUE = (type(None), bool, int, float, complex, str, bytes)
Path = tuple[Any, ...]


class Environment:
    """The things found, by path: `tokens` say what must be the same, `tensors` are the Tensors among them."""

    def __init__(self, step: Callable[..., Any]):
        self.tokens: dict[Path, Any] = {}
        self.tensors: dict[Path, Tensor] = {}
        self.kept: list[Any] = []  # so that no id in a token is used twice
        self.complete = True
        self._seen: dict[int, Path] = {}
        stack: list[tuple[Path, Any]] = [((), step)]
        while stack and self.complete:
            path, thing = stack.pop()
            stack += self._look_at(path, thing)
            self.complete = len(self.tokens) < LIMIT

    def key(self, without: frozenset[Path]) -> tuple[Any, ...]:
        """All that must be the same, but for what lies at the paths `without`."""
        return tuple([item for item in self.tokens.items() if item[0] not in without])

    def path_of(self, tensor: Tensor) -> Path | None:
        """Where a Tensor was found; None if nowhere."""
        return next((path for path, found in self.tensors.items() if found is tensor), None)

    def changed(self, later: Environment) -> frozenset[Path]:
        """The paths at which there is something else, or nothing, in a later look."""
        paths = self.tokens.keys() | later.tokens.keys()
        changed = {path for path in paths if self.tokens.get(path) != later.tokens.get(path)}
        return frozenset(changed | {path for path in self.tensors if self.tensors[path] is not later.tensors.get(path)})

    def _look_at(self, path: Path, thing: Any) -> Iterator[tuple[Path, Any]]:
        if isinstance(thing, BY_VALUE):
            self.tokens[path] = type(thing), repr(thing)
            return
        self.kept.append(thing)
        if id(thing) in self._seen:
            self.tokens[path] = "same", self._seen[id(thing)]
            if isinstance(thing, Tensor):
                self.tensors[path] = thing
            return
        self._seen[id(thing)] = path
        if isinstance(thing, Tensor):
            self.tensors[path] = thing
            self.tokens[path] = "tensor", thing.shape, thing.dtype, thing.requires_grad, type(thing.data)
        elif isinstance(thing, types.MethodType):
            self.tokens[path] = "method"
            yield (*path, "self"), thing.__self__
            yield (*path, "function"), thing.__func__
        elif isinstance(thing, types.FunctionType):
            self.tokens[path] = "function", id(thing.__code__)
            for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True):
                if (held := _contents(cell)) is not cell:
                    yield (*path, name), held
            for n, default in enumerate(thing.__defaults__ or ()):
                yield (*path, n), default
            yield (*path, "keywords"), thing.__kwdefaults__
            home = thing.__globals__.get("__name__", "")
            own = home.startswith(("minigrad.", "minigrad_rnn."))  # whose globals do not change
            for name in () if own else thing.__code__.co_names:
                if name in thing.__globals__ and not isinstance(thing.__globals__[name], (types.ModuleType, type)):
                    yield (*path, "global", name), thing.__globals__[name]
        elif isinstance(thing, functools.partial):
            self.tokens[path] = "partial"
            yield from (((*path, "f"), thing.func), ((*path, "args"), thing.args), ((*path, "kw"), thing.keywords))
        elif isinstance(thing, (tuple, list)):
            self.tokens[path] = type(thing), len(thing)
            yield from (((*path, n), part) for n, part in enumerate(thing))
        elif isinstance(thing, dict):
            self.tokens[path] = "dict", tuple(map(repr, thing))
            yield from (((*path, repr(name)), part) for name, part in thing.items())
        elif isinstance(thing, (type, types.ModuleType, types.BuiltinFunctionType)) or backend_of(thing) is not None:
            self.tokens[path] = repr(thing) if backend_of(thing) is SCALAR else id(thing)
        elif hasattr(thing, "__dict__"):
            self.tokens[path] = "object", id(type(thing))
            call = vars(type(thing)).get("__call__")
            if isinstance(call, types.FunctionType):
                yield (*path, "call"), call
            yield from (((*path, name), part) for name, part in vars(thing).items())
        else:
            self.tokens[path] = id(thing)


def _contents(cell: Any) -> Any:
    """What a closure's cell holds; the cell itself if it is empty yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell
