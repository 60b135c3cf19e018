"""Every cell against its paper's equations in plain NumPy, finite differences, PyTorch, and itself in other company."""

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.errors import ShapeError
from minigrad_rnn import cells
from minigrad_rnn.cells import ChildSumTreeLSTM, LSTMSeparateCell

T, B, I, H, ROWS, COLUMNS = 4, 3, 2, 4, 2, 3
SIZE = {"size": (ROWS, COLUMNS)}


def sigma(x):
    return 1 / (1 + np.exp(-x))


def blocks(P, name, count, axis=-1):
    """The matrices that stand side by side in a parameter; zeros, which broadcast, if it is not there."""
    return np.split(P[name], count, axis) if name in P else [np.zeros(1)] * count


def pre_activations(P, x, h, count):
    """x U + h W + b of each gate, every product by itself."""
    U, W, b = (blocks(P, name, count) for name in ("weight_ih", "weight_hh", "bias"))
    return [x @ U[n] + h @ W[n] + b[n] for n in range(count)]


# The papers' equations, one step: parameters by name, input, state -> output, state.


def rnn(phi):
    def step(P, x, h):
        (a,) = pre_activations(P, x, h, 1)
        return phi(a), phi(a)

    return step


def lstm(candidate=np.tanh):
    def step(P, x, state):
        h, c = state
        i, f, g, o = pre_activations(P, x, h, 4)
        c = sigma(f) * c + sigma(i) * candidate(g)
        h = sigma(o) * np.tanh(c)
        return h, (h, c)

    return step


def lstm_no_forget(P, x, state):
    h, c = state
    i, g, o = pre_activations(P, x, h, 3)
    c = c + sigma(i) * np.tanh(g)
    h = sigma(o) * np.tanh(c)
    return h, (h, c)


def lstm_peephole(P, x, state):
    h, c = state
    i, f, g, o = pre_activations(P, x, h, 4)
    p_i, p_f, p_o = (p if p.ndim == 2 else np.diag(p) for p in blocks(P, "weight_ch", 3))
    i, f = sigma(i + c @ p_i), sigma(f + c @ p_f)
    c = f * c + i * np.tanh(g)
    h = sigma(o + c @ p_o) * np.tanh(c)
    return h, (h, c)


def lstm_coupled(P, x, state):
    h, c = state
    f, g, o = pre_activations(P, x, h, 3)
    f = sigma(f)
    c = f * c + (1 - f) * np.tanh(g)
    h = sigma(o) * np.tanh(c)
    return h, (h, c)


def lstm_separate(P, x, state):
    h, c = state
    hx = np.concatenate([h, x], axis=1)
    i, f, g, o = (hx @ P[f"W_{gate}"] + P.get(f"b_{gate}", 0) for gate in "ifgo")
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    h = sigma(o) * np.tanh(c)
    return h, (h, c)


def lstmp(P, x, state):
    h, c = state
    i, f, g, o = pre_activations(P, x, h, 4)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    h = (sigma(o) * np.tanh(c)) @ P["weight_hr"]
    return h, (h, c)


def layer_norm(P, name, a):
    mean = a.mean(axis=1, keepdims=True)
    spread = np.sqrt(((a - mean) ** 2).mean(axis=1, keepdims=True) + 1e-5)
    return P[f"{name}.weight"] * (a - mean) / spread + P.get(f"{name}.bias", 0)


def lstm_layernorm(P, x, state):
    h, c = state
    a = layer_norm(P, "norm_ih", x @ P["weight_ih"]) + layer_norm(P, "norm_hh", h @ P["weight_hh"]) + P.get("bias", 0)
    i, f, g, o = np.split(a, 4, axis=1)
    c = sigma(f) * c + sigma(i) * np.tanh(g)
    h = sigma(o) * np.tanh(layer_norm(P, "norm_c", c))
    return h, (h, c)


def gru(reset_after):
    def step(P, x, h):
        (U_r, U_z, U_n), (W_r, W_z, W_n) = blocks(P, "weight_ih", 3), blocks(P, "weight_hh", 3)
        b_r, b_z, b_n = blocks(P, "bias", 3)
        r, z = sigma(x @ U_r + h @ W_r + b_r), sigma(x @ U_z + h @ W_z + b_z)
        past = r * (h @ W_n + P.get("bias_hn", 0)) if reset_after else (r * h) @ W_n
        h = (1 - z) * np.tanh(x @ U_n + b_n + past) + z * h
        return h, h

    return step


