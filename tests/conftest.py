"""What all tests share: the skips of those that need more than is there."""

from __future__ import annotations

import importlib.util

import pytest


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
