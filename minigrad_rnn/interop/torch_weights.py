"""Weights by PyTorch's names and in its layouts, both ways: what a layer computes there it computes here.

`LAYERS` and `CELLS` say for each class, by its exact type, which of its tensors are which of PyTorch's. A module that
is in neither and holds no tensors itself is its parts, by their dotted names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minigrad.errors import BackendUnavailableError, CheckpointError
from minigrad.nn import (
    BatchNorm,
    Buffer,
    Conv1d,
    Conv2d,
    Embedding,
    LayerNorm,
    Linear,
    Module,
    Parameter,
    RMSNorm,
    Sequential,
)
from minigrad.tensor import Tensor, on_host

from ..cells import Cell, GRUCell, LSTMCell, RNNCell
from ..cells.lstm_separate import LSTMSeparateCell
from ..cells.lstmp import LSTMPCell
from ..layers import GRU, LSTM, RNN, Recurrent

Arrays = tuple[np.ndarray, ...]
ModuleT = TypeVar("ModuleT", bound=Module)


class Row(NamedTuple):
    """Tensors of ours and PyTorch's that say the same. It goes for a module that has all of ours."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    give: Callable[..., Arrays]  # ours -> theirs
    take: Callable[..., Arrays]  # theirs -> ours


def _same(*names: str) -> tuple[Row, ...]:
    return tuple(Row((name,), (name,), lambda a: (a,), lambda a: (a,)) for name in names)


def _transposed(*names: str) -> tuple[Row, ...]:
    return tuple(Row((name,), (name,), lambda a: (a.T,), lambda a: (a.T,)) for name in names)


# PyTorch adds two biases where we have one.
_BIAS = Row(("bias",), ("bias_ih", "bias_hh"), lambda b: (b, np.zeros_like(b)), lambda ih, hh: (ih + hh,))


def _give_gru(bias: np.ndarray, bias_hn: np.ndarray) -> Arrays:
    return bias, np.concatenate([np.zeros_like(bias[len(bias_hn) :]), bias_hn])


def _take_gru(bias_ih: np.ndarray, bias_hh: np.ndarray) -> Arrays:
    gates = 2 * len(bias_hh) // 3  # r and z; the two biases of n stand apart, r between them
    return np.concatenate([bias_ih[:gates] + bias_hh[:gates], bias_ih[gates:]]), bias_hh[gates:]


def _give_separate(*matrices: np.ndarray) -> Arrays:
    stacked = np.concatenate([matrix.T for matrix in matrices])  # (4 hidden, hidden + input)
    hidden = matrices[0].shape[1]
    return stacked[:, hidden:], stacked[:, :hidden]


def _take_separate(weight_ih: np.ndarray, weight_hh: np.ndarray) -> Arrays:
    return tuple(part.T for part in np.split(np.concatenate([weight_hh, weight_ih], axis=1), 4))


def _give_separate_biases(*biases: np.ndarray) -> Arrays:
    bias = np.concatenate(biases)
    return bias, np.zeros_like(bias)


class Layout(NamedTuple):
    """How PyTorch holds what a class of ours does."""

    layer: str  # PyTorch's class; of a cell, that of layers of it
    rows: tuple[Row, ...]  # in the order of PyTorch's state_dict
    cell: str | None = None  # PyTorch's class of one cell alone
    options: Mapping[str, tuple[Any, ...]] = {}  # which values of an attribute PyTorch has


LAYERS: dict[type[Module], Layout] = {
    Linear: Layout("torch.nn.Linear", (*_transposed("weight"), *_same("bias"))),
    Embedding: Layout("torch.nn.Embedding", _same("weight")),
    Conv1d: Layout("torch.nn.Conv1d", _same("weight", "bias")),
    Conv2d: Layout("torch.nn.Conv2d", _same("weight", "bias")),
    LayerNorm: Layout("torch.nn.LayerNorm", _same("weight", "bias")),
    RMSNorm: Layout("torch.nn.RMSNorm", _same("weight")),
    BatchNorm: Layout(
        "torch.nn.BatchNorm1d, 2d or 3d",
        (
            *_same("weight", "bias", "running_mean", "running_var"),
            # PyTorch counts the batches, and reads the count without a momentum only, which we always have.
            Row((), ("num_batches_tracked",), lambda: (np.array(0),), lambda count: ()),
        ),
    ),
}

_WEIGHTS = _transposed("weight_ih", "weight_hh")

