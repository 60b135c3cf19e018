"""`mg.scan`: a step over a sequence as one node, which computes what the graph of all its steps computes."""

import importlib
import warnings

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.errors import AnomalyError, GraphFreedError, InplaceError, ShapeError
from minigrad.loop import kernels, machine, threads
from minigrad.loop.unrolled import flatten, unroll

scans = importlib.import_module("minigrad.loop.scan")
T, B, I, H = 6, 3, 4, 5
EXACT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture(params=["llvm", "numpy"], autouse=True)
def kernel(request, monkeypatch):
    """Each test with machine code and with array code, and nothing compiled before."""
    if request.param == "llvm" and not machine.available():
        pytest.skip("llvmlite is not installed: pip install 'minigrad[jit]'")
    monkeypatch.setattr(kernels, "choice", lambda: request.param)
    monkeypatch.setattr(scans, "_plans", type(scans._plans)())
    monkeypatch.setattr(scans, "_warned", set())
    return request.param


def normal(*shape, seed=0, **options):
    return mg.tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True, **options)


def simple(W, U):
    """A vanilla step that closes over its weights."""

    def step(h, x):
        h = mg.tanh(x @ U + h @ W)
        return h, h * 2

    return step


def compare(step, init, xs, leaves=(), **options):
    """Scan and graph of all steps: the same carry, outputs and gradients."""
    both = []
    wanted = [*flatten(init)[0], *flatten(xs)[0], *leaves]
    for compiled in (True, False):
        if compiled:
            carry, ys = mg.scan(step, init, xs, **options)
        else:
            parts, structure = flatten(xs)
            carry, ys = unroll(step, init, parts, structure, len(parts[0]), options.get("reverse", False))
        results = [*flatten(carry)[0], *flatten(ys)[0]]
        numbers = np.random.default_rng(7)
        loss = sum((part * numbers.normal(size=part.shape)).sum() for part in results)
        wanted = [t for t in wanted if t.requires_grad]
        grads = mg.grad(loss, wanted, retain_graph=True, allow_unused=True)
        zeros = (np.zeros(t.shape) if g is None else g.numpy() for t, g in zip(wanted, grads, strict=True))
        both.append([*(t.numpy() for t in results), *zeros])
    for found, expected in zip(*both, strict=True):
        np.testing.assert_allclose(found, expected, **EXACT)
    return both[0]


# What it computes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pythons_numbers_are_as_wide_as_the_arrays_that_they_meet(dtype):
    """Also where one is the first thing in the step."""
    W, h0, xs = (normal(*shape, seed=n, dtype=dtype) for n, shape in enumerate([(8, 8), (4, 8), (T, 4, 8)]))
    last, ys = mg.scan(lambda h, x: ((h := 0.25 * h + 0.75 * mg.tanh(x + h @ W)), 1 - h), h0, xs)
    h = h0.numpy()
    for t in range(T):
        h = 0.25 * h + 0.75 * np.tanh(xs.numpy()[t] + h @ W.numpy())
        np.testing.assert_allclose(ys.numpy()[t], 1 - h, rtol=1e-5, atol=1e-6)
    assert last.dtype == dtype


@pytest.mark.parametrize("reverse", [False, True])
def test_it_equals_the_graph_of_all_steps(reverse):
    W, U = normal(H, H), normal(I, H, seed=1)
    compare(simple(W, U), normal(B, H, seed=2), normal(T, B, I, seed=3), [W, U], reverse=reverse)


def test_it_equals_bptt_written_by_hand():
    W, U, h0, xs = normal(H, H), normal(I, H, seed=1), normal(B, H, seed=2), normal(T, B, I, seed=3)
    g = np.random.default_rng(4).normal(size=(T, B, H))
    _, ys = mg.scan(lambda h, x: (mg.tanh(x @ U + h @ W),) * 2, h0, xs)
    (ys * g).sum().backward()
    hs = [h0.numpy()]
    for t in range(T):
        hs.append(np.tanh(xs.numpy()[t] @ U.numpy() + hs[-1] @ W.numpy()))
    dW, dh = np.zeros((H, H)), np.zeros((B, H))
    for t in reversed(range(T)):
        da = (g[t] + dh) * (1 - hs[t + 1] ** 2)
        dW += hs[t].T @ da
        dh = da @ W.numpy().T
    np.testing.assert_allclose(ys.numpy(), np.stack(hs[1:]), **EXACT)
    np.testing.assert_allclose(W.grad.numpy(), dW, **EXACT)
    np.testing.assert_allclose(h0.grad.numpy(), dh, **EXACT)


