"""What all tests share: the skips of those that need more than is there."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import strict as strict_library

import minigrad as mg
from minigrad import backend, bounds

ON_NUMPY = {
    "test_backend",
    "test_benchmarks",
    "test_char_lm_benchmark",
    "test_cli",
    "test_devices",
    "test_equations",
    "test_errors",
    "test_gallery",
    "test_hostile_files",
    "test_levels",  # test_draw draws arrays of both
    "test_onnx",
    "test_onnx_operators",
    "test_readme",
    "test_scan_cuda",
    "test_tikz",
    "test_training_traps",  # most of them commands
}


def has_cuda() -> bool:
    if importlib.util.find_spec("cupy") is None:
        return False
    import cupy

    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needs = {"gpu": ("no CUDA device", has_cuda), "torch": ("PyTorch is not installed", lambda: _is_there("torch"))}
    for marker, (reason, is_there) in needs.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and not is_there():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@pytest.fixture
def strict(monkeypatch):
    """The backend "strict", which refuses what CuPy refuses; gives a function that makes a Tensor there."""
    monkeypatch.setitem(backend._loaded, "strict", strict_library.STRICT)
    monkeypatch.setitem(backend.BY_TYPE, strict_library.StrictArray, strict_library.STRICT)
    return lambda data, **options: mg.tensor(strict_library.asarray(np.asarray(data)), **options)


@pytest.fixture(params=["strict", pytest.param("cupy", marks=pytest.mark.gpu)])
def there(request):
    """A function that makes a Tensor on the stand-in for CuPy, and on CuPy itself; its `name` is the backend's."""
    make = request.getfixturevalue("strict") if request.param == "strict" else _on_cupy
    make.name = request.param
    return make


def _on_cupy(data, **options):
    return mg.tensor(np.asarray(data), **options).to("cupy")


@pytest.fixture
def pair(monkeypatch):
    """The backend "pair", of two devices that do not touch each other's arrays: "pair" and "pair:1"."""
    monkeypatch.setitem(backend._loaded, "pair", strict_library.PAIR)
    monkeypatch.setitem(backend.BY_TYPE, strict_library.StrictArray, strict_library.PAIR)
    for record in strict_library.PAIR.devices:
        record.random.clear()
    yield
    assert strict_library.Device.current == [0]


def pytest_addoption(parser: pytest.Parser) -> None:
    places = ["numpy", "strict", "cupy"]
    parser.addoption("--on", choices=places, default="numpy", help="where Tensors of NumPy's arrays go")


@pytest.fixture(autouse=True)
def choice_is_undone():
    chosen = backend._chosen.get()
    yield
    backend._chosen.set(chosen)


@pytest.fixture(autouse=True)
def where_tensors_go(request, monkeypatch):
    """With `--on strict` NumPy's arrays are no arrays, but data of which strict ones are made: a test does not know."""
    place = request.config.getoption("--on")
    if place != "numpy":
        if request.node.get_closest_marker("on_numpy") or request.path.stem in ON_NUMPY or "[to-" in request.node.name:
            pytest.skip("about NumPy's own arrays, or about backends")
        if place == "strict":
            request.getfixturevalue("strict")
        monkeypatch.setitem(backend.BY_TYPE, np.ndarray, None)
        with mg.use_backend(place):
            yield
        bounds._flags.clear()
    else:
        yield
