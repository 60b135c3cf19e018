"""The cell that is checked: how to make it and its sequences, and the line where a mistake is."""

from __future__ import annotations

import inspect
import linecache
import re
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import MinigradError
from minigrad.nn import Module

from ..cells import Cell, State

T = 4  # steps of the sequences that are tried


class CellError(Exception):
    """What is wrong with a cell, and a pattern that finds the line in its methods that does it."""

    def __init__(self, message: str, pattern: str | None = None):
        super().__init__(message)
        self.pattern = pattern


class Subject:
    """The class to try, and how to make cells and sequences of it."""

    def __init__(self, kind: type[Cell], input_size: int, hidden_size: int, options: dict[str, Any]):
        self.kind, self.input_size, self.hidden_size, self.options = kind, input_size, hidden_size, options
        self.batch = next(n for n in (2, 3, 4, 5) if n not in (input_size, hidden_size))  # no axis for another

    def run(self, check: Callable[[Subject], None]) -> str:
        """What is wrong, with the line that it is in where that is known; empty if nothing is."""
        try:
            check(self)
        except CellError as mistake:
            return _with(str(mistake), mistake.pattern and self.line(mistake.pattern))
        except Exception as error:  # whatever it is, it comes of the cell
            told = error.message if isinstance(error, MinigradError) else f"{type(error).__name__}: {error}"
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if frame.filename in self.files]
            return _with(told, f"{own[-1].filename}:{own[-1].lineno}: {own[-1].line}" if own else None)
        return ""

    @property
    def classes(self) -> list[type]:
        """The cell's class and those that it extends, but for the library's."""
        found = [kind for kind in self.kind.__mro__ if issubclass(kind, Cell) and kind is not Cell]
        return [kind for kind in found if kind is self.kind or not kind.__module__.startswith("minigrad_rnn.")]

    @property
    def files(self) -> set[str]:
        """The files that the cell is written in."""
        return {f.__code__.co_filename for kind in self.classes for f in vars(kind).values() if inspect.isfunction(f)}

    def line(self, pattern: str) -> str | None:
        """The first line of the cell's methods, but for `__init__`, that `pattern` is found in: "a.py:7: h = …"."""
        for kind in self.classes:
            for name, method in vars(kind).items():
                if inspect.isfunction(method) and name != "__init__":
                    code = method.__code__
                    for number in sorted({n for _, _, n in code.co_lines() if n}):
                        source = linecache.getline(code.co_filename, number).strip()
                        if number > code.co_firstlineno and re.search(pattern, source.partition("#")[0]):
                            return f"{code.co_filename}:{number}: {source}"
        return None

    def cell(self, dtype: str = "float64", seed: int = 0) -> Cell:
        """A cell in `dtype`; its parameters are moved a little, since at 0 much would pass unnoticed."""
        mg.seed(seed)
        cell = self.kind(self.input_size, self.hidden_size, **self.options)
        numbers = np.random.default_rng(seed)
        for p in cell.parameters():
            p.data = p.backend.asarray(p.numpy() + numbers.normal(0, 0.1, p.shape), p.dtype)
        return _cast(cell, dtype)

    def xs(self, dtype: str = "float64", steps: int = T, batch: int | None = None) -> mg.Tensor:
        """A random batch of sequences; what is no feature axis is as long as in the state."""
        probe = self.kind(self.input_size, self.hidden_size, **self.options)
        more = parts_of(probe.initial_state(1))[0].shape[2:] if len(probe.input_axes) > 1 else ()
        shape = (steps, self.batch if batch is None else batch, self.input_size, *more)
        return mg.tensor(np.random.default_rng(1).normal(size=shape).astype(dtype))


def _cast(module: Module, dtype: str) -> Any:
    """`module` in evaluation mode, its parameters and buffers in `dtype`."""
    for held in (*module.parameters(), *module.buffers()):
        if held.dtype.kind == "f":
            held.data = held.data.astype(dtype)
    return module.eval()


def _with(message: str, line: str | None) -> str:
    return f"{message}\n  at {line}" if line else message


def parts_of(state: State) -> tuple[Any, ...]:
    return tuple(state) if isinstance(state, (tuple, list)) else (state,)


def loss_of(outputs: mg.Tensor, state: State) -> mg.Tensor:
    """A number that every output and every part of the state has its own effect on."""
    numbers = np.random.default_rng(3)
    found = [outputs, *parts_of(state)]
    offsets = [mg.tensor(numbers.normal(size=part.shape[2:]).astype(part.dtype)) for part in found]
    return sum(mg.square(part + offset).sum() for part, offset in zip(found, offsets, strict=True))


def is_close(found: Any, expected: Any) -> bool:
    return found.shape == expected.shape and np.allclose(found.numpy(), expected.numpy(), rtol=1e-9, atol=1e-9)
