"""Cells, the time loop, and layers."""

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.errors import ShapeError
from minigrad_rnn.cells import UnknownCellError

CELLS = {
    "rnn": (mr.RNNCell, {}),
    "rnn-relu": (mr.RNNCell, {"nonlinearity": "relu"}),
    "rnn-sigmoid-no-bias": (mr.RNNCell, {"nonlinearity": "sigmoid", "bias": False}),
    "lstm": (mr.LSTMCell, {}),
    "lstm-no-bias": (mr.LSTMCell, {"bias": False}),
    "gru": (mr.GRUCell, {}),
    "gru-no-bias": (mr.GRUCell, {"bias": False}),
    "gru-reset-before": (mr.GRUCell, {"reset_after": False}),
}
T, B, I, H = 4, 3, 2, 5
rng = np.random.default_rng(0)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.fixture(params=CELLS)
def cell(request):
    mg.seed(0)
    cell_class, options = CELLS[request.param]
    return cell_class(I, H, dtype="float64", **options)


def test_gradients_against_finite_differences(cell):
    xs = mg.tensor(rng.normal(size=(T, B, I)), requires_grad=True)
    names = [name for name, _ in cell.named_parameters()]
    weights = [mg.tensor(rng.normal(size=p.shape), requires_grad=True) for p in cell.parameters()]

    def loss(xs, *values):
        for name, value in zip(names, values, strict=True):
            setattr(cell, name, value)
        outputs, state = mr.unroll(cell, xs, state=start)
        return (outputs * outputs).sum() + sum((part * part * part).sum() for part in parts(state))

    start = cell.initial_state(B)
    mg.gradcheck(loss, [xs, *weights])


@pytest.mark.parametrize("reverse", [False, True])
def test_lengths_give_what_each_sequence_gives_alone(cell, reverse):
    lengths = [4, 0, 2]
    xs = rng.normal(size=(T, B, I))
    together, ends = mr.unroll(cell, xs, lengths=lengths, reverse=reverse)
    (together * together).sum().backward()
    grads = {name: p.grad.numpy().copy() for name, p in cell.named_parameters()}
    cell.zero_grad()
    for n, length in enumerate(lengths):
        assert (together.numpy()[length:, n] == 0).all()
        if length == 0:
            for end, start in zip(parts(ends), parts(cell.initial_state(1)), strict=True):
                np.testing.assert_array_equal(end.numpy()[n], start.numpy()[0])
            continue
        alone, end = mr.unroll(cell, xs[:length, n : n + 1], reverse=reverse)
        (alone * alone).sum().backward()
        np.testing.assert_allclose(together.numpy()[:length, n], alone.numpy()[:, 0], rtol=0, atol=1e-12)
        for whole, single in zip(parts(ends), parts(end), strict=True):
            np.testing.assert_allclose(whole.numpy()[n], single.numpy()[0], rtol=0, atol=1e-12)
    for name, p in cell.named_parameters():
        np.testing.assert_allclose(grads[name], p.grad.numpy(), rtol=0, atol=1e-12, err_msg=name)


