"""Training in several processes: the same weights as one process, and no rank that waits for a dead one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import parallel_ranks
import pytest

import minigrad as mg
from minigrad.errors import BackendMismatchError, MinigradError
from minigrad_rnn.training import nccl, parallel
from minigrad_rnn.training.parallel import Group

pytestmark = pytest.mark.on_numpy
PROGRAM = parallel_ranks.__file__
TOLERANCE = {"float32": 1e-6, "float64": 1e-10}


def command(ranks, what, folder):
    return [*parallel_ranks.mpiexec(ranks), sys.executable, PROGRAM, what, str(folder)]


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(mg.__file__).parents[1])}


def run(ranks, what, folder):
    """Run under mpiexec; gives what came of it, and the seconds that it took."""
    started = time.perf_counter()
    done = subprocess.run(
        command(ranks, what, folder), env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    return done, time.perf_counter() - started


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder with what so many ranks have trained."""
    found = {}

    def by(ranks):
        if ranks not in found:
            folder = tmp_path_factory.mktemp(f"ranks{ranks}")
            done, _ = run(ranks, "everything", folder)
            assert done.returncode == 0, done.stderr
            found[ranks] = folder
        return found[ranks]

    return by


@pytest.fixture(scope="module")
def by_one_process():
    """The weights and losses of a case, trained alone."""
    found = {}

    def of(case):
        if case not in found:
            found[case] = parallel_ranks.train(Group.alone(), *case)
        return found[case]

    return of


@pytest.mark.parametrize("case", parallel_ranks.CASES, ids=lambda case: "-".join(map(str, case)))
@pytest.mark.parametrize("ranks", [2, 4])
def test_the_weights_are_those_of_one_process(trained, by_one_process, ranks, case):
    dtype, batch = case
    weights, losses = by_one_process(case)
    with np.load(trained(ranks) / f"{dtype}-{batch}.npz") as found:
        assert found["weights"].dtype == dtype
        assert abs(found["weights"] - weights).max() <= TOLERANCE[dtype]
        assert abs(found["losses"] - losses).max() <= TOLERANCE[dtype]
    assert losses[-1] < losses[0]


def ended(done, took):
    assert done.returncode != 0
    assert took < 10


def test_a_rank_that_raises_ends_the_others(tmp_path):
    done, took = run(2, "raises", tmp_path)
    ended(done, took)
    assert re.search(
        r"minigrad: rank 1 of 2 \(process \d+ on \S+\): ZeroDivisionError: the batch is empty", done.stderr
    )
    assert 'raise ZeroDivisionError("the batch is empty")' in done.stderr


def test_ranks_with_different_models_are_told(tmp_path):
    done, took = run(2, "differs", tmp_path)
    ended(done, took)
    assert "rank 1 has parameters of other shapes or dtypes than rank 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_rank_that_is_killed_ends_the_others(tmp_path):
    done, took = run(2, "killed", tmp_path)
    ended(done, took)
    (process,) = re.findall(r"rank 1 is (\d+)", done.stderr)
    assert f"PID {process} RUNNING AT" in done.stdout  # so mpiexec says which rank it was


