"""Backends: which is chosen, what mixing them says, and that a computation stays where its inputs are.

CuPy's part is played by `strict`, an array library over NumPy that refuses what CuPy refuses.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from conftest import has_cuda
from strict import STRICT, StrictArray, asarray
from table import TABLE, Row, listed
from test_ops import seeds

import minigrad as mg
import minigrad_rnn as mr
from minigrad import backend, errors
from minigrad_rnn.training import Config, Task, Trainer

# Which backend


def test_numpy_is_the_default(monkeypatch):
    monkeypatch.delenv("MINIGRAD_BACKEND", raising=False)
    assert mg.zeros(2).backend.name == "numpy"
    assert mg.tensor([1.0]).backend.xp is np


def test_use_backend_as_a_call(strict):
    mg.use_backend("strict")
    for made in (mg.zeros(2), mg.tensor([1.0]), mg.ones_like(2.0), mg.arange(3), mg.full((1,), 2)):
        assert made.backend.name == "strict"
        assert type(made.data) is StrictArray
    assert mg.tensor(np.ones(2)).backend.name == "strict", "NumPy's arrays are data, as lists are"
    assert mg.tensor(mg.Tensor(np.ones(2))).backend.name == "numpy", "a Tensor stays where it is"
    assert mg.zeros_like(np.ones(2)).backend.name == "numpy"
    mg.use_backend("numpy")
    assert mg.zeros(2).backend.name == "numpy"


def test_use_backend_as_a_context(strict):
    with mg.use_backend("strict") as chosen:
        assert chosen is STRICT
        assert mg.zeros(2).backend.name == "strict"
        with mg.use_backend("numpy"):
            assert mg.zeros(2).backend.name == "numpy"
        assert mg.zeros(2).backend.name == "strict"
    assert mg.zeros(2).backend.name == "numpy"
    with pytest.raises(ZeroDivisionError), mg.use_backend("strict"):
        raise ZeroDivisionError
    assert mg.zeros(2).backend.name == "numpy"


def test_the_context_of_another_thread_is_its_own(strict):
    seen = []
    with mg.use_backend("strict"):
        thread = threading.Thread(target=lambda: seen.append(mg.use_backend("numpy").backend.name))
        thread.start()
        thread.join(10)
        assert seen == ["numpy"]
        assert mg.zeros(2).backend.name == "strict"


def test_unknown_backend():
    with pytest.raises(errors.BackendUnavailableError, match=r"'jax'.*auto, cupy, numpy"):
        mg.use_backend("jax")
    assert mg.zeros(2).backend.name == "numpy"


@pytest.mark.skipif(has_cuda(), reason="there is a CUDA device")
def test_cupy_where_there_is_none():
    advice = "use the backend 'numpy'"
    if importlib.util.find_spec("cupy") is None:
        advice = r"pip install 'minigrad\[cuda13\]'.*" + advice
    with pytest.raises(errors.BackendUnavailableError, match=advice):
        mg.use_backend("cupy")
    with pytest.raises(errors.BackendUnavailableError, match=advice):
        mg.tensor([1.0]).to("cupy")


@pytest.mark.parametrize("devices", [0, None])
def test_cupy_without_a_device(monkeypatch, devices):
    """CuPy is installed, and there is no driver, or no device."""

    class CUDARuntimeError(RuntimeError):
        pass

    def count():
        if devices is None:
            raise CUDARuntimeError("cudaErrorNoDevice")
        return devices

    runtime = types.SimpleNamespace(getDeviceCount=count, CUDARuntimeError=CUDARuntimeError)
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime)))
    monkeypatch.setattr(backend, "_loaded", {"numpy": backend.NUMPY})
    with pytest.raises(errors.BackendUnavailableError, match=r"no CUDA device.*'numpy'"):
        mg.use_backend("cupy")
    assert mg.use_backend("auto").backend is backend.NUMPY


def test_cupy_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(backend, "_loaded", {"numpy": backend.NUMPY})
    with pytest.raises(errors.BackendUnavailableError, match="pip install"):
        mg.use_backend("cupy")
    assert mg.use_backend("auto").backend is backend.NUMPY


@pytest.mark.parametrize(
    ("value", "told"), [("numpy", "numpy"), ("", "numpy"), ("auto", "cupy" if has_cuda() else "numpy"), ("tpu", "tpu")]
)
def test_the_environment_variable(value, told):
    run = subprocess.run(
        [sys.executable, "-c", "import minigrad as mg; print(mg.zeros(2).backend.name)"],
        env={**os.environ, "MINIGRAD_BACKEND": value},
        capture_output=True,
        text=True,
    )
    if value == "tpu":
        assert run.returncode == 1
        assert "BackendUnavailableError: unknown backend 'tpu': choose one of auto, cupy, numpy" in run.stderr
    else:
        assert run.stdout.strip() == told, run.stderr


def test_use_backend_wins_over_the_environment(strict, monkeypatch):
    monkeypatch.setenv("MINIGRAD_BACKEND", "strict")
    assert mg.zeros(1).backend.name == "strict"
    with mg.use_backend("numpy"):
        assert mg.zeros(1).backend.name == "numpy"


def test_seed():
    def draw():
        return [mg.rand(3).tolist(), mg.randn(2, 2).tolist()]

    mg.seed(7)
    first, second = draw(), draw()
    mg.seed(7)
    assert [draw(), draw()] == [first, second]
    mg.seed(8)
    assert draw() != first
    assert first != second


# Two libraries in one operation


def test_a_mixture_names_both_operands_and_the_way_out(strict):
    x, y = strict([[1.0, 2.0]], name="weights"), mg.tensor([3.0, 4.0])
    with pytest.raises(errors.BackendMismatchError) as caught:
        x * y
    told = str(caught.value)
    assert "operand 0 (weights) of shape (1, 2) is on strict" in told
    assert "operand 1 of shape (2,) is on numpy" in told
    assert ".to('numpy')" in told
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, y: x + y,
        lambda x, y: y @ x,
        lambda x, y: mg.maximum(x, y.data),
        lambda x, y: mg.concatenate([x, y]),
        lambda x, y: mg.stack([y, x, y]),
        lambda x, y: mg.where(y > 0, x, 0),
        lambda x, y: mg.where(x > 0, x, y),
    ],
)
def test_mixtures_raise(strict, mix):
    with pytest.raises(errors.BackendMismatchError, match="strict"):
        mix(strict([1.0, 2.0]), mg.tensor(np.array([3.0, 4.0])))


def test_numbers_mix_with_all(strict):
    x = strict([1.0, 2.0], requires_grad=True)
    for out in (
        x * 2,
        2 * x,
        x + np.float64(1),
        x ** np.float32(2),
        2**x,
        mg.maximum(x, 1.5),
        x * True,
        x * [3.0, 4.0],
    ):
        assert type(out.data) is StrictArray
        (g,) = mg.grad(out.sum(), [x])
        assert type(g.data) is StrictArray


# A computation stays where its inputs are


def lstm_losses(to, create_graph=False):
    """A small language model with an LSTM, attention over its states, and a loss; its value and gradients."""
    rng = np.random.default_rng(0)
    T, B, H, V = 4, 2, 3, 5
    table, w, out_w, bias = (to(rng.normal(size=s), requires_grad=True) for s in [(V, H), (2 * H, 4 * H), (H, V), (V,)])
    words, targets = to(rng.integers(0, V, (T, B))), to(rng.integers(0, V, (T, B, 1)))
    h, c = mg.zeros_like(to(np.zeros((B, H)))), mg.zeros_like(to(np.zeros((B, H))))
    xs, states = mg.take(table, words, axis=0), []
    for x in xs:
        f, i, o, g = mg.split(mg.concatenate([x, h], axis=1) @ w, 4, axis=1)
        c = mg.sigmoid(f + 1) * c + mg.sigmoid(i) * mg.tanh(g)
        h = mg.sigmoid(o) * mg.tanh(c)
        h = mg.where(x > 0, h, mg.relu(h) - mg.softplus(-h))
        states.append(h)
    hs = mg.stack(states)
    weights = mg.softmax((hs * hs[-1]).sum(axis=2), axis=0)
    context = (mg.expand_dims(weights, 2) * hs).sum(axis=0, keepdims=True)
    logits = (hs + mg.broadcast_to(context, hs.shape)) @ out_w + bias
    loss = -mg.take_along_axis(mg.log_softmax(logits), targets, 2).mean() + mg.logsumexp(logits) * 0.1
    loss = loss + mg.max(mg.abs(logits), axis=2).mean() / 2**0.5 + mg.clip(hs, -0.1, 0.1)[1:, ::-1].sum() ** 2
    parameters = [table, w, out_w, bias]
    gradients = mg.grad(loss, parameters, create_graph=create_graph)
    if create_graph:
        gradients = mg.grad(sum((g * g).sum() for g in gradients), parameters)
    return [loss, *gradients]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("chosen", ["numpy", "strict"])
def test_forward_and_backward_stay_on_the_backend(strict, create_graph, chosen):
    expected = lstm_losses(mg.tensor, create_graph)
    with mg.use_backend(chosen):
        for ours, theirs in zip(lstm_losses(strict, create_graph), expected):
            assert type(ours.data) is StrictArray
            assert ours.backend.name == "strict"
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12)
        for theirs in lstm_losses(lambda data, **options: mg.tensor(mg.Tensor(data), **options), create_graph):
            assert theirs.backend.name == "numpy", "whatever is chosen for new arrays"


rows = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


@rows
def test_every_operation_stays_on_the_backend(strict, row):
    check_on(row, asarray, "strict")


def check_on(row: Row, to, name):
    """The values and the first and second gradients of a row of the table on the backend `name` are NumPy's."""
    for case in row.cases():
        results = []
        for place in (lambda x: x, to):
            inputs = [mg.Tensor(place(x), requires_grad=x.dtype.kind == "f") for x in case.arrays()]
            outputs = listed(row.ours(*inputs, **{key: moved(value, place) for key, value in case.options.items()}))
            gradients = []
            if row.grad:
                starts = [out.backend.asarray(seed) for out, seed in zip(outputs, seeds(case, outputs))]
                leaves = [x for x in inputs if x.requires_grad]
                first = listed(mg.grad(outputs, leaves, starts, create_graph=True))
                recorded = [(g * g).sum() for g in first if g.requires_grad]
                second = mg.grad(recorded, leaves, allow_unused=True) if recorded else ()
                gradients = [*first, *[g for g in second if g is not None]]
            results.append((outputs, gradients))
        (here, here_gradients), (there, there_gradients) = results
        assert {out.backend.name for out in there} == {"numpy" if row.name == "to" else name}, str(case)
        assert {g.backend.name for g in there_gradients} <= {name}, str(case)
        for ours, numpys in zip([*there, *there_gradients], [*here, *here_gradients], strict=True):
            assert (ours.shape, ours.dtype) == (numpys.shape, numpys.dtype), str(case)
            np.testing.assert_allclose(ours.numpy(), numpys.numpy(), rtol=1e-8, atol=1e-10, err_msg=str(case))


