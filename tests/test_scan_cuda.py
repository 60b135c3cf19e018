"""Loops as CUDA kernels: their code compiled as C++ and run on the processor, in a stand-in for CuPy; and on CuPy.

The stand-in has streams that capture, graphs, and cuBLAS's products from addresses. What it cannot tell is whether a
device takes all that, and how fast.
"""

from __future__ import annotations

import copy
import ctypes
import dataclasses
import importlib
import shutil
import subprocess
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.loop import array_kernels, cublas, cuda_kernels, cuda_source, kernels

pytestmark = pytest.mark.on_numpy
scans = importlib.import_module("minigrad.loop.scan")
T, B, I, H = 11, 3, 4, 5
SHIM = Path(__file__).with_name("cuda_shim.h")
# Loops, forward or back, that are not all work on rows: what is summed to (batch,) is not.
CELLS = mr.cells.names()  # the library's own, before other tests register theirs
LEFT_TO_ARRAY_CODE = {("convlstm", False), ("convlstm", True)}
THREADS = 4  # of a block that has to wait for one another; more take longer


# Loops to run


def normal(*shape, seed=0, scale=1.0):
    return mg.tensor(scale * np.random.default_rng(seed).normal(size=shape), requires_grad=True)


W, V, U, w = normal(H, H), normal(H, H, seed=1), normal(I, H, seed=2), normal(I, 1, seed=3)


def gated(h, x):
    """A number for each row from the input alone, and one from the state: stored where others of the row read."""
    gate, kept = mg.sigmoid(x @ w), mg.sigmoid(h.sum(axis=1, keepdims=True))
    h = mg.tanh(x @ U + h @ W) * gate + h * kept
    return h, (h, gate * kept)


def deep(h, x):
    """Three products one after another; the first and the last read the same state."""
    z = mg.tanh(x @ U + h @ W)
    z = mg.relu(z @ V) + mg.softmax(z, axis=1)
    return mg.tanh(z @ W + h @ V), z


def packed(state, x):
    """A state of two halves in one array."""
    h, c = state[:, :H], state[:, H:]
    c = mg.sigmoid(h @ W) * c + mg.tanh(x @ U)
    h = mg.tanh(c @ V) * mg.sigmoid(h @ V)
    return mg.concatenate([h, c], axis=1), h


def masked(state, x):
    """Rows that have ended keep their state; the mask is part of the input."""
    (h, h1), (x, goes_on) = state, x
    new = mg.where(goes_on, mg.tanh(x @ U + h @ W), h)
    return (new, h), mg.maximum(new, h1) / (1 + mg.exp(new.max(axis=1, keepdims=True))) * mg.leaky_relu(h1)


def early(state, x):
    """The first part of the state is there before the last product of the step reads the second."""
    h, c = state
    h1 = mg.tanh(x @ U + h @ W)
    return (h1, mg.tanh(h1 @ V + c @ W)), h1 * c


GOES_ON = np.arange(T)[:, None, None] < np.array([T, 5, 0])[None, :, None]
h0, c0, xs = normal(B, H, seed=4), normal(B, H, seed=5), normal(T, B, I, seed=6)
STEPS = {
    "gated": (gated, h0, xs),
    "deep": (deep, h0, xs),
    "packed": (packed, normal(B, 2 * H, seed=7), xs),
    "masked": (masked, (h0, c0), (xs, mg.tensor(GOES_ON))),
    "early": (early, (h0, c0), xs),
}


def step_of(name):
    """The step, initial state and sequence of a registered cell."""
    options = {"size": (2, 3)} if name == "convlstm" else {}
    mg.seed(2)
    cell = mr.cells.get(name)(I, H, dtype="float64", **options)
    return lambda state, x: cell.step(x, state)[::-1], cell.initial_state(B), normal(T, B, I, *options.get("size", ()))


