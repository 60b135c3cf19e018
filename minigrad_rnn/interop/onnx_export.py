"""Models as ONNX files, for programs that have no minigrad: `export_onnx`.

The model is run at a few sizes (`onnx_trace`), and what the runs have in common is written in ONNX's operators
(`onnx_loops`, by the tables `onnx_ops` and `onnx_rnn`).
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend
from minigrad.errors import BackendUnavailableError
from minigrad.loop.unrolled import flatten, unflatten
from minigrad.nn import Module
from minigrad.serialize import Path, atomic_write
from minigrad.tensor import on_host

from ..cells import State
from ..charmodel import CharModel
from ..layers import Recurrent, _join_states
from .onnx_graph import Graph
from .onnx_loops import declare, write_program
from .onnx_trace import ExportError, Merge, Sizes, record, sizes_to_run

OLDEST = 18  # of ONNX's sets of operators, the first in which all reductions take their axes as an input


def export_onnx(
    model: Module,
    path: Path,
    example: Any = None,
    axes: Sequence[str] | None = None,
    state: bool = True,
    opset: int = OLDEST,
) -> None:
    """Write `model`, in evaluation, to the ONNX file `path`, for any batch size and number of steps.

    A `Recurrent` and a `CharModel` need no more; any other module is given an `example`, one array or a tuple of them,
    as it is called with. The first axes of every array are `axes`, and of any length in the file: ("time", "batch"),
    or exchanged where a `Recurrent` is batch_first, unless given. Of the example only dtypes and the other axes matter.

    Inputs are called as the arguments of `forward`: `codes` of a CharModel; that of a Recurrent `inputs`. Outputs are
    `outputs` (`outputs_0` … if several), of a CharModel `logits`. If `forward` takes a `state` and returns (outputs,
    state), then the state comes in as `h_0`, `c_0` …, by `state_names`, and goes out as `h_n`, `c_n` …, each with a
    leading axis of layers * directions; where the layers' shapes differ one of each layer, `h_0_l0`, `h_0_l0_reverse`,
    `h_0_l1` …. ONNX wants it given, from the first call on: the metadata "initial_state" are JSON of its value before
    the first step, one number for all of a part, or the part without the batch's axis. Without `state` the model starts
    from it by itself, and keeps it. The metadata "vocabulary" are JSON of a CharModel's symbols, by their codes.

    The layers of RNN, LSTM and GRU cells are ONNX's operators of these names, one a layer; those of other cells, of the
    user's own too, and in float64, in which onnxruntime has none of these, a Scan of the traced step. What has no
    counterpart in the file: dropout and the like, which are for training; `lengths`; loops over time in Python.

    `opset` is the version of ONNX's operators, from 18 on. The file is checked by ONNX, and appears whole or not at
    all. Raises ExportError for a model that cannot be exported, naming the operation and its line;
    BackendUnavailableError without the package onnx.
    """
    try:
        import onnx
    except ImportError:
        raise BackendUnavailableError("ONNX files are written with onnx: pip install 'minigrad[onnx]'") from None
    if not OLDEST <= opset <= onnx.defs.onnx_opset_version():
        raise ExportError(f"opset must be from {OLDEST} to {onnx.defs.onnx_opset_version()}, not {opset}")
    plan = _Plan(model, example, axes, state)
    with _as_exported(model), np.errstate(all="ignore"):
        sizes = sizes_to_run(plan.axes)
        runs = [record(plan.call, plan.arrays(size)) for size in sizes]
    program = Merge(runs, sizes).program()
    names = plan.output_names(len(program.outputs))

    sources = {axis: (plan.names[0], place) for place, axis in enumerate(plan.axes)}
    graph = Graph(sources, {id(held): name for name, held in _held(model)})
    for name in names:
        graph.name(name)
    for var, name in zip(program.inputs, plan.names, strict=True):
        graph.bring_in(var, name)
    write_program(graph, program)
    for var, name in zip(program.outputs, names, strict=True):
        graph.node("Identity", [graph.var(var)], [name])
    made = onnx.helper.make_graph(
        graph.nodes,
        type(model).__name__,
        [declare(var, name) for var, name in zip(program.inputs, plan.names, strict=True)],
        [declare(var, name) for var, name in zip(program.outputs, names, strict=True)],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    operators = [onnx.helper.make_opsetid("", opset)]
    proto = onnx.helper.make_model(
        made,
        opset_imports=operators,
        ir_version=onnx.helper.find_min_ir_version_for(operators),
        producer_name="minigrad_rnn",
        producer_version=mg.__version__,
    )
    onnx.helper.set_model_props(proto, plan.metadata)
    onnx.checker.check_model(proto, full_check=True)
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.write(proto.SerializeToString(deterministic=True))


class _State(NamedTuple):
    """The state that goes in and out of a model: which layers it is of, how it hangs together, its parts' names."""

    layer: Recurrent
    structure: Any
    names: list[str]  # with {} where _0 or _n goes


