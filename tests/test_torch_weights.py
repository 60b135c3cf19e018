"""Weights to and from PyTorch: the same functions on both sides, and nothing half loaded."""

import sys

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.errors import BackendUnavailableError, CheckpointError
from minigrad_rnn.cells.base import parts_of
from minigrad_rnn.cells.lstm_separate import LSTMSeparateCell
from minigrad_rnn.cells.lstmp import LSTMPCell
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.data import Vocabulary
from minigrad_rnn.interop.torch_weights import CELLS, load_torch, to_torch, torch_arrays

T, B, I, H = 3, 2, 2, 5
rng = np.random.default_rng(0)
XS = rng.normal(size=(T, B, I))
ATOL = {"float64": 1e-10, "float32": 1e-5}

# Our cell, its options, PyTorch's class, its options.
KINDS = {
    "rnn": ("rnn", {}, "RNN", {}),
    "relu": ("rnn", {"nonlinearity": "relu"}, "RNN", {"nonlinearity": "relu"}),
    "lstm": ("lstm", {}, "LSTM", {}),
    "projected": ("lstmp", {"projection_size": 3}, "LSTM", {"proj_size": 3}),
    "separate": ("lstm-separate", {}, "LSTM", {}),
    "gru": ("gru", {}, "GRU", {}),
}


@pytest.fixture
def torch():
    module = pytest.importorskip("torch", reason="PyTorch is not installed")
    module.manual_seed(0)
    return module


def filled(module):
    """`module` with random numbers in every parameter, biases too, and positive ones in every buffer."""
    for parameter in module.parameters():
        _fill(parameter, rng.normal(size=parameter.shape, scale=0.5))
    for buffer in module.buffers():
        _fill(buffer, rng.uniform(0.5, 2, size=buffer.shape))
    return module


def _fill(held, values):
    held.data[...] = held.backend.asarray(values.astype(held.dtype))


def pair(torch, kind, layers=1, bidirectional=False, bias=True, dtype="float64"):
    cell, our_options, name, their_options = KINDS[kind]
    common = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias}
    ours = filled(mr.Recurrent(cell, I, H, dtype=dtype, **common, **our_options))
    return ours, getattr(torch.nn, name)(I, H, dtype=getattr(torch, dtype), **common, **their_options)


def assert_same_function(torch, ours, theirs, dtype):
    xs = XS.astype(dtype)
    outputs, state = ours(mg.tensor(xs))
    peer, peer_state = theirs(torch.tensor(xs))
    for mine, other in zip([outputs, *parts_of(state)], [peer, *parts_of(peer_state)], strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=0, atol=ATOL[dtype])
    return outputs.numpy()


def values(module):
    return {name: value.numpy().copy() for name, value in module.state_dict().items()}


def assert_equal_values(found, wanted):
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


# Layers


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # PyTorch takes another way
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_computes_the_same_on_both_sides(torch, kind, layers, bidirectional, bias, dtype):
    ours, theirs = pair(torch, kind, layers, bidirectional, bias, dtype)
    assert load_torch(ours, theirs.state_dict()) is ours
    assert_same_function(torch, ours, theirs, dtype)

    given = to_torch(filled(ours))
    assert list(given) == list(theirs.state_dict())
    theirs.load_state_dict(given)
    outputs = assert_same_function(torch, ours, theirs, dtype)

    load_torch(filled(ours), theirs.state_dict())
    np.testing.assert_array_equal(ours(mg.tensor(XS.astype(dtype)))[0].numpy(), outputs)


@pytest.mark.torch
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_same(torch, kind):
    ours, theirs = pair(torch, kind, layers=2, bidirectional=True)
    load_torch(ours, theirs.state_dict())
    mine, inputs = mg.tensor(XS, requires_grad=True), torch.tensor(XS, requires_grad=True)
    mg.square(ours(mine)[0]).sum().backward()
    (theirs(inputs)[0] ** 2).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), inputs.grad.numpy(), rtol=0, atol=1e-9)
    ours.load_state_dict({name: parameter.grad for name, parameter in ours.named_parameters()})
    for name, gradient in torch_arrays(ours).items():  # the gradients, as PyTorch lays out the weights
        if "bias_hh" not in name:
            wanted = getattr(theirs, name).grad.numpy()
            np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["rnn", "relu", "lstm", "separate", "gru"])
def test_one_cell_is_pytorchs_cell(torch, kind):
    cell, our_options, name, their_options = KINDS[kind]
    ours = filled(mr.cells.get(cell)(I, H, dtype="float64", **our_options))
    theirs = getattr(torch.nn, name + "Cell")(I, H, dtype=torch.float64, **their_options)
    assert CELLS[type(ours)].cell == f"torch.nn.{name}Cell"
    theirs.load_state_dict(to_torch(ours))
    for _ in range(2):
        output, _ = ours(mg.tensor(XS[0]), ours.initial_state(B))
        peer = parts_of(theirs(torch.tensor(XS[0])))[0]
        np.testing.assert_allclose(output.numpy(), peer.detach().numpy(), rtol=0, atol=1e-10)
        load_torch(filled(ours), theirs.state_dict())