@pytest.fixture(scope="module")
def recorded():
    """By name, the loops of each cell and step: the loop, its arrays before and after, and its order."""
    found = {}

    def run(loop, arrays, order):
        before = copy.copy(arrays)
        before.named = {name: array.copy() for name, array in arrays.named.items()}
        array_kernels.run(loop, arrays, order)
        made.append((loop, before, dict(arrays.named), order))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "run", run)
        patch.setattr(kernels, "choice", lambda: "numpy")
        patch.setattr(scans, "_plans", type(scans._plans)())
        for n, name in enumerate([*CELLS, *STEPS]):
            made = found[name] = []
            step, init, sequence = STEPS.get(name) or step_of(name)
            carry, ys = mg.scan(step, init, sequence, reverse=n % 2 == 1)
            flat = [*scans.flatten(carry)[0], *scans.flatten(ys)[0]]
            rng = np.random.default_rng(8)
            sum((part * rng.normal(size=part.shape)).sum() for part in flat).backward()
            made[:] = [(loop, *rest) for loop, *rest in made]
    return found


# A stand-in for CuPy


class DeviceArray(np.ndarray):
    data = property(lambda self: types.SimpleNamespace(ptr=self.ctypes.data))


class Graph:
    launches = 0

    def __init__(self, captured):
        self.captured = captured

    def launch(self):
        Graph.launches += 1
        for action in self.captured:
            action()


class Stream:
    """Runs at once what it is given, or captures it."""

    current: ClassVar[list[Stream]] = []
    ptr = 7

    def __init__(self, non_blocking=False):
        self.captured = None

    def __enter__(self):
        Stream.current.append(self)
        return self

    def __exit__(self, *exc_info):
        Stream.current.pop()

    def begin_capture(self):
        self.captured = []

    def end_capture(self):
        captured, self.captured = self.captured, None

        return Graph(captured)

    def do(self, action):
        action() if self.captured is None else self.captured.append(action)

    def wait_event(self, event):
        assert event.stream in (None, self)


class Event:
    def __init__(self, disable_timing):
        self.stream = None

    def record(self, stream):
        self.stream = stream


class CuBLAS:
    """The library's functions, on columns of what lies at addresses."""

    has_memory = False

    def __getattr__(self, name):
        return getattr(self, name.removeprefix("cublas").removesuffix("_v2").lower())

    def create(self, handle):
        handle._obj.value = 5
        return 0

    def setstream(self, handle, stream):
        assert stream.value == Stream.ptr
        assert Stream.current[-1].captured is None
        self.has_memory = False
        return 0

    def setworkspace(self, handle, memory, size):
        assert memory.value
        assert size.value == cublas.WORKSPACE
        self.has_memory = True
        return 0

    def destroy(self, handle):
        return 0

    def dgemm(self, handle, how_a, how_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
        assert self.has_memory
        assert (handle.value, how_a, how_b, alpha._obj.value) == (5, 0, 0, 1)
        a, b, c = (columns(*where) for where in ((a, m, k, lda), (b, k, n, ldb), (c, m, n, ldc)))
        factor = beta._obj.value

        def multiply():
            c[...] = a @ b + factor * c if factor else a @ b

        Stream.current[-1].do(multiply)
        return 0


def columns(address, rows, count, distance):
    flat = (ctypes.c_double * (distance * count)).from_address(address.value)
    return np.frombuffer(flat, np.float64).reshape(count, distance)[:, :rows].T


class CuPy:
    """NumPy, with what CuPy has besides; new arrays hold NaN."""

    def __init__(self, compiled, numbers, shared=2**20):
        self.compiled, self.numbers, self.RawModule = compiled, numbers, self._module
        attributes = {
            "MultiProcessorCount": 2,
            "MaxSharedMemoryPerBlockOptin": shared,
            "MaxSharedMemoryPerMultiprocessor": shared,
        }
        self.cuda = types.SimpleNamespace(
            Stream=Stream,
            Event=Event,
            Device=lambda: types.SimpleNamespace(attributes=attributes),
            get_current_stream=lambda: Stream.current[-1],
        )
        self.ran: list[str] = []

    def empty(self, shape, dtype):
        return np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 1, dtype).view(DeviceArray)

    def __getattr__(self, name):
        function = getattr(np, name)

        def call(*args, **options):
            assert Stream.current[-1].captured is None, "nothing of CuPy's own can be captured"
            return function(*args, **options).view(DeviceArray)

        return call if name in ("zeros", "asarray", "ascontiguousarray", "matmul") else function

    def _module(self, code, options):
        return types.SimpleNamespace(get_function=lambda name: Function(self, name, *self.numbers[code, name]))


