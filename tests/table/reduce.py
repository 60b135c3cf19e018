"""Over axes."""

from __future__ import annotations

import numpy as np

import minigrad as mg

from .row import CUBE, ONE, Row, apart, axes, each, few

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

AXES = [*axes(0, -1, (0, -1)), {"axis": 1, "keepdims": True}, {"axis": (0, 2), "keepdims": True}, {"keepdims": True}]


def numpy_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


ROWS = [
    Row(mg.sum, np.sum, lambda x, **o: torch.sum(x, **{"axis": None, **o}), CUBE, AXES),
    Row(mg.sum, np.sum, lambda x: torch.sum(x), ONE),
    Row(mg.mean, np.mean, lambda x, **o: torch.mean(x, **{"axis": None, **o}), CUBE, AXES),
    Row(mg.mean, np.mean, lambda x, axis: torch.mean(x, axis), "2x3, 0x3", each("axis", 1)),
    Row(mg.max, np.max, lambda x, **o: torch.amax(x, **{"axis": (), **o}), CUBE, AXES, domain=apart),
    Row(mg.min, np.min, lambda x, **o: torch.amin(x, **{"axis": (), **o}), CUBE, AXES, domain=apart),
    Row(mg.max, np.max, lambda x: torch.amax(x), "0d, 1, 2x3", domain=apart),
    Row(mg.amax, np.amax, lambda x, axis: torch.amax(x, axis), CUBE, each("axis", 0, -1), domain=apart, name="amax"),
    Row(mg.amin, np.amin, lambda x, axis: torch.amin(x, axis), CUBE, each("axis", 0, -1), domain=apart, name="amin"),
    Row(
        mg.ptp,
        np.ptp,
        lambda x, axis=(0, 1, 2), keepdims=False: torch.amax(x, axis, keepdims) - torch.amin(x, axis, keepdims),
        CUBE,
        AXES,
        domain=apart,
    ),
    Row(
        mg.var,
        np.var,
        lambda x, axis=None, ddof=0, keepdims=False: torch.var(x, axis, correction=ddof, keepdim=keepdims),
        f"{CUBE}",
        [*AXES, {"ddof": 1}, {"axis": 1, "ddof": 1}],
    ),
    Row(
        mg.std,
        np.std,
        lambda x, axis=None, ddof=0, keepdims=False: torch.std(x, axis, correction=ddof, keepdim=keepdims),
        f"{CUBE}",
        [*AXES, {"ddof": 1}, {"axis": 1, "ddof": 1}],
    ),
    Row(mg.argmin, np.argmin, lambda x, axis=None: torch.argmin(x, axis), CUBE, axes(0, -1), domain=apart, grad=False),
    *[
        Row(
            ours,
            numpys,
            lambda x, f=torchs, axis=(0, 1, 2), keepdims=False: getattr(torch, f)(x != 0, axis, keepdims),
            CUBE,
            [*axes(0, -1, (0, -1)), {"axis": 1, "keepdims": True}],
            domain=few,
            grad=False,
        )
        for ours, numpys, torchs in ((mg.all, np.all, "all"), (mg.any, np.any, "any"))
    ],
    Row(
        mg.count_nonzero,
        np.count_nonzero,
        lambda x, axis=None: torch.count_nonzero(x, axis),
        CUBE,
        axes(0, -1, (0, 2)),
        domain=few,
        grad=False,
    ),
    Row(
        mg.argmax,
        np.argmax,
        lambda x, axis=None: torch.argmax(x, axis),
        CUBE,
        axes(0, -1),
        domain=apart,
        grad=False,
    ),
    Row(
        mg.logsumexp,
        lambda x, axis=None, keepdims=False: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
        lambda x, axis=(0, 1, 2), keepdims=False: torch.logsumexp(x, axis, keepdims),
        CUBE,
        AXES,
    ),
    Row(mg.softmax, numpy_softmax, lambda x, axis=-1: torch.softmax(x, axis), f"3, 2x1, {CUBE}", axes(0, -1)),
    Row(mg.softmax, numpy_softmax, lambda x: torch.softmax(x, -1), "0x3"),
    Row(
        mg.log_softmax,
        lambda x, axis=-1: np.log(numpy_softmax(x, axis)),
        lambda x, axis=-1: torch.log_softmax(x, axis),
        f"3, 2x1, {CUBE}",
        axes(0, -1),
    ),
]