class _Plan:
    """How a model is called: with which arrays at which sizes, and what they and its results are named."""

    def __init__(self, model: Module, example: Any, axes: Sequence[str] | None, state: bool):
        self.model = model
        arguments = inspect.signature(model.forward).parameters
        layers = [part for part in model.modules() if isinstance(part, Recurrent)]
        first = ("batch", "time") if layers and layers[0].batch_first else ("time", "batch")
        self.axes = tuple(first if axes is None else axes)
        self.takes_state = "state" in arguments
        self.state = _state_of(layers) if state and self.takes_state else None
        if self.state is not None and "batch" not in self.axes:
            raise ExportError(f"a state has a batch axis: name one of the axes {self.axes} so, or give state=False")
        given = _example(model) if example is None else example if isinstance(example, tuple) else (example,)
        parameter = next(model.parameters(), None)
        self.dtype = np.dtype("float32") if parameter is None else parameter.dtype
        self.backend = current_backend() if parameter is None else parameter.backend
        self.examples = [self._array(array) for array in given]
        free = [name for name in arguments if name != "state" or not self.takes_state]
        self.names = ["inputs"] if isinstance(model, Recurrent) else free[: len(self.examples)]
        if len(self.names) < len(self.examples):  # forward(*arrays)
            self.names = [f"inputs_{i}" for i in range(len(self.examples))]
        if self.state is not None:
            self.names = self.names + [name.format("_0") for name in self.state.names]

    def _array(self, example: Any) -> np.ndarray:
        array = on_host(example)
        if array.ndim < len(self.axes):
            raise ExportError(f"an example has the axes {self.axes} first, and {array.shape} are fewer: give axes=…")
        return array.astype(self.dtype) if array.dtype.kind == "f" else array

    def arrays(self, sizes: Sizes) -> list[Any]:
        """What the model is called with at these sizes."""
        lead = [sizes[axis] for axis in self.axes]
        made = [np.resize(array, (*lead, *array.shape[len(lead) :])) for array in self.examples]
        found = [self.backend.asarray(array) for array in made]
        if self.state is not None:
            found += [part.data for part in flatten(_initial(self.state.layer, sizes["batch"]))[0]]
        return found

    def call(self, *given: mg.Tensor) -> Any:
        """The outputs, and the state if it goes out."""
        count = len(self.examples)
        if self.state is None:
            made = self.model(*given)
            return made[0] if self.takes_state and isinstance(made, tuple) else made
        made = self.model(*given[:count], state=unflatten(self.state.structure, given[count:]))
        if not isinstance(made, tuple) or len(made) != 2 or flatten(made[1])[1] != self.state.structure:
            raise ExportError(
                f"{type(self.model).__name__} takes a state and does not return (outputs, state) with the state of its "
                "Recurrent: return that, or give state=False"
            )
        return made

    def output_names(self, count: int) -> list[str]:
        """The names of the `count` Tensors that `call` returns."""
        ends = [] if self.state is None else [name.format("_n") for name in self.state.names]
        name = "logits" if isinstance(self.model, CharModel) else "outputs"
        free = count - len(ends)
        return ([name] if free == 1 else [f"{name}_{i}" for i in range(free)]) + ends

    @property
    def metadata(self) -> dict[str, str]:
        found = {}
        if self.state is not None:
            found["initial_state"] = json.dumps(_initial_values(self.state))
        if isinstance(self.model, CharModel):
            found["vocabulary"] = json.dumps(list(self.model.vocabulary.symbols))
        return found


def _example(model: Module) -> tuple[np.ndarray, ...]:
    """What a CharModel, or a Recurrent, is called with: (1, 1, …), to be repeated. ExportError for other modules."""
    if isinstance(model, CharModel):
        return (np.zeros((1, 1), "int64"),)
    if isinstance(model, Recurrent) and model.cells[0].input_size:
        cell = model.cells[0]
        others = cell.state_shapes()[0][1:] if len(cell.input_axes) > 1 else ()  # rows and columns of an image
        return (np.full((1, 1, cell.input_size, *others), 0.5),)
    raise ExportError(
        f"{type(model).__name__} can be exported with an example of what it is called with: give example=…"
    )


def _state_of(layers: Sequence[Recurrent]) -> _State:
    """The state of a model with these recurrent layers, which is that of the only one. Raises ExportError."""
    if len(layers) != 1:
        raise ExportError(f"a state is named by the one Recurrent of a model, and here are {len(layers)}: state=False")
    start = _initial(layers[0], 1)
    structure = flatten(start)[1]
    names = [f"{name}{{}}" for name in layers[0].cells[0].state_names]
    if isinstance(start, list):
        places = [divmod(n, layers[0].directions) for n in range(len(start))]
        names = [f"{name}_l{layer}{'_reverse' * back}" for layer, back in places for name in names]
    return _State(layers[0], structure, names)


def _initial(layer: Recurrent, batch: int) -> State:
    """The state that the layer starts from if it is given none."""
    states = [cell.initial_state(batch) for cell in layer.cells]
    for n, parts in enumerate(layer.initial or []):
        kept = [mg.broadcast_to(part, (batch, *part.shape)) for part in parts]
        states[n] = kept[0] if len(kept) == 1 else tuple(kept)
    return _join_states(states)


def _initial_values(state: _State) -> dict[str, Any]:
    """The state before the first step by the names of the inputs: numbers, or nested lists without the batch's axis."""
    start = _initial(state.layer, 1)
    batch_axis = 0 if isinstance(start, list) else 1
    values = [on_host(part).squeeze(batch_axis) for part in flatten(start)[0]]
    simple = [value.flat[0].item() if (value == value.flat[0]).all() else value.tolist() for value in values]
    return dict(zip([name.format("_0") for name in state.names], simple, strict=True))


def _held(model: Module) -> Iterator[tuple[str, Any]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


@contextlib.contextmanager
def _as_exported(model: Module) -> Iterator[None]:
    """The model in evaluation, with its loops over time whole, for as long as the block runs."""
    trained = [(part, part.training) for part in model.modules()]
    compiled = [(part, part.compiled) for part in model.modules() if isinstance(part, Recurrent)]
    model.eval()
    for layer, _ in compiled:
        layer.compiled = True
    try:
        yield
    finally:
        for part, training in trained:
            part.training = training
        for layer, before in compiled:
            layer.compiled = before