class Function:
    """A kernel of a library; `waits` says whether its threads wait for one another."""

    max_dynamic_shared_size_bytes = 0

    def __init__(self, xp, name, number, waits):
        self.xp, self.name, self.number, self.waits = xp, name, number, waits

    def __call__(self, grid, block, args, shared_mem=0):
        (table, count), (x, y), (threads,) = args, (*grid, 1)[:2], block
        assert isinstance(count, np.int64)
        if self.waits:
            threads = min(threads, THREADS)
        self.xp.ran.append(self.name)
        given = self.number, x, y, threads, self.waits, table.data.ptr, int(count)
        Stream.current[-1].do(lambda: self.xp.compiled.run(*given))


@pytest.fixture(scope="module")
def compiled(recorded, tmp_path_factory):
    """All loops' code as C++ in one library, and the number of each function by code and name."""
    if shutil.which("g++") is None:
        pytest.skip("there is no g++")
    codes, names = [], []
    for loops in recorded.values():
        for loop, *_ in loops:
            if cuda_kernels.can_run(loop):
                source = cuda_source.Source(loop)
                codes.append(source.text)
                names += [(source.text, name) for name in functions_of(source.text)]
    text = [f'#include "{SHIM}"']
    for n, code in enumerate(codes):
        code = code.replace('extern "C" __global__', "__global__").replace("extern __shared__", "extern")
        text.append(f"namespace n{n} {{ extern double memory[]; {code} double memory[{2**15}]; }}")
    table = ", ".join(
        f"+[](long long* t, long long k) {{ n{codes.index(code)}::{name}(t, k); }}" for code, name in names
    )
    text.append(f"static void (*kernels[])(long long*, long long) = {{{table}}};")
    text.append('extern "C" void run(int n, int x, int y, int threads, bool at_once, long long* table, long long k)')
    text.append("{ launch(kernels[n], {unsigned(x), unsigned(y)}, threads, at_once, table, k); }")
    folder = tmp_path_factory.mktemp("cuda")
    (folder / "all.cpp").write_text("\n".join(text))
    command = "g++ -std=c++20 -O1 -shared -fPIC -pthread -w all.cpp -o all.so"
    subprocess.run(command.split(), cwd=folder, check=True)
    library = ctypes.CDLL(str(folder / "all.so"))
    library.run.argtypes = [*[ctypes.c_int] * 4, ctypes.c_bool, ctypes.c_void_p, ctypes.c_longlong]
    library.run.restype = None
    return library, {(code, name): (n, "__shared__" in body(code, name)) for n, (code, name) in enumerate(names)}


def functions_of(code):
    return [part.split("(")[0] for part in code.split('extern "C" __global__ void ')[1:]]


def body(code, name):
    return code.split(f"__global__ void {name}(")[1].split('extern "C"')[0]


@pytest.fixture(autouse=True)
def one_stream(monkeypatch):
    monkeypatch.setattr(Stream, "current", [Stream()])
    monkeypatch.setattr(Graph, "launches", 0)
    monkeypatch.setattr(cublas, "library", lambda xp: CuBLAS())


def check(run, loop, before, after, order, xp):
    """Run a loop in the stand-in: all its arrays are as array code leaves them."""
    arrays = copy.copy(before)
    arrays.xp, arrays._fixed = xp, dict(before._fixed)
    arrays.named = {name: array.copy().view(DeviceArray) for name, array in before.named.items()}
    run(loop, arrays, order)
    assert arrays.named.keys() == after.keys()
    for name, array in after.items():
        found, last = np.asarray(arrays.named[name]), slice(None)
        if name in arrays.in_turn:
            last = len(order) % 2  # the other one was of the step before
        np.testing.assert_allclose(found[last], array[last], rtol=1e-10, atol=1e-10, err_msg=name)


