"""Modules, layers, initialisers, losses."""

import copy
import math

import numpy as np
import pytest
from strict import StrictArray, asarray

import minigrad as mg
from minigrad import nn
from minigrad.errors import BackendMismatchError, CheckpointError, OperandError, OutOfRangeError, ShapeError

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None

rng = np.random.default_rng(0)


class Net(nn.Module):
    def __init__(self):
        self.layers = [nn.Linear(3, 4), nn.Linear(4, 2, bias=False)]
        self.table = nn.Embedding(5, 3)
        self.tied = self.table.weight

    def forward(self, indices):
        x = self.table(indices)
        for layer in self.layers:
            x = mg.tanh(layer(x))
        return x


def test_parameters_are_found_once_and_by_name():
    net = Net()
    assert {name: p.shape for name, p in net.named_parameters()} == {
        "tied": (5, 3),
        "layers.0.weight": (3, 4),
        "layers.0.bias": (4,),
        "layers.1.weight": (4, 2),
    }
    assert "15" in repr(net)
    assert str(15 + 12 + 4 + 8) in repr(net)


def test_state_dict_is_a_copy_and_loads_back():
    mg.seed(0)
    net, other = Net(), Net()
    state = net.state_dict()
    before = {name: value.numpy().copy() for name, value in state.items()}
    net.layers[0].bias.data[...] += 1
    np.testing.assert_array_equal(state["layers.0.bias"].numpy(), before["layers.0.bias"])
    other.load_state_dict(state)
    np.testing.assert_array_equal(other([1, 2]).numpy(), Net.forward(other, [1, 2]).numpy())
    for name, p in other.named_parameters():
        np.testing.assert_array_equal(p.numpy(), before[name])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.pop("tied"), r"missing \['tied'\]"),
        (lambda s: s.update(more=mg.zeros(3)), r"not expected \['more'\]"),
        (lambda s: s.update(tied=mg.zeros((5, 4))), r"'tied' has shape \(5, 4\) in the state and \(5, 3\)"),
        (lambda s: s.update(tied=mg.ones((5, 3), dtype="int64")), "'tied' has dtype int64 .* float32 in this Net"),
        (lambda s: s.update(tied=mg.ones((5, 3), dtype="bool")), "'tied' has dtype bool .* float32 in this Net"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, told):
    net = Net()
    before = {name: p.numpy().copy() for name, p in net.named_parameters()}
    state = {name: value * 0 for name, value in net.state_dict().items()}
    change(state)
    with pytest.raises(CheckpointError, match=told):
        net.load_state_dict(state)
    for name, p in net.named_parameters():
        np.testing.assert_array_equal(p.numpy(), before[name])


def test_dropout_only_in_training():
    mg.seed(0)
    drop = nn.Dropout(0.25)
    x = mg.ones((200, 200), requires_grad=True)
    y = drop(x)
    assert y.dtype == np.float32
    values, counts = np.unique(y.numpy(), return_counts=True)
    np.testing.assert_allclose(values, [0, 1 / 0.75], rtol=1e-6)
    assert abs(counts[0] / y.size - 0.25) < 0.01
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    drop.eval()
    assert drop(x) is x
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        nn.Dropout(1.0)


def test_a_seed_gives_the_same_model():
    mg.seed(3)
    first = Net().state_dict()
    mg.seed(3)
    for name, value in Net().state_dict().items():
        np.testing.assert_array_equal(value.numpy(), first[name].numpy())


class Deep(nn.Module):
    """Parts in lists, tuples and dicts, held twice, and in a circle."""

    def __init__(self):
        self.top = self
        self.parts = {"a": nn.Linear(2, 2), "b": [nn.Parameter(np.ones(3)), (nn.Dropout(0.25),)]}
        self.again = [self.parts["a"], self.parts["a"].weight]
        self.scale = nn.Buffer(np.ones(4))
        self.notes = mg.ones(7)
        self.activation = mg.tanh