@pytest.mark.torch
def test_modules_without_time(torch):
    images, vectors, codes = rng.normal(size=(2, 4, 8, 8)), rng.normal(size=(3, 6)), np.array([[1, 0], [4, 1]])
    nn, double = torch.nn, {"dtype": torch.float64}
    ours_and_theirs = [
        (mg.nn.Linear(6, 4, dtype="float64"), nn.Linear(6, 4, **double), vectors),
        (mg.nn.Linear(6, 4, bias=False, dtype="float64"), nn.Linear(6, 4, bias=False, **double), vectors),
        (mg.nn.Embedding(5, 3, dtype="float64"), nn.Embedding(5, 3, **double), codes),
        (mg.nn.LayerNorm(6, dtype="float64"), nn.LayerNorm(6, **double), vectors),
        (mg.nn.LayerNorm(6, elementwise_affine=False), nn.LayerNorm(6, elementwise_affine=False), vectors),
        (mg.nn.RMSNorm(6, dtype="float64"), nn.RMSNorm(6, eps=1e-6, **double), vectors),
        (mg.nn.Conv1d(4, 6, 3, groups=2, dtype="float64"), nn.Conv1d(4, 6, 3, groups=2, **double), images[:, :, 0]),
        (
            mg.nn.Conv2d(4, 6, (3, 2), bias=False, dtype="float64"),
            nn.Conv2d(4, 6, (3, 2), bias=False, **double),
            images,
        ),
        (mg.nn.BatchNorm(4, dtype="float64"), nn.BatchNorm2d(4, **double), images),
    ]
    for ours, theirs, x in ours_and_theirs:
        theirs.eval().load_state_dict(to_torch(filled(ours).eval()))
        for _ in range(2):
            peer = theirs(torch.tensor(x)).detach().numpy()
            np.testing.assert_allclose(ours(mg.tensor(x)).numpy(), peer, rtol=0, atol=1e-10)
            load_torch(filled(ours), theirs.state_dict())


# Modules made of them


@pytest.mark.torch
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_character_model(torch, cell):
    class Peer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(4, I)
            self.recurrent = getattr(torch.nn, cell.upper())(I, H, 2)
            self.head = torch.nn.Linear(H, 4)

        def forward(self, codes):
            return self.head(self.recurrent(self.embedding(codes))[0])

    ours, theirs = CharModel(Vocabulary("abc\n"), cell, I, H, layers=2), Peer()
    codes = rng.integers(0, 4, (T, B))
    for exchange in (
        lambda: load_torch(ours, theirs.state_dict()),
        lambda: theirs.load_state_dict(to_torch(filled(ours))),
    ):
        exchange()
        logits = theirs(torch.tensor(codes)).detach().numpy()
        np.testing.assert_allclose(ours(mg.tensor(codes))[0].numpy(), logits, rtol=0, atol=1e-5)


def two_linears():
    return mg.nn.Sequential(mg.nn.Linear(I, 3), mg.tanh, mg.nn.Dropout(0.5), mg.nn.Linear(3, 1))


