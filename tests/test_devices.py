"""What is different on a GPU, shown on array libraries that behave as CuPy does: several devices, indices that nobody
checks, assignments in no order, waiting for numbers, random numbers and memory of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from strict import Device, StrictArray, Waits

import minigrad as mg
import minigrad_rnn as mr
from minigrad import bounds, errors, nn, optim
from minigrad_rnn.training import Config, Task, Trainer

# Several devices


def on(device, data, **options):
    return mg.tensor(data, **options).to(device)


def test_creation_goes_to_the_device(pair):
    with mg.use_backend("pair:1"):
        for made in (mg.zeros(2), mg.tensor([1.0]), mg.arange(3), mg.rand(2), mg.randn(2), nn.Linear(2, 3).weight):
            assert made.backend.name == "pair:1"
            assert made.data.device.id == 1
        assert mg.zeros_like(mg.zeros(2)).backend.name == "pair:1"
    assert mg.zeros(2).backend.name == "numpy"
    with mg.use_backend("pair:0") as chosen:
        assert chosen.name == "pair"
        assert mg.zeros(2).data.device.id == 0


@pytest.mark.parametrize("name", ["pair:2", "pair:x", "pair:-1", "numpy:1"])
def test_devices_that_are_not_there(pair, name):
    with pytest.raises(errors.BackendUnavailableError, match="choose one of"):
        mg.use_backend(name)
    with pytest.raises(errors.BackendUnavailableError, match="choose one of"):
        mg.zeros(2).to(name)


@pytest.mark.parametrize("recorded", [False, True])
def test_computing_follows_the_inputs_whichever_device_is_current(pair, recorded):
    x = on("pair:1", np.array([[1.0, 2.0], [3.0, 4.0]]), requires_grad=True)
    w = on("pair:1", np.array([[1.0, -2.0], [0.5, 1.0]]), requires_grad=True)
    for current in (0, 1):
        with Device(current):
            y = mg.tanh(x @ w + 1).sum(axis=0) * mg.concatenate([x[0, :1], w[1, 1:]])
            loss = (y * y).mean() + mg.softmax(x, axis=1)[[0, 0, 1], [1, 1, 0]].sum()
            found = mg.grad(loss, [x, w], create_graph=recorded, retain_graph=True)
        for tensor in (y, loss, *found):
            assert tensor.backend.name == "pair:1"
        loss.backward()
    assert x.grad.data.device.id == 1
    np.testing.assert_allclose(x.grad.numpy(), 2 * found[0].numpy(), rtol=1e-12)


def test_two_devices_do_not_mix(pair):
    x, y = on("pair", [1.0]), on("pair:1", [2.0])
    with pytest.raises(errors.BackendMismatchError, match=r"is on pair, operand 1 .* is on pair:1; .*\.to\('pair:1'\)"):
        x + y
    with pytest.raises(errors.BackendMismatchError, match="is on numpy"):
        y * mg.tensor([1.0])


@pytest.mark.parametrize("recorded", [False, True])
def test_gradients_come_back_across_devices(pair, recorded):
    x = on("pair", np.array([1.0, 2.0]), requires_grad=True)
    there = (x * x).to("pair:1")
    back = (there * 3).to("pair") + x
    total = (back * back).sum()
    g = mg.grad(total, x, create_graph=recorded)
    assert g.backend.name == "pair"
    assert g.tolist() == [2 * 4 * 7, 2 * 14 * 13]


def test_training_on_the_second_device(pair):
    def losses(name):
        mg.seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)).to(name)
        optimizer = optim.Adam(model.parameters(), lr=0.1, weight_decay=0.01)
        x = mg.tensor(np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)).to(name)
        for _ in range(3):
            loss = nn.cross_entropy(model(x), mg.tensor(np.array([0, 1, 1, 0, 1])).to(name))
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm(model.parameters(), 0.1)
            optim.clip_grad_value(model.parameters(), 1.0)
            optimizer.step()
            yield loss.item()

    np.testing.assert_allclose([*losses("pair:1")], [*losses("numpy")], rtol=1e-5)


# Indices


def test_an_index_out_of_range_comes_up_with_the_next_number(there):
    table = there(np.arange(6.0).reshape(3, 2), name="table")
    rows = there(np.array([0, 3]))
    taken = mg.take(table, rows, axis=0)  # no error: to find out, the host would have to wait
    with pytest.raises(
        errors.OutOfRangeError, match=r"'table' of shape \(3, 2\).*axis 0 is not from -3 to 2"
    ) as caught:
        taken.numpy()
    assert "taken = mg.take(table, rows, axis=0)" in str(caught.value)
    assert taken.tolist() == [[0, 1], [0, 1]]  # told once
    assert mg.take(table, there(np.array([0, -3])), axis=0).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    "index",
    [
        lambda to: to(np.array([0, 4])),
        lambda to: (slice(None), to(np.array([[5]]))),
        lambda to: (..., to(np.array([-6]))),
        lambda to: (None, to(np.array(4)), 0),
        lambda to: (to(np.array([True, False, True, False])), to(np.array([0, -6]))),
        lambda to: (to(np.array([0, 1])), to(np.array([0, 5]))),
    ],
)
@pytest.mark.parametrize("read", [lambda t: t.item(), bool, float, int, lambda t: t.tolist(), np.asarray])
def test_every_index_and_every_way_to_read(there, index, read):
    with pytest.raises(errors.OutOfRangeError):
        mg.zeros((4, 5))[index(mg.tensor)]
    there(np.zeros((4, 5)))[index(there)]
    with pytest.raises(errors.OutOfRangeError):
        read(there(1.0))
    read(there(1.0))


@pytest.mark.parametrize("index", [[0, 3], np.array([-4]), (slice(None), [2]), 3, (0, 2)])
def test_an_index_of_the_hosts_raises_at_once(there, index):
    x = there(np.zeros((3, 2)), requires_grad=True)
    for use in (lambda: x[index], lambda: mg.ops.setitem(x, 1.0, index)):
        with pytest.raises(errors.OutOfRangeError, match=r"of shape \(3, 2\) has no such part"):
            use()
    assert not bounds._flags


def test_an_index_of_the_hosts(there):
    x = there(np.arange(6.0).reshape(3, 2))
    assert x[[0, 2]].tolist() == x[np.array([0, 2])].tolist() == x[mg.tensor([0, 2]).data].tolist() == [[0, 1], [4, 5]]
    assert x[np.array([True, False, False]), 1].tolist() == [1]
    assert x[[]].shape == (0, 2)


def test_of_assignments_to_one_place_the_last_lasts(there):
    rng = np.random.default_rng(0)
    for shape, index in [
        ((5,), (rng.integers(-5, 5, 12),)),
        ((4, 3), (rng.integers(0, 4, 6),)),
        ((4, 3), (slice(1, None), rng.integers(0, 3, 7))),
        ((4, 3), (rng.integers(0, 4, (2, 5)), rng.integers(0, 3, 5))),
        ((4,), (rng.integers(0, 4, 0),)),
    ]:
        start = rng.normal(size=shape)
        value = rng.normal(size=start[index].shape)
        weights = rng.normal(size=shape)
        results = []
        for to in (lambda x, **options: mg.tensor(x, **options), there):
            x, v = to(start, requires_grad=True), to(value, requires_grad=True)
            changed = mg.ops.setitem(x, v, tuple(to(i) if isinstance(i, np.ndarray) else i for i in index))
            inplace = to(start)
            inplace[tuple(to(i) if isinstance(i, np.ndarray) else i for i in index)] = to(value)
            gradients = mg.grad((changed * to(weights)).sum(), [x, v])
            results.append([changed, inplace, *gradients])
        for numpys, stricts in zip(*results, strict=True):
            np.testing.assert_array_equal(stricts.numpy(), numpys.numpy())


# Waiting


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_training_step_asks_for_no_number(strict, cell):
    """Embedding, recurrent layers with dropout, cross-entropy, clipping, Adam, a schedule, the state carried along."""

    class Model(nn.Module):
        def __init__(self):
            self.table = nn.Embedding(7, 4)
            self.layers = mr.Recurrent(mr.cells.get(cell), 4, 5, num_layers=2, dropout=0.5)
            self.out = nn.Linear(5, 7)

        def forward(self, codes, state):
            hidden, state = self.layers(self.table(codes), state)
            return self.out(hidden), state

    mg.seed(1)
    with mg.use_backend("strict"):
        model = Model()
        codes = [strict(np.random.default_rng(i).integers(0, 7, (3, 2))) for i in range(4)]

        class Next(Task):
            def __init__(self):
                self.model, self.rows, self.epoch, self.carry = model, 2, 100, True

            def batch(self, step, rows):
                return codes[step][:, rows], codes[-1 - step][:, rows]

            def loss(self, batch, state):
                logits, state = self.model(batch[0], state)
                return nn.cross_entropy(logits, batch[1]), batch[1].size, state

        trainer = Trainer(Next(), Config(lr=0.01))
        Waits.count = 0
        updates = [trainer.update() for _ in range(4)]
        assert Waits.count == 0
        assert all(update.loss is None and update.seen == 6 for update in updates)
        assert type(next(model.parameters()).data) is StrictArray
        trainer.read()
        assert Waits.count > 0
        assert len(trainer.losses) == 4
        assert trainer.losses[0] > 0


# Random numbers


def test_random_numbers_go_on_from_a_saved_state(there):
    for name in ("numpy", there.name):
        with mg.use_backend(name):
            mg.seed(3)
            mg.rand(5)
            state = json.loads(json.dumps(mg.random_state()))
            first = [mg.rand(3).tolist(), mg.randn(2, 2).tolist(), mg.rand(3).tolist()]
            mg.seed(4)
            mg.set_random_state(state)
            assert [mg.rand(3).tolist(), mg.randn(2, 2).tolist(), mg.rand(3).tolist()] == first
            assert len({number for row in (first[0], *first[1], first[2]) for number in row}) == 10
    with pytest.raises(errors.BackendUnavailableError, match="unknown backend 'tpu'"):
        mg.set_random_state({"tpu": {}})


def test_random_numbers_are_spread_as_they_should(there):
    with mg.use_backend(there.name):
        mg.seed(5)
        uniform, normal = mg.rand(100, 1001).numpy(), mg.randn(100, 1001).numpy()
    assert uniform.dtype == normal.dtype == np.float32
    assert 0 <= uniform.min() < uniform.max() < 1
    assert uniform.mean() == pytest.approx(0.5, abs=0.005)
    assert uniform.var() == pytest.approx(1 / 12, rel=0.02)
    assert normal.mean() == pytest.approx(0, abs=0.02)
    assert normal.var() == pytest.approx(1, rel=0.03)
    assert np.corrcoef(uniform.ravel(), normal.ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_each_device_has_random_numbers_of_its_own(pair):
    mg.seed(0)
    with mg.use_backend("pair:1"):
        assert mg.rand(2).data.device.id == 1
    assert {"numpy", "pair", "pair:1"} <= set(mg.random_state())


# Saving and loading


def test_saving_leaves_the_model_where_it_is(there, tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "model.safetensors"
    model = nn.Linear(2, 3).to(there.name)
    mg.save(path, model.state_dict())
    assert {p.backend.name for p in model.parameters()} == {there.name}
    other = nn.Linear(2, 3).to(there.name)
    other.load_state_dict(mg.load(path))
    assert {p.backend.name for p in other.parameters()} == {there.name}
    np.testing.assert_array_equal(other.weight.numpy(), model.weight.numpy())
    with mg.use_backend(there.name):
        assert {t.backend.name for t in mg.load(path).values()} == {there.name}


# Memory


def test_memory():
    use = mg.memory()
    ballast = np.ones(50_000_000, np.uint8)
    assert mg.memory("numpy").used > use.used + 40_000_000
    assert 0 < use.used <= use.held <= use.total
    assert 0 < use.free <= use.total
    assert str(use).startswith("used ")
    assert "iB, free " in str(use)
    assert len(ballast) == 50_000_000


def test_no_memory_forward():
    x = mg.ones((1, 1))
    told = r"'broadcast_add' cannot take .*Unable to allocate .*memory: used .*smaller batch.*checkpoint"
    with pytest.raises(errors.OutOfMemoryError, match=told):
        mg.primitive("broadcast_add", lambda xp, x: x + xp.ones((1 << 40, 1 << 10)))(x)


@pytest.mark.parametrize(
    "make", [mg.zeros, mg.rand, lambda shape: mg.zeros_like(np.broadcast_to(1.0, shape)), lambda n: mg.nn.Linear(*n)]
)
def test_no_memory_for_what_is_new(make):
    with pytest.raises(errors.OutOfMemoryError, match=r"1099511627776, 1024\).*: Unable to allocate .*smaller batch"):
        make((1 << 40, 1 << 10))


def test_no_memory_backward():
    f = mg.primitive("greedy", lambda xp, x: x * 1, vjp=[lambda g: np.ones((1 << 40, 1 << 10))])
    with pytest.raises(MemoryError, match=r"the backward walk: Unable to allocate .*smaller batch"):
        f(mg.ones(1, requires_grad=True)).backward()


# On a real device


@pytest.mark.gpu
def test_memory_of_a_device():
    with mg.use_backend("cupy"):
        use = mg.memory()
        ballast = mg.zeros((1000, 1000, 25))
        assert mg.memory().used >= use.used + ballast.data.nbytes
        assert 0 < use.free < use.total
        with pytest.raises(errors.OutOfMemoryError, match=r"memory allocating .*memory: used .*smaller batch"):
            mg.broadcast_to(ballast, (10_000, 1000, 1000, 25)) + 1


@pytest.mark.gpu
@pytest.mark.torch
def test_dlpack_with_pytorch_without_a_copy():
    torch = pytest.importorskip("torch")
    ours = mg.tensor(np.arange(6.0).reshape(2, 3)).to("cupy")
    peer = torch.from_dlpack(ours)
    assert peer.is_cuda
    assert peer.data_ptr() == ours.data.data.ptr
    peer += 1
    torch.cuda.synchronize()
    assert ours.tolist() == [[1, 2, 3], [4, 5, 6]]
    back = mg.ops.from_dlpack(peer)
    assert back.backend.name == "cupy"
    assert back.data.data.ptr == peer.data_ptr()


def test_an_array_on_the_left(there):
    x = there(np.array([[1.0, 2.0], [3.0, 5.0]]), requires_grad=True)
    array = there(np.array([[2.0, 1.0], [4.0, 3.0]])).data
    for made, expected in [
        (array - x, [[1, -1], [1, -2]]),
        (array * x, [[2, 2], [12, 15]]),
        (array @ x, [[5, 9], [13, 23]]),
        (array > x, [[True, False], [True, False]]),
    ]:
        assert isinstance(made, mg.Tensor)
        assert made.backend.name == there.name
        assert made.tolist() == expected
    assert mg.grad((array * x).sum(), x).tolist() == [[2, 1], [4, 3]]