def test_what_is_held_in_dicts_and_lists_is_found_once():
    deep = Deep()
    assert [name for name, _ in deep.named_parameters()] == ["parts.b.0", "again.1", "parts.a.bias"]
    assert [name for name, _ in deep.named_parameters("x")] == ["x.parts.b.0", "x.again.1", "x.parts.a.bias"]
    assert [name for name, _ in deep.named_modules()] == ["", "parts.a", "parts.b.1.0"]
    assert [name for name, _ in deep.named_buffers()] == ["scale"]
    assert list(deep.modules()) == [deep, deep.parts["a"], deep.parts["b"][1][0]]
    assert len(list(deep.children())) == 4, "itself, and one of them twice"
    assert list(deep.buffers()) == [deep.scale]
    assert deep.scale.name == "scale"
    seen = []
    assert deep.apply(seen.append) is deep
    assert seen == list(deep.modules())
    assert not deep.eval().parts["b"][1][0].training
    assert deep.train().parts["b"][1][0].training


def test_buffers_are_saved_and_not_trained(tmp_path):
    deep, other = Deep(), Deep()
    deep.scale = deep.scale * 3  # a Buffer still
    assert isinstance(deep.scale, nn.Buffer)
    assert not deep.scale.requires_grad
    assert list(deep.state_dict()) == ["parts.b.0", "again.1", "scale", "parts.a.bias"]
    mg.save(tmp_path / "x", deep.state_dict())
    other.load_state_dict(mg.load(tmp_path / "x"))
    np.testing.assert_array_equal(other.scale.numpy(), 3 * np.ones(4))
    np.testing.assert_array_equal(other.parts["a"].weight.numpy(), deep.parts["a"].weight.numpy())


@pytest.mark.on_numpy
def test_a_state_of_other_names_where_that_is_allowed():
    net = Net()
    kept = net.tied.numpy().copy()
    net.load_state_dict({"layers.0.bias": [1, 2, 3, 4] * np.ones(4), "more": np.zeros(3)}, strict=False)
    assert net.layers[0].bias.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(net.tied.numpy(), kept)
    with pytest.raises(CheckpointError, match=r"\(3,\) in the state"):
        net.load_state_dict({"layers.0.bias": np.zeros(3)}, strict=False)


def test_state_of_lists():
    layer = nn.Linear(2, 1, dtype="float64")
    layer.load_state_dict({"weight": [[1], [-2]], "bias": [0.5]})
    assert layer(mg.tensor([[3.0, 1.0]], dtype="float64")).tolist() == [[1.5]]
    with pytest.raises(CheckpointError, match=r"'weight' has shape \(2,\) in the state and \(2, 1\)"):
        layer.load_state_dict({"weight": [1, 2], "bias": [0]})
    with pytest.raises(CheckpointError, match="'weight' is a list that makes no array"):
        layer.load_state_dict({"weight": [[1], [1, 2]], "bias": [0]})


def test_a_number_is_saved_and_restored(tmp_path):
    class Scale(nn.Module):
        def __init__(self, start):
            self.factor = nn.Parameter(mg.tensor(start))

    mg.save(tmp_path / "x", Scale(3.0).state_dict())
    scale = Scale(1.0)
    scale.load_state_dict(mg.load(tmp_path / "x"))
    assert scale.factor.shape == ()
    assert scale.factor.item() == 3


def test_moving_takes_buffers_and_gradients_along(strict):
    deep = Deep()
    deep.parts["a"](mg.ones((1, 2))).sum().backward()
    assert deep.to("strict") is deep
    assert type(deep.parts["a"].weight.grad.data) is StrictArray
    assert {type(t.data) for t in [*deep.parameters(), *deep.buffers()]} == {StrictArray}


def test_freezing():
    net = Net()
    net.layers[0].requires_grad_(False)
    net([1, 2]).sum().backward()
    assert net.layers[0].weight.grad is None
    assert net.layers[1].weight.grad is not None
    net.layers[0].requires_grad_()
    net([1, 2]).sum().backward()
    assert net.layers[0].weight.grad is not None


