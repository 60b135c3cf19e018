"""Models as ONNX files: run by onnxruntime, at other sizes than the traced ones, they compute what ours do."""

import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad import nn
from minigrad.errors import BackendUnavailableError
from minigrad.loop.unrolled import flatten
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.data import Vocabulary, Words
from minigrad_rnn.interop.onnx_export import export_onnx
from minigrad_rnn.interop.onnx_trace import ExportError

onnx = pytest.importorskip("onnx", reason="what is tested here are ONNX files")
pytest.importorskip("onnxruntime", reason="the files are run by onnxruntime")

from onnx_files import NATIVE, Exported, check, largest_difference, ours  # noqa: E402

CELLS = sorted(set(mr.cells.names()) & set(mr.cells.registry._cells))


@pytest.fixture
def path(tmp_path):
    mg.seed(0)
    return str(tmp_path / "model.onnx")


@pytest.mark.parametrize("stacked", [False, True], ids=["one", "stacked"])
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_computes_the_same(name, stacked, path):
    options = {"size": (3, 2)} if name == "convlstm" else {}
    if stacked:
        options |= {"num_layers": 2, "bidirectional": True}
    layer = mr.Recurrent(name, 3, 4, **options)
    # A LayerNorm divides by what may be small: in float32 it brings out roundings, ours too (5e-5 from float64).
    exported = check(layer, path, tolerance=1e-4 if name == "lstm-layernorm" else 1e-5)
    loops = 1 if not stacked else 2 if name in NATIVE else 4
    assert exported.loops() == [NATIVE.get(name, "Scan")] * loops


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rnn", {"nonlinearity": "relu"}),
        ("rnn", {"nonlinearity": "identity", "bias": False}),
        ("rnn", {"nonlinearity": "sigmoid", "bidirectional": True}),
        ("rnn", {"nonlinearity": "identity", "bidirectional": True}),
        ("lstm", {"candidate": "sigmoid"}),
        ("lstm", {"bias": False, "bidirectional": True}),
        ("gru", {"reset_after": False, "num_layers": 2}),
        ("gru", {"bias": False}),
        ("gru", {"reset_after": False, "bidirectional": True}),
    ],
)
def test_options_of_the_native_cells(name, options, path):
    layer = mr.Recurrent(name, 3, 4, **options)
    for parameter in layer.parameters():  # biases that are not 0
        parameter.data += np.random.default_rng(1).standard_normal(parameter.shape).astype("float32") / 4
    exported = check(layer, path)
    assert exported.loops() == [NATIVE[name]] * options.get("num_layers", 1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lstm-peephole", {"peephole": "full"}),
        ("slstm", {"forget_gate": "exp"}),
        ("jordan", {"output": "softmax", "output_size": 3}),
        ("narx", {"input_taps": 2, "output_taps": 3, "output_size": 2}),
        ("tdnn", {"taps": 3, "nonlinearity": "relu", "num_layers": 2}),
        ("lstmp", {"projection_size": 3, "num_layers": 2}),
        ("indrnn", {"nonlinearity": "identity"}),
    ],
)
def test_options_of_the_other_cells(name, options, path):
    assert "Scan" in check(mr.Recurrent(name, 3, 4, **options), path).loops()


@pytest.mark.parametrize(
    "options",
    [
        {"residual": True, "num_layers": 3},
        {"skip": True, "num_layers": 3},
        {"batch_first": True, "bidirectional": True},
        {"between": lambda width: nn.Sequential(nn.Linear(width, width), mg.tanh), "num_layers": 2},
        {"dropout": 0.5, "state_dropout": 0.5, "weight_drop": 0.5, "num_layers": 2},
        {"learned_state": True, "num_layers": 2},
    ],
    ids=lambda options: next(iter(options)),
)
def test_layers_around_the_cells(options, path):
    layer = mr.Recurrent("lstm", 4, 4, **options)
    exported = check(layer, path)
    assert exported.loops() == ["LSTM"] * layer.num_layers
    assert layer.training is False
    assert layer.compiled == "auto"


def test_zoneout_mixes_states_in_a_scan(path):
    layer = mr.Recurrent("lstm", 3, 4, zoneout={"c": 0.5, "h": 0.1}, bidirectional=True)
    assert check(layer, path).loops() == ["Scan", "Scan"]


def test_a_model_in_training_is_exported_in_evaluation_and_stays_in_training(path):
    layer = mr.Recurrent("gru", 3, 4, num_layers=2, dropout=0.5, zoneout=0.2)
    layer.between, layer.dropout.training = [nn.Dropout(0.5)], True
    export_onnx(layer, path)
    assert [part.training for part in layer.modules()] == [True] * len(list(layer.modules()))