def test_a_signal_to_mpiexec_stops_all_ranks_after_the_same_step(tmp_path):
    launched = subprocess.Popen(
        command(2, "stopped", tmp_path), env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.perf_counter() + 30
        while not (tmp_path / "started").exists() and time.perf_counter() < deadline and launched.poll() is None:
            time.sleep(0.05)
        launched.send_signal(signal.SIGTERM)
        _, told = launched.communicate(timeout=10)
    finally:
        launched.kill()
    assert launched.returncode == 0, told
    assert int((tmp_path / "stopped").read_text()) >= 1


@pytest.mark.parametrize(("count", "size"), [(8, 2), (7, 2), (7, 4), (4, 4), (64, 6)])
def test_shares_are_contiguous_and_even(count, size):
    group, rows, sizes = Group.alone(), list(range(count)), []
    group.size = size
    found = []
    for group.rank in range(size):
        part = rows[group.share(count)]
        found += part
        sizes.append(len(part))
    assert found == rows
    assert max(sizes) - min(sizes) <= 1


def test_a_batch_smaller_than_the_group_is_refused():
    group = Group.alone()
    group.size = 4
    with pytest.raises(
        MinigradError, match=r"a batch of 3 cannot be shared among 4 processes: give a batch of at least 4"
    ):
        group.share(3)


def test_alone_nothing_is_touched():
    group = Group.alone()
    p, without = mg.tensor([1.0, 2.0], requires_grad=True), mg.tensor([1.0], requires_grad=True)
    p.grad = mg.tensor([0.1, 0.2])
    before, array = p.grad, p.grad.data
    weight, extras = group.average_gradients([p, without], 3, np.array([1.5]))
    assert (weight, extras.tolist()) == (3.0, [1.5])
    assert p.grad is before
    assert p.grad.data is array
    assert array.tolist() == np.array([0.1, 0.2], "float32").tolist()
    assert without.grad is None
    assert group.share(5) == slice(0, 5)
    values = np.arange(3)
    assert group.gather(values, 0) is values
    assert group.gather_text("a") == ["a"]
    assert group.sum([1, 2]).tolist() == [1.0, 2.0]
    group.broadcast([p])
    group.barrier()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert group.threads_per_rank() == cores
    with pytest.raises(KeyError), group.guarded():
        raise KeyError("passes")


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_a_weight_is_a_number_from_0_on(weight):
    with pytest.raises(ValueError, match="weight"):
        Group.alone().average_gradients([], weight, np.zeros(1))


class OneOfTwo:
    """A communicator as rank 0 of 2 sees it, whose `Abort` comes back."""

    def __init__(self, size=2):
        self.size, self.status = size, None

    def Get_rank(self):  # noqa: N802
        return 0

    def Get_size(self):  # noqa: N802
        return self.size

    def Split_type(self, kind):  # noqa: N802
        return self

    def Abort(self, status):  # noqa: N802
        self.status = status


@pytest.fixture
def mpi(monkeypatch):
    """Puts a communicator in the place of MPI's, and stops the clock."""

    def put(comm):
        made = types.SimpleNamespace(COMM_WORLD=comm, COMM_TYPE_SHARED=0, get_vendor=lambda: ("MPICH", (5, 0, 2)))
        monkeypatch.setattr(parallel, "_mpi", lambda: made)
        monkeypatch.setattr(parallel.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(Group, "_introduce", lambda self: None)
        return comm

    return put


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (SystemExit(3), 3, "ended with exit status 3"),
        (SystemExit("no such file"), 1, "no such file"),
        (MinigradError("the text is empty: give another", ""), 1, "MinigradError: the text is empty: give another"),
    ],
)
def test_what_was_foreseen_is_told_in_one_line(mpi, capsys, error, status, told):
    comm = mpi(OneOfTwo())
    with pytest.raises(SystemExit) as ended, Group.world().guarded():
        raise error
    assert (comm.status, ended.value.code) == (status, status)
    line, *rest = capsys.readouterr().err.splitlines()
    assert line.startswith("minigrad: rank 0 of 2 (process ")
    assert line.endswith(f"): {told}")
    assert "".join(rest).strip(" at") == ""


def test_the_outer_one_of_two_guards_ends_the_ranks(mpi, capsys):
    comm, seen = mpi(OneOfTwo()), []
    group = Group.world()

    def run():
        with group.guarded():
            try:
                with group.guarded():
                    raise KeyError("a")
            except KeyError:
                seen.append(comm.status)
            raise KeyError("b")

    with pytest.raises(SystemExit):
        run()
    assert seen == [None]
    assert comm.status == 1
    assert "KeyError: 'b'" in capsys.readouterr().err


def test_a_rank_may_end_early_without_error(mpi):
    comm = mpi(OneOfTwo())
    with pytest.raises(SystemExit), Group.world().guarded():
        raise SystemExit(0)
    assert comm.status is None


def test_the_mpiexec_of_another_library_is_noticed(mpi, monkeypatch):
    mpi(OneOfTwo(1))
    for name in parallel.LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    assert Group.world().size == 1
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    with pytest.raises(MinigradError, match=r"mpiexec started 4 processes, and each finds itself alone.*\(MPICH\)"):
        Group.world()


def test_without_mpi4py_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MinigradError, match=r"pip install 'minigrad\[mpi\]', then start them with mpiexec -n 4"):
        Group.world()


def test_parameters_in_two_places_are_refused(mpi, strict):
    mpi(OneOfTwo())
    with pytest.raises(BackendMismatchError, match="parameters lie on numpy and strict: move the whole model"):
        Group.world().average_gradients([mg.tensor([1.0]), strict([1.0])], 1, np.zeros(1))


def test_without_nccl_the_remedy_is_told(monkeypatch):
    absent = types.SimpleNamespace(available=False)
    cuda = types.SimpleNamespace(nccl=absent)
    for name, module in {"cupy": types.SimpleNamespace(cuda=cuda), "cupy.cuda": cuda}.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(MinigradError, match="pip install nvidia-nccl-cu13"):
        nccl.Nccl(OneOfTwo())


def test_cupy_has_the_names():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where it does not find NCCL
        from cupy.cuda import nccl as library
    if not library.available:
        pytest.skip("NCCL is not installed")
    identity = library.get_unique_id()
    assert isinstance(identity, bytes)
    assert len(identity) == nccl.ID_BYTES
    assert {"NCCL_FLOAT32", "NCCL_FLOAT64", "NCCL_SUM"} <= set(dir(library))
    arguments = re.search(r"NcclCommunicator\((.*?)\)", library.NcclCommunicator.__doc__)[1]
    assert re.findall(r"\w+(?=[,=]|$)", arguments)[:3] == ["ndev", "commId", "rank"]
    names = re.findall(r"(\w+)(?=[,)])", library.NcclCommunicator.allReduce.__doc__)
    assert names == ["self", "sendbuf", "recvbuf", "count", "datatype", "op", "stream"]
    assert callable(cupy.cuda.get_current_stream)