@pytest.mark.on_numpy
def test_a_deep_copy_shares_nothing_and_is_tied_within():
    net = Net()
    net([1, 2]).sum().backward()
    twin = copy.deepcopy(net)
    assert twin.tied is twin.table.weight
    for (name, p), (same, q) in zip(net.named_parameters(), twin.named_parameters(), strict=True):
        assert (name, p.name) == (same, q.name)
        assert type(q) is nn.Parameter
        for mine, its in ((p, q), (p.grad, q.grad)):
            np.testing.assert_array_equal(mine.numpy(), its.numpy())
            assert not np.shares_memory(mine.data, its.data)
    twin = copy.deepcopy(Deep())
    assert twin.top is twin
    assert isinstance(twin.scale, nn.Buffer)


def test_a_module_prints_as_a_table():
    deep = Deep()
    deep.parts["a"].bias.requires_grad = False
    assert (
        repr(deep)
        == """\
Deep
  parts.b.0    float64          (3,)    3
  again.1      float32          (2, 2)  4
  scale        float64, buffer  (4,)    4
  top          = the whole
  parts.a      Linear
    weight     = again.1
    bias       float32, frozen  (2,)    2
  parts.b.1.0  Dropout(p=0.25)
  again.0      = parts.a
  activation   tanh
  total                                 9
  frozen                                2
  buffers                               4"""
    )


# Layers


def test_embedding_with_a_row_for_padding():
    table = nn.Embedding(4, 2, padding_idx=-1)
    assert table.weight.numpy()[3].tolist() == [0, 0]
    table.weight.data[3] = 5
    out = table([[3, 1], [1, 0]])
    assert out.numpy()[0, 0].tolist() == [5, 5]
    out.sum().backward()
    assert table.weight.grad.tolist() == [[1, 1], [2, 2], [0, 0], [0, 0]]


@pytest.mark.on_numpy
def test_embedding_refuses_what_is_no_index():
    table = nn.Embedding(4, 2)
    for bad in ([4], [-1]):
        with pytest.raises(OutOfRangeError, match="Embedding takes integers from 0 to 3"):
            table(bad)
    with pytest.raises(OperandError, match="astype"):
        table(np.ones(2))
    assert table(np.zeros((0, 3), int)).shape == (0, 3, 2)


NORMS = {
    "LayerNorm": [((4,), {}), ((3, 4), {"eps": 0.1}), (4, {"elementwise_affine": False}), ((4,), {"bias": False})],
    "RMSNorm": [((4,), {"eps": 1e-5}), ((3, 4), {"eps": 0.1}), (4, {"eps": 1e-6, "elementwise_affine": False})],
}


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "shape", "options"), [(name, *case) for name, several in NORMS.items() for case in several]
)
def test_norms_are_torchs(name, shape, options):
    ours = getattr(nn, name)(shape, **options, dtype="float64")
    theirs = getattr(torch.nn, name)(shape, **options, dtype=torch.float64)
    for (_, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        p.data[...] = p.backend.asarray(rng.normal(size=p.shape))
        q.data[...] = torch.tensor(p.numpy())
    values, start = rng.normal(size=(2, 3, 4)) + 5, rng.normal(size=(2, 3, 4))
    x, y = mg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    out, peer = ours(x), theirs(y)
    np.testing.assert_allclose(out.numpy(), peer.detach().numpy(), rtol=1e-11)
    out.backward(start)
    peer.backward(torch.tensor(start))
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-9, atol=1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_norms_have_right_derivatives():
    x = rng.normal(size=(2, 3)) + 2
    norm = nn.LayerNorm(3, elementwise_affine=False)

    def gradient(x, g):
        return mg.grad(norm(x), x, g, create_graph=True)

    assert mg.gradcheck(norm, [x])
    assert mg.gradcheck(gradient, [x, rng.normal(size=(2, 3))])
    with pytest.raises(ShapeError, match=r"LayerNorm takes \(\.\.\., 3\)"):
        norm(mg.ones((3, 2)))
    assert norm(mg.tensor(x.astype("float32"))).dtype == np.float32
    assert norm(mg.zeros((0, 3))).shape == (0, 3)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (2, 3, 2, 2)])
