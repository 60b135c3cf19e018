"""Architectures of recurrent networks, built from the library's parts: their shapes, equations and gradients."""

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr

T, B, I, H = 5, 3, 2, 4
rng = np.random.default_rng(0)
XS = rng.normal(size=(T, B, I))


@pytest.fixture(autouse=True)
def seed():
    mg.seed(0)


def trained(output, *modules):
    """Every parameter of the modules has a gradient that is not all zeros."""
    mg.square(output).sum().backward()
    for module in modules:
        for name, parameter in module.named_parameters():
            assert np.abs(parameter.grad.numpy()).max() > 0, name


def test_mlp_beside_rnn():
    """h = φ(U x) beside h_t = φ(U x_t + W h_{t-1}): with W = 0 they are the same, with it only one remembers."""
    cell = mr.RNNCell(I, H, dtype="float64")
    plain = mg.tanh(mg.tensor(XS) @ cell.weight_ih + cell.bias)
    remembering, _ = mr.unroll(cell, XS)
    assert np.abs(plain.numpy()[0] - remembering.numpy()[0]).max() == 0
    assert np.abs(plain.numpy()[1:] - remembering.numpy()[1:]).max() > 0.1
    cell.weight_hh.data[...] = 0
    np.testing.assert_allclose(mr.unroll(cell, XS)[0].numpy(), plain.numpy(), rtol=0, atol=1e-15)


def test_deep():
    network = mr.LSTM(I, H, num_layers=3, dtype="float64")
    outputs, (h, c) = network(XS)
    assert (outputs.shape, h.shape, c.shape) == ((T, B, H), (3, B, H), (3, B, H))
    np.testing.assert_array_equal(outputs.numpy()[-1], h.numpy()[-1])
    trained(outputs, network)


def test_both_directions_run_from_either_end():
    network = mr.LSTM(I, H, bidirectional=True, dtype="float64")
    outputs, _ = network(XS)
    changed = XS.copy()
    changed[2] += 1
    difference = np.abs(outputs.numpy() - network(changed)[0].numpy()).max(axis=1) > 0
    assert difference[:, :H].all(axis=1).tolist() == [False, False, True, True, True]
    assert difference[:, H:].all(axis=1).tolist() == [True, True, True, False, False]


class TwoColumns(mr.Cell):
    """A state that depends on the two steps before, and on the other column's state (a column that repeats)."""

    state_names = ("h", "older", "s")

    def __init__(self, input_size, hidden_size, dtype="float32"):
        self.U = mg.nn.init.glorot(input_size, hidden_size, dtype=dtype)
        for name in ("W", "A", "V", "R", "Q"):
            setattr(self, name, mg.nn.init.orthogonal(hidden_size, dtype=dtype))

    def step(self, x, state):
        h, older, s = state
        new = mg.tanh(x @ self.U + h @ self.W + older @ self.A + s @ self.Q)
        s = mg.tanh(new @ self.V + s @ self.R)
        return s, (new, h, s)


def test_complex_state():
    cell = TwoColumns(I, H, dtype="float64")
    outputs, _ = mr.unroll(cell, XS)
    h, s = [np.zeros((B, H))] * 2, np.zeros((B, H))
    for t in range(T):
        new = XS[t] @ cell.U.numpy() + h[-1] @ cell.W.numpy() + h[-2] @ cell.A.numpy() + s @ cell.Q.numpy()
        h.append(np.tanh(new))
        s = np.tanh(h[-1] @ cell.V.numpy() + s @ cell.R.numpy())
        np.testing.assert_allclose(outputs.numpy()[t], s, rtol=0, atol=1e-12)
    trained(outputs, cell)


def test_diagonal_recurrence():
    """IndRNN: each unit depends on its own past alone."""
    network = mr.Recurrent("indrnn", I, H, dtype="float64")
    start = mg.tensor(np.zeros((1, B, H)), requires_grad=True)
    outputs, _ = network(np.abs(XS), start)
    for unit in range(H):
        start.grad = None
        outputs[-1, :, unit].sum().backward(retain_graph=True)
        others = np.delete(start.grad.numpy(), unit, axis=2)
        assert (others == 0).all()


# The five shapes of sequence processing


def test_one_to_one():
    network, head = mr.RNN(I, H, dtype="float64"), mg.nn.Linear(H, 1, dtype="float64")
    outputs, _ = network(XS[:1])
    assert head(outputs[0]).shape == (B, 1)