def moved(option, place):
    """An option with its arrays (indices) on the backend of the inputs."""
    if isinstance(option, tuple):
        return tuple(moved(part, place) for part in option)
    return place(option) if isinstance(option, np.ndarray) else option


def test_in_place_and_grad_accumulation_stay_on_the_backend(strict):
    x = strict([1.0, 2.0], requires_grad=True)
    y = x * 1
    y[0] = strict(5.0)
    for _ in range(2):
        (y * y).sum().backward(retain_graph=True)
    assert type(x.grad.data) is StrictArray
    assert x.grad.tolist() == [0, 8]
    with mg.no_grad():
        x[:] = x - x.grad
    assert x.tolist() == [1, -6]
    assert "tensor([ 1., -6.]" in repr(x)


# Moving


def test_to(strict):
    x = mg.tensor(np.array([1.0, 2.0]), name="x")
    there = x.to("strict")
    assert there.backend is STRICT
    assert type(there.data) is StrictArray
    assert there.name == "x"
    assert there.dtype == np.float64
    assert there.to("strict") is there
    back = there.to("numpy")
    assert back.backend.name == "numpy"
    assert back.tolist() == [1, 2]
    with pytest.raises(errors.BackendUnavailableError, match="'nowhere'"):
        x.to("nowhere")