def test_batch_norm_is_torchs(shape):
    ours = nn.BatchNorm(3, dtype="float64")
    kinds = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}
    theirs = kinds[len(shape)](3, dtype=torch.float64)
    for step in range(3):
        if step == 2:
            ours.eval()
            theirs.eval()
        values, start = rng.normal(size=shape) * 2 + 1, rng.normal(size=shape)
        x, y = mg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        out, peer = ours(x), theirs(y)
        np.testing.assert_allclose(out.numpy(), peer.detach().numpy(), rtol=1e-10)
        out.backward(start)
        peer.backward(torch.tensor(start))
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-9)
    for name in ("running_mean", "running_var"):
        np.testing.assert_allclose(getattr(ours, name).numpy(), getattr(theirs, name).numpy(), rtol=1e-12)
    with pytest.raises(ShapeError, match=r"BatchNorm takes \(batch, 3, \.\.\.\)"):
        ours(mg.ones((3, 2)))
    with pytest.raises(ShapeError, match="more than one number"):
        ours.train()(mg.ones((1, 3)))


def test_sequential_and_flatten():
    net = nn.Sequential(nn.Linear(6, 4), mg.tanh, nn.Dropout(), nn.Flatten(0), lambda x: x * 2)
    assert len(net) == 5
    assert net[1] is mg.tanh
    assert list(net[:2]) == [net[0], mg.tanh]
    assert [name for name, _ in net.named_parameters()] == ["layers.0.weight", "layers.0.bias"]
    x = mg.rand(3, 6)
    np.testing.assert_array_equal(net.eval()(x).numpy(), 2 * mg.tanh(net[0](x)).numpy().reshape(-1))
    assert nn.Flatten()(mg.zeros((0, 3, 2))).shape == (0, 6)
    assert nn.Flatten(1, 2)(mg.zeros((5, 3, 2, 4))).shape == (5, 6, 4)


# Initialisers


@pytest.mark.parametrize(
    ("make", "std", "bound"),
    [
        (lambda: nn.init.uniform((300, 200), 0.3), 0.3 / 3**0.5, 0.3),
        (lambda: nn.init.normal((300, 200), 0.2), 0.2, None),
        (lambda: nn.init.truncated_normal((300, 200), 0.5), 0.5 * 0.87963, 1.0),
        (lambda: nn.init.truncated_normal((300, 200), 1.0, bound=1.0), 0.53956, 1.0),
        (lambda: nn.init.glorot(300, 100, blocks=2), (2 / 400) ** 0.5, (6 / 400) ** 0.5),
        (lambda: nn.init.glorot(300, 100, blocks=2, gain=2.0), 2 * (2 / 400) ** 0.5, 2 * (6 / 400) ** 0.5),
        (lambda: nn.init.glorot_normal(300, 100, blocks=2), (2 / 400) ** 0.5, None),
        (lambda: nn.init.he(300, 200), (2 / 300) ** 0.5, (6 / 300) ** 0.5),
        (lambda: nn.init.he(300, 200, mode="fan_out", gain=1.0), 200**-0.5, (3 / 200) ** 0.5),
        (lambda: nn.init.he_normal(300, 200), (2 / 300) ** 0.5, None),
        (lambda: nn.init.he_normal(300, 200, mode="fan_out"), (2 / 200) ** 0.5, None),
        (lambda: nn.init.lecun(300, 200), 300**-0.5, (3 / 300) ** 0.5),
        (lambda: nn.init.lecun_normal(300, 200), 300**-0.5, None),
        (lambda: nn.init.sparse(300, 200, connections=15, std=0.5), 0.5 * (15 / 300) ** 0.5, None),
    ],
)
def test_random_initialisers(make, std, bound):
    mg.seed(0)
    values = make()
    assert isinstance(values, nn.Parameter)
    assert values.dtype == np.float32
    assert values.shape == (300, 200)
    assert abs(values.numpy().mean()) < 0.02 * std
    np.testing.assert_allclose(values.numpy().std(), std, rtol=0.02)
    if bound is not None:
        assert 0.99 * bound < np.abs(values.numpy()).max() <= bound * (1 + 1e-6)
    mg.seed(0)
    np.testing.assert_array_equal(make().numpy(), values.numpy())