def gru_layernorm(P, x, h):
    U, W, b = P["weight_ih"], P["weight_hh"], P.get("bias", np.zeros(3 * H))
    gates = layer_norm(P, "norm_ih", x @ U[:, : 2 * H]) + layer_norm(P, "norm_hh", h @ W[:, : 2 * H]) + b[: 2 * H]
    r, z = np.split(sigma(gates), 2, axis=1)
    past = layer_norm(P, "norm_hn", h @ W[:, 2 * H :])
    h = (1 - z) * np.tanh(layer_norm(P, "norm_in", x @ U[:, 2 * H :]) + b[2 * H :] + r * past) + z * h
    return h, h


def mgu(P, x, h):
    (U_f, U_n), (W_f, W_n), (b_f, b_n) = (blocks(P, name, 2) for name in ("weight_ih", "weight_hh", "bias"))
    f = sigma(x @ U_f + h @ W_f + b_f)
    h = (1 - f) * h + f * np.tanh(x @ U_n + (f * h) @ W_n + b_n)
    return h, h


def indrnn(phi):
    def step(P, x, h):
        h = phi(x @ P["weight_ih"] + h @ np.diag(P["weight_hh"]) + P.get("bias", 0))
        return h, h

    return step


def jordan(phi, psi):
    def step(P, x, y):
        h = phi(x @ P["weight_ih"] + y @ P["weight_yh"] + P.get("bias", 0))
        y = psi(h @ P["weight_hy"] + P.get("bias_y", 0))
        return y, y

    return step


def mingru(P, x, h):
    (U_z, U_n), (b_z, b_n) = blocks(P, "weight_ih", 2), blocks(P, "bias", 2)
    z = sigma(x @ U_z + b_z)
    h = (1 - z) * h + z * (x @ U_n + b_n)
    return h, h


def minlstm(P, x, h):
    (U_i, U_f, U_g), (b_i, b_f, b_g) = blocks(P, "weight_ih", 3), blocks(P, "bias", 3)
    i, f = sigma(x @ U_i + b_i), sigma(x @ U_f + b_f)
    h = (f * h + i * (x @ U_g + b_g)) / (f + i)
    return h, h


def slstm(forget):
    def step(P, x, state):
        """Without the stabiliser, eq. 8 to 14: c and n are e^m times those of the cell."""
        h, c, n, m = state
        i, f, z, o = pre_activations(P, x, h, 4)
        m_after = np.maximum(np.log(forget(f)) + m, i)
        c, n = (forget(f) * np.exp(m) * part + np.exp(i) * new for part, new in ((c, np.tanh(z)), (n, 1)))
        h = sigma(o) * c / n
        return h, (h, c / np.exp(m_after), n / np.exp(m_after), m_after)

    return step


def convolution(x, kernels):
    """Same-size cross-correlation, pixel by pixel."""
    k = kernels.shape[-1] // 2
    x = np.pad(x, ((0, 0), (0, 0), (k, k), (k, k)))
    out = np.empty((len(x), len(kernels), ROWS, COLUMNS))
    for row in range(ROWS):
        for column in range(COLUMNS):
            window = x[:, :, row : row + 2 * k + 1, column : column + 2 * k + 1]
            out[:, :, row, column] = np.tensordot(window, kernels, ((1, 2, 3), (1, 2, 3)))
    return out


def convlstm(P, x, state):
    h, c = state
    bias = P.get("bias", np.zeros(len(P["weight_ih"]))).reshape(-1, 1, 1)
    i, f, g, o = np.split(convolution(x, P["weight_ih"]) + convolution(h, P["weight_hh"]) + bias, 4, axis=1)
    p_i, p_f, p_o = blocks(P, "weight_ch", 3, axis=0)
    i, f = sigma(i + p_i * c), sigma(f + p_f * c)
    c = f * c + i * np.tanh(g)
    h = sigma(o + p_o * c) * np.tanh(c)
    return h, (h, c)


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