@pytest.mark.parametrize("name", [name for name in CELLS if name != "convlstm"])  # onnxruntime convolves no float64
def test_float64_goes_by_scan(name, path):
    layer = mr.Recurrent(name, 3, 4, num_layers=2, bidirectional=True, dtype="float64")
    assert check(layer, path, tolerance=1e-12).loops() == ["Scan"] * 4


def test_names_axes_and_metadata(path):
    exported = Exported(mr.Recurrent("lstm", 3, 4, num_layers=2), path)
    shapes = {one.name: one.shape for one in [*exported.session.get_inputs(), *exported.session.get_outputs()]}
    assert shapes == {
        "inputs": ["time", "batch", 3],
        "h_0": [2, "batch", 4],
        "c_0": [2, "batch", 4],
        "outputs": ["time", "batch", 4],
        "h_n": [2, "batch", 4],
        "c_n": [2, "batch", 4],
    }
    assert exported.metadata == {"initial_state": {"h_0": 0.0, "c_0": 0.0}}
    assert exported.proto.producer_name == "minigrad_rnn"
    assert exported.proto.opset_import[0].version == 18
    first = Exported(mr.Recurrent("lstm", 3, 4, batch_first=True), path).session.get_inputs()[0]
    assert first.shape == ["batch", "time", 3]


def test_layers_of_other_shapes_have_states_of_their_own(path):
    exported = check(mr.Recurrent("tdnn", 3, 4, num_layers=2, bidirectional=True), path)
    assert exported.inputs == ["inputs", "x_0_l0", "x_0_l0_reverse", "x_0_l1", "x_0_l1_reverse"]
    assert exported.outputs == ["outputs", "x_n_l0", "x_n_l0_reverse", "x_n_l1", "x_n_l1_reverse"]


def test_weights_go_by_their_names(path):
    exported = Exported(mr.Recurrent("mgu", 3, 4), path)
    assert {"cells.0.weight_ih", "cells.0.bias"} <= {one.name for one in exported.proto.graph.initializer}
    exported = Exported(mr.Recurrent("lstm", 3, 4), path)
    shapes = {one.name: list(one.dims) for one in exported.proto.graph.initializer}
    assert [shapes[f"cells.0.{letter}"] for letter in "WRB"] == [[1, 16, 3], [1, 16, 4], [1, 32]]


@pytest.mark.parametrize("name", ["slstm", "lstm", "tdnn"])
@pytest.mark.parametrize("learned", [False, True], ids=["zeros", "learned"])
def test_initial_states(name, learned, path):
    """Given as the metadata say, or by the model itself, they are those of a model that is given none."""
    layer = mr.Recurrent(name, 3, 4, num_layers=2, learned_state=learned).eval()
    for parts in layer.initial or []:
        for part in parts:
            part.data += np.random.default_rng(3).uniform(0.5, 1, part.shape).astype("float32")
    alone, given = Exported(layer, path, state=False), Exported(layer, path + "2")
    assert (alone.inputs, alone.outputs) == (["inputs"], ["outputs"])
    xs = np.random.default_rng(2).standard_normal((4, 3, 3)).astype("float32")
    states = []
    for one in given.session.get_inputs()[1:]:
        start = np.array(given.metadata["initial_state"][one.name], "float32")
        start = np.expand_dims(start, one.shape.index("batch")) if start.ndim else start
        states.append(np.broadcast_to(start, [3 if n == "batch" else n for n in one.shape]))
    expected = [leaf.numpy() for leaf in flatten(layer(mg.tensor(xs)))[0]]
    assert largest_difference(alone(xs), expected[:1]) < 1e-5
    assert largest_difference(given(xs, *states), expected) < 1e-5


class MyCell(mr.Cell):
    """A cell as a user writes one: with a loop, a norm, comparisons, and a state that is a matrix."""

    state_names = ("h", "memory")

    def __init__(self, input_size, hidden_size):
        self.W, self.U = nn.init.orthogonal(hidden_size), nn.init.glorot(input_size, hidden_size)

    def state_shapes(self):
        return (self.hidden_size,), (2, self.hidden_size)

    def step(self, x, state):
        h, memory = state
        read = mg.einsum("bs,bsh->bh", mg.softmax((memory * h.reshape(-1, 1, self.hidden_size)).sum(axis=2)), memory)
        h = mg.where(x.sum(axis=1, keepdims=True) > 0, mg.tanh(x @ self.U + h @ self.W), h / (1 + abs(read)))
        return h[:, ::-1], (h, mg.concatenate([memory[:, 1:], mg.expand_dims(h, 1)], axis=1))