def test_nested_inputs_states_and_outputs():
    W = normal(H, H)

    def step(carry, x):
        h = mg.tanh(carry["h"] @ W + x[0] * x[1]["gate"])
        count = carry["rest"][0] + mg.sigmoid(h)
        return {"h": h, "rest": (count,)}, (h, None, {"c": count * 2})

    xs = (normal(T, B, H, seed=1), {"gate": normal(T, B, 1, seed=2)})
    init = {"h": normal(B, H, seed=3), "rest": (normal(B, H, seed=4),)}
    compare(step, init, xs, [W])
    carry, ys = mg.scan(step, init, xs)
    assert carry["rest"][0].shape == (B, H)
    assert ys[1] is None
    assert ys[2]["c"].shape == (T, B, H)


def test_a_loop_without_inputs_has_a_length():
    W = normal(H, H)
    carry, ys = mg.scan(lambda h, x: (mg.tanh(h @ W), h), normal(B, H, seed=1), length=4)
    assert ys.shape == (4, B, H)
    h = normal(B, H, seed=1)
    for _ in range(4):
        h = mg.tanh(h @ W)
    np.testing.assert_allclose(carry.numpy(), h.numpy(), **EXACT)
    with pytest.raises(ShapeError, match="length"):
        mg.scan(lambda h, x: (h, h), normal(B, H))
    with pytest.raises(ShapeError, match="one length"):
        mg.scan(lambda h, x: (h, h), normal(B, H), (normal(3, B), normal(4, B)))


def test_what_the_step_closes_over_may_be_computed():
    raw, scale = normal(H, H), normal(H, seed=5)
    W = raw * 0.5  # a node, not a leaf
    table = mg.tensor(np.random.default_rng(6).normal(size=(B, H)))

    def step(h, x):
        h = mg.tanh(h @ (W + W.T) + x * mg.exp(scale) + table)
        return h, h

    compare(step, normal(B, H, seed=2), normal(T, B, H, seed=3), [raw, scale])


def test_states_that_are_no_rows_of_a_batch():
    W = normal(H, H)
    compare(lambda h, x: (mg.tanh(h @ W + x), h.sum()), normal(H, seed=1), normal(T, H, seed=2), [W])
    mean = lambda h, x: (mg.tanh(h @ W + x - x.mean(axis=0)), mg.transpose(h, (1, 0)))
    compare(mean, normal(B, H, seed=1), normal(T, B, H, seed=2), [W])
    compare(lambda h, x: (mg.tanh(h @ W + x), x), normal(2, B, H, seed=1), normal(T, 2, B, H, seed=2), [W])


def test_a_carry_that_passes_through_and_outputs_that_are_inputs():
    a, b = normal(B, H, seed=1), normal(B, H, seed=2)
    compare(lambda carry, x: ((carry[1], carry[0]), (x, carry[0] * x)), (a, b), normal(T, B, H, seed=3))
    compare(lambda carry, x: ((carry[0], carry[0] + x), carry[0]), (a, b), normal(T, B, H, seed=3))


def test_single_precision_stays_single_and_is_close():
    for name in ("lstm", "gru", "slstm", "lstm-layernorm", "indrnn"):
        mg.seed(0)
        layer = mr.Recurrent(name, 16, 40, compiled=True)
        xs = np.random.default_rng(0).normal(size=(12, 5, 16)).astype("float32")
        outputs, _ = layer(xs)
        (outputs * outputs).sum().backward()
        assert outputs.dtype == np.float32
        exact = mr.Recurrent(name, 16, 40, compiled=False, dtype="float64")
        exact.load_state_dict({key: value.astype("float64") for key, value in layer.state_dict().items()})
        expected, _ = exact(xs.astype("float64"))
        (expected * expected).sum().backward()
        np.testing.assert_allclose(outputs.numpy(), expected.numpy(), rtol=2e-5, atol=2e-6)
        for p, q in zip(layer.parameters(), exact.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=2e-4, atol=2e-4)


