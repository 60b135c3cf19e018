"""minigrad and its peers behind one small interface, so that all can run the very same lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np


class UnavailableError(Exception):
    """A contender cannot run on this machine; the message says why."""


@dataclass(frozen=True)
class Library:
    """`leaf(array, requires_grad)` makes a tensor, `host` brings it to NumPy, `wait` waits until the device is done.

    `record(f, leaves)` runs `f` so that it can be walked back over and returns what `walk(recorded, seed, leaves)`
    starts from; that returns the gradients of the leaves. `host` takes what was recorded, too. `adds` says that a walk
    adds to the `.grad` of the one before. `device` is where its tensors are, in its own words.
    """

    module: Any
    leaf: Callable[[np.ndarray, bool], Any]
    host: Callable[[Any], np.ndarray]
    wait: Callable[[], Any] = lambda: None
    device: str = "cpu"
    facts: dict[str, str] = field(default_factory=dict)  # versions and device, for the record
    record: Callable[[Callable[..., Any], list[Any]], Any] = lambda f, leaves: f(*leaves)
    walk: Callable[[Any, Any, list[Any]], list[Any]] = lambda y, seed, leaves: _walk(y, seed, leaves)
    adds: bool = True


def _walk(y: Any, seed: Any, leaves: list[Any]) -> list[Any]:
    y.backward(seed)
    return [leaf.grad for leaf in leaves]


def load(contender: str, backend: str, threads: int) -> Library:
    """The library of `contender` on the CPU (backend "numpy") or a CUDA device ("cupy"). Raises UnavailableError."""
    if contender in ("minigrad-numpy", "autograd", "mygrad", "jax") and backend == "cupy":
        raise UnavailableError(f"{contender} is measured on the CPU alone")
    if contender == "numpy" or contender.startswith("minigrad"):
        return (_raw_arrays if contender == "numpy" else _minigrad)(backend)
    try:
        if contender.startswith("torch"):
            return _torch("cuda" if backend == "cupy" else "cpu", threads)
        return {"autograd": _autograd, "mygrad": _mygrad, "jax": _jax}[contender]()
    except ModuleNotFoundError as error:
        raise UnavailableError(f"{error.name} is not installed") from error


def _minigrad(backend: str) -> Library:
    import minigrad as mg

    raw = _raw_arrays(backend)
    mg.use_backend(backend)
    return replace(
        raw,
        module=mg,
        leaf=lambda array, requires_grad: mg.tensor(raw.module.asarray(array), requires_grad=requires_grad),
        host=lambda tensor: np.array(tensor.numpy()),
    )


def _raw_arrays(backend: str) -> Library:
    """NumPy or CuPy itself: arrays, and no gradients."""
    from minigrad.backend import get_backend
    from minigrad.errors import BackendUnavailableError

    try:
        found = get_backend(backend)
    except BackendUnavailableError as error:
        raise UnavailableError(str(error).splitlines()[0]) from error  # not where it came from
    xp, facts = found.xp, {"numpy": np.__version__, "numpy BLAS": _blas()}
    arrays = Library(xp, lambda array, _: xp.asarray(array), found.to_numpy, facts=facts)
    if backend == "cupy":
        facts |= {"cupy": xp.__version__, "device": xp.cuda.runtime.getDeviceProperties(0)["name"].decode()}
        facts["CUDA runtime"] = str(xp.cuda.runtime.runtimeGetVersion())
        return replace(arrays, wait=xp.cuda.Device().synchronize, device="cuda")
    return arrays


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


def _autograd() -> Library:
    """HIPS autograd records a function while it runs it: what it returns is a pair (walk, value)."""
    import autograd
    import autograd.numpy

    return Library(
        module=autograd.numpy,
        leaf=lambda array, requires_grad: array,
        host=lambda found: np.array(found[1] if isinstance(found, tuple) else found),
        facts={"autograd": version("autograd"), "numpy": np.__version__},
        record=lambda f, leaves: autograd.make_vjp(f, tuple(range(len(leaves))))(*leaves),
        walk=lambda recorded, seed, leaves: recorded[0](seed),
        adds=False,
    )


def _mygrad() -> Library:
    import mygrad

    return Library(
        module=mygrad,
        leaf=lambda array, requires_grad: mygrad.tensor(array, constant=not requires_grad),
        host=np.array,
        adds=False,
        facts={"mygrad": mygrad.__version__, "numpy": np.__version__},
    )


def _jax() -> Library:
    """JAX records nothing: its workload differentiates functions. `module` has what they are written in."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")
    return Library(
        module=SimpleNamespace(
            sigmoid=jax.nn.sigmoid, tanh=jnp.tanh, relu=jax.nn.relu, concatenate=jnp.concatenate, chunk=jnp.split
        ),
        leaf=lambda array, requires_grad: jnp.asarray(array),
        host=np.array,
        facts={"jax": jax.__version__, "jaxlib": version("jaxlib")},
        adds=False,
    )