def test_names_are_pytorchs():
    class Model(mg.nn.Module):
        def __init__(self):
            self.layers = [mr.GRU(I, H, bidirectional=True), mr.LSTM(2 * H, H, bias=False)]
            self.heads = {"one": two_linears()}
            self.heads["two"] = self.heads["one"]  # as PyTorch does, under both names

    names = list(torch_arrays(Model()))
    assert names == [
        *(f"layers.0.{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
        *(f"layers.0.{part}_l0_reverse" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
        *("layers.1.weight_ih_l0", "layers.1.weight_hh_l0"),
        *(f"heads.{head}.{n}.{part}" for head in ("one", "two") for n in (0, 3) for part in ("weight", "bias")),
    ]
    model = Model()
    state = torch_arrays(filled(Model()))
    assert_equal_values(torch_arrays(load_torch(model, state)), state)


def test_a_module_that_knows_the_one_above_it():
    class Part(mg.nn.Module):
        def __init__(self, whole):
            self.whole, self.linear = whole, mg.nn.Linear(2, 1)

    class Whole(mg.nn.Module):
        def __init__(self):
            self.part = Part(self)

    assert list(torch_arrays(Whole())) == ["part.linear.weight", "part.linear.bias"]


# Arrays


def test_two_biases_are_ours():
    lstm, gru = filled(mr.LSTM(I, H)), filled(mr.GRU(I, H))
    given = torch_arrays(lstm)
    np.testing.assert_array_equal(given["weight_ih_l0"], lstm.cells[0].weight_ih.numpy().T)
    np.testing.assert_array_equal(given["bias_ih_l0"], lstm.cells[0].bias.numpy())
    np.testing.assert_array_equal(given["bias_hh_l0"], np.zeros(4 * H))
    load_torch(lstm, {**given, "bias_hh_l0": np.arange(4 * H)})
    wanted = (given["bias_ih_l0"].astype("float64") + np.arange(4 * H)).astype("float32")
    np.testing.assert_array_equal(lstm.cells[0].bias.numpy(), wanted)

    given = torch_arrays(gru)
    np.testing.assert_array_equal(given["bias_hh_l0"][: 2 * H], np.zeros(2 * H))
    np.testing.assert_array_equal(given["bias_hh_l0"][2 * H :], gru.cells[0].bias_hn.numpy())
    load_torch(gru, {**given, "bias_ih_l0": np.arange(3 * H), "bias_hh_l0": 100 * np.arange(3 * H)})
    steps = np.arange(3 * H)
    np.testing.assert_array_equal(gru.cells[0].bias.numpy(), np.where(steps < 2 * H, 101 * steps, steps))
    np.testing.assert_array_equal(gru.cells[0].bias_hn.numpy(), 100 * steps[2 * H :])


def test_a_lstm_in_parts_is_the_stacked_one():
    stacked = filled(mr.LSTM(I, H))
    apart = mr.Recurrent(LSTMSeparateCell, I, H)
    load_torch(apart, torch_arrays(stacked))
    assert_equal_values(values(apart.cells[0]), values(LSTMSeparateCell.from_stacked(stacked.cells[0])))
    assert_equal_values(torch_arrays(apart), torch_arrays(stacked))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_arrays_are_copies_in_the_modules_dtype(dtype):
    layer = filled(mr.Recurrent(LSTMPCell, I, H, dtype=dtype))
    before, given = values(layer), torch_arrays(layer)
    for array in given.values():
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        array[...] = 7
    assert_equal_values(values(layer), before)


def test_through_a_safetensors_file(tmp_path):
    ours, other = filled(mr.GRU(I, H, 2)), mr.GRU(I, H, 2)
    mg.save(tmp_path / "gru.safetensors", torch_arrays(ours))
    load_torch(other, mg.load(tmp_path / "gru.safetensors"))
    assert_equal_values(values(other), values(ours))


def test_values_are_cast(there):
    layer = mr.RNN(I, H).to(there.name)
    state = torch_arrays(filled(mr.RNN(I, H, dtype="float64")))
    load_torch(layer, {**state, "weight_hh_l0": there(state["weight_hh_l0"])})
    for name, array in torch_arrays(layer).items():
        assert array.dtype == "float32"
        np.testing.assert_array_equal(array, state[name].astype("float32"))
    assert {parameter.backend.name.partition(":")[0] for parameter in layer.parameters()} == {there.name}


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_tensors_are_read_exactly(torch, dtype):
    theirs = torch.nn.GRU(I, H).to(getattr(torch, dtype))
    ours = load_torch(mr.GRU(I, H), theirs.state_dict())
    wide = theirs.double().state_dict()
    bias = wide["bias_ih_l0"] + torch.cat([wide["bias_hh_l0"][: 2 * H], torch.zeros(H).double()])
    np.testing.assert_array_equal(ours.cells[0].bias.numpy(), bias.numpy().astype("float32"))
    np.testing.assert_array_equal(ours.cells[0].weight_hh.numpy().T, wide["weight_hh_l0"].numpy())


def test_pytorch_is_not_imported_but_by_to_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # import torch fails
    layer = mr.LSTM(I, H)
    load_torch(layer, torch_arrays(layer))
    with pytest.raises(BackendUnavailableError, match="pip install torch, or take torch_arrays"):
        to_torch(layer)


# Errors


def refused(state, *told, module=None):
    module = filled(mr.LSTM(I, H)) if module is None else module
    before = values(module)
    with pytest.raises(CheckpointError) as caught:
        load_torch(module, state)
    for part in told:
        assert part in caught.value.message
    assert_equal_values(values(module), before)


def test_states_that_do_not_fit_change_nothing():
    state = torch_arrays(filled(mr.LSTM(I, H)))
    without = {name: array for name, array in state.items() if name != "bias_hh_l0"}
    refused(without, "this LSTM", "missing ['bias_hh_l0']", "not expected nothing", "same layers")
    refused({**state, "weight_ih_l1": state["weight_ih_l0"]}, "missing nothing", "not expected ['weight_ih_l1']")
    refused(torch_arrays(mr.LSTM(I + 1, H)), "'weight_ih_l0'", "(20, 3)", "(20, 2)", "same sizes")
    refused({**state, "bias_hh_l0": state["bias_hh_l0"][:-1]}, "'bias_hh_l0'", "(19,)", "(20,)")
    refused({**state, "bias_hh_l0": state["bias_hh_l0"] * 1j}, "'bias_hh_l0'", "complex")
    refused({**state, "bias_hh_l0": None}, "'bias_hh_l0'", "object")
    refused({**state, "bias_hh_l0": [[1.0], [1.0, 2.0]]}, "'bias_hh_l0'", "cannot be read")
    refused("model.safetensors", "not str", "mg.load(path)")
    model = CharModel(Vocabulary("ab"), "gru", I, H)
    state = {**torch_arrays(model), "head.weight": np.zeros((H, 2))}
    refused(state, "'head.weight'", "(5, 2)", "(2, 5)", "this CharModel", module=model)


@pytest.mark.torch
def test_tensors_that_hold_no_numbers_are_refused(torch):
    state = torch_arrays(mr.LSTM(I, H))
    refused({**state, "bias_hh_l0": torch.zeros(4 * H, device="meta")}, "'bias_hh_l0' cannot be read")
    refused({**state, "bias_hh_l0": torch.zeros(4 * H).to_sparse()}, "'bias_hh_l0' cannot be read")
    refused(torch.nn.LSTM(I, H), "not LSTM", "torch_module.state_dict()")


class Doubled(mr.LSTMCell):
    def step(self, x, state):
        return super().step(2 * x, state)


class MyLSTM(mr.LSTM):
    pass


class Scale(mg.nn.Module):
    def __init__(self):
        self.scale = mg.nn.Parameter(np.ones(1))


def mixed(**options):
    layer = mr.Recurrent("rnn", I, H, num_layers=2)
    layer.cells[1] = mr.RNNCell(H, **{"hidden_size": H, **options})
    return layer


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: mr.Recurrent("indrnn", I, H), "IndRNNCell, a cell that PyTorch has not: it has RNNCell, LSTMCell"),
        (lambda: mr.Recurrent(Doubled, I, H), "this Recurrent is of Doubled, a cell that PyTorch has not"),
        (lambda: Doubled(I, H), "this Doubled has weight_ih, weight_hh, bias, and is no class"),
        (lambda: LSTMPCell(I, H), "is one cell of torch.nn.LSTM with proj_size: put it in a Recurrent"),
        (lambda: mr.GRU(I, H, reset_after=False), "reset_after=False, which has no equal in PyTorch"),
        (lambda: mr.RNN(I, H, nonlinearity="sigmoid"), "nonlinearity='sigmoid', which has no equal in PyTorch"),
        (lambda: mr.RNN(I, H, nonlinearity="identity"), "torch.nn.RNN has 'tanh' or 'relu' only"),
        (lambda: mr.LSTM(I, H, candidate="sigmoid"), "candidate='sigmoid', which has no equal in PyTorch"),
        (lambda: mr.LSTM(I, H, 2, skip=True), "this LSTM has skip=True, which torch.nn.LSTM has not"),
        (lambda: mr.LSTM(I, H, 2, residual=True), "residual=True"),
        (lambda: mr.LSTM(I, H, 2, between=lambda n: mg.nn.Linear(n, n)), "layers between"),
        (lambda: mr.LSTM(I, H, learned_state=True), "learned_state=True"),
        (lambda: mr.LSTM(I, H, zoneout=0.1), "zoneout"),
        (lambda: mixed(hidden_size=H + 1), "different classes, sizes or options"),
        (lambda: mixed(nonlinearity="relu"), "different classes, sizes or options"),
        (lambda: mixed(bias=False), "different classes, sizes or options"),
        (lambda: MyLSTM(I, H), "this MyLSTM has a class of its own"),
        (lambda: mg.nn.Sequential(mg.tanh, Scale()), "Scale '1' has scale, and is no class that has an equal"),
        (lambda: mg.nn.Sequential(mr.GRU(I, H, reset_after=False)), "GRUCell '0' has reset_after=False"),
    ],
)
def test_what_pytorch_has_not_is_refused(make, told):
    module = make()
    with pytest.raises(CheckpointError) as caught:
        torch_arrays(module)
    assert told in caught.value.message
    refused({}, told, module=module)


def test_noise_of_training_is_no_hindrance():
    noisy = mr.LSTM(I, H, 2, dropout=0.5, input_dropout=0.1, weight_drop=0.5)
    state = torch_arrays(filled(mr.LSTM(I, H, 2)))
    assert_equal_values(torch_arrays(load_torch(noisy, state)), state)