CASES = {
    "rnn": ({}, rnn(np.tanh)),
    "rnn: relu": ({"nonlinearity": "relu"}, rnn(relu)),
    "rnn: identity, no bias": ({"nonlinearity": "identity", "bias": False}, rnn(lambda a: a)),
    "indrnn": ({}, indrnn(relu)),
    "indrnn: tanh, no bias": ({"nonlinearity": "tanh", "bias": False}, indrnn(np.tanh)),
    "jordan": ({}, jordan(np.tanh, lambda a: a)),
    "jordan: 3 wide, softmax": (
        {"output_size": 3, "nonlinearity": "sigmoid", "output": "softmax"},
        jordan(sigma, softmax),
    ),
    "jordan: no bias": ({"output_size": 5, "bias": False}, jordan(np.tanh, lambda a: a)),
    "lstm": ({}, lstm()),
    "lstm: sigmoid": ({"candidate": "sigmoid", "forget_bias": 0.5}, lstm(sigma)),
    "lstm-no-forget": ({}, lstm_no_forget),
    "lstm-no-forget: no bias": ({"bias": False}, lstm_no_forget),
    "lstm-peephole": ({}, lstm_peephole),
    "lstm-peephole: full, no bias": ({"peephole": "full", "bias": False}, lstm_peephole),
    "lstm-coupled": ({}, lstm_coupled),
    "lstm-coupled: no bias": ({"bias": False}, lstm_coupled),
    "lstm-layernorm": ({}, lstm_layernorm),
    "lstm-layernorm: no bias": ({"bias": False}, lstm_layernorm),
    "lstm-separate": ({}, lstm_separate),
    "lstm-separate: no bias": ({"bias": False}, lstm_separate),
    "lstmp": ({}, lstmp),
    "lstmp: 3 wide, no bias": ({"projection_size": 3, "bias": False}, lstmp),
    "minlstm": ({}, minlstm),
    "minlstm: no bias": ({"bias": False}, minlstm),
    "slstm": ({}, slstm(sigma)),
    "slstm: exp, no bias": ({"forget_gate": "exp", "bias": False}, slstm(np.exp)),
    "convlstm": (SIZE, convlstm),
    "convlstm: 1 x 1, no peepholes, no bias": (
        SIZE | {"kernel_size": 1, "peephole": False, "bias": False},
        convlstm,
    ),
    "gru": ({}, gru(True)),
    "gru: reset before": ({"reset_after": False}, gru(False)),
    "gru-layernorm": ({}, gru_layernorm),
    "gru-layernorm: no bias": ({"bias": False}, gru_layernorm),
    "mgu": ({}, mgu),
    "mgu: no bias": ({"bias": False}, mgu),
    "mingru": ({}, mingru),
    "mingru: no bias": ({"bias": False}, mingru),
}
NAMES = list(dict.fromkeys(case.partition(":")[0] for case in CASES))


def options_of(name):
    return SIZE if name == "convlstm" else {}


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def whole(state_parts):
    return tuple(state_parts) if len(state_parts) > 1 else state_parts[0]


def inputs(cell, rng, steps=T, batch=B):
    return rng.normal(size=(steps, batch, cell.input_size, *(SIZE["size"] if len(cell.input_axes) == 3 else ())))


def states(cell, rng, batch=B):
    """A state with no zeros in it; every part positive, as a normaliser is."""
    return [rng.uniform(0.5, 1.5, (batch, *shape)) for shape in cell.state_shapes()]


def make(case, rng):
    """The cell in float64, none of its parameters left at 0 or 1."""
    cell = cells.get(case.partition(":")[0])(I, H, dtype="float64", **CASES[case][0])
    for parameter in cell.parameters():
        parameter.data[...] = parameter.backend.asarray(rng.normal(size=parameter.shape) * 0.7)
    return cell


@pytest.fixture
def rng():
    mg.seed(0)
    return np.random.default_rng(0)


def test_all_are_registered_and_exported():
    own = {name for name in cells.names() if cells.get(name).__module__.startswith("minigrad_rnn.")}
    assert set(NAMES) <= own
    assert [name for name in NAMES if not getattr(cells, cells.get(name).__name__, None)] == []


@pytest.mark.parametrize("case", CASES)
def test_against_the_equations_in_numpy(case, rng):
    cell, step = make(case, rng), CASES[case][1]
    P = {name: value.numpy() for name, value in cell.state_dict().items()}
    xs, start = inputs(cell, rng), states(cell, rng)
    outputs, end = mr.unroll(cell, xs, whole([mg.tensor(part) for part in start]))
    state = whole(start)
    for t in range(T):
        output, state = step(P, xs[t], state)
        np.testing.assert_allclose(outputs.numpy()[t], output, rtol=0, atol=1e-12)
    assert len(parts(end)) == len(parts(state)) == len(cell.state_names)
    for ours, numpys in zip(parts(end), parts(state), strict=True):
        np.testing.assert_allclose(ours.numpy(), numpys, rtol=0, atol=1e-12)
    assert outputs.shape[2] == cell.output_size


