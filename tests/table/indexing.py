"""Parts of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .row import MATRIX, Row, each

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def flat_index(shape: tuple[int, ...], index: Any) -> Any:
    """The place in the flattened array of each item of `array[index]`; PyTorch does not know all of NumPy's indices."""
    return torch.tensor(np.array(np.arange(np.prod(shape, dtype=int)).reshape(shape)[index]))


def torch_getitem(x: Any, index: Any) -> Any:
    return x.reshape(-1)[flat_index(x.shape, index)]


def torch_setitem(x: Any, value: Any, index: Any) -> Any:
    places, flat = flat_index(x.shape, index), x.reshape(-1).clone()
    flat[places] = value.broadcast_to(places.shape)
    return flat.reshape(x.shape)


def numpy_setitem(x: np.ndarray, value: Any, index: Any) -> np.ndarray:
    out = x.copy()
    out[index] = value
    return out


INDICES: list[Any] = [
    0,
    -1,
    slice(None, None, -1),
    (slice(1, None), slice(None, None, 2)),
    (Ellipsis, -1),
    (None, slice(None), 0),
    (0, 1),
    [0, 0, 1],
    np.array([[0, 1, 1], [-1, 0, 1]]),
    np.array([], int),
    (np.array([1, 0, 1]), np.array([0, -1, 0])),
    (slice(None), np.array([2, 0, 2])),
    (np.array([0, 1, 0]), slice(1, None)),
    np.array([[True, False, True], [False, True, True]]),
    np.array([True, False]),
]


def repeats(index: Any) -> int:
    """How many items of a (2, 3) array an index names more than once."""
    places = np.arange(6).reshape(2, 3)[index]
    return places.size - np.unique(places).size


ROWS = [
    Row(mg.getitem, lambda x, index: x[index], torch_getitem, MATRIX, each("index", *INDICES)),
    Row(mg.getitem, lambda x, index: x[index], torch_getitem, "0d, 1", each("index", (), Ellipsis, None)),
    Row(
        mg.setitem,
        numpy_setitem,
        torch_setitem,
        "2x3 0d, 2x3F 0d",
        each("index", *[index for index in INDICES if not repeats(index)]),
    ),
    Row(
        mg.setitem,
        numpy_setitem,
        torch_setitem,
        "2x3 3, 2x3gaps 2x3, 2x3F 1",
        each("index", slice(None), (Ellipsis, slice(None, None, -1))),
    ),
    Row(
        mg.take,
        lambda x, indices, axis=None: np.take(x, indices, axis),
        lambda x, indices, axis=None: torch_getitem(
            x.reshape(-1) if axis is None else x, (slice(None),) * ((axis or 0) % x.ndim) + (indices,)
        ),
        "2x3, 2x2, 2x3F, 2x3backwards, 2x2x2",
        [
            {"indices": np.array([1, 0, 1, -1]), "axis": 0},
            {"indices": np.array([[0, 1], [1, -2]]), "axis": 0},
            {"indices": np.array([1, 0, 1, -1]), "axis": 1},
            {"indices": np.array([[0, 0]]), "axis": -1},
            {"indices": np.array(1), "axis": 0},
            {"indices": np.array([3, 0, -1, 3])},
            {"indices": np.array([], int), "axis": 0},
        ],
    ),
    Row(
        mg.take,
        lambda x, indices, axis: np.take(x, indices, axis),
        lambda x, indices, axis: torch_getitem(x, indices),
        "3, 3x0",
        [{"indices": np.array([0, 1, 0]), "axis": 0}],
    ),
    Row(
        mg.take_along_axis,
        np.take_along_axis,
        lambda x, indices, axis: torch.take_along_dim(x, torch.tensor(indices), axis),
        MATRIX,
        [
            {"indices": np.array([[0, 1], [2, 2]]), "axis": 1},
            {"indices": np.array([[0, 1, 1], [0, 0, 1]]), "axis": 0},
            {"indices": np.array([[2], [0]]), "axis": -1},
            {"indices": np.array([[1, 1]]), "axis": 1},
        ],
    ),
]