CELLS: dict[type[Module], Layout] = {
    RNNCell: Layout("torch.nn.RNN", (*_WEIGHTS, _BIAS), "torch.nn.RNNCell", {"nonlinearity": ("tanh", "relu")}),
    LSTMCell: Layout("torch.nn.LSTM", (*_WEIGHTS, _BIAS), "torch.nn.LSTMCell", {"candidate": ("tanh",)}),
    LSTMPCell: Layout("torch.nn.LSTM with proj_size", (*_WEIGHTS, _BIAS, *_transposed("weight_hr"))),
    LSTMSeparateCell: Layout(
        "torch.nn.LSTM",
        (
            Row(("W_i", "W_f", "W_g", "W_o"), ("weight_ih", "weight_hh"), _give_separate, _take_separate),
            Row(
                ("b_i", "b_f", "b_g", "b_o"),
                ("bias_ih", "bias_hh"),
                _give_separate_biases,
                lambda ih, hh: tuple(np.split(ih + hh, 4)),
            ),
        ),
        "torch.nn.LSTMCell",
    ),
    GRUCell: Layout(
        "torch.nn.GRU",
        (*_WEIGHTS, Row(("bias", "bias_hn"), ("bias_ih", "bias_hh"), _give_gru, _take_gru)),
        "torch.nn.GRUCell",
        {"reset_after": (True,)},
    ),
}

# What a Recurrent can be and PyTorch's layers cannot, each with how it is seen.
NOT_IN_PYTORCH: dict[str, Callable[[Recurrent], Any]] = {
    "a class of its own": lambda layer: type(layer) not in (Recurrent, RNN, LSTM, GRU),
    "skip=True": lambda layer: layer.skip,
    "residual=True": lambda layer: layer.residual,
    "layers between (between=…)": lambda layer: layer.between,
    "learned_state=True": lambda layer: layer.initial is not None,
    "zoneout": lambda layer: layer.noise is not None and layer.noise.zoneout,
    "cells of different classes, sizes or options": lambda layer: len({_signature(cell) for cell in layer.cells}) > 1,
}


class Piece(NamedTuple):
    """A row for one module: PyTorch's names in full, and the tensors that hold it here."""

    names: tuple[str, ...]
    held: tuple[Tensor, ...]
    row: Row

    def arrays(self) -> dict[str, np.ndarray]:
        """PyTorch's arrays by name; views of ours where they can be."""
        return dict(zip(self.names, self.row.give(*(tensor.numpy() for tensor in self.held)), strict=True))


def torch_arrays(module: Module) -> dict[str, np.ndarray]:
    """The weights of `module` as PyTorch names, orders and lays them out: what `to_torch` gives, without PyTorch.

    Copies, on the host, in the module's dtypes; `mg.save(path, torch_arrays(module))` is a safetensors file that
    PyTorch's users can load. Known are `Recurrent` layers of the cells in `CELLS`, those cells alone, the modules in
    `LAYERS`, and every module that is made of these. PyTorch has two biases where we have one: bias_ih is ours and
    bias_hh zeros (in a GRU, but for bias_hn). Raises CheckpointError for what PyTorch has no equal of.
    """
    arrays: dict[str, np.ndarray] = {}
    for piece in _pieces(module):
        arrays |= {name: np.array(array, order="C") for name, array in piece.arrays().items()}
    return arrays