class MyLSTM(mr.cells.LSTMCell):
    """A subclass, which is no LSTM any more."""

    def step(self, x, state):
        h, (_, c) = super().step(x, state)
        return h, (h, c * 0.5)


@pytest.mark.parametrize("cell", [MyCell, MyLSTM])
def test_cells_of_the_users_own(cell, path):
    exported = check(mr.Recurrent(cell, 3, 4, num_layers=2), path)
    assert exported.loops() == ["Scan", "Scan"]


@pytest.fixture(scope="module")
def text():
    return "the quick brown fox jumps over the lazy dog, and then it rests.\n"


@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu", "slstm"])
def test_a_character_model_generates_the_same_text(cell, text, path):
    model = CharModel(Vocabulary(text), cell, 5, 8, 2).eval()
    for parameter in model.parameters():  # so that it writes more than one character again and again
        parameter.data *= 2
    exported = check(model, path)
    assert exported.inputs[0] == "codes"
    assert exported.outputs[0] == "logits"
    symbols = exported.metadata["vocabulary"]
    assert symbols == list(model.vocabulary.characters)

    starts = exported.metadata["initial_state"]
    shapes = {one.name: [1 if n == "batch" else n for n in one.shape] for one in exported.session.get_inputs()}
    state = [np.full(shapes[name], starts[name], "float32") for name in exported.inputs[1:]]
    codes, written = [symbols.index(character) for character in "the "], ""
    for _ in range(50):
        logits, *state = exported(np.array(codes)[:, None], *state)
        codes = [int(logits[-1, 0].argmax())]
        written += symbols[codes[0]]
    assert written == "".join(model.continue_text("the ", 50, temperature=0))
    assert len(set(written)) > 1


def test_two_calls_are_one_long_call(text, path):
    model = CharModel(Vocabulary(text), "gru", 5, 8, 2, dropout=0.3)
    exported = Exported(model, path)
    codes = np.random.default_rng(0).integers(0, len(model.vocabulary), (12, 3))
    start = np.zeros((2, 3, 8), "float32")
    logits, state = exported(codes, start)
    first, between = exported(codes[:5], start)
    second, end = exported(codes[5:], between)
    assert largest_difference([np.concatenate([first, second]), end], [logits, state]) < 1e-6


def test_a_model_of_words_has_them_as_metadata(text, path):
    model = CharModel(Words.of(text, 9), "lstm", 5, 8)
    assert check(model, path).metadata["vocabulary"] == model.vocabulary.symbols


class Tagger(nn.Module):
    """A model of parts: an Embedding with a padding row, layers of two kinds, and a head."""

    def __init__(self):
        self.embedding = nn.Embedding(5, 3, padding_idx=0)
        self.first = mr.Recurrent("lstm", 3, 4, bidirectional=True)
        self.second = mr.Recurrent("mgu", 8, 4)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 2)

    def forward(self, codes):
        hidden, _ = self.first(self.embedding(codes))
        hidden, (*_, last) = self.second(hidden)[0], mg.unstack(self.second(hidden)[1])
        return mg.log_softmax(self.head(self.norm(hidden))), last


class Stepper(nn.Module):
    """A model that takes and returns its layer's state, and reads two sequences."""

    def __init__(self):
        self.layer = mr.Recurrent("gru", 5, 4)

    def forward(self, codes, features, state=None):
        outputs, state = self.layer(
            mg.concatenate([mg.expand_dims(codes, 2).astype("float32"), features], axis=2), state
        )
        return outputs.mean(axis=0) / len(outputs), state


def test_a_model_of_parts(path):
    exported = check(Tagger(), path, run=ours, example=np.zeros((1, 1), "int64"))
    assert (exported.inputs, exported.outputs) == (["codes"], ["outputs_0", "outputs_1"])
    assert exported.loops() == ["LSTM", "Scan", "Scan"]


def test_a_model_that_carries_its_layers_state(path):
    example = np.zeros((1, 1), "int64"), np.zeros((1, 1, 4))
    exported = check(Stepper(), path, run=ours, example=example)
    assert (exported.inputs, exported.outputs) == (["codes", "features", "h_0"], ["outputs", "h_n"])
    alone = check(Stepper(), path, run=lambda model, arrays: ours(model, arrays)[:1], example=example, state=False)
    assert (alone.inputs, alone.outputs) == (["codes", "features"], ["outputs"])