# On the stand-in


@pytest.mark.parametrize("name", [*CELLS, *STEPS])
def test_its_code_computes_what_array_code_does(name, recorded, compiled):
    """Forward and back: all steps in one kernel; kernels of each step; those captured as graphs."""
    for loop, *arrays in recorded[name]:
        if (name, loop.back) in LEFT_TO_ARRAY_CODE:
            assert not cuda_kernels.can_run(loop)
            continue
        xp = CuPy(*compiled)
        check(cuda_kernels.Kernel(loop, xp).run, loop, *arrays, xp)
        assert xp.ran == ["all_steps"]
        xp, Graph.launches = CuPy(*compiled, shared=0), 0
        kernel = cuda_kernels.Kernel(loop, xp)
        for _ in range(3):
            check(kernel.run, loop, *arrays, xp)
        a_step = len(kernel.source.passes)
        assert len(xp.ran) == T * a_step + (8 * a_step + 1) + (a_step + 1)  # asked for once, and then captured
        assert Graph.launches == 2 * (1 + 3)  # of eight steps, and thrice of one


def test_a_run_that_cannot_be_captured_goes_step_by_step(recorded, compiled, monkeypatch):
    loop, *arrays = recorded["lstm"][0]
    xp = CuPy(*compiled, shared=0)
    kernel = cuda_kernels.Kernel(loop, xp)
    check(kernel.run, loop, *arrays, xp)

    def missing(xp):
        raise OSError("no cuBLAS")

    monkeypatch.setattr(cublas, "library", missing)
    with pytest.warns(UserWarning, match="not captured as a CUDA graph: no cuBLAS"):
        check(kernel.run, loop, *arrays, xp)
    check(kernel.run, loop, *arrays, xp)
    assert Graph.launches == 0
    assert set(xp.ran) == {"pass1"}


@pytest.mark.parametrize(("choice", "runs"), [("auto", False), ("cuda", True), ("llvm", False), ("numpy", False)])
def test_what_kernels_are_chosen(choice, runs, recorded, compiled, monkeypatch):
    loop, *arrays = recorded["gru"][0]
    monkeypatch.setenv("MINIGRAD_KERNELS", choice)
    xp = CuPy(*compiled)
    check(kernels.run, dataclasses.replace(loop), *arrays, xp)
    assert xp.ran == ["all_steps"] * runs


def test_what_the_compiler_refuses_is_left_to_array_code(recorded, compiled, monkeypatch):
    loop, *arrays = recorded["gru"][0]
    loop, xp = dataclasses.replace(loop), CuPy(*compiled)
    xp.RawModule = None
    monkeypatch.setenv("MINIGRAD_KERNELS", "cuda")
    with pytest.warns(UserWarning, match="a scan runs as array code .*'NoneType' object is not callable"):
        check(kernels.run, loop, *arrays, xp)
    check(kernels.run, loop, *arrays, xp)  # and is not tried again
    assert not xp.ran


def test_a_step_of_an_lstm_is_a_product_and_a_kernel(recorded):
    """Back, too: the gradients of four gates lie side by side, and that of the state stays where it comes from."""
    (forth, *_), (back, *_) = recorded["lstm"]
    assert len(back.gemms[0].lefts) == 4
    for loop in (forth, back):
        source = cuda_source.Source(loop)
        assert (len(source.factors), len(source.passes)) == (1, 1)


def test_nvrtc_compiles_it(recorded):
    """For a device of compute capability 9.0, in both precisions."""
    nvrtc = nvrtc_or_skip()
    for loops in recorded.values():
        for code in (cuda_source.Source(loop).text for loop, *_ in loops if cuda_kernels.can_run(loop)):
            for text in (code, code.replace("typedef double T;", "typedef float T;")):
                program = nvrtc.createProgram(text, "loop.cu", [], [])
                nvrtc.compileProgram(program, ["-arch=compute_90", "-std=c++17"])
                nvrtc.destroyProgram(program)