@pytest.mark.parametrize("case", CASES)
def test_gradients_against_finite_differences(case, rng):
    cell = make(case, rng)
    names = [name for name, _ in cell.named_parameters()]
    given = [inputs(cell, rng, 2, 2), *states(cell, rng, 2), *(p.numpy() for p in cell.parameters())]
    count = len(cell.state_names)
    owners = dict(cell.named_modules())

    def run(xs, *values):
        for name, value in zip(names, values[count:], strict=True):
            path, _, attribute = name.rpartition(".")
            setattr(owners[path], attribute, value)
        outputs, state = [], whole(values[:count])
        for x in mg.unstack(xs):
            output, state = cell.step(x, state)
            outputs.append(output)
        return (*outputs, *parts(state))

    assert mg.gradcheck(run, [mg.tensor(value) for value in given])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_lengths_give_what_each_sequence_gives_alone(case, reverse, rng):
    cell, lengths = make(case, rng), [T, 0, 2]
    xs, start = inputs(cell, rng), states(cell, rng)

    def run(columns, steps, lengths=None):
        x = mg.tensor(xs[:steps, columns])
        state = [mg.tensor(part[columns], requires_grad=True) for part in start]
        outputs, end = mr.unroll(cell, x, whole(state), lengths, reverse)
        loss = (outputs * outputs).sum() + sum((part * part).sum() for part in parts(end))
        grads = mg.grad(loss, [*cell.parameters(), *state], allow_unused=True)
        return outputs.numpy(), [part.numpy() for part in parts(end)], [g if g is None else g.numpy() for g in grads]

    outputs, ends, grads = run(slice(None), T, lengths)
    count, summed = len(list(cell.parameters())), 0
    for n, length in enumerate(lengths):
        assert (outputs[length:, n] == 0).all()
        if length == 0:
            for part, first in zip(ends, start, strict=True):
                np.testing.assert_array_equal(part[n], first[n])
            continue
        alone, end, alone_grads = run(slice(n, n + 1), length)
        np.testing.assert_allclose(outputs[:length, n], alone[:, 0], rtol=0, atol=1e-12)
        for part, own in zip(ends, end, strict=True):
            np.testing.assert_allclose(part[n], own[0], rtol=0, atol=1e-12)
        for grad, own in zip(grads[count:], alone_grads[count:], strict=True):
            np.testing.assert_allclose(grad[n], 0 if own is None else own[0], rtol=0, atol=1e-10)
        summed = [s + g for s, g in zip(summed or [0] * count, alone_grads[:count], strict=True)]
    for grad, own in zip(grads[:count], summed, strict=True):
        np.testing.assert_allclose(grad, own, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_layers_in_both_directions_in_float32(name, rng):
    """Two layers in both directions: what each cell gives alone, put together by hand; float32 stays."""
    layer = mr.Recurrent(name, I, H, num_layers=2, bidirectional=True, **options_of(name))
    xs = inputs(layer.cells[0], rng).astype("float32")
    outputs, state = layer(xs, lengths=[T, 1, 2])
    expected, ends = xs, []
    for below in (layer.cells[:2], layer.cells[2:]):
        runs = [mr.unroll(cell, expected, lengths=[T, 1, 2], reverse=n == 1) for n, cell in enumerate(below)]
        expected = mg.concatenate([out for out, _ in runs], axis=2)
        ends += [end for _, end in runs]
    np.testing.assert_array_equal(outputs.numpy(), expected.numpy())
    assert outputs.shape[:3] == (T, B, 2 * layer.cells[0].output_size)
    assert layer.cells[2].input_size == 2 * layer.cells[0].output_size
    for n, part in enumerate(parts(state)):
        assert part.shape == (4, B, *layer.cells[0].state_shapes()[n])
        np.testing.assert_array_equal(part.numpy(), np.stack([parts(end)[n].numpy() for end in ends]))
    (outputs * outputs).sum().backward()
    floats = {t.dtype for t in (outputs, *parts(state), *layer.parameters(), *(p.grad for p in layer.parameters()))}
    assert floats == {np.dtype("float32")}
    assert [name for name, p in layer.named_parameters() if not np.abs(p.grad.numpy()).max() > 0] == []


@pytest.mark.parametrize("case", CASES)
def test_drawn_with_its_gates_and_written_as_equations(case, rng):
    cell = make(case, rng)
    outputs, end = mr.unroll(cell, inputs(cell, rng, 3, 1))
    loss = mg.square(outputs).mean().named("loss")
    loss.backward()
    drawing = mg.draw(loss, level="gate", values=True, backward=True)
    assert drawing.svg().count("<svg") == 1
    told = drawing.equations().text()
    assert [part.name for part in parts(end)] == [f"{name}_2" for name in cell.state_names]
    written = {line.partition(" = ")[0] for line in told.splitlines()}
    gates = {node.name for node in mg.graph.ancestors([loss.node]) if node.name and len(node.name) == 1} - {"b"}
    assert {f"{name}_t" for name in (*cell.state_names, *gates)} <= written
    assert {f"∇_{{{name}_t}} loss" for name in cell.state_names} <= written


GATES = {
    "lstm": "ifgo",
    "lstm-no-forget": "igo",
    "lstm-peephole": "ifgo",
    "lstm-coupled": "fgo",
    "lstm-layernorm": "ifgo",
    "lstm-separate": "ifgo",
    "lstmp": "ifgo",
    "minlstm": "if",
    "slstm": "ifzo",
    "convlstm": "ifgo",
    "gru": "rzn",
    "gru-layernorm": "rzn",
    "mgu": "fn",
    "mingru": "z",
    "jordan": "h",
}


@pytest.mark.parametrize("name", GATES)
def test_gates_have_names(name, rng):
    cell = make(name, rng)
    outputs, _ = mr.unroll(cell, inputs(cell, rng))
    found = [node.name for node in mg.graph.ancestors([outputs.node])]
    assert {gate: found.count(gate) for gate in GATES[name]} == dict.fromkeys(GATES[name], T)


@pytest.mark.parametrize("case", CASES)
def test_saved_and_loaded(case, rng, tmp_path):
    cell, other = make(case, rng), make(case, rng)
    xs = inputs(cell, rng)
    assert np.abs(mr.unroll(other, xs)[0].numpy() - mr.unroll(cell, xs)[0].numpy()).max() > 1e-3
    mg.save(tmp_path / "cell.safetensors", cell.state_dict())
    other.load_state_dict(mg.load(tmp_path / "cell.safetensors"))
    np.testing.assert_array_equal(mr.unroll(other, xs)[0].numpy(), mr.unroll(cell, xs)[0].numpy())


# For 2 inputs and 4 hidden units: 8 numbers a matrix from the input, 16 a recurrent one, 4 a bias.
COUNTS = {
    "rnn": 8 + 16 + 4,
    "rnn: identity, no bias": 8 + 16,
    "indrnn": 8 + 4 + 4,
    "jordan": (8 + 16 + 4) + (16 + 4),
    "jordan: 3 wide, softmax": (8 + 3 * 4 + 4) + (4 * 3 + 3),
    "lstm": 4 * (8 + 16 + 4),
    "lstm-no-forget": 3 * (8 + 16 + 4),
    "lstm-no-forget: no bias": 3 * (8 + 16),
    "lstm-peephole": 4 * (8 + 16 + 4) + 3 * 4,
    "lstm-peephole: full, no bias": 4 * (8 + 16) + 3 * 16,
    "lstm-coupled": 3 * (8 + 16 + 4),
    "lstm-layernorm": 4 * (8 + 16 + 4) + 2 * 4 * 4 + 2 * 4,
    "lstm-layernorm: no bias": 4 * (8 + 16) + 2 * 4 * 4 + 4,
    "lstm-separate": 4 * (8 + 16 + 4),
    "lstmp": 4 * (8 + 2 * 4 + 4) + 4 * 2,
    "lstmp: 3 wide, no bias": 4 * (8 + 3 * 4) + 4 * 3,
    "minlstm": 3 * (8 + 4),
    "slstm": 4 * (8 + 16 + 4),
    "convlstm": 4 * (9 * 8 + 9 * 16 + 4) + 3 * 4 * 6,
    "convlstm: 1 x 1, no peepholes, no bias": 4 * (8 + 16),
    "gru": 3 * (8 + 16 + 4) + 4,
    "gru: reset before": 3 * (8 + 16 + 4),
    "gru-layernorm": 3 * (8 + 16 + 4) + 2 * 8 + 2 * 4 + 4,
    "mgu": 2 * (8 + 16 + 4),
    "mingru": 2 * (8 + 4),
}


@pytest.mark.parametrize("case", COUNTS)
def test_counts_of_parameters(case, rng):
    assert sum(p.size for p in make(case, rng).parameters()) == COUNTS[case]


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("rnn", {"nonlinearity": "sine"}, "nonlinearity 'sine': choose one of tanh, relu, sigmoid, identity"),
        ("rnn", {"recurrent_init": "eye"}, "recurrent_init 'eye': choose one of orthogonal, identity, glorot"),
        ("indrnn", {"nonlinearity": "sine"}, "choose one of tanh, relu, sigmoid, identity"),
        ("jordan", {"nonlinearity": "softmax"}, "nonlinearity 'softmax': choose one of"),
        ("jordan", {"output": "sine"}, "output 'sine': choose one of tanh, relu, sigmoid, identity, softmax"),
        ("jordan", {"output_size": 0}, "output_size must be at least 1, not 0"),
        ("lstm", {"candidate": "relu"}, "candidate 'relu': choose one of tanh, sigmoid"),
        ("lstm", {"chrono": 10, "bias": False}, "choose bias=True"),
        ("lstm", {"chrono": 1}, "at least 2, not 1"),
        ("lstm-peephole", {"peephole": "none"}, "peephole 'none': choose one of diagonal, full"),
        ("lstmp", {"projection_size": 0}, "from 1 to hidden_size - 1, not 0 of 4"),
        ("lstmp", {"projection_size": 4}, "from 1 to hidden_size - 1, not 4 of 4"),
        ("slstm", {"forget_gate": "tanh"}, "forget_gate 'tanh': choose one of sigmoid, exp"),
        ("convlstm", SIZE | {"kernel_size": 2}, "must be odd.*choose 3, not 2"),
        ("convlstm", {}, r"size=\(rows, columns\).*not None"),
        ("convlstm", {"size": (0, 3)}, r"size=\(rows, columns\).*not \(0, 3\)"),
        ("convlstm", {"size": (3,)}, r"size=\(rows, columns\).*not \(3,\)"),
        ("convlstm", {"size": 8}, r"size=\(rows, columns\).*not 8"),
    ],
)
def test_wrong_options(name, options, told):
    with pytest.raises(ValueError, match=told):
        cells.get(name)(I, H, **options)