def test_a_module_without_time(path):
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.BatchNorm(4), mg.relu, nn.MaxPool2d(2), nn.AvgPool2d(2, 1),
        nn.Flatten(), nn.Linear(4, 3), mg.gelu, nn.RMSNorm(3),
    )  # fmt: skip
    exported = check(model, path, run=ours, example=np.zeros((1, 2, 8, 8)), axes=["batch"])
    assert exported.session.get_inputs()[0].shape == ["batch", 2, 8, 8]


def test_a_scan_of_the_users_own(path):
    class Model(nn.Module):
        def __init__(self):
            self.rate = nn.Parameter(np.full(3, 0.5, "float32"))

        def forward(self, xs):
            def step(carry, x):
                total, highest = carry
                total = self.rate * total + x["a"]
                return (total, mg.maximum(highest, total)), {"low": total - x["b"], "same": x["a"]}

            start = mg.zeros(xs.shape[1:]), mg.full(xs.shape[1:], -1.0)
            (_, highest), made = mg.scan(step, start, {"a": xs, "b": xs[::-1]}, reverse=True)
            total, _ = mg.scan(lambda total, x: (total + x, None), start[0], xs)  # nothing put out
            return highest, made["low"] + made["same"], total

    exported = check(Model(), path, run=ours, example=np.zeros((1, 1, 3)))
    assert exported.loops() == ["Scan", "Scan"]


def refused(model, path, match, **options):
    with pytest.raises(ExportError, match=match) as error:
        export_onnx(model, path, **options)
    return error.value


def test_an_operation_without_a_row_is_named_with_its_line(path):
    def forward(x):
        return mg.roll(x, 1, axis=0)  # this line

    error = refused(nn.Sequential(forward), path, "'roll': it has no row", example=np.zeros((1, 1, 4)))
    assert "this line" in error.line


class Reads(mr.Cell):
    def __init__(self, input_size, hidden_size):
        self.U = nn.init.glorot(input_size, hidden_size)

    def step(self, x, h):
        h = h + x @ self.U * x.max().item()  # this line
        return h, h


class Draws(Reads):
    def step(self, x, h):
        h = h + x @ self.U * mg.tensor(np.random.default_rng().random((len(x), 1), "float32"))
        return h, h


class Pair(nn.Module):
    def __init__(self):
        self.layers = [mr.Recurrent("rnn", 3, 4), mr.Recurrent("rnn", 3, 4)]

    def forward(self, xs, state=None):
        return self.layers[0](xs, state)


class Walks(nn.Module):
    def forward(self, xs):
        total = 0
        for x in mg.unstack(xs):
            total = total + x
        return total


def test_what_cannot_be_exported_is_refused(path, monkeypatch):
    assert "this line" in refused(mr.Recurrent(Reads, 3, 4), path, "a number is read from a Tensor").line
    refused(mr.Recurrent(Draws, 3, 4), path, "something else at each step, or at random")
    refused(Walks(), path, "export has no loops in Python over time", example=np.zeros((1, 1, 4)))
    varying = nn.Sequential(lambda x: x * np.arange(x.shape[1], dtype="float32")[:, None])
    refused(varying, path, "another one for another batch size", example=np.zeros((1, 1, 4)))
    refused(nn.Sequential(lambda x: x * (0.5 / len(x))), path, "computes with", example=np.zeros((1, 1, 4)))
    refused(nn.Linear(3, 4), path, "give example")
    refused(nn.Linear(3, 4), path, "fewer: give axes", example=np.zeros(3))
    without_items = nn.Sequential(lambda x: mg.scan(lambda h, _: (h * 2, h), x[0], length=9)[1])
    refused(without_items, path, "runs over a sequence at least", example=np.zeros((1, 1, 4)))
    refused(Pair(), path, "named by the one Recurrent of a model, and here are 2", example=np.zeros((1, 1, 3)))
    refused(mr.Recurrent("lstm", 3, 4), path, "a state has a batch axis", axes=("time", "sequence"))
    refused(nn.Sequential(lambda x: 1.5), path, "something else than Tensors", example=np.zeros((1, 1)))
    refused(mr.Recurrent("lstm", 3, 4), path, "opset must be from 18", opset=9)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'minigrad\[onnx\]'"):
        export_onnx(mr.Recurrent("lstm", 3, 4), path)


def test_a_refused_model_leaves_the_file_alone(path):
    export_onnx(mr.Recurrent("gru", 3, 4), path)
    before = Path(path).read_bytes()
    refused(mr.Recurrent(Reads, 3, 4), path, "a number is read")
    assert Path(path).read_bytes() == before
    export_onnx(mr.Recurrent("gru", 3, 4), path, opset=21)
    assert onnx.load(path).opset_import[0].version == 21