def to_torch(module: Module) -> dict[str, Any]:
    """`torch_arrays(module)` as torch tensors: `torch_module.load_state_dict(to_torch(module))` takes it as it is.

    PyTorch's module then computes what ours does in evaluation, if it is made with the same options. Raises
    BackendUnavailableError where PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailableError(
            f"PyTorch cannot be imported ({error}): pip install torch, or take torch_arrays(module), which needs none"
        ) from error
    return {name: torch.from_numpy(array) for name, array in torch_arrays(module).items()}


def load_torch(module: ModuleT, state_dict: Mapping[str, Any]) -> ModuleT:
    """Give `module` the weights in `state_dict`, the `state_dict()` of PyTorch's equal of it, and return `module`.

    The values are torch tensors on any device, arrays or Tensors (`load_torch(module, mg.load(path))` for a
    safetensors file), and are cast to the dtypes of the parameters. Which modules are known, `torch_arrays` says.
    Raises CheckpointError, and changes nothing, if a name is missing or unknown, a shape does not fit, or PyTorch has
    no equal of the module.

    A state_dict holds no options: whether a torch.nn.RNN was made with "tanh" or "relu", an LSTM with dropout, with
    which eps a norm (that of torch.nn.RMSNorm is another by default). Make the module with the same ones.
    """
    if not isinstance(state_dict, Mapping):
        raise CheckpointError(
            f"load_torch takes tensors by name, not {type(state_dict).__name__}: give torch_module.state_dict(), or "
            "mg.load(path) for a safetensors file"
        )
    pieces = list(_pieces(module))
    names = [name for piece in pieces for name in piece.names]
    missing = [name for name in names if name not in state_dict]
    unknown = [name for name in state_dict if name not in names]
    if missing or unknown:
        raise CheckpointError(
            f"the state_dict does not fit this {type(module).__name__}: missing {missing or 'nothing'}, not expected "
            f"{unknown or 'nothing'}: make both with the same layers, directions, biases and names of parts"
        )
    own = {id(held): name for kind in (module.named_parameters, module.named_buffers) for name, held in kind()}
    state: dict[str, Any] = {}
    for piece in pieces:
        theirs = [_fitting(name, like.shape, state_dict[name], module) for name, like in piece.arrays().items()]
        for held, value in zip(piece.held, piece.row.take(*theirs), strict=True):
            state[own[id(held)]] = held.backend.asarray(value.astype(held.dtype))
    module.load_state_dict(state)
    return module


def _fitting(name: str, shape: tuple[int, ...], value: Any, module: Module) -> np.ndarray:
    """The numbers of `value`, of that shape, in float64: no sum of two biases is rounded before the cast."""
    array = _on_host(name, value)
    if array.dtype.kind not in "fiu":
        raise CheckpointError(
            f"{name!r} holds {array.dtype} in the state_dict, and weights are real numbers: convert it"
        )
    if array.shape != shape:
        raise CheckpointError(
            f"{name!r} has shape {array.shape} in the state_dict, and {shape} in PyTorch's equal of this "
            f"{type(module).__name__}: make both with the same sizes"
        )
    return array.astype("float64")


def _on_host(name: str, value: Any) -> np.ndarray:
    try:
        if isinstance(value, Tensor) or not hasattr(value, "detach"):
            return on_host(value)
        value = value.detach().cpu()  # a torch tensor: known by what it can do, so that nothing is imported
        return (value.double() if value.is_floating_point() else value).numpy()  # NumPy has no bfloat16
    except (RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{name!r} cannot be read ({error}): give a dense tensor of numbers") from error


def _pieces(module: Module, path: str = "", above: tuple[Module, ...] = ()) -> Iterator[Piece]:
    """All rows for `module` and what is below it, in the order of PyTorch's state_dict."""
    if isinstance(module, Recurrent):
        yield from _pieces_of_layers(module, path)
    elif layout := LAYERS.get(type(module)) or CELLS.get(type(module)):
        if isinstance(module, Cell) and layout.cell is None:
            raise _refused(module, path, f"is one cell of {layout.layer}: put it in a Recurrent")
        yield from _pieces_of(module, layout, path)
    elif held := _held(module):
        raise _refused(
            module,
            path,
            f"has {', '.join(held)}, and is no class that has an equal in PyTorch: those of cells are "
            f"{_names(CELLS)}, of others {_names(LAYERS)}, of exactly that type: make it of these",
        )
    else:
        for name, child in module.named_children():
            name = name.removeprefix("layers.") if isinstance(module, Sequential) else name
            if child not in above:
                yield from _pieces(child, _dotted(path, name), (*above, module))


def _pieces_of_layers(layer: Recurrent, path: str) -> Iterator[Piece]:
    layout = CELLS.get(type(layer.cells[0]))
    if layout is None:
        raise _refused(
            layer,
            path,
            f"is of {type(layer.cells[0]).__name__}, a cell that PyTorch has not: it has {_names(CELLS)}, of exactly "
            "that type",
        )
    for what, has in NOT_IN_PYTORCH.items():
        if has(layer):
            raise _refused(layer, path, f"has {what}, which {layout.layer} has not: make it without")
    for n, cell in enumerate(layer.cells):
        depth, backward = divmod(n, layer.directions)
        yield from _pieces_of(cell, layout, path, f"_l{depth}{'_reverse' if backward else ''}")


def _pieces_of(module: Module, layout: Layout, path: str, suffix: str = "") -> Iterator[Piece]:
    """The rows of `layout` that go for `module`."""
    for option, values in layout.options.items():
        if (value := getattr(module, option)) not in values:
            raise _refused(
                module,
                path,
                f"has {option}={value!r}, which has no equal in PyTorch: {layout.layer} has "
                f"{' or '.join(map(repr, values))} only, so make it with that",
            )
    held = _held(module)
    for row in layout.rows:
        if held.keys() >= set(row.ours):
            names = tuple(_dotted(path, name + suffix) for name in row.theirs)
            yield Piece(names, tuple(held.pop(name) for name in row.ours), row)
    if held:
        raise _refused(
            module, path, f"has {', '.join(held)}, which {layout.layer} has not in this way: make it without"
        )


def _held(module: Module) -> dict[str, Tensor]:
    """The parameters and buffers that a module holds itself."""
    return {name: value for name, value in module.held() if isinstance(value, (Parameter, Buffer))}


def _signature(cell: Cell) -> tuple[Any, ...]:
    """What must be the same in all cells of one layer of PyTorch's."""
    options = [getattr(cell, option) for option in CELLS[type(cell)].options] if type(cell) in CELLS else []
    return type(cell), cell.hidden_size, cell.output_size, tuple(_held(cell)), *options


def _refused(module: Module, path: str, why: str) -> CheckpointError:
    return CheckpointError(f"{type(module).__name__} {path!r} {why}" if path else f"this {type(module).__name__} {why}")


def _names(table: Mapping[type[Module], Layout]) -> str:
    return ", ".join(known.__name__ for known in table)


def _dotted(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