# How they start


def test_forget_biases_start_at_1():
    for name, place in {"lstm-coupled": 0, "lstmp": 1, "lstm-peephole": 1, "slstm": 1, "minlstm": 1}.items():
        cell = cells.get(name)(I, H)
        expected = np.zeros(cell.bias.shape)
        expected[place * H : (place + 1) * H] = 1
        np.testing.assert_array_equal(cell.bias.numpy(), expected)
    np.testing.assert_array_equal(mr.LSTMCell(I, H, forget_bias=-2.5).bias.numpy()[H : 2 * H], -2.5)
    np.testing.assert_array_equal(cells.get("slstm")(I, H, forget_gate="exp").bias.numpy(), 0)
    np.testing.assert_array_equal(cells.get("convlstm")(I, H, **SIZE).bias.numpy()[H : 2 * H], 1)


def test_a_recurrent_matrix_starts_as_it_is_told():
    mg.seed(0)
    identity, glorot = (mr.RNNCell(3, 50, recurrent_init=start).weight_hh.numpy() for start in ("identity", "glorot"))
    np.testing.assert_array_equal(identity, np.eye(50))
    bound = np.sqrt(6 / 100)
    assert 0.95 * bound < np.abs(glorot).max() <= bound


def test_recurrent_matrices_start_orthogonal(rng):
    for name in ("lstm-no-forget", "lstm-peephole", "lstm-coupled", "lstm-layernorm", "slstm", "gru-layernorm", "mgu"):
        weight = cells.get(name)(I, H, dtype="float64").weight_hh.numpy()
        for W in np.split(weight, weight.shape[1] // H, axis=1):
            np.testing.assert_allclose(W @ W.T, np.eye(H), rtol=0, atol=1e-12)
    W = LSTMSeparateCell(I, H, dtype="float64").W_g.numpy()
    assert W.shape == (H + I, H)
    np.testing.assert_allclose(W[:H] @ W[:H].T, np.eye(H), rtol=0, atol=1e-12)
    w = cells.get("indrnn")(I, 1000).weight_hh.numpy()
    assert 0 <= w.min() < 0.01
    assert 0.99 < w.max() < 1


def test_chrono(rng):
    """e^b of the forget gates is uniform from 1 to T_max - 1: the mean of 4000 is known to within 5 of its errors."""
    b = mg.nn.init.chrono(4000, 41, "float64").numpy()
    times = np.exp(b)
    assert 1 <= times.min() < 1.1
    assert 39.9 < times.max() <= 40
    assert abs(times.mean() - 20.5) < 5 * 39 / np.sqrt(12 * 4000)
    bias = mr.LSTMCell(I, 500, chrono=41).bias.numpy()
    i, f, g, o = np.split(bias, 4)
    np.testing.assert_array_equal(i, -f)
    assert np.unique(f).size > 400
    assert 0 <= f.min() < f.max() <= np.log(40)
    assert not g.any()
    assert not o.any()
    np.testing.assert_array_equal(mr.LSTMCell(I, H, chrono=2).bias.numpy(), 0)


# What is particular to one


def test_errors_flow_unchanged_along_a_cell_that_cannot_forget(rng):
    cell = make("lstm-no-forget", rng)
    cell.weight_hh.data[...] = 0
    start = [mg.tensor(part, requires_grad=True) for part in states(cell, rng)]
    _, (_, c) = mr.unroll(cell, inputs(cell, rng, 30), tuple(start))
    (grad,) = mg.grad(c.sum(), [start[1]])
    np.testing.assert_array_equal(grad.numpy(), 1)


@pytest.mark.parametrize("bias", [True, False])
def test_separate_matrices_give_what_stacked_ones_give(bias, rng):
    stacked = mr.LSTMCell(I, H, bias=bias, dtype="float64")
    for parameter in stacked.parameters():
        parameter.data[...] = parameter.backend.asarray(rng.normal(size=parameter.shape))
    separate = LSTMSeparateCell.from_stacked(stacked)
    assert separate.W_f.dtype == np.float64
    xs = rng.normal(size=(T, B, I))
    losses = []
    for cell in (stacked, separate):
        outputs, (_, c) = mr.unroll(cell, xs)
        losses.append((outputs * outputs).sum() + c.sum())
        losses[-1].backward()
    np.testing.assert_allclose(losses[1].item(), losses[0].item(), rtol=0, atol=1e-12)
    for n, gate in enumerate("ifgo"):
        columns = slice(n * H, (n + 1) * H)
        rows = [p.grad.numpy()[:, columns] for p in (stacked.weight_hh, stacked.weight_ih)]
        found = getattr(separate, f"W_{gate}").grad.numpy()
        np.testing.assert_allclose(found, np.concatenate(rows), rtol=0, atol=1e-12)
        if bias:
            found = getattr(separate, f"b_{gate}").grad.numpy()
            np.testing.assert_allclose(found, stacked.bias.grad.numpy()[columns], rtol=0, atol=1e-12)
    stacked.weight_ih.data[...] = 0
    assert np.abs(separate.W_i.numpy()).min() > 0  # it has a copy of its own


def test_peepholes_and_full_peepholes_start_as_the_lstm(rng):
    xs = rng.normal(size=(T, B, I)).astype("float32")
    plain = mr.LSTMCell(I, H)
    for peephole in ("diagonal", "full"):
        cell = cells.get("lstm-peephole")(I, H, peephole=peephole)
        cell.load_state_dict(plain.state_dict(), strict=False)
        np.testing.assert_array_equal(mr.unroll(cell, xs)[0].numpy(), mr.unroll(plain, xs)[0].numpy())


def test_exponential_gates_stay_in_range(rng):
    """Pre-activations of ± 1000 and a first input gate of e^-1000, in float32: a mean of z, as the equations say."""
    cell = cells.get("slstm")(1, 1)
    cell.weight_hh.data[...] = 0
    cell.bias.data[...] = 0
    cell.weight_ih.data[...] = cell.weight_ih.backend.asarray(np.array([[1000.0, 0.0, 0.01, 0.0]], "float32"))
    xs = np.array([-1.0, 1.0, 0.5, 1.0], "float32").reshape(-1, 1, 1)
    outputs, (_, _, n, m) = mr.unroll(cell, xs)
    z = np.tanh(0.01 * xs.ravel())
    # i is e^-1000, e^1000, e^500, e^1000 and f is 1/2: each mean is of the largest ones, the older at an eighth … half
    expected = [z[0], z[1], z[1], (z[1] / 4 + z[3]) / 1.25]
    np.testing.assert_allclose(outputs.numpy().ravel(), np.array(expected) / 2, rtol=1e-5)
    np.testing.assert_allclose([n.item(), m.item()], [1.25, 1000], rtol=5e-5)
    outputs.sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in cell.parameters())


