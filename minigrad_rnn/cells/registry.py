"""Cells by name: the library's own, those of other packages (entry points), and `module:Class`."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any

from minigrad.errors import MinigradError

from .base import Cell
from .convlstm import ConvLSTMCell
from .gru import GRUCell
from .gru_layernorm import GRULayerNormCell
from .indrnn import IndRNNCell
from .jordan import JordanCell
from .lstm import LSTMCell
from .lstm_coupled import LSTMCoupledCell
from .lstm_layernorm import LSTMLayerNormCell
from .lstm_no_forget import LSTMNoForgetCell
from .lstm_peephole import LSTMPeepholeCell
from .lstm_separate import LSTMSeparateCell
from .lstmp import LSTMPCell
from .mgu import MGUCell
from .mingru import MinGRUCell
from .minlstm import MinLSTMCell
from .narx import NARXCell
from .rnn import RNNCell
from .slstm import SLSTMCell
from .tdnn import TDNNCell

GROUP = "minigrad_rnn.cells"

_cells: dict[str, type[Cell]] = {
    "rnn": RNNCell,
    "indrnn": IndRNNCell,
    "jordan": JordanCell,
    "narx": NARXCell,
    "tdnn": TDNNCell,
    "lstm": LSTMCell,
    "lstm-no-forget": LSTMNoForgetCell,
    "lstm-peephole": LSTMPeepholeCell,
    "lstm-coupled": LSTMCoupledCell,
    "lstm-layernorm": LSTMLayerNormCell,
    "lstm-separate": LSTMSeparateCell,
    "lstmp": LSTMPCell,
    "minlstm": MinLSTMCell,
    "slstm": SLSTMCell,
    "convlstm": ConvLSTMCell,
    "gru": GRUCell,
    "gru-layernorm": GRULayerNormCell,
    "mgu": MGUCell,
    "mingru": MinGRUCell,
}


class UnknownCellError(MinigradError, LookupError):
    """No cell goes by that name."""


def register(name: str, cell_class: type[Cell] | None = None) -> Any:
    """Make `cell_class` known as `name`; without a class, a decorator: `@register("mine")`.

    Raises ValueError if the name stands for another cell; the same one made anew takes its place.
    """
    if cell_class is None:
        return lambda decorated: register(name, decorated)
    known = _cells.get(name, cell_class)
    # A notebook's cell that runs again makes the same class anew.
    if (known.__module__, known.__qualname__) != (cell_class.__module__, cell_class.__qualname__):
        raise ValueError(f"the cell {name!r} is already {known.__name__}: choose another name")
    _cells[name] = cell_class
    return cell_class


def names() -> list[str]:
    """All names that `get` knows."""
    return sorted({*_cells, *(point.name for point in entry_points(group=GROUP))})


def get(name: str) -> type[Cell]:
    """The cell class called `name`, or "module:Class" for one of the user's own. Raises UnknownCellError."""
    if name in _cells:
        return _cells[name]
    module, _, attribute = name.partition(":")
    try:
        if attribute and module[:1] not in ("", "."):  # a module's whole name is neither "" nor ".x"
            found = getattr(importlib.import_module(module), attribute)
        else:
            found = next(point for point in entry_points(group=GROUP) if point.name == name).load()
    except StopIteration:
        raise UnknownCellError(f"unknown cell {name!r}: choose one of {', '.join(names())}, or module:Class") from None
    except (ImportError, AttributeError) as error:
        raise UnknownCellError(
            f"the cell {name!r} cannot be imported ({error}): give module:Class, a module on Python's path"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Cell)):
        raise UnknownCellError(f"{name!r} is no subclass of minigrad_rnn.Cell")
    return found
