"""ONNX's own recurrent operators, RNN, LSTM and GRU, for the cells that compute what they do.

ONNX's matrices are (directions, gates * hidden, input) and its two biases one array; its gates stand in the order
i, o, f, g and z, r, n. A subclass may compute something else, so a cell counts by its exact type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.tensor import on_host

from ..cells import Cell, GRUCell, LSTMCell, RNNCell
from ..unroll import Step
from .onnx_graph import Graph, Writer
from .onnx_trace import Operation

# (operator, attributes, order of the gates) of a cell
Kind = tuple[str, dict[str, Any], Sequence[int]]

ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "identity": "Affine"}

KINDS: dict[type[Cell], Callable[[Any], Kind | None]] = {
    RNNCell: lambda cell: (
        ("RNN", {"activations": [ACTIVATIONS[cell.nonlinearity]]}, (0,)) if cell.nonlinearity in ACTIVATIONS else None
    ),
    LSTMCell: lambda cell: ("LSTM", {"activations": ["Sigmoid", ACTIVATIONS[cell.candidate], "Tanh"]}, (0, 3, 1, 2)),
    GRUCell: lambda cell: (
        "GRU",
        {"activations": ["Sigmoid", "Tanh"], "linear_before_reset": int(cell.reset_after)},
        (1, 0, 2),
    ),
}


def kind_of(operation: Operation) -> Kind | None:
    """The operator that runs this loop; None if none does.

    There is one for steps of such a cell without noise, over one sequence, in float32: onnxruntime has no other.
    """
    if operation.name != "scan" or not isinstance(step := operation.options["step"], Step):
        return None
    make, noise = KINDS.get(type(step.cell)), step.noise
    noisy = noise is not None and (noise.x_mask is not None or noise.h_mask is not None or any(noise.mixed or ()))
    arrays = [*operation.args, *operation.results]
    plain = len(operation.args) == 1 + len(step.cell.state_names) and all(one.dtype == np.float32 for one in arrays)
    return make(step.cell) if make is not None and plain and not noisy else None


def both_directions(one: Operation, other: Operation | None) -> bool:
    """Whether two loops are the directions of one layer, forward first: one operator then runs both."""
    if other is None or (kind := kind_of(one)) is None or kind != kind_of(other):
        return False
    cells = [operation.options["step"].cell for operation in (one, other)]
    directions = one.options["reverse"], other.options["reverse"]
    return (
        one.args[-1] is other.args[-1]
        and directions == (False, True)
        and cells[0].weight_hh.shape == cells[1].weight_hh.shape
    )


def write_layer(graph: Graph, loops: Sequence[Operation]) -> None:
    """Add one operator for one loop, or for the two directions of a layer."""
    op, attributes, order = kind_of(loops[0])  # type: ignore[misc]
    w, cells = Writer(graph, np.float32), [loop.options["step"].cell for loop in loops]
    name = graph.root.known.get(id(cells[0].weight_hh))
    weights = [
        graph.constant(np.stack(directions), name and name.removesuffix("weight_hh") + letter)
        for letter, directions in zip("WRB", zip(*[_weights(cell, order) for cell in cells]))
    ]
    states = [
        w.Concat(*[w.Unsqueeze(graph.var(start), w.ints(0)) for start in starts], axis=0)
        for starts in zip(*(loop.args[:-1] for loop in loops), strict=True)
    ]
    attributes = {
        name: list(given) * len(loops) if name == "activations" else given for name, given in attributes.items()
    }
    if "Affine" in attributes["activations"]:  # 1 x + 0
        attributes |= {"activation_alpha": [1.0] * len(loops), "activation_beta": [0.0] * len(loops)}
    direction = "bidirectional" if len(loops) == 2 else "reverse" if loops[0].options["reverse"] else "forward"
    made = getattr(w, op)(
        graph.var(loops[0].args[-1]), *weights, None, *states,
        outputs=1 + len(states), hidden_size=cells[0].hidden_size, direction=direction, **attributes,
    )  # fmt: skip
    for place, loop in enumerate(loops):
        *after, outputs = loop.results
        graph.computed(outputs, w.Gather(made[0], w.index(place), axis=1))
        for var, end in zip(after, made[1:], strict=True):
            graph.computed(var, w.Gather(end, w.index(place), axis=0))


def _weights(cell: Any, order: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W, R and the joined biases of one direction."""
    hidden = cell.hidden_size

    def ordered(blocks: np.ndarray) -> np.ndarray:
        return np.concatenate([blocks[n * hidden : (n + 1) * hidden] for n in order])

    w, r = (ordered(on_host(weight).T) for weight in (cell.weight_ih, cell.weight_hh))
    bias = np.zeros(len(w), w.dtype) if cell.bias is None else ordered(on_host(cell.bias))
    recurrent = np.zeros_like(bias)
    if getattr(cell, "bias_hn", None) is not None:
        recurrent[2 * hidden :] = on_host(cell.bias_hn)
    return w, r, np.concatenate([bias, recurrent])
