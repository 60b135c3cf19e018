"""What test_parallel.py runs under mpiexec: `python parallel_ranks.py WHAT FOLDER`."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import strict

import minigrad as mg
import minigrad_rnn as mr
from minigrad import backend
from minigrad_rnn.training.parallel import Group

T, FEATURES, CLASSES, STEPS = 12, 4, 5, 12
CASES = [(dtype, batch) for dtype in ("float32", "float64") for batch in (8, 7)]


def mpiexec(ranks):
    """How the command line of so many processes begins; skips the test where there is no MPI."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("there is no mpiexec")
    return [found, "-n", str(ranks)]


class Model(mg.nn.Module):
    """An LSTM and a linear layer."""

    def __init__(self, dtype):
        self.recurrent = mr.Recurrent("lstm", FEATURES, 8, dtype=dtype)
        self.head = mg.nn.Linear(8, CLASSES, dtype=dtype)

    def forward(self, xs, state, lengths):
        outputs, state = self.recurrent(xs, state, lengths)
        return self.head(outputs), state


def train(group, dtype, batch):
    """Train on a fixed sequence of global batches; all weights in one array, and the mean loss of each step."""
    mg.seed(group.rank)  # each rank starts elsewhere, and takes rank 0's values
    model = Model(dtype)
    group.broadcast(model)
    parameters = list(model.parameters())
    adam = mg.optim.Adam(parameters, lr=0.01)
    rng, rows, state, losses = np.random.default_rng(1), group.share(batch), None, []
    for _ in range(STEPS):
        xs = rng.standard_normal((T, batch, FEATURES)).astype(dtype)
        targets = (xs > 0).sum(axis=2)
        lengths = rng.integers(1, T + 1, size=batch)
        logits, state = model(xs[:, rows], state, lengths[rows])
        loss = mr.sequence_loss(logits, targets[:, rows], lengths[rows])
        adam.zero_grad()
        loss.backward()
        tokens = lengths[rows].sum()
        total, (summed,) = group.average_gradients(parameters, tokens, np.array([loss.item() * tokens]))
        assert total == lengths.sum()
        mg.optim.clip_grad_norm(parameters, 0.2)
        adam.step()
        state = tuple(part.detach() for part in state)
        losses.append(summed / total)
    return np.concatenate([p.numpy().ravel() for p in parameters]), np.array(losses)


def held(group, make):
    """Parameters a, b, c, d of which a has a gradient everywhere, b on rank 1 alone, c nowhere, d where it counts not.

    Rank 0 has weight 0 and NaN in its gradients; rank r counts r, its gradients are r + 1. The sums go back in order.
    """
    a, b, c, d = (make(np.zeros(shape), requires_grad=True) for shape in ((2, 3), (), (4,), (2,)))
    values = np.nan if group.rank == 0 else group.rank + 1
    a.grad = make(np.full((2, 3), values))
    b.grad = make(np.array(values)) if group.rank == 1 else None
    d.grad = make(np.full(2, values)) if group.rank == 0 else None
    extras = extras_of(group.rank)
    return [a, b, c, d], *group.average_gradients([a, b, c, d], group.rank, extras)


def extras_of(rank):
    """Numbers whose sum is another one in float32, or in another order."""
    return np.array([0.1 + rank * 1e-12, 1e300 * (-1) ** rank, 2.0**53 + rank, np.inf, -1e-300])


def averaged(group, make):
    weights = range(group.size)
    parameters, total, sums = held(group, make)
    expected = sum(w * (w + 1) for w in weights) / sum(weights)
    found = [None if p.grad is None else p.grad.to("numpy").numpy() for p in parameters]
    assert total == sum(weights)
    assert sums.tobytes() == np.sum([extras_of(rank) for rank in weights], axis=0).tobytes()
    np.testing.assert_allclose(found[0], np.full((2, 3), expected), rtol=1e-6)
    np.testing.assert_allclose(found[1], 2 / total, rtol=1e-6)
    assert found[2] is None
    assert found[3] is None