def test_initialisers():
    mg.seed(0)
    W = nn.init.orthogonal(6, blocks=3, gain=2.0, dtype="float64").numpy()
    for block in np.split(W, 3, axis=1):
        np.testing.assert_allclose(block @ block.T, 4 * np.eye(6), atol=1e-13)
    assert nn.init.identity(2, blocks=2, gain=0.5).tolist() == [[0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5]]
    assert (nn.init.sparse(40, 7, connections=5).numpy() != 0).sum(axis=0).tolist() == [5] * 7
    assert nn.init.zeros(2).tolist() == [0, 0]
    assert nn.init.ones((1, 2)).tolist() == [[1, 1]]
    assert nn.init.constant(2, 3.5, "float64").dtype == np.float64
    empty = [nn.init.he(0, 3), nn.init.lecun_normal(0, 3), nn.init.he_normal(3, 0, mode="fan_out"), nn.Linear(0, 0)]
    assert [W.shape for W in empty[:3]] == [(0, 3), (0, 3), (3, 0)]
    with pytest.raises(ValueError, match="'fan_in' or 'fan_out'"):
        nn.init.he(3, 3, mode="fan")
    with pytest.raises(ValueError, match="unknown nonlinearity 'swish'"):
        nn.init.gain("swish")


@pytest.mark.torch
def test_gains_are_torchs():
    for name in ("linear", "sigmoid", "tanh", "relu", "selu"):
        assert nn.init.gain(name) == torch.nn.init.calculate_gain(name)
    assert nn.init.gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)


# Losses


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_cross_entropy(scale):
    logits = mg.tensor(rng.normal(size=(4, 3, 5)) * scale, requires_grad=True)
    targets = rng.integers(5, size=(4, 3))
    loss = nn.cross_entropy(logits, targets)
    shifted = logits.numpy() - logits.numpy().max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    expected = -np.take_along_axis(log_p, targets[..., None], axis=-1).mean()
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-12)
    loss.backward()
    gradient = (np.exp(log_p) - np.eye(5)[targets]) / 12
    np.testing.assert_allclose(logits.grad.numpy(), gradient, atol=1e-14)


X, Y = rng.normal(size=(6, 5)) * 3, np.array([1, 4, 0, -100, 2, 2])
W, Q = rng.uniform(0.2, 2, 5), rng.dirichlet(np.ones(5), 6)
OPTIONS = [{}, {"weight": W}, {"ignore_index": 2}, {"weight": W, "ignore_index": 4}]
SMOOTH = [{**options, "label_smoothing": 0.1} for options in OPTIONS]
U, P = rng.normal(size=(3, 4)) * 2, rng.uniform(size=(3, 4))


LOSSES = [
    *[("cross_entropy", X, Y, options) for options in [*OPTIONS, *SMOOTH]],
    *[("cross_entropy", X, Q, options) for options in (OPTIONS[0], OPTIONS[1], SMOOTH[0], SMOOTH[1])],
    *[("nll_loss", X, Y, options) for options in OPTIONS],
    ("mse_loss", U, P, {}),
    ("l1_loss", U, np.where(P > 0.5, U, P), {}),
    ("huber_loss", U, P, {}),
    ("huber_loss", U, U + 0.5, {"delta": 0.5}),
    ("smooth_l1_loss", U, P, {"beta": 0.3}),
    ("bce_with_logits", U, P, {}),
    ("bce_with_logits", U, P, {"weight": P[:, :1]}),
    ("bce_with_logits", U, P, {"pos_weight": W[:4]}),
    ("kl_div", U, np.where(P > 0.5, P, 0), {}),
    ("kl_div", U, np.log(P), {"log_target": True}),
]
every_loss = pytest.mark.parametrize(("name", "x", "y", "options"), LOSSES, ids=lambda part: str(part)[:12])


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:reduction")  # PyTorch's, of kl_div
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
@every_loss
def test_losses_are_torchs(name, x, y, options, reduction):
    y = np.where(y == -100, options.get("ignore_index", -100), y) if y.dtype.kind == "i" else y
    if reduction == "batchmean" and name != "kl_div":
        with pytest.raises(ValueError, match="'mean', 'sum' or 'none', not 'batchmean'"):
            getattr(nn, name)(mg.tensor(x), y, reduction=reduction, **options)
        return
    peer = {"bce_with_logits": "binary_cross_entropy_with_logits"}.get(name, name)
    ours, theirs = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    as_torch = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    loss = getattr(nn, name)(ours, y, reduction=reduction, **options)
    expected = getattr(torch.nn.functional, peer)(theirs, torch.tensor(y), reduction=reduction, **as_torch)
    np.testing.assert_allclose(loss.numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-13)
    start = rng.normal(size=loss.shape)
    loss.backward(start)
    expected.backward(torch.tensor(start))
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-13)