def test_an_image_of_the_wrong_rank_is_refused(rng):
    cell = make("convlstm", rng)
    with pytest.raises(ShapeError, match=r"\(time, batch, channel, row, column\)"):
        mr.unroll(cell, rng.normal(size=(T, B, I)))


@pytest.mark.torch
@pytest.mark.parametrize("bidirectional", [False, True])
def test_projection_against_torch(bidirectional, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer = mr.Recurrent("lstmp", I, H, num_layers=2, bidirectional=bidirectional, dtype="float64", projection_size=3)
    peer = torch.nn.LSTM(I, H, num_layers=2, bidirectional=bidirectional, proj_size=3, dtype=torch.float64)
    suffixes = [f"_l{n}{way}" for n in range(2) for way in (["", "_reverse"] if bidirectional else [""])]
    with torch.no_grad():
        for cell, suffix in zip(layer.cells, suffixes, strict=True):
            for name in ("weight_ih", "weight_hh", "weight_hr", "bias"):
                values = rng.normal(size=getattr(cell, name).shape)
                getattr(cell, name).data[...] = cell.bias.backend.asarray(values)
                theirs = "bias_ih" if name == "bias" else name
                getattr(peer, theirs + suffix).copy_(torch.tensor(values.T))
            getattr(peer, "bias_hh" + suffix).zero_()
    x = rng.normal(size=(T, B, I))
    ours, theirs = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    outputs, (h, c) = layer(ours)
    peer_outputs, (peer_h, peer_c) = peer(theirs)
    for mine, other in ((outputs, peer_outputs), (h, peer_h), (c, peer_c)):
        np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=0, atol=1e-12)
    ((outputs**2).sum() + h.sum() + c.sum()).backward()
    ((peer_outputs**2).sum() + peer_h.sum() + peer_c.sum()).backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=0, atol=1e-10)
    for cell, suffix in zip(layer.cells, suffixes, strict=True):
        for name in ("weight_ih", "weight_hh", "weight_hr"):
            found = getattr(peer, name + suffix).grad.numpy().T
            np.testing.assert_allclose(getattr(cell, name).grad.numpy(), found, rtol=0, atol=1e-10)