def test_to_of_a_leaf_is_a_leaf(strict):
    x = mg.tensor([1.0, 2.0], requires_grad=True, name="w")
    there = x.to("strict")
    assert there.requires_grad
    assert there.node is None
    (there * there).sum().backward()
    assert there.grad.tolist() == [2, 4]
    assert type(there.grad.data) is StrictArray


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_come_back_across(strict, create_graph):
    x = mg.tensor(np.array([1.0, 2.0]), requires_grad=True)
    there = (x * 3).to("strict")
    back = (there * there).to("numpy") * mg.tensor(np.array([1.0, 10.0]))
    g = mg.grad(back.sum(), x, create_graph=create_graph)
    assert g.backend.name == "numpy"
    assert g.tolist() == [18, 360]
    if create_graph:
        assert mg.grad(g.sum(), x).tolist() == [18, 180]


def test_numpy_of_another_backend_is_read_only(strict):
    view = strict([1.0, 2.0]).numpy()
    assert type(view) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 5.0
    assert np.asarray(strict([1.0, 2.0])).tolist() == [1, 2]


# CuPy itself


@pytest.mark.gpu
@rows
def test_every_operation_on_cupy(row):
    import cupy

    check_on(row, cupy.asarray, "cupy")


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", mr.cells.names())
def test_every_cell(there, name, bidirectional):
    """Two layers of it, in both directions, sequences of different lengths: outputs, states and all gradients."""
    rng = np.random.default_rng(1)
    options = {"size": (2, 3)} if name == "convlstm" else {}
    xs = rng.normal(size=(5, 3, 4, *options.get("size", ())))

    def run(place, to):
        mg.seed(2)
        layer = mr.Recurrent(name, 4, 3, num_layers=2, bidirectional=bidirectional, dtype="float64", **options)
        layer.to(place)
        x = to(xs, requires_grad=True)
        outputs, state = layer(x, lengths=[5, 2, 0])
        ends = state if isinstance(state, (tuple, list)) else (state,)
        weights = to(np.cos(np.arange(outputs.size)).reshape(outputs.shape))
        loss = (outputs * weights).sum() + sum((end * end).sum() for end in ends)
        return [outputs, *ends, *mg.grad(loss, [x, *layer.parameters()])]

    for ours, numpys in zip(run(there.name, there), run("numpy", mg.tensor), strict=True):
        assert ours.backend.name == there.name
        np.testing.assert_allclose(ours.numpy(), numpys.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_training_run(there, cell):
    """A language model learns the same on either backend, step by step."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 7, (12, 5, 4))

    def losses(place, to):
        mg.seed(2)
        task = Reading(LanguageModel(cell).to(place), [(to(some), to(some[::-1].copy())) for some in codes])
        trainer = Trainer(task, Config(steps=len(codes), lr=0.01, clip=0.5))
        for _ in codes:
            trainer.update()
        trainer.read()
        return trainer.losses

    ours, numpys = losses(there.name, there), losses("numpy", mg.tensor)
    np.testing.assert_allclose(ours, numpys, rtol=1e-7)
    assert numpys[-1] != numpys[0]


class Reading(Task):
    """Pairs of codes and targets, one after the other."""

    rows, epoch, carry = 4, 12, True

    def __init__(self, model, pairs):
        self.model, self.pairs = model, pairs

    def batch(self, step, rows):
        return self.pairs[step]

    def loss(self, batch, state):
        logits, state = self.model(batch[0], state)
        return mg.nn.cross_entropy(logits, batch[1]), batch[1].size, state


class LanguageModel(mg.nn.Module):
    def __init__(self, cell):
        self.table = mg.nn.Embedding(7, 4, dtype="float64")
        self.layers = mr.Recurrent(cell, 4, 5, num_layers=2, dtype="float64")
        self.norm = mg.nn.LayerNorm(5, dtype="float64")
        self.out = mg.nn.Linear(5, 7, dtype="float64")

    def forward(self, codes, state):
        hidden, state = self.layers(self.table(codes), state)
        return self.out(self.norm(hidden)), state


@pytest.mark.gpu
@pytest.mark.parametrize("create_graph", [False, True])
def test_an_lstm_on_cupy(create_graph):
    expected = lstm_losses(mg.tensor, create_graph)
    with mg.use_backend("cupy"):
        found = lstm_losses(lambda x, **options: mg.tensor(x, **options).to("cupy"), create_graph)
    for ours, theirs in zip(found, expected):
        assert ours.backend.name == "cupy"
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12)