@every_loss
def test_losses_have_right_derivatives_twice_and_stay_float32(name, x, y, options):
    y = np.where(y == -100, 0, y) if y.dtype.kind == "i" else y
    x = (x[:3] + 0.01)[:, : x.shape[1]]
    y, options = (
        y[:3],
        {key: value[:3] if key == "weight" and value.ndim == 2 else value for key, value in options.items()},
    )
    loss = lambda x: getattr(nn, name)(x, y, reduction="sum", **options)
    assert mg.gradcheck(loss, [x])
    assert mg.gradcheck(lambda x: mg.grad(loss(x), x, create_graph=True), [x])
    narrow = mg.tensor(x.astype("float32"), requires_grad=True)
    small = {key: np.float32(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    out = getattr(nn, name)(narrow, y if y.dtype.kind == "i" else y.astype("float32"), reduction="mean", **small)
    assert out.dtype == np.float32
    out.backward()
    assert narrow.grad.dtype == np.float32


@pytest.mark.on_numpy
@every_loss
def test_losses_stay_on_the_backend(name, x, y, options, strict):
    there = {key: asarray(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    y = np.where(y == -100, options.get("ignore_index", -100), y) if y.dtype.kind == "i" else y
    inputs = [mg.tensor(x, requires_grad=True), strict(x, requires_grad=True)]
    losses = [getattr(nn, name)(inputs[0], y, **options), getattr(nn, name)(inputs[1], asarray(y), **there)]
    assert type(losses[1].data) is StrictArray
    for loss in losses:
        loss.backward()
    np.testing.assert_allclose(losses[1].numpy(), losses[0].numpy(), rtol=1e-12)
    np.testing.assert_allclose(inputs[1].grad.numpy(), inputs[0].grad.numpy(), rtol=1e-12, atol=1e-14)
    with pytest.raises(BackendMismatchError, match=r"\.to\('strict'\)"):
        getattr(nn, name)(inputs[1], y, **there)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_far_out(dtype):
    x = mg.tensor([[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 1000.0]], dtype=dtype, requires_grad=True)
    for y, losses, gradient in (
        ([1, 1], [2000, math.log(2)], [[1, -1, 0], [0, -0.5, 0.5]]),
        ([0, 2], [0, math.log(2)], [[0, 0, 0], [0, 0.5, -0.5]]),
    ):
        x.grad = None
        out = nn.cross_entropy(x, y, reduction="none")
        np.testing.assert_allclose(out.numpy(), losses, rtol=1e-4, atol=1e-4 if dtype == "float32" else 1e-12)
        out.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), gradient, atol=1e-4 if dtype == "float32" else 1e-12)
    z = mg.tensor([1000.0, -1000.0, 1000.0, -1000.0, 20.0, -20.0, 0.0], dtype=dtype, requires_grad=True)
    y = [1, 0, 0, 1, 1, 0, 0.5]
    small = math.log1p(math.exp(-20))
    for options in ({}, {"pos_weight": 1.0}):
        z.grad = None
        out = nn.bce_with_logits(z, y, reduction="none", **options)
        np.testing.assert_allclose(out.numpy(), [0, 0, 1000, 1000, small, small, math.log(2)], rtol=1e-5)
        out.sum().backward()
        np.testing.assert_allclose(z.grad.numpy(), [0, 0, 1, -1, 0, 0, 0], atol=1e-7)


def test_losses_of_nothing():
    x = mg.tensor(np.zeros((2, 3)), requires_grad=True)
    assert math.isnan(nn.cross_entropy(x, [-100, -100]).item())
    assert nn.cross_entropy(x, [-100, -100], reduction="sum").item() == 0
    empty = mg.zeros((0, 3), requires_grad=True)
    for loss in (nn.cross_entropy(empty, np.zeros(0, int)), nn.mse_loss(empty, np.zeros((0, 3), "float32"))):
        assert math.isnan(loss.item())
        loss.backward()


def test_time_and_batch_before_the_classes():
    logits, targets = rng.normal(size=(4, 3, 5)), rng.integers(5, size=(4, 3))
    losses = nn.cross_entropy(mg.tensor(logits), targets, reduction="none", label_smoothing=0.2)
    assert losses.shape == (4, 3)
    flat = nn.cross_entropy(
        mg.tensor(logits.reshape(12, 5)), targets.reshape(12), reduction="none", label_smoothing=0.2
    )
    np.testing.assert_array_equal(losses.numpy().reshape(12), flat.numpy())


@pytest.mark.on_numpy
def test_losses_say_what_does_not_fit():
    x = mg.zeros((4, 5))
    with pytest.raises(OperandError, match="astype"):
        nn.cross_entropy(x, np.zeros(4))
    for bad in (5, -1):
        with pytest.raises(OutOfRangeError, match="cross_entropy takes integers from 0 to 4"):
            nn.cross_entropy(x, [0, 1, 2, bad])
    with pytest.raises(ShapeError, match=r"weight has shape \(4,\)"):
        nn.nll_loss(x, [0, 1, 2, 3], weight=np.ones(4))
    with pytest.raises(ValueError, match="label_smoothing"):
        nn.cross_entropy(x, [0, 1, 2, 3], label_smoothing=1.5)
    with pytest.raises(ValueError, match="delta"):
        nn.huber_loss(x, x, delta=0)
    with pytest.raises(ShapeError, match="differ"):
        nn.bce_with_logits(x, np.zeros((4, 1)))


def test_losses_of_lists():
    scores = [[0.0, 1.0], [2.0, 3.0]]
    for loss, targets in (
        (nn.cross_entropy, [0, 1]), (nn.nll_loss, [0, 1]), (nn.mse_loss, scores[::-1]), (nn.l1_loss, scores[::-1]),
        (nn.huber_loss, scores[::-1]), (nn.bce_with_logits, [[0.0, 1.0], [1.0, 0.0]]), (nn.kl_div, scores[::-1]),
    ):  # fmt: skip
        assert loss(scores, targets).item() == loss(mg.tensor(scores), targets).item()
    assert nn.ctc_loss([scores], [[1], [1]], [1, 1], [1, 1]).item() == -2
    for norm in (nn.LayerNorm(2), nn.RMSNorm(np.int64(2), elementwise_affine=False)):
        assert norm(scores).dtype == np.float32
        assert norm(scores).tolist() == norm(mg.tensor(scores)).tolist()


def test_losses_refuse_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="no class axis"):
        nn.cross_entropy(mg.zeros((4, 5)), np.zeros((4, 1), int))
    with pytest.raises(ShapeError, match="differ"):
        nn.mse_loss(mg.zeros((4, 1)), np.zeros(4))


@pytest.mark.on_numpy
def test_mse_and_bce():
    x = mg.tensor([-1000.0, -1.0, 0.0, 2.0, 1000.0], dtype="float64", requires_grad=True)
    y = np.array([0.0, 1.0, 0.5, 0.0, 1.0])
    nn.mse_loss(x, y).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * (x.numpy() - y) / 5, rtol=1e-12)
    x.grad = None
    loss = nn.bce_with_logits(x, y)
    p = 1 / (1 + np.exp(-np.clip(x.numpy(), -700, 700)))
    expected = (0 - np.log(p[1]) - np.log(0.5) - np.log(1 - p[3]) + 0) / 5
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-10)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), (p - y) / 5, atol=1e-12)
