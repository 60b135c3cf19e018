"""Modules, layers, initialisers, losses."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import CheckpointError, ShapeError

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


def test_initialisers():
    mg.seed(0)
    W = nn.init.orthogonal(6, blocks=3).numpy().astype("float64")
    for block in np.split(W, 3, axis=1):
        np.testing.assert_allclose(block @ block.T, np.eye(6), atol=1e-6)
    U = nn.init.glorot(100, 50, blocks=2).numpy()
    assert U.shape == (100, 100)
    assert math.sqrt(6 / 150) * 0.99 < np.abs(U).max() <= math.sqrt(6 / 150)


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


def test_losses_refuse_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="no class axis"):
        nn.cross_entropy(mg.zeros((4, 5)), np.zeros((4, 1), int))
    with pytest.raises(ShapeError, match="differ"):
        nn.mse_loss(mg.zeros((4, 1)), np.zeros(4))


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
