"""ONNX files as onnxruntime runs them, for the tests: at other sizes than the traced ones they compute what ours do."""

import json

import numpy as np
import onnx
import onnxruntime

import minigrad as mg
from minigrad.loop.unrolled import flatten
from minigrad_rnn.interop.onnx_export import export_onnx

SIZES = [{"time": 3, "batch": 2}, {"time": 1, "batch": 1}, {"time": 13, "batch": 3}]
NATIVE = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


class Exported:
    """A file, as onnxruntime runs it and as onnx reads it."""

    def __init__(self, model, path, **options):
        export_onnx(model, path, **options)
        self.proto = onnx.load(path)
        quiet = onnxruntime.SessionOptions()
        quiet.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, quiet, providers=["CPUExecutionProvider"])
        self.inputs = [one.name for one in self.session.get_inputs()]
        self.outputs = [one.name for one in self.session.get_outputs()]
        self.metadata = {entry.key: json.loads(entry.value) for entry in self.proto.metadata_props}

    def __call__(self, *arrays):
        return self.session.run(None, dict(zip(self.inputs, map(np.asarray, arrays), strict=True)))

    def kinds(self):
        """The operators of the graph, without those of loops' bodies."""
        return [node.op_type for node in self.proto.graph.node]

    def loops(self):
        return [kind for kind in self.kinds() if kind in {"Scan", *NATIVE.values()}]

    def feed(self, sizes, generator):
        """Arrays for all inputs: normal numbers, and what is a normaliser or a stabiliser near its start."""
        arrays = []
        for one in self.session.get_inputs():
            shape = [sizes.get(n, n) for n in one.shape]
            dtype = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}[one.type]
            if dtype == "int64":
                arrays.append(generator.integers(0, 3, shape))
            else:
                normal = generator.standard_normal(shape).astype(dtype) / 2
                arrays.append(np.abs(normal) + 1 if one.name.startswith("n_0") else normal)
        return arrays


def ours(model, arrays):
    """The model's outputs and state, as arrays, in evaluation."""
    made = model(*[mg.tensor(array) for array in arrays])
    return [leaf.numpy() for leaf in flatten(made)[0]]


def with_state(layer, arrays):
    """The same of a model that takes one array, and the parts of a state after it."""
    xs, *parts = map(mg.tensor, arrays)
    count = len(layer.cells[0].state_names) if hasattr(layer, "cells") else len(parts)
    if len(parts) > count:  # one for each layer
        state = [tuple(parts[i : i + count]) if count > 1 else parts[i] for i in range(0, len(parts), count)]
    else:
        state = tuple(parts) if count > 1 else parts[0]
    return [leaf.numpy() for leaf in flatten(layer(xs, state))[0]]


def largest_difference(found, expected):
    assert [array.shape for array in found] == [array.shape for array in expected]
    assert [array.dtype for array in found] == [array.dtype for array in expected]
    return max(np.abs(one - 1.0 * other).max() for one, other in zip(found, expected, strict=True))


def check(model, path, tolerance=1e-5, run=with_state, **options):
    """Export, and compare at several sizes; returns what was exported."""
    exported = Exported(model, path, **options)
    model.eval()
    generator = np.random.default_rng(0)
    with mg.no_grad():
        for sizes in SIZES:
            arrays = exported.feed(sizes, generator)
            assert largest_difference(exported(*arrays), run(model, arrays)) < tolerance
    return exported