def test_functions_far_out(kernel):
    """Where exponentials overflow, and infinities and NaNs: what NumPy makes of them."""
    far = np.array(
        [-np.inf, -1e30, -200, -90, -87.2, -20, -1e-4, -0.0, 1e-30, 1e-4, 3, 20, 88, 90, 1e30, np.inf, np.nan]
    )
    xs = mg.tensor(np.stack([far, far[::-1]]).astype("float32").reshape(2, 1, -1))
    h0 = mg.zeros((1, far.size))
    with np.errstate(all="ignore"):
        for f in (mg.tanh, mg.sigmoid, mg.exp, mg.relu, mg.softplus, mg.log_sigmoid, mg.abs, mg.sign):
            _, ys = mg.scan(lambda h, x, f=f: (h, f(x)), h0, xs)
            np.testing.assert_allclose(ys.numpy(), f(xs).numpy(), rtol=1e-6, atol=1e-37, err_msg=f.__name__)


def test_many_threads_share_the_rows(monkeypatch):
    """Each thread runs some of the batch: as one, to the last bit but for sums over the batch."""
    found = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "LEAST_WORK", 1)
        monkeypatch.setattr(threads, "count", lambda count=count: count)
        mg.seed(0)
        layer = mr.LSTM(7, 33, compiled=True, dtype="float64")
        xs = normal(T, 7, 7)
        outputs, _ = layer(xs)
        (outputs**2).sum().backward()
        found.append([outputs.numpy(), xs.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())])
    for one, three in zip(*found, strict=True):
        np.testing.assert_allclose(one, three, rtol=1e-12, atol=1e-12)


def test_the_way_back_to_the_input_is_one_product(monkeypatch):
    """dx = Σ_gates dz_gate W_gateᵀ; the dz lie side by side, so it is all of them times the matrices, stacked."""
    made = []
    products = kernels.products

    def watched(xp, dtype):
        found = products(xp, dtype)
        product = found.product
        found.product = lambda left, matrix, *rest: made.append(matrix.shape) or product(left, matrix, *rest)
        return found

    monkeypatch.setattr(kernels, "products", watched)
    layer = mr.LSTM(I, H, compiled=True, dtype="float64")
    xs = normal(T, B, I)
    outputs, _ = layer(xs)
    assert made == [(I, 4 * H)]
    outputs.sum().backward()
    assert made[1:] == [(4 * H, I)]


def test_hundreds_of_steps_and_one():
    W, U = normal(H, H), normal(I, H, seed=1)
    compare(simple(W, U), normal(B, H, seed=2), normal(1, B, I, seed=3), [W, U])
    compare(simple(W, U), normal(B, H, seed=2), normal(700, B, I, seed=3), [W, U])


def test_chunks_are_computed_again():
    W, U, h0, xs = normal(H, H), normal(I, H, seed=1), normal(B, H, seed=2), normal(7, B, I, seed=3)
    calls = []
    for options in ({}, {"chunk": 3}, {"chunk": 3, "reverse": True}, {"reverse": True}):
        carry, ys = mg.scan(simple(W, U), h0, xs, **options)
        loss = (ys * ys).sum() + carry.sum()
        calls.append([ys.numpy(), carry.numpy(), *(g.numpy() for g in mg.grad(loss, [W, U, h0, xs]))])
    for a, b in ((0, 1), (2, 3)):
        for found, expected in zip(calls[a], calls[b], strict=True):
            np.testing.assert_allclose(found, expected, **EXACT)
    with pytest.raises(ValueError, match="chunk"):
        mg.scan(simple(W, U), h0, xs, chunk=0)


# The graph


def test_it_is_one_node():
    W, U = normal(H, H), normal(I, H, seed=1)
    carry, ys = mg.scan(simple(W, U), normal(B, H, seed=2), normal(T, B, I, seed=3))
    assert ys.node.parents[0] is carry.node.parents[0]
    assert ys.node.parents[0].op.name == "scan"


