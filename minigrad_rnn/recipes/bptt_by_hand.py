"""bptt-by-hand: the graph's gradients beside the textbook's sums over time.

Of o_t = h_t V + c, ŷ_t = softmax(o_t) and L = -Σ_t log ŷ_t[target] the textbook works out ∇_o, ∇_h, ∇_c, ∇_b, ∇_V, ∇_W,
∇_U for the vanilla cell (Goodfellow, Bengio and Courville 2016, section 10.2.2), and the deltas of the gates and of the
cell for an LSTM with peepholes (Greff et al. 2017, section II.B). They stand here, and nowhere in the library, as what
the graph's gradients must equal. Vectors are rows, as in the code: a W is the textbook's transposed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad as mg

from ..cells import Cell, LSTMPeepholeCell, RNNCell, parts_of
from ..gradflow import per_step_grads
from ..systems import Figure, Lab, system

T, I, H, K = 3, 2, 3, 4  # steps, inputs, hidden units, classes
SYMBOLS = {"weight_ih": "U", "weight_hh": "W", "bias": "b", "weight_ch": "p"}
Arrays = dict[str, np.ndarray]


def of_rnn(xs: np.ndarray, d_o: np.ndarray, values: Arrays) -> Arrays:
    """∇ of everything by its symbol; `values` has the parameters', and the states' of all steps, (T, H)."""
    h, d_h = values["h_t"], d_o @ values["V"].T
    for t in reversed(range(T - 1)):
        d_h[t] += ((1 - h[t + 1] ** 2) * d_h[t + 1]) @ values["W"].T
    d_a = (1 - h**2) * d_h
    return {"h_t": d_h, "a_t": d_a, "U": xs.T @ d_a, "W": before(h).T @ d_a, "b": d_a.sum(axis=0)}


def of_lstm(xs: np.ndarray, d_o: np.ndarray, values: Arrays) -> Arrays:
    sigma = lambda x: 1 / (1 + np.exp(-x))
    h, c, (p_i, p_f, p_o) = values["h_t"], values["c_t"], np.split(values["p"], 3)
    i, f, g, o = np.split(xs @ values["U"] + before(h) @ values["W"] + values["b"], 4, axis=1)
    i, f, o, g = sigma(i + p_i * before(c)), sigma(f + p_f * before(c)), sigma(o + p_o * c), np.tanh(g)  # g is c̃
    d_h, d_c, delta = d_o @ values["V"].T, np.zeros_like(c), np.zeros((T, 4 * H))
    for t in reversed(range(T)):
        d_out = d_h[t] * np.tanh(c[t]) * o[t] * (1 - o[t])
        d_c[t] += d_h[t] * o[t] * (1 - np.tanh(c[t]) ** 2) + p_o * d_out
        d_in, d_forget = d_c[t] * g[t] * i[t] * (1 - i[t]), d_c[t] * before(c)[t] * f[t] * (1 - f[t])
        delta[t] = np.concatenate([d_in, d_forget, d_c[t] * i[t] * (1 - g[t] ** 2), d_out])
        if t:
            d_h[t - 1] += delta[t] @ values["W"].T
            d_c[t - 1] = d_c[t] * f[t] + p_i * d_in + p_f * d_forget
    seen = {0: before(c), 1: before(c), 3: c}  # what the peepholes of i, f and o see
    d_p = [(cell * delta[:, gate * H : (gate + 1) * H]).sum(axis=0) for gate, cell in seen.items()]
    sums = {"U": xs.T @ delta, "W": before(h).T @ delta, "b": delta.sum(axis=0), "p": np.concatenate(d_p)}
    return sums | {"h_t": d_h, "c_t": d_c, "a_t": delta}


def before(states: np.ndarray) -> np.ndarray:  # each step; before the first they are 0
    return np.concatenate([np.zeros_like(states[:1]), states[:-1]])


def difference(lab: Lab, name: str, cell: Cell, by_hand: Callable[..., Arrays]) -> float:
    """The largest difference of any gradient; and the drawing of them all."""
    xs, targets = lab.rng().normal(size=(T, I)), lab.rng(1).integers(K, size=T)
    leaves = {SYMBOLS[named]: parameter for named, parameter in cell.named_parameters()}
    leaves |= {"V": mg.nn.init.normal((H, K), dtype="float64"), "c": mg.nn.init.normal(K, dtype="float64")}
    for symbol, leaf in leaves.items():
        leaf.name = symbol
    steps: dict[str, list[mg.Tensor]] = {f"{part}_t": [] for part in ("o", *cell.state_names)}
    state = cell.initial_state(1)
    for symbol, part in zip(cell.state_names, parts_of(state), strict=True):
        part.name = f"{symbol}_-1"
    for t, x in enumerate(xs):  # what `unroll` does, with each step's own Tensors in hand
        with mg.scope(f"t={t}", name):
            h, state = cell(mg.tensor(x[None], name=f"x_{t}"), state)
            parts = h @ leaves["V"] + leaves["c"], *parts_of(state)
        for (symbol, own), part in zip(steps.items(), parts, strict=True):
            own.append(part.named(symbol.replace("t", str(t))))
    loss = (T * mg.nn.cross_entropy(mg.concatenate(steps["o_t"]), mg.tensor(targets))).named("L")

    grads = {"a_t": per_step_grads(loss, leaves["b"])}  # what a step contributes to the biases is its delta
    grads |= {symbol: mg.grad(loss, leaf, retain_graph=True).numpy() for symbol, leaf in leaves.items()}
    grads |= {part: mg.concatenate(mg.grad(loss, ts, retain_graph=True)).numpy() for part, ts in steps.items()}
    values = {symbol: leaf.numpy() for symbol, leaf in leaves.items()}
    values |= {part: mg.concatenate(tensors).numpy() for part, tensors in steps.items()}
    d_o = mg.softmax(mg.tensor(values["o_t"])).numpy() - np.eye(K)[targets]
    expected = by_hand(xs, d_o, values) | {"o_t": d_o, "V": values["h_t"].T @ d_o, "c": d_o.sum(axis=0)}

    loss.backward()
    drawing = mg.draw(loss, level="gate", backward=True, values=True, title=f"{name}: each gradient, and whence it is")
    lab.save(f"{name}.svg", drawing, f"the {name}, unrolled, with its gradients")
    lab.save(f"{name}-equations.txt", drawing, f"the {name}'s equations, derived from the graph")
    return max(float(np.abs(grads[symbol] - expected[symbol]).max()) for symbol in grads)


@system(data="random numbers", merit="largest difference between the graph's gradients and those by hand", seconds=2)
def run(lab: Lab) -> list[Figure]:
    lstm = LSTMPeepholeCell(I, H, dtype="float64")
    lstm.weight_ch = mg.nn.init.normal(3 * H, dtype="float64")  # which starts at 0
    rnn = difference(lab, "rnn", RNNCell(I, H, dtype="float64"), of_rnn)
    peepholes = difference(lab, "lstm", lstm, of_lstm)
    asked, sources = ("<=", 1e-10), ("Goodfellow et al., eq. 10.18-10.28", "Greff et al., section II.B")
    return [
        Figure("rnn, ∇ of o, h, c, b, V, W, U", rnn, *asked, sources[0], exact=True),
        Figure("lstm, δ of o, f, i, c̃, c, ∇ of all weights", peepholes, *asked, sources[1], exact=True),
    ]