# Trees

TREE = [2, 2, 4, 4, -1, -1]  # node 2 has children 0 and 1, node 4 has 2 and 3, and node 5 is a tree of its own


def tree_by_recursion(P, xs, parents, node):
    """Tai et al. 2015, eq. 2 to 8."""
    (U_i, U_g, U_o, U_f), (W_i, W_g, W_o, W_f) = blocks(P, "weight_ih", 4), blocks(P, "weight_hh", 4)
    b_i, b_g, b_o, b_f = blocks(P, "bias", 4)
    below = [tree_by_recursion(P, xs, parents, k) for k, parent in enumerate(parents) if parent == node]
    x, h_sum = xs[node], sum((h for h, _ in below), np.zeros(H))
    i, o = sigma(x @ U_i + h_sum @ W_i + b_i), sigma(x @ U_o + h_sum @ W_o + b_o)
    c = i * np.tanh(x @ U_g + h_sum @ W_g + b_g)
    c = c + sum(sigma(x @ U_f + h @ W_f + b_f) * c_k for h, c_k in below)
    return o * np.tanh(c), c


@pytest.mark.parametrize("bias", [True, False])
def test_trees_against_the_equations_and_finite_differences(bias, rng):
    tree = ChildSumTreeLSTM(I, H, bias=bias, dtype="float64")
    if bias:
        np.testing.assert_array_equal(tree.bias.numpy(), [0] * 3 * H + [1] * H)
    xs = rng.normal(size=(len(TREE), I))
    h, c = tree(mg.tensor(xs), TREE)
    P = {name: value.numpy() for name, value in tree.state_dict().items()}
    for node in range(len(TREE)):
        for ours, numpys in zip((h, c), tree_by_recursion(P, xs, TREE, node), strict=True):
            np.testing.assert_allclose(ours.numpy()[node], numpys, rtol=0, atol=1e-12)
    np.testing.assert_allclose(tree(xs.tolist(), TREE)[0].numpy(), h.numpy(), rtol=1e-5, atol=1e-6)

    def run(xs, *values):
        for name, value in zip(P, values, strict=True):
            setattr(tree, name, value)
        return tree(xs, TREE)

    assert mg.gradcheck(run, [mg.tensor(value) for value in (xs, *P.values())])