def test_reset_before_gru_against_plain_numpy():
    mg.seed(4)
    cell = mr.GRUCell(I, H, reset_after=False, dtype="float64")
    cell.bias.data[...] = cell.bias.backend.asarray(rng.normal(size=3 * H))
    xs = rng.normal(size=(T, B, I))
    outputs, _ = mr.unroll(cell, xs)
    (U_r, U_z, U_n), (W_r, W_z, W_n), (b_r, b_z, b_n) = (
        np.split(p.numpy(), 3, axis=-1) for p in (cell.weight_ih, cell.weight_hh, cell.bias)
    )
    h = np.zeros((B, H))
    for t in range(T):
        r = 1 / (1 + np.exp(-(xs[t] @ U_r + h @ W_r + b_r)))
        z = 1 / (1 + np.exp(-(xs[t] @ U_z + h @ W_z + b_z)))
        n = np.tanh(xs[t] @ U_n + (r * h) @ W_n + b_n)
        h = (1 - z) * n + z * h
        np.testing.assert_allclose(outputs.numpy()[t], h, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.torch
def test_layers_against_torch(name, bidirectional, compiled):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    mg.seed(5)
    layer = mr.Recurrent(name, I, H, 2, bidirectional=bidirectional, dtype="float64", compiled=compiled)
    peer = getattr(torch.nn, name.upper())(I, H, num_layers=2, bidirectional=bidirectional, dtype=torch.float64)
    suffixes = ["_l0", "_l0_reverse", "_l1", "_l1_reverse"] if bidirectional else ["_l0", "_l1"]
    with torch.no_grad():
        for cell, suffix in zip(layer.cells, suffixes, strict=True):
            cell.bias.data[...] = cell.bias.backend.asarray(rng.normal(size=cell.bias.shape))
            getattr(peer, "weight_ih" + suffix).copy_(torch.tensor(cell.weight_ih.numpy().T))
            getattr(peer, "weight_hh" + suffix).copy_(torch.tensor(cell.weight_hh.numpy().T))
            getattr(peer, "bias_ih" + suffix).copy_(torch.tensor(cell.bias.numpy()))
            getattr(peer, "bias_hh" + suffix).zero_()
            if name == "gru":
                cell.bias_hn.data[...] = cell.bias_hn.backend.asarray(rng.normal(size=H))
                getattr(peer, "bias_hh" + suffix)[2 * H :] = torch.tensor(cell.bias_hn.numpy())
    x = rng.normal(size=(T, B, I))
    ours, theirs = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    outputs, state = layer(ours)
    peer_outputs, peer_state = peer(theirs)
    np.testing.assert_allclose(outputs.numpy(), peer_outputs.detach().numpy(), rtol=0, atol=1e-12)
    for part, peer_part in zip(parts(state), parts(peer_state), strict=True):
        np.testing.assert_allclose(part.numpy(), peer_part.detach().numpy(), rtol=0, atol=1e-12)
    ((outputs**2).sum() + sum(part.sum() for part in parts(state))).backward()
    ((peer_outputs**2).sum() + sum(part.sum() for part in parts(peer_state))).backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=0, atol=1e-10)
    for cell, suffix in zip(layer.cells, suffixes, strict=True):
        for ours_name in ("weight_ih", "weight_hh"):
            theirs_grad = getattr(peer, ours_name + suffix).grad.numpy().T
            np.testing.assert_allclose(getattr(cell, ours_name).grad.numpy(), theirs_grad, rtol=0, atol=1e-10)
        np.testing.assert_allclose(
            cell.bias.grad.numpy(), getattr(peer, "bias_ih" + suffix).grad.numpy(), rtol=0, atol=1e-10
        )


def test_nodes_are_tagged_with_their_place():
    layer = mr.LSTM(I, H, num_layers=2, bidirectional=True)
    outputs, _ = layer(rng.normal(size=(T, B, I)).astype("float32"))
    scopes = {node.scope for node in mg.graph.ancestors([outputs.node])}
    for place in (("layer 0", "forward"), ("layer 0", "backward"), ("layer 1", "forward"), ("layer 1", "backward")):
        for t in range(T):
            assert (*place, f"t={t}", "LSTMCell") in scopes


def test_states_and_gates_have_names():
    cell = mr.LSTMCell(I, H)
    outputs, (h, c) = mr.unroll(cell, rng.normal(size=(T, B, I)).astype("float32"))
    names = [node.name for node in mg.graph.ancestors([outputs.node]) if node.name]
    assert (h.name, c.name) == (f"h_{T - 1}", f"c_{T - 1}")
    assert names.count("f") == names.count("i") == names.count("o") == names.count("g") == T
    assert [n for n in names if n.startswith("h_")] == [f"h_{t}" for t in range(T)]


class TenLines(mr.Cell):
    """A minimal gated unit, as its author would write it: no super().__init__(), no registration."""

    def __init__(self, input_size, hidden_size):
        self.U = mg.nn.init.glorot(input_size, 2 * hidden_size)
        self.W = mg.nn.init.orthogonal(hidden_size, blocks=2)

    def step(self, x, h):
        xf, xn = mg.split(x @ self.U, 2, axis=1)
        Wf, Wn = mg.split(self.W, 2, axis=1)
        f = mg.sigmoid(xf + h @ Wf)
        h = (1 - f) * h + f * mg.tanh(xn + (f * h) @ Wn)
        return h, h


def test_a_users_cell_stacks_in_both_directions_with_lengths():
    layer = mr.Recurrent(TenLines, I, H, num_layers=2, bidirectional=True, dropout=0.5, batch_first=True)
    outputs, state = layer(rng.normal(size=(B, T, I)).astype("float32"), lengths=[4, 1, 3])
    assert outputs.shape == (B, T, 2 * H)
    assert state.shape == (4, B, H)
    assert outputs.dtype == np.float32
    outputs.sum().backward()
    assert all(np.abs(p.grad.numpy()).max() > 0 for p in layer.parameters())
    again, _ = layer(rng.normal(size=(B, T, I)).astype("float32"), state)
    assert again.shape == outputs.shape


