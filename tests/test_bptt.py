"""Backpropagation through time: the graph's gradients equal the textbook's sums over t, worked out by hand."""

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr

T, B, I, H, K = 5, 3, 4, 6, 7  # steps, batch, inputs, hidden units, classes


def sigma(x):
    return 1 / (1 + np.exp(-x))


def test_exercise_with_one_hidden_unit():
    """h_0, y_1, y_2 of the one-unit net with W_xh = -0.1, W_hh = 0.5, W_hy = 0.25, hbias = 0.4, ybias = 0."""
    cell = mr.RNNCell(1, 1, nonlinearity="sigmoid", dtype="float64")
    for parameter, value in ((cell.weight_ih, -0.1), (cell.weight_hh, 0.5), (cell.bias, 0.4)):
        parameter.data[...] = value
    hidden, _ = mr.unroll(cell, np.array([18.0, 9.0, -8.0]).reshape(3, 1, 1))
    h = hidden.numpy().ravel()
    y = 0.25 * h + 0.0

    h0 = 1 / (1 + math.exp(1.4))
    h1 = 1 / (1 + math.exp(0.5 - 0.5 * h0))
    h2 = 1 / (1 + math.exp(-1.2 - 0.5 * h1))
    np.testing.assert_allclose(h, [h0, h1, h2], rtol=1e-15)
    np.testing.assert_allclose([h[0], y[1], y[2]], [0.1978161, 0.1002625, 0.2005668], atol=5e-8)


@pytest.fixture
def data():
    rng = np.random.default_rng(7)
    xs = rng.normal(size=(T, B, I))
    targets = rng.integers(K, size=(T, B))
    V, c = rng.normal(size=(H, K)), rng.normal(size=K)
    return xs, targets, mg.tensor(V, requires_grad=True), mg.tensor(c, requires_grad=True)


def loss_and_gradients(cell, data, state=None):
    """The summed cross-entropy of a softmax over V h_t + c, and the graph's gradients of everything, by name."""
    xs, targets, V, c = data
    outputs, _ = mr.unroll(cell, mg.tensor(xs), state)
    logits = outputs @ V + c
    loss = mg.nn.cross_entropy(logits, targets) * (T * B)
    wanted = {"outputs": outputs, "logits": logits, "V": V, "c": c, **dict(cell.named_parameters())}
    grads = mg.grad(loss, list(wanted.values()))
    return outputs.numpy(), logits.numpy(), {name: g.numpy() for name, g in zip(wanted, grads, strict=True)}