def test_a_chain_is_an_lstm(rng):
    lstm_cell, tree = mr.LSTMCell(I, H, dtype="float64"), ChildSumTreeLSTM(I, H, dtype="float64")
    state = {name: mg.split(value, 4, axis=-1) for name, value in lstm_cell.state_dict().items()}
    tree.load_state_dict({name: mg.concatenate([i, g, o, f], axis=-1) for name, (i, f, g, o) in state.items()})
    xs = rng.normal(size=(T, I))
    h, c = tree(mg.tensor(xs), [1, 2, 3, -1])
    outputs, (_, last) = mr.unroll(lstm_cell, xs[:, None])
    np.testing.assert_allclose(h.numpy(), outputs.numpy()[:, 0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(c.numpy()[-1], last.numpy()[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("parents", "error", "told"),
    [
        ([1, 0, -1], ValueError, r"nodes \[0, 1\] are below no root"),
        ([1, 3, -1], ValueError, "parent of node 1 is 3: it must be from 0 to 2, or -1"),
        ([1, -1], ShapeError, r"not \(3, 2\) and 2"),
    ],
)
def test_what_is_no_tree(parents, error, told):
    with pytest.raises(error, match=told):
        ChildSumTreeLSTM(I, H)(mg.ones((3, I)), parents)
