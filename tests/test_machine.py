"""Machine code for loops: products against NumPy, processes, and the cache on disk."""

import ctypes
import importlib
import os
import warnings
from collections import OrderedDict

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.loop import gemm, kernels, machine, pool, threads

pytestmark = [
    pytest.mark.on_numpy,
    pytest.mark.skipif(not machine.available(), reason="llvmlite is not installed: pip install 'minigrad[jit]'"),
]
TEXT = """define void @twice(ptr %at) {
  %x = load double, ptr %at
  %y = fadd double %x, %x
  store double %y, ptr %at
  ret void
}"""


def twice():
    number = ctypes.c_double(1.5)
    machine.Library(TEXT).function("twice", ctypes.c_void_p)(ctypes.addressof(number))
    return number.value


def test_code_is_kept_on_disk_and_damaged_code_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "kernels"))
    assert twice() == 3
    (kept,) = (tmp_path / "kernels").iterdir()
    monkeypatch.setattr(machine, "_compile", None)  # from here on nothing can be compiled
    assert twice() == 3
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    with pytest.raises(TypeError):
        twice()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "file"))
    assert twice() == 3


def test_the_cache_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "KEPT_FILES", 3)
    for n in range(5):
        machine.Library(TEXT.replace("twice", f"twice{n}"))
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("rows", "depth", "columns"), [(1, 1, 1), (3, 5, 7), (6, 64, 64), (13, 17, 70), (40, 33, 130), (600, 20, 65)]
)
def test_products_are_numpys(dtype, count, rows, depth, columns, monkeypatch):
    monkeypatch.setattr(threads, "LEAST_WORK", 1)
    monkeypatch.setattr(threads, "count", lambda: count)
    numbers = np.random.default_rng(0)
    left, matrix = (numbers.normal(size=shape).astype(dtype) for shape in ((rows, depth), (depth, columns)))
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    out = np.full((rows, columns), 7, dtype)
    gemm.Products().product(left, matrix, out)
    np.testing.assert_allclose(out, left @ matrix, rtol=tolerance, atol=tolerance)
    gemm.Products().product(left, np.asfortranarray(matrix), out, add=True)
    np.testing.assert_allclose(out, 2 * (left @ matrix), rtol=tolerance, atol=tolerance)
    wide = np.zeros((rows, columns + 9), dtype)  # columns of a wider array
    gemm.Products().product(left, matrix, wide[:, 4 : 4 + columns])
    np.testing.assert_allclose(wide[:, 4 : 4 + columns], left @ matrix, rtol=tolerance, atol=tolerance)
    assert not wide[:, :4].any()
    assert not wide[:, 4 + columns :].any()
    right = numbers.normal(size=(rows, columns)).astype(dtype)
    np.testing.assert_allclose(gemm.Products().outer(left, right), left.T @ right, rtol=tolerance, atol=tolerance)


def test_a_scan_after_a_fork():
    if not hasattr(os, "fork"):
        pytest.skip("there is no fork here")

    def run():
        W = mg.tensor(np.eye(64) * 0.5, requires_grad=True)
        h0, xs = mg.zeros((8, 64), "float64"), mg.ones((300, 8, 64), "float64")
        _, ys = mg.scan(lambda h, x: (mg.tanh(h @ W + x),) * 2, h0, xs)
        return float(mg.grad(ys.sum(), W).sum())

    expected = run()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks where there are threads: they are what is tried
        child = os.fork()
    if child == 0:
        os._exit(0 if run() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_arrays_are_used_again_once_nobody_has_them():
    one = pool.empty((64, 1024), "float32")
    address = one.__array_interface__["data"][0]
    view = one[3:]
    del one
    assert pool.empty((64, 1024), "float32").__array_interface__["data"][0] != address
    del view
    assert address in {pool.empty((64, 1024), "float32").__array_interface__["data"][0] for _ in range(4)}


@pytest.mark.parametrize("width", [16, 32, 64])
def test_vectors_of_other_processors(width, monkeypatch):
    """The same text for narrower and wider vectors, and half the registers; LLVM makes them of what there is."""
    caches = (gemm.product_text, gemm._library)
    monkeypatch.setattr(machine, "vector_bytes", lambda: width)
    monkeypatch.setattr(machine, "registers", lambda: 32 if width == 64 else 16)
    monkeypatch.setattr(kernels, "choice", lambda: "llvm")
    monkeypatch.setattr(importlib.import_module("minigrad.loop.scan"), "_plans", OrderedDict())
    for cache in caches:
        cache.cache_clear()
    try:
        for name in ("lstm", "gru-layernorm"):
            found = []
            for compiled in (True, False):
                mg.seed(0)
                layer = mr.Recurrent(name, 7, 21, dtype="float64", compiled=compiled)
                xs = mg.tensor(np.random.default_rng(0).normal(size=(5, 9, 7)), requires_grad=True)
                outputs, _ = layer(xs)
                grads = mg.grad((outputs * outputs).sum(), [xs, *layer.parameters()])
                found.append([outputs.numpy(), *(g.numpy() for g in grads)])
            for a, b in zip(*found, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    finally:
        for cache in caches:
            cache.cache_clear()