def test_gradients_of_gradients():
    W, U, h0, xs = normal(H, H), normal(I, H, seed=1), normal(B, H, seed=2), normal(4, B, I, seed=3)
    step, found = simple(W, U), []
    for compiled in (True, False):
        if compiled:
            _, ys = mg.scan(step, h0, xs)
        else:
            _, ys = unroll(step, h0, [xs], flatten(xs)[1], 4, False)
        first = mg.grad((ys * ys).sum(), [W, h0, xs], create_graph=True)
        loss = sum((g * g).sum() for g in first)
        second = mg.grad(loss, [W, U, h0, xs])
        found.append([g.numpy() for g in (*first, *second)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, **EXACT)


def test_gradcheck_and_checkpoint():
    W, U, h0, xs = normal(H, H), normal(I, H, seed=1), normal(B, H, seed=2), normal(3, B, I, seed=3)
    mg.gradcheck(lambda W, U, h0, xs: mg.scan(simple(W, U), h0, xs)[1], [W, U, h0, xs])
    plain = mg.grad(mg.scan(simple(W, U), h0, xs)[1].sum(), W)
    again = mg.grad(mg.checkpoint(lambda h, x: mg.scan(simple(W, U), h, x)[1], h0, xs).sum(), W)
    np.testing.assert_allclose(again.numpy(), plain.numpy(), **EXACT)


def test_a_graph_is_walked_once_unless_retained():
    W, U = normal(H, H), normal(I, H, seed=1)
    _, ys = mg.scan(simple(W, U), normal(B, H, seed=2), normal(T, B, I, seed=3))
    loss = (ys * ys).sum()
    loss.backward(retain_graph=True)
    first = W.grad.numpy().copy()
    loss.backward()
    np.testing.assert_allclose(W.grad.numpy(), 2 * first, **EXACT)
    with pytest.raises(GraphFreedError):
        loss.backward()


def test_overwritten_arrays_are_noticed():
    W, U = normal(H, H), normal(I, H, seed=1)
    for victim in ("xs", "weight", "output"):
        h0, xs = normal(B, H, seed=2), normal(T, B, I, seed=3)
        _, ys = mg.scan(lambda h, x: (mg.tanh(x @ U + h @ W),) * 2, h0, xs)
        loss = ys.sum()
        with mg.no_grad():
            {"xs": xs, "weight": W, "output": ys}[victim][0] = 0.0
        with pytest.raises(InplaceError, match="overwritten"):
            loss.backward()


def test_outputs_are_memory_of_their_own():
    W, U, h0, xs = normal(H, H), normal(I, H, seed=1), normal(B, H, seed=2), normal(T, B, I, seed=3)
    first, _ = mg.scan(simple(W, U), h0, xs)[1], None
    before = first.numpy().copy()
    for _ in range(4):
        mg.scan(simple(W, U), h0, xs * 2)[1].sum().backward()
    np.testing.assert_array_equal(first.numpy(), before)


def test_without_recording_nothing_is_kept():
    W, U, h0, xs = normal(H, H), normal(I, H, seed=1), normal(B, H, seed=2), normal(T, B, I, seed=3)
    expected = mg.scan(simple(W, U), h0, xs)[1]
    with mg.no_grad():
        _, ys = mg.scan(simple(W, U), h0, xs)
    assert not ys.requires_grad
    np.testing.assert_allclose(ys.numpy(), expected.numpy(), **EXACT)


def test_anomalies_are_found_at_their_step():
    xs = mg.tensor(np.full((3, 1, 1), -1.0), requires_grad=True)
    with np.errstate(invalid="ignore"), mg.detect_anomaly(), pytest.raises(AnomalyError, match="'log' made a NaN"):
        mg.scan(lambda h, x: (h + mg.log(x), h), mg.zeros((1, 1), dtype="float64"), xs)


# Signatures


class Counting:
    """A step that counts how often it is run, and has a switch and a number."""

    def __init__(self):
        self.calls, self.double, self.rate = 0, False, 1.0
        self.W = normal(H, H)

    def __call__(self, h, x):
        self.calls += 1
        h = mg.tanh(h @ self.W * self.rate + x)
        return h, h * 2 if self.double else h


def test_a_step_is_traced_once_for_each_signature():
    step = Counting()
    compare = lambda T, B: mg.scan(step, normal(B, H, seed=1), normal(T, B, H, seed=2))[1]
    compare(T, B)
    once = step.calls
    assert once <= 2
    compare(T, B)
    compare(T + 3, B)
    assert step.calls == once  # another length is no other step
    compare(T, B + 1)
    assert step.calls == 2 * once
    mg.scan(step, mg.zeros((B, H)), mg.zeros((T, B, H)))
    assert step.calls > 2 * once  # another dtype


def test_what_changes_outside_of_the_step_is_noticed():
    step, h0, xs = Counting(), normal(B, H, seed=1), normal(T, B, H, seed=2)
    first = mg.scan(step, h0, xs)[1].numpy()
    step.double = True
    np.testing.assert_allclose(mg.scan(step, h0, xs)[1].numpy(), 2 * first, **EXACT)
    step.double, step.rate = False, 0.5
    assert np.abs(mg.scan(step, h0, xs)[1].numpy() - first).max() > 0.01
    step.rate = 1.0
    step.W.data *= 0.5  # an optimiser's step
    assert np.abs(mg.scan(step, h0, xs)[1].numpy() - first).max() > 0.01
    step.W = normal(H, H)  # another Tensor in its place
    np.testing.assert_allclose(mg.scan(step, h0, xs)[1].numpy(), first, **EXACT)


def test_steps_made_anew_each_time_are_not_mixed_up():
    h0, xs = normal(B, H, seed=1), normal(T, B, H, seed=2)
    for n in range(4):
        W = normal(H, H, seed=n)
        for power in (1, 2):
            step = lambda h, x, W=W, power=power: (mg.tanh(h @ W + x) ** power, h)
            compare(step, h0, xs, [W])


def test_few_plans_are_kept():
    xs, h0 = normal(T, B, H, seed=2), normal(B, H, seed=1)
    for n in range(scans.CACHED + 6):
        mg.scan(lambda h, x, n=n: (h * 0.5 + x * n, h), h0, xs)
    assert len(scans._plans) == scans.CACHED


def test_a_cell_in_training_is_another_step_than_in_evaluation():
    layer = mr.LSTM(I, H, zoneout=0.3, compiled=True, dtype="float64")
    xs = normal(T, B, I)
    mg.seed(1)
    trained = layer(xs)[0].numpy()
    layer.eval()
    mg.seed(1)
    assert np.abs(layer(xs)[0].numpy() - trained).max() > 1e-3


# What cannot be traced


def untraceable():
    def reads(h, x):
        return (h * 0.5 if float(h.sum()) > 0 else h * 2) + x, h

    def random(h, x):
        return h + mg.nn.Dropout(0.5)(x), h

    def writes(h, x):
        h = h * 1
        h[0] = 0.0
        return h + x, h

    def grows(h, x):
        return mg.concatenate([h, x], axis=1), h.sum(axis=1)

    def looks_up(h, x):
        table = mg.tensor(np.eye(H))
        return h + table[mg.argmax(x, axis=1)], h

    return [reads, random, writes, grows, looks_up]


@pytest.mark.parametrize("step", untraceable(), ids=lambda step: step.__name__)
def test_what_cannot_be_traced_runs_as_a_graph_and_says_so_once(step):
    xs, h0 = normal(T, B, H, seed=2), normal(B, H, seed=1)
    mg.seed(3)
    expected = unroll(step, h0, [xs], flatten(xs)[1], T, False)[1].numpy()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            mg.seed(3)
            _, ys = mg.scan(step, h0, xs)
    told = [str(w.message) for w in caught if "cannot be compiled" in str(w.message)]
    assert len(told) <= 1
    np.testing.assert_allclose(ys.numpy(), expected, **EXACT)
    if step.__name__ in ("reads", "writes", "random"):
        assert "test_scan.py" in told[0]
        assert {"reads": "float(h.sum())", "writes": "h[0] = 0.0", "random": "Dropout"}[step.__name__] in told[0]
    (ys * ys).sum().backward()


def test_blas_has_its_threads_back_after_a_loop(kernel):
    from threadpoolctl import threadpool_info

    before = [pool["num_threads"] for pool in threadpool_info()]
    W, U = normal(H, H), normal(I, H, seed=1)
    mg.scan(simple(W, U), normal(B, H, seed=2), normal(T, B, I, seed=3))[1].sum().backward()
    assert [pool["num_threads"] for pool in threadpool_info()] == before