@pytest.mark.parametrize("every_step", [False, True])
def test_one_to_many(every_step):
    """One input starts a sequence: as the initial state, or as an extra input at every step (an image, say)."""
    image = mg.tensor(rng.normal(size=(B, 6)))
    into, network = mg.nn.Linear(6, H, dtype="float64"), mr.GRU(H, H, dtype="float64")
    if every_step:
        outputs, _ = network(mg.broadcast_to(into(image), (T, B, H)))
    else:
        outputs, _ = network(np.zeros((T, B, H)), mg.expand_dims(mg.tanh(into(image)), 0))
    assert outputs.shape == (T, B, H)
    trained(outputs[-1], into)
    assert np.abs(network.cells[0].weight_hh.grad.numpy()).max() > 0


def test_many_to_one():
    network, head = mr.LSTM(I, H, dtype="float64"), mg.nn.Linear(H, 2, dtype="float64")
    lengths = [5, 2, 3]
    outputs, (h, _) = network(XS, lengths=lengths)
    last = np.stack([outputs.numpy()[n - 1, i] for i, n in enumerate(lengths)])
    np.testing.assert_array_equal(h.numpy()[0], last)
    trained(head(h[0]), network, head)


def test_many_to_many():
    network, head = mr.GRU(I, H, dtype="float64"), mg.nn.Linear(H, 3, dtype="float64")
    outputs, _ = network(XS)
    assert head(outputs).shape == (T, B, 3)
    trained(head(outputs), network, head)


def test_many_to_many_delayed():
    """The answer begins when the question has ended: zeros in while it is written, and out while it is read."""
    delay = 3
    network = mr.LSTM(I, H, dtype="float64")
    padded = mg.pad(mg.tensor(XS), ((0, delay), (0, 0), (0, 0)))
    outputs, _ = network(padded)
    answers = outputs[delay:]
    assert answers.shape == (T, B, H)
    trained(answers, network)
    shifted, _ = network(np.concatenate([XS, np.ones((delay, B, I))]))
    np.testing.assert_array_equal(shifted.numpy()[:T], outputs.numpy()[:T])


# With convolutions


def test_convolution_then_recurrence_then_dense():
    """CLDNN (Sainath et al. 2015): a convolution over features, an LSTM over time, dense layers."""
    features, channels = 6, 3
    conv = mg.nn.Conv1d(1, channels, 3, dtype="float64")
    network = mr.LSTM(channels * (features - 2), H, dtype="float64")
    head = mg.nn.Sequential(mg.nn.Linear(H, H, dtype="float64"), mg.relu, mg.nn.Linear(H, 2, dtype="float64"))
    xs = mg.tensor(rng.normal(size=(T, B, features)))
    frames = mg.relu(conv(mg.reshape(xs, (T * B, 1, features))))
    outputs, _ = network(mg.reshape(frames, (T, B, -1)))
    y = head(outputs)
    assert y.shape == (T, B, 2)
    trained(y, conv, network, head)


def test_video_captions():
    """Convolutional features of each frame, an LSTM that reads them, an LSTM that writes words (Venugopalan 2015)."""
    words, length = 7, 4
    conv = mg.nn.Conv2d(1, 2, 3, dtype="float64")
    reader = mr.LSTM(2 * 4 * 4, H, dtype="float64")
    table = mg.nn.Embedding(words, 3, dtype="float64")
    writer, head = mr.LSTM(3, H, dtype="float64"), mg.nn.Linear(H, words, dtype="float64")
    video = mg.tensor(rng.normal(size=(T * B, 1, 6, 6)))
    frames = mg.reshape(mg.tanh(conv(video)), (T, B, -1))
    _, state = reader(frames)
    captions = mg.tensor(rng.integers(0, words, (length, B)))
    outputs, _ = writer(table(captions[:-1]), state)
    logits = head(outputs)
    assert logits.shape == (length - 1, B, words)
    loss = mg.nn.cross_entropy(logits, captions[1:])
    loss.backward()
    for module in (conv, reader, table, writer, head):
        assert all(np.abs(p.grad.numpy()).max() > 0 for p in module.parameters())


# Divergences that are no sum over time


def test_a_loss_that_is_no_sum_over_time_trains():
    """The largest error over time: its gradient comes back through the whole sequence all the same."""
    network, head = mr.RNN(I, 8, dtype="float64"), mg.nn.Linear(8, 1, dtype="float64")
    targets = np.cumsum(XS.sum(axis=2, keepdims=True), axis=0) / 3
    optimizer = mg.optim.Adam([*network.parameters(), *head.parameters()], lr=0.02)
    losses = []
    for _ in range(300):
        loss = mg.max(mg.abs(head(network(XS)[0]) - targets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.15 * losses[0]