def on_a_stand_in(group):
    """The way of a GPU's gradients: `strict` arrays for CuPy's, and an NCCL that adds up through MPI."""
    backend._loaded["strict"] = strict.STRICT
    backend.BY_TYPE[strict.StrictArray] = strict.STRICT
    address = lambda array: array.__cuda_array_interface__["data"][0]
    strict.StrictArray.data = property(lambda self: types.SimpleNamespace(ptr=address(self), array=self))
    calls = []

    class Communicator:
        def __init__(self, size, identity, rank):
            assert identity == bytes(range(128))
            assert (size, rank) == (group.size, group.rank)

        def allReduce(self, source, target, count, dtype, operation, stream):  # noqa: N802
            import ctypes

            assert source == target
            assert (operation, stream) == ("sum", 7)
            calls.append(count)
            kind = {"float": ctypes.c_float, "double": ctypes.c_double}[dtype]
            array = np.ctypeslib.as_array((kind * count).from_address(source))
            array[:] = reduced(array)

    def reduced(array):
        total = np.empty_like(array)
        group._comm.Allreduce(array, total)
        return total

    assert group.rank == 0 or "cupy" not in sys.modules
    nccl = types.SimpleNamespace(
        available=True, NCCL_FLOAT32="float", NCCL_FLOAT64="double", NCCL_SUM="sum", NcclCommunicator=Communicator,
        get_unique_id=lambda: bytes(range(128)),
    )  # fmt: skip
    stream = types.SimpleNamespace(ptr=7)
    cuda = types.SimpleNamespace(nccl=nccl, get_current_stream=lambda: stream)
    sys.modules |= {"cupy": types.SimpleNamespace(cuda=cuda), "cupy.cuda": cuda, "cupy.cuda.nccl": nccl}
    for dtype in ("float32", "float64"):
        averaged(group, lambda data, dtype=dtype, **options: mg.tensor(strict.asarray(data, dtype), **options))
    assert len(calls) == 2


def everything(group, folder):
    """All that needs several ranks and goes well. Rank 0 writes the weights of each case."""
    for dtype in ("float32", "float64"):
        averaged(group, lambda data, dtype=dtype, **options: mg.tensor(data.astype(dtype), **options))
    p = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(mg.errors.MinigradError, match="all weights are 0"):
        group.average_gradients([p], 0, np.zeros(0))

    for dtype in ("int64", "float32", "bool", "U5"):
        own = np.full((2, group.rank), group.rank).astype(dtype)  # of rank 0 nothing
        joined = group.gather(own, axis=1)
        if group.rank == 0:
            expected = np.concatenate([np.full((2, r), r).astype(dtype) for r in range(group.size)], axis=1)
            assert joined.dtype == expected.dtype
            assert (joined == expected).all()
        else:
            assert joined is None
    texts = group.gather_text("é" * group.rank)
    assert texts == (["é" * r for r in range(group.size)] if group.rank == 0 else None)
    sums = group.sum([0.1, group.rank])
    np.testing.assert_allclose(sums, [0.1 * group.size, sum(range(group.size))], rtol=1e-15)
    cores = len(os.sched_getaffinity(0))
    assert group.threads_per_rank() == max(1, cores // group.size)
    assert group.local_rank == group.rank

    for dtype, batch in CASES:
        weights, losses = train(group, dtype, batch)
        all_weights = group.gather(weights[None], axis=0)
        if group.rank == 0:
            assert (all_weights == weights).all()  # every rank has the same bits
            np.savez(Path(folder, f"{dtype}-{batch}.npz"), weights=weights, losses=losses)
    on_a_stand_in(group)


def raises(group, folder):
    if group.rank == 1:
        raise ZeroDivisionError("the batch is empty")
    group.barrier()


def differs(group, folder):
    """Rank 1 has another model."""
    group.broadcast(mg.nn.Linear(3, 4 + group.rank))


def killed(group, folder):
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    group.barrier()


def stopped(group, folder):
    """Train until a signal comes to mpiexec: all ranks stop after the same step."""
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    p = mg.tensor([1.0], requires_grad=True)
    step, stop = 0, 0.0
    while not stop:
        time.sleep(0.01 * (1 + group.rank))
        p.grad = mg.tensor([1.0])
        _, (stop,) = group.average_gradients([p], 1, np.array([float(bool(asked))]))
        step += 1
        if step == 1 and group.rank == 0:
            Path(folder, "started").touch()
    steps = group.gather(np.array([step]), 0)
    if group.rank == 0:
        assert len(set(steps.tolist())) == 1
        Path(folder, "stopped").write_text(f"{steps[0]}")


if __name__ == "__main__":
    world = Group.world()
    with world.guarded():
        globals()[sys.argv[1]](world, sys.argv[2])
