"""Truncated backpropagation through time."""

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad_rnn.truncated import truncated_bptt

T, B, I, H = 12, 2, 3, 4
rng = np.random.default_rng(0)
XS, YS = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))


def network(cell="lstm", **options):
    mg.seed(0)
    return mr.Recurrent(cell, I, H, dtype="float64", **options)


def error(outputs, steps):
    return mg.square(outputs - YS[steps]).sum()


def gradients(layer):
    found = {name: p.grad.numpy().copy() for name, p in layer.named_parameters()}
    layer.zero_grad()
    return found


def by_hand(layer, k1, k2, T=T):
    """Each window from its start in one graph of its own, the states before it by a run without gradients."""
    found = []
    for end in [*range(k1, T, k1), T]:
        new, start = (end - 1) // k1 * k1, max(0, end - k2)
        with mg.no_grad():
            state = layer(XS[:start])[1] if start else None
        outputs, _ = layer(XS[start:end], state)
        error(outputs[max(new - start, 0) :], slice(max(new, start), end)).backward()
        found.append(gradients(layer))
    return found


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
@pytest.mark.parametrize(("k1", "k2"), [(4, 4), (3, 6), (2, 7), (1, 5), (5, 5), (4, 2), (5, 12), (12, 12), (20, 20)])
def test_windows_against_graphs_of_their_own(cell, k1, k2):
    layer = network(cell)
    expected = by_hand(layer, k1, k2)
    found = [gradients(layer) for _ in truncated_bptt(layer, XS, error, k1, k2)]
    assert len(found) == len(expected) == -(-T // k1)
    for ours, theirs in zip(found, expected, strict=True):
        for name in theirs:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-12, err_msg=name)


def test_whole_sequence_is_plain_backpropagation():
    layer = network(num_layers=2, bidirectional=False)
    error(layer(XS)[0], slice(0, T)).backward()
    plain = gradients(layer)
    (_,) = truncated_bptt(layer, XS, error, T)
    for name, found in gradients(layer).items():
        np.testing.assert_allclose(found, plain[name], rtol=0, atol=1e-12)


def test_no_gradient_crosses_the_cut():
    layer = network("rnn")
    xs = mg.tensor(XS, requires_grad=True)
    steps = truncated_bptt(layer, xs, error, 4)
    next(steps)
    assert (xs.grad.numpy()[:4] != 0).all()
    xs.grad = None
    next(steps)
    assert (xs.grad.numpy()[:4] == 0).all()
    assert (xs.grad.numpy()[4:8] != 0).all()


def test_state_is_carried_over():
    layer = network("gru")
    whole, end = layer(XS)
    losses, states = zip(*truncated_bptt(layer, XS, error, 5), strict=True)
    np.testing.assert_allclose(states[-1].numpy(), end.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(sum(loss.item() for loss in losses), error(whole, slice(0, T)).item(), rtol=1e-12)
    assert all(state.node is None for state in states)
    again = list(truncated_bptt(layer, XS[:4], error, 4, state=end))
    assert again[0][0].item() != pytest.approx(losses[0].item())


def test_training_with_it_learns():
    """A running mean of the inputs, from windows of ten steps of a sequence of two hundred."""
    mg.seed(0)
    layer, head = mr.Recurrent("rnn", 1, 8), mg.nn.Linear(8, 1)
    optimizer = mg.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.01)
    xs = rng.normal(size=(200, 8, 1)).astype("float32")
    targets = np.stack([xs[max(0, t - 2) : t + 1].mean(0) for t in range(200)])
    losses = []
    for _ in range(4):
        measure = lambda outputs, steps: mg.square(head(outputs) - targets[steps]).mean()
        for loss, _ in truncated_bptt(layer, xs, measure, 10):
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    assert np.mean(losses[-20:]) < 0.1 * np.mean(losses[:3])


def test_lengths_must_be_positive():
    with pytest.raises(ValueError, match="at least 1, not 0 and 3"):
        next(truncated_bptt(network(), XS, error, 0, 3))
