"""What each time step contributes to the gradient of a weight, and the walk seen again after it came by."""

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.replay import replay


def network(cell="lstm", T=5, hidden=3, batch=2, **options):
    mg.seed(0)
    layer = mr.Recurrent(cell, 2, hidden, dtype="float64", **options)
    xs = mg.tensor(np.random.default_rng(0).normal(size=(T, batch, 2)))
    outputs, _ = layer(xs)
    return layer, mg.square(outputs - 0.5).sum()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}])
def test_contributions_sum_to_the_gradient(cell, options):
    layer, loss = network(cell, **options)
    before = {name: mr.per_step_grads(loss, parameter) for name, parameter in layer.named_parameters()}
    loss.backward()
    for name, parameter in layer.named_parameters():
        assert before[name].shape == (5, *parameter.shape)
        np.testing.assert_allclose(before[name].sum(0), parameter.grad.numpy(), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(mr.per_step_grads(loss, parameter), before[name])  # after the graph was freed
        assert np.abs(np.diff(before[name], axis=0)).max() > 1e-6


def test_contributions_against_the_textbook():
    """Goodfellow, Bengio and Courville, Deep Learning, eq. 10.26: the summands of ∇_W L."""
    layer, loss = network("rnn", batch=1)
    cell = layer.cells[0]
    outputs, _ = layer(mg.tensor(np.random.default_rng(0).normal(size=(5, 1, 2))))
    h, W = outputs.numpy(), cell.weight_hh.numpy()
    d_h = np.zeros((1, 3))
    expected = np.zeros((5, 3, 3))
    for t in reversed(range(5)):
        d_a = (1 - h[t] ** 2) * (2 * (h[t] - 0.5) + d_h)
        expected[t] = (h[t - 1] if t else np.zeros((1, 3))).T @ d_a
        d_h = d_a @ W.T
    np.testing.assert_allclose(mr.per_step_grads(loss, cell.weight_hh), expected, rtol=0, atol=1e-12)


def test_a_weight_made_of_another_before_the_steps():
    V = mg.tensor(np.random.default_rng(0).normal(size=(3, 3)), requires_grad=True, name="V")
    W = mg.tanh(V.T) / 2
    h = mg.tensor(np.ones((1, 3)) / 2)
    for t in range(1, 5):
        with mg.scope(f"t={t}"):
            h = mg.sigmoid(h @ W)
    loss = (h * mg.tensor([1.0, -2.0, 3.0], dtype="float64")).sum()
    parts = mr.per_step_grads(loss, V)
    assert parts.shape == (4, 3, 3)
    loss.backward()
    np.testing.assert_allclose(parts.sum(0), V.grad.numpy(), rtol=0, atol=1e-12)


def test_parts_of_any_kind():
    w = mg.tensor(3.0, dtype="float64", requires_grad=True)
    with mg.scope("left"):
        left = w * 2
    with mg.scope("right"):
        right = w * w
    parts = mg.contributions(left + right + 5 * w, w, lambda scope: scope[0] if scope else None)
    assert {name: part.item() for name, part in parts.items()} == {"left": 2.0, "right": 6.0, None: 5.0}
    assert mg.contributions(w, w, len)[None].item() == 1.0


def test_what_has_no_contributions_by_step():
    layer, loss = network()
    V = mg.tensor(np.ones((2, 2)), requires_grad=True, name="V")
    with pytest.raises(mg.errors.NoGradientError, match="V"):
        mr.per_step_grads(loss, V)
    outputs, _ = layer(mg.tensor(np.ones((3, 1, 2))))
    head = mg.tensor(np.ones((3, 1)), requires_grad=True, name="head")
    with pytest.raises(mg.errors.NoGradientError, match="head is used outside of the time steps"):
        mr.per_step_grads((outputs @ head).sum(), head)
    with pytest.raises(mg.errors.NonScalarError):
        mr.per_step_grads(outputs, layer.cells[0].bias)


def test_large_arrays_are_told_apart_from_kept_ones():
    layer, loss = network(hidden=20, batch=20)
    weight = layer.cells[0].weight_hh
    loss.backward(retain_graph=True)
    np.testing.assert_allclose(mr.per_step_grads(loss, weight).sum(0), weight.grad.numpy(), rtol=0, atol=1e-10)
    loss.backward()
    with pytest.raises(mg.errors.GraphFreedError, match="retain_graph=True"):
        mr.per_step_grads(loss, weight)


def test_plot():
    layer, loss = network()
    axes = mr.plot_per_step_grads(loss, dict(layer.named_parameters()))
    assert [line.get_label() for line in axes.get_lines()] == [name for name, _ in layer.named_parameters()]
    grads = mr.per_step_grads(loss, layer.cells[0].bias)
    np.testing.assert_allclose(axes.get_lines()[2].get_ydata(), np.linalg.norm(grads, axis=1))


# The walk, seen again


def test_replay_shows_the_walk_in_its_order():
    layer, loss = network()
    assert replay([loss]) == []
    loss.backward()
    events = replay([loss])
    indices = [event.node.index for event in events]
    assert indices == sorted(indices, reverse=True)
    for _, parameter in layer.named_parameters():
        total = sum(event.message for event in events if event.parent is parameter)
        np.testing.assert_array_equal(total, parameter.grad.numpy())
    for event in events:
        if event.local is not None and event.local.shape == event.message.shape:
            np.testing.assert_allclose(event.upstream * event.local, event.message, rtol=1e-6, atol=1e-9)
    assert {event.node.op.name for event in events if event.local is None} <= {"matmul", "stack", "split", "unstack"}
    with pytest.raises(mg.errors.GraphFreedError):
        loss.backward()


def test_replay_after_the_weights_changed():
    layer, loss = network()
    loss.backward()
    mg.optim.SGD(layer.parameters(), lr=0.1).step()
    with pytest.raises(mg.errors.InplaceError):
        replay([loss])