def output_gradients(logits, targets):
    """∇_o L = ŷ - 1_y for each step."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    d_o = shifted / shifted.sum(axis=-1, keepdims=True)
    d_o[np.arange(T)[:, None], np.arange(B), targets] -= 1
    return d_o


def test_vanilla_cell(data):
    """Goodfellow, Bengio and Courville, Deep Learning, eq. 10.18 to 10.28: ∇_o, ∇_h, ∇_c, ∇_b, ∇_V, ∇_W, ∇_U."""
    xs, targets, V, _ = data
    mg.seed(1)
    cell = mr.RNNCell(I, H, dtype="float64")
    h, logits, grads = loss_and_gradients(cell, data)
    W = cell.weight_hh.numpy()

    d_o = output_gradients(logits, targets)
    before = np.concatenate([np.zeros((1, B, H)), h[:-1]])
    d_h = np.zeros((T, B, H))
    d_a = np.zeros((T, B, H))
    later = np.zeros((B, H))
    for t in reversed(range(T)):
        d_h[t] = d_o[t] @ V.numpy().T + later
        d_a[t] = (1 - h[t] ** 2) * d_h[t]
        later = d_a[t] @ W.T
    by_hand = {
        "logits": d_o,
        "c": d_o.sum(axis=(0, 1)),
        "V": np.einsum("tbh,tbk->hk", h, d_o),
        "bias": d_a.sum(axis=(0, 1)),
        "weight_hh": np.einsum("tbh,tbj->hj", before, d_a),
        "weight_ih": np.einsum("tbi,tbj->ij", xs, d_a),
    }
    for name, expected in by_hand.items():
        np.testing.assert_allclose(grads[name], expected, rtol=0, atol=1e-10, err_msg=name)
    assert np.abs(d_h[0] - grads["outputs"][0]).max() > 1e-3  # what comes from later steps is part of ∇_h


class PeepholeLSTMCell(mr.Cell):
    """An LSTM with diagonal peepholes (Gers, Schraudolph and Schmidhuber 2002), as a user would write it."""

    state_names = ("h", "c")

    def __init__(self, input_size, hidden_size, peepholes):
        for gate in "ifgo":
            setattr(self, f"U_{gate}", mg.nn.init.glorot(input_size, hidden_size, dtype="float64"))
            setattr(self, f"W_{gate}", mg.nn.init.orthogonal(hidden_size, dtype="float64"))
            setattr(self, f"b_{gate}", mg.nn.init.normal(hidden_size, dtype="float64"))
        for gate in "ifo":
            setattr(self, f"p_{gate}", mg.nn.init.normal(hidden_size, std=float(peepholes), dtype="float64"))

    def step(self, x, state):
        h, c = state
        i = mg.sigmoid(x @ self.U_i + h @ self.W_i + self.p_i * c + self.b_i)
        f = mg.sigmoid(x @ self.U_f + h @ self.W_f + self.p_f * c + self.b_f)
        g = mg.tanh(x @ self.U_g + h @ self.W_g + self.b_g)
        c = f * c + i * g
        o = mg.sigmoid(x @ self.U_o + h @ self.W_o + self.p_o * c + self.b_o)
        h = o * mg.tanh(c)
        return h, (h, c)


@pytest.mark.parametrize("peepholes", [False, True])
def test_lstm(data, peepholes):
    """Greff et al. 2017, "LSTM: a search space odyssey", section II.B: δo, δf, δi, δc̃, δc, and the weights' sums."""
    xs, targets, V, _ = data
    mg.seed(2)
    cell = PeepholeLSTMCell(I, H, peepholes)
    P = {name: p.numpy() for name, p in cell.named_parameters()}
    h, logits, grads = loss_and_gradients(cell, data)

    gates, c, h_before, c_before = [], [], [np.zeros((B, H))], [np.zeros((B, H))]
    for t in range(T):
        x, hp, cp = xs[t], h_before[-1], c_before[-1]
        i = sigma(x @ P["U_i"] + hp @ P["W_i"] + P["p_i"] * cp + P["b_i"])
        f = sigma(x @ P["U_f"] + hp @ P["W_f"] + P["p_f"] * cp + P["b_f"])
        g = np.tanh(x @ P["U_g"] + hp @ P["W_g"] + P["b_g"])
        c.append(f * cp + i * g)
        o = sigma(x @ P["U_o"] + hp @ P["W_o"] + P["p_o"] * c[-1] + P["b_o"])
        gates.append((i, f, g, o))
        h_before.append(o * np.tanh(c[-1]))
        c_before.append(c[-1])
    np.testing.assert_allclose(h, h_before[1:], rtol=0, atol=1e-12)

    d_o = output_gradients(logits, targets)
    by_hand = {name: np.zeros_like(value) for name, value in P.items()}
    later_h, later_c = np.zeros((B, H)), np.zeros((B, H))
    for t in reversed(range(T)):
        i, f, g, o = gates[t]
        d_h = d_o[t] @ V.numpy().T + later_h
        delta_o = d_h * np.tanh(c[t]) * o * (1 - o)
        delta_c = d_h * o * (1 - np.tanh(c[t]) ** 2) + P["p_o"] * delta_o + later_c
        delta_f = delta_c * c_before[t] * f * (1 - f)
        delta_i = delta_c * g * i * (1 - i)
        delta_g = delta_c * i * (1 - g**2)
        deltas = {"i": delta_i, "f": delta_f, "g": delta_g, "o": delta_o}
        for gate, delta in deltas.items():
            by_hand[f"U_{gate}"] += xs[t].T @ delta
            by_hand[f"W_{gate}"] += h_before[t].T @ delta
            by_hand[f"b_{gate}"] += delta.sum(axis=0)
        by_hand["p_i"] += (delta_i * c_before[t]).sum(axis=0)
        by_hand["p_f"] += (delta_f * c_before[t]).sum(axis=0)
        by_hand["p_o"] += (delta_o * c[t]).sum(axis=0)
        later_h = sum(delta @ P[f"W_{gate}"].T for gate, delta in deltas.items())
        later_c = delta_c * f + P["p_i"] * delta_i + P["p_f"] * delta_f
    for name, expected in by_hand.items():
        np.testing.assert_allclose(grads[name], expected, rtol=0, atol=1e-10, err_msg=name)


def test_stacked_gates_equal_separate_gates(data):
    """The library's LSTM, its four matrices side by side, computes what four separate matrices compute."""
    mg.seed(3)
    stacked = mr.LSTMCell(I, H, dtype="float64")
    separate = PeepholeLSTMCell(I, H, peepholes=False)
    for n, gate in enumerate("ifgo"):
        columns = slice(n * H, (n + 1) * H)
        getattr(separate, f"U_{gate}").data[...] = stacked.weight_ih.data[:, columns]
        getattr(separate, f"W_{gate}").data[...] = stacked.weight_hh.data[:, columns]
        getattr(separate, f"b_{gate}").data[...] = stacked.bias.data[columns]
    h_stacked, _, g_stacked = loss_and_gradients(stacked, data)
    h_separate, _, g_separate = loss_and_gradients(separate, data)
    np.testing.assert_allclose(h_stacked, h_separate, rtol=0, atol=1e-12)
    for name, prefix in (("weight_ih", "U_"), ("weight_hh", "W_"), ("bias", "b_")):
        joined = np.concatenate([g_separate[prefix + gate] for gate in "ifgo"], axis=-1)
        np.testing.assert_allclose(g_stacked[name], joined, rtol=0, atol=1e-10, err_msg=name)
