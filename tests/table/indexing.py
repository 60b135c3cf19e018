"""Parts of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .row import MATRIX, Row, anywhere, each, few, mask

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
    values, places = value.broadcast_to(places.shape).reshape(-1), places.reshape(-1).numpy()
    last = len(places) - 1 - np.unique(places[::-1], return_index=True)[1]  # PyTorch leaves open which of them stays
    flat[places[last]] = values[last.copy()]
    return flat.reshape(x.shape)


def numpy_setitem(x: np.ndarray, value: Any, index: Any) -> np.ndarray:
    out = x.copy()
    out[index] = value
    return out


def ascending(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return np.sort(few(rng, shape, place))


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
    (slice(None), np.array([True, False, True])),
    (np.array([False, True]), np.array([0, 0])),
    (1, np.array([0, 0, -1])),
    (np.array([[0], [1]]), None, np.array([2, 0, 2])),
    (np.array([1, 1]), slice(None), None),
]


def torch_pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    places = np.pad(np.arange(np.prod(x.shape, dtype=int)).reshape(x.shape), pad_width, mode)
    inside = np.pad(np.ones(x.shape, bool), pad_width, mode)
    return torch.where(torch.tensor(inside), x.reshape(-1)[torch.tensor(places)], constant_values)


ROWS = [
    Row(
        mg.repeat,
        np.repeat,
        lambda x, repeats, axis=None: torch.repeat_interleave(x, torch.tensor(repeats), axis),
        "2x3, 2x3F",
        [{"repeats": 2}, {"repeats": 3, "axis": 0}, {"repeats": 0, "axis": -1}, {"repeats": [1, 0, 2], "axis": 1}],
    ),
    Row(
        mg.pad,
        np.pad,
        torch_pad,
        "2x3, 2x3F",
        [
            {"pad_width": 1},
            {"pad_width": (0, 2), "constant_values": 1.5},
            *[{"pad_width": ((1, 0), (0, 2)), "mode": m} for m in ("constant", "edge", "reflect", "symmetric", "wrap")],
        ],
    ),
    Row(mg.getitem, lambda x, index: x[index], torch_getitem, MATRIX, each("index", *INDICES)),
    Row(mg.getitem, lambda x, index: x[index], torch_getitem, "0d, 1", each("index", (), Ellipsis, None)),
    Row(
        mg.setitem,
        numpy_setitem,
        torch_setitem,
        "2x3 0d, 2x3F 0d",
        each("index", *INDICES),
    ),
    Row(
        mg.setitem,
        numpy_setitem,
        torch_setitem,
        "2x3 3, 2x3gaps 2x3, 2x3F 1",
        each("index", slice(None), (Ellipsis, slice(None, None, -1))),
    ),
    Row(mg.setitem, numpy_setitem, torch_setitem, "2x3 3, 2x3 3x3", each("index", [0, 0, 1], np.array([1, 0, 1]))),
    Row(mg.setitem, numpy_setitem, torch_setitem, "2x3 3", each("index", (0, np.array([1, 1, 2])), [1])),
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
            {"indices": np.array([5, 0, 0]), "axis": None},
        ],
    ),
    Row(
        mg.take_along_axis,
        np.take_along_axis,
        lambda x, indices: torch.take_along_dim(x, torch.tensor(indices), -1),
        "1x3",
        each("indices", np.array([[0, 1], [2, 2]])),
    ),
    Row(
        lambda a, condition, axis=None: mg.compress(condition, a, axis),
        lambda a, condition, axis=None: np.compress(condition, a, axis),
        lambda x, condition, axis=None: torch_getitem(
            x.reshape(-1) if axis is None else x, (slice(None),) * (axis or 0) + (np.flatnonzero(condition),)
        ),
        "2x3, 2x3F",
        [{"condition": np.array([True, False, True]), "axis": 1}, {"condition": np.array([False, True])}],
        name="compress",
    ),
    Row(
        lambda arr, condition: mg.extract(condition, arr),
        lambda arr, condition: np.extract(condition, arr),
        lambda x, condition: x.reshape(-1)[torch.tensor(condition.reshape(-1))],
        MATRIX,
        each("condition", np.array([[True, False, True], [False, True, True]]), np.zeros((2, 3), bool)),
        name="extract",
    ),
    Row(
        lambda *arrays: mg.select(arrays[:2], arrays[2:4], arrays[4]),
        lambda *arrays: np.select(arrays[:2], arrays[2:4], arrays[4]),
        lambda *arrays: torch.where(arrays[0], arrays[2], torch.where(arrays[1], arrays[3], arrays[4])),
        "2x3 3 2x3 2x3 0d, 2 2 2 2 2",
        domain=(mask, mask, anywhere, anywhere, anywhere),
        name="select",
    ),
    Row(mg.argwhere, np.argwhere, lambda x: torch.argwhere(x), "3, 2x3, 2x3F, 0x3", domain=few, grad=False),
    Row(
        mg.flatnonzero,
        np.flatnonzero,
        lambda x: torch.nonzero(x.reshape(-1))[:, 0],
        "3, 2x3, 2x3F, 0x3",
        domain=few,
        grad=False,
    ),
    Row(
        mg.nonzero,
        np.nonzero,
        lambda x: torch.nonzero(x, as_tuple=True),
        "3, 2x3, 2x3F, 0x3",
        domain=few,
        grad=False,
    ),
    Row(
        mg.searchsorted,
        np.searchsorted,
        lambda a, v, side="left": torch.searchsorted(a, v, right=side == "right"),
        "4 3, 4 2x3, 0 3",
        [{}, {"side": "right"}],
        domain=(ascending, few),
        grad=False,
    ),
    Row(
        mg.unique,
        np.unique,
        lambda x, return_inverse=False, return_counts=False: torch.unique(
            x.detach(), return_inverse=return_inverse, return_counts=return_counts
        ),
        "5, 2x3, 0",
        [{}, {"return_inverse": True, "return_counts": True}, {"return_counts": True}],
        domain=few,
        grad=False,
    ),
]
