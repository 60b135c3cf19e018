"""A program as an ONNX graph: loops by ONNX's recurrent operators or as a Scan, all else by the table of operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .onnx_graph import Graph
from .onnx_ops import write
from .onnx_rnn import both_directions, kind_of, write_layer
from .onnx_trace import ExportError, Length, Operation, Program, Var


def write_program(graph: Graph, program: Program) -> None:
    """Add the nodes of all operations to the graph, which knows the program's inputs."""
    waiting = list(reversed(program.operations))
    while waiting:
        operation = waiting.pop()
        if operation.body is None:
            write(graph, operation)
        elif kind_of(operation) is None:
            _write_scan(graph, operation)
        elif both_directions(operation, waiting[-1] if waiting else None):
            write_layer(graph, [operation, waiting.pop()])
        else:
            write_layer(graph, [operation])


def _write_scan(graph: Graph, operation: Operation) -> None:
    """A Scan whose body is the traced step: the carry, then one item of each sequence, in; the carry, outputs, out."""
    from onnx import helper

    program: Any = operation.body
    states, reverse = operation.options["states"], int(operation.options["reverse"])
    items, outputs = len(program.inputs) - states, len(program.outputs) - states
    if not items:
        raise ExportError("an exported loop runs over a sequence at least: give the scan xs", operation.line)
    body = Graph(around=graph)
    given = [body.bring_in(var, graph.name(f"step_{i}")) for i, var in enumerate(program.inputs)]
    write_program(body, program)
    made = [graph.name(f"stepped_{i}") for i in range(len(program.outputs))]
    for var, name in zip(program.outputs, made, strict=True):
        body.node("Identity", [body.var(var)], [name], here=True)
    step = helper.make_graph(
        body.nodes, graph.name("step"), _declared(program.inputs, given), _declared(program.outputs, made)
    )
    directions = {"scan_input_directions": [reverse] * items, "scan_output_directions": [reverse] * outputs}
    options: dict[str, Any] = {name: given for name, given in directions.items() if given}
    results = graph.node(
        "Scan",
        [graph.var(arg) for arg in operation.args],
        len(made),
        body=step,
        num_scan_inputs=items,
        **options,
    )
    for var, name in zip(operation.results, results, strict=True):
        graph.computed(var, name)


def _declared(variables: Sequence[Var], names: Sequence[str]) -> list[Any]:
    return [declare(var, name) for var, name in zip(variables, names, strict=True)]


def declare(var: Var, name: str) -> Any:
    """The type and shape of an input or an output; a length that is known only when it runs goes by its formula."""
    from onnx import helper

    shape = [(str(n) or None) if isinstance(n, Length) else n for n in var.shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(var.dtype), shape)