def test_one_cell_already_made():
    cell = TenLines(I, H)
    layer = mr.Recurrent(cell)
    xs = rng.normal(size=(T, B, I)).astype("float32")
    np.testing.assert_array_equal(layer(xs)[0].numpy(), mr.unroll(cell, xs)[0].numpy())
    with pytest.raises(ValueError, match="give the class"):
        mr.Recurrent(cell, num_layers=2)


def test_carrying_the_state_over_equals_one_run():
    layer = mr.GRU(I, H, num_layers=2, dtype="float64")
    xs = rng.normal(size=(T, B, I))
    whole, end = layer(xs)
    first, state = layer(xs[:3])
    second, carried = layer(xs[3:], state)
    np.testing.assert_allclose(whole.numpy(), np.concatenate([first, second]), rtol=0, atol=1e-14)
    np.testing.assert_allclose(end.numpy(), carried.numpy(), rtol=0, atol=1e-14)


def test_registry():
    mr.cells.register("ten-lines", TenLines)
    assert mr.cells.get("ten-lines") is TenLines
    assert {"rnn", "lstm", "gru", "ten-lines"} <= set(mr.cells.names())
    assert mr.cells.get("minigrad_rnn.cells.lstm:LSTMCell") is mr.LSTMCell
    again = type(
        "TenLines", (TenLines,), {"__module__": TenLines.__module__}
    )  # as of a notebook's cell that runs twice
    mr.cells.register("ten-lines", again)
    assert mr.cells.get("ten-lines") is again
    with pytest.raises(ValueError, match="already"):
        mr.cells.register("lstm", TenLines)
    for name in (":LSTMCell", ".cells:LSTMCell"):
        with pytest.raises(UnknownCellError, match="unknown cell"):
            mr.cells.get(name)
    with pytest.raises(UnknownCellError, match="choose one of convlstm, gru, "):
        mr.cells.get("nope")
    with pytest.raises(UnknownCellError, match="cannot be imported"):
        mr.cells.get("no.such.module:Cell")
    with pytest.raises(UnknownCellError, match="no subclass"):
        mr.cells.get("collections:OrderedDict")


@pytest.mark.parametrize(
    ("shape", "options", "told"),
    [
        ((T, I), {}, r"\(time, batch, feature\).*\(4, 2\)"),
        ((T, B, I + 1), {}, r"takes 2 features.*\(4, 3, 3\)"),
        ((0, B, I), {}, "at least 1"),
        ((T, B, I), {"lengths": [1, 2]}, "3 integers"),
        ((T, B, I), {"lengths": [1, 2, 5]}, "from 0 to 4"),
        ((T, B, I), {"lengths": [1, 2, -1]}, "from 0 to 4"),
    ],
)
def test_shapes_that_do_not_fit(shape, options, told):
    with pytest.raises(ShapeError, match=told):
        mr.unroll(mr.LSTMCell(I, H), np.zeros(shape, "float32"), **options)


def test_a_state_that_is_a_list():
    with pytest.raises(ShapeError, match="was given a list: give a tuple"):
        mr.unroll(mr.LSTMCell(I, H), np.zeros((T, B, I), "float32"), [mg.zeros((B, H)), mg.zeros((B, H))])


def test_a_cell_that_has_nothing_to_learn():
    class Sum(mr.Cell):
        def step(self, x, h):
            return h + x, h + x

    outputs, _ = mr.unroll(Sum(I, I), np.ones((T, B, I), "float32"))
    np.testing.assert_array_equal(outputs.numpy()[:, 0, 0], range(1, T + 1))
    assert outputs.dtype == "float32"


def test_a_state_for_another_stack():
    with pytest.raises(ShapeError, match=r"\(2, batch, size\)"):
        mr.GRU(I, H, num_layers=2)(np.zeros((T, B, I), "float32"), mg.zeros((1, B, H)))


def test_graphs_of_many_steps_are_freed_without_the_garbage_collector():
    layer = mr.LSTM(I, H)
    gc.collect()
    gc.disable()
    try:
        outputs, _ = layer(rng.normal(size=(2000, 1, I)).astype("float32"))
        loss = outputs.sum()
        loss.backward()
        array = weakref.ref(outputs.data)
        del outputs, loss, _
        assert array() is None
    finally:
        gc.enable()