def nvrtc_or_skip():
    try:
        nvrtc = importlib.import_module("cupy_backends.cuda.libs.nvrtc")
        nvrtc.getVersion()
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"there is no NVRTC: {error}")
    return nvrtc


# On CuPy


@pytest.fixture
def ran(monkeypatch):
    """The kernels that scans are run by; nothing is compiled before."""
    found = []
    original = cuda_kernels.run

    def run(loop, arrays, order):
        answer = original(loop, arrays, order)
        found.append(loop.kernel if answer else None)
        return answer

    monkeypatch.setattr(cuda_kernels, "run", run)
    monkeypatch.setenv("MINIGRAD_KERNELS", "cuda")
    monkeypatch.setattr(scans, "_plans", type(scans._plans)())
    return found


def both(name, length, dtype="float64", hidden=H, batch=B, reverse=False, times=1):
    """Outputs, last state and gradients of a cell over a sequence on CuPy, as often as wanted, and on NumPy."""
    rng = np.random.default_rng(9)
    x = rng.normal(size=(length, batch, I)).astype(dtype)

    def run(place):
        mg.seed(2)
        cell = mr.cells.get(name)(I, hidden, dtype=dtype).to(place)
        sequence = mg.tensor(x, requires_grad=True).to(place)

        def once():
            state, ys = mg.scan(
                lambda state, x: cell.step(x, state)[::-1], cell.initial_state(batch), sequence, reverse=reverse
            )
            parts = [ys, *scans.flatten(state)[0]]
            grads = mg.grad(sum((part * part).sum() for part in parts), [sequence, *cell.parameters()])
            return [t.numpy() for t in (*parts, *grads)]

        return [once() for _ in range(times if place == "cupy" else 1)]

    return run("cupy"), run("numpy")[0]


@pytest.mark.gpu
@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("length", [2, 11, 75])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "lstmp", "lstm-layernorm", "slstm", "indrnn"])
def test_scan_on_cupy_equals_scan_on_numpy(name, length, captured, ran, monkeypatch):
    """In one kernel for all steps, and step by step: the first time asked for, then captured."""
    if captured:
        monkeypatch.setattr(cuda_kernels, "WAVES", 0)  # no loop is small enough
    found, expected = both(name, length, reverse=length == 11, times=3 if captured else 1)
    for ours in found:
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
    assert None not in ran
    if captured:
        assert all(kernel.captures for kernel in ran)
        sizes = {size for size in cuda_kernels.GRAPHS if size <= length}
        assert all(set(kernel.graphs) <= sizes and kernel.graphs for kernel in ran)
    else:
        assert all(kernel.all_steps is not None for kernel in ran)


@pytest.mark.gpu
@pytest.mark.parametrize("hidden", [32, 300])
def test_single_precision_on_cupy(hidden, ran):
    """Small enough for one kernel, and too large."""
    (*_, found), expected = both("lstm", 20, dtype="float32", hidden=hidden, batch=16, times=2)
    for one, other in zip(found, expected, strict=True):
        assert np.linalg.norm(one - other) <= 1e-5 * np.linalg.norm(other)
    assert {kernel.all_steps is not None for kernel in ran} == {hidden == 32}


@pytest.mark.gpu
def test_the_same_sums_each_time(ran, monkeypatch):
    """No order is left to chance: gradients of biases, which are added up in the loop, are the same to the last bit."""
    monkeypatch.setattr(cuda_kernels, "WAVES", 0)
    found, _ = both("lstm-peephole", 40, dtype="float32", hidden=64, batch=32, times=4)
    for one, other in zip(found[1], found[3], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.gpu
def test_runs_on_two_streams_do_not_meet(ran, monkeypatch):
    import cupy

    monkeypatch.setattr(cuda_kernels, "WAVES", 0)
    found = []
    for _ in range(2):
        with cupy.cuda.Stream(non_blocking=True):
            (ours,), expected = both("gru", 64, hidden=128, batch=32)
            found.append(ours)
    for ours in found:
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
