"""minigrad and PyTorch behind one small interface, so that both can run the very same lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class UnavailableError(Exception):
    """A contender cannot run on this machine; the message says why."""


@dataclass(frozen=True)
class Library:
    """`leaf(array, requires_grad)` makes a tensor, `host` brings it to NumPy, `wait` waits until the device is done.

    `device` is where its tensors are, in its own words.
    """

    module: Any
    leaf: Callable[[np.ndarray, bool], Any]
    host: Callable[[Any], np.ndarray]
    wait: Callable[[], Any]
    device: str
    facts: dict[str, str] = field(default_factory=dict)  # versions and device, for the record


def load(contender: str, backend: str, threads: int) -> Library:
    """The library of `contender` on the CPU (backend "numpy") or a CUDA device ("cupy"). Raises UnavailableError."""
    if contender == "minigrad":
        return _minigrad(backend)
    try:
        return _torch("cuda" if backend == "cupy" else "cpu", threads)
    except ModuleNotFoundError as error:
        raise UnavailableError(f"{error.name} is not installed") from error


def _minigrad(backend: str) -> Library:
    import minigrad as mg
    from minigrad.errors import BackendUnavailableError

    try:
        xp = mg.use_backend(backend).backend.xp
    except BackendUnavailableError as error:
        raise UnavailableError(str(error)) from error
    facts = {"numpy": np.__version__, "numpy BLAS": _blas()}
    wait: Callable[[], Any] = lambda: None
    if backend == "cupy":
        facts |= {"cupy": xp.__version__, "device": xp.cuda.runtime.getDeviceProperties(0)["name"].decode()}
        facts["CUDA runtime"] = str(xp.cuda.runtime.runtimeGetVersion())
        wait = xp.cuda.Device().synchronize
    return Library(
        module=mg,
        leaf=lambda array, requires_grad: mg.tensor(xp.asarray(array), requires_grad=requires_grad),
        host=lambda tensor: np.array(tensor.numpy()),
        wait=wait,
        device=backend,
        facts=facts,
    )


def _blas() -> str:
    blas: dict[str, Any] = np.__config__.CONFIG["Build Dependencies"]["blas"]
    return f"{blas['name']} {blas['version']}"


def _torch(device: str, threads: int) -> Library:
    import torch

    torch.set_num_threads(threads)
    facts = {"torch": torch.__version__}
    wait: Callable[[], Any] = lambda: None
    if device == "cuda":
        if not torch.cuda.is_available():
            raise UnavailableError("PyTorch finds no CUDA device")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32 means float32
        facts |= {"device": torch.cuda.get_device_name(), "cuDNN": str(torch.backends.cudnn.version())}
        wait = torch.cuda.synchronize
    return Library(
        module=torch,
        leaf=lambda array, requires_grad: torch.tensor(array, device=device, requires_grad=requires_grad),
        host=lambda tensor: tensor.detach().cpu().numpy(),
        wait=wait,
        device=device,
        facts=facts,
    )
