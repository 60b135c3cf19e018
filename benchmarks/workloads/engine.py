"""What the engine itself costs: small operations, where the arithmetic takes next to no time.

All contenders run the same chain of 1,000 operations, written once below, and start its walk back from the same seed.

- minigrad, PyTorch and MyGrad record while they compute: forward runs the chain, backward is `y.backward(seed)`.
- HIPS autograd records a function while it calls it: forward is `make_vjp(chain)(x, w)`, backward is a call of the walk
  that this returns. What it spends on a chain as a whole is shared by 1,000 operations.

All are as they are when just installed. MyGrad locks the arrays that its graph uses, so that nobody can overwrite them
unseen; without that (`turn_memory_guarding_off()`) it takes 0.55 of the time (multiply) to 0.8 (matmul). All have one
thread, PyTorch also.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe

LENGTH = 1_000
ADDITIONS = 100_000
SHAPES = ((), (16,), (16, 32))


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    yield _additions(library)  # first, while the process has no memory to reuse
    tanh = library.module.tanh  # the name in all of them
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        near_one = (1 + 1e-4 * rng.standard_normal((2, *shape))).astype(np.float32)
        yield _chain(library, "multiply", multiplications, *near_one)
        yield _chain(library, "add", additions, *near_one)
        yield _chain(library, "tanh", lambda y: tanhs(tanh, y), near_one[0])
    turn = np.linalg.qr(rng.standard_normal((32, 32)))[0].astype(np.float32)
    yield _chain(library, "matmul", products, near_one[0], turn)


def multiplications(y: Any, w: Any, count: int = LENGTH) -> Any:
    for _ in range(count):
        y = y * w
    return y


def additions(y: Any, w: Any, count: int = LENGTH) -> Any:
    for _ in range(count):
        y = y + w
    return y


def products(y: Any, w: Any, count: int = LENGTH) -> Any:
    for _ in range(count):
        y = y @ w
    return y


def tanhs(tanh: Callable[[Any], Any], y: Any, count: int = LENGTH) -> Any:
    for _ in range(count):
        y = tanh(y)
    return y


def _chain(library: Library, name: str, chain: Callable[..., Any], *values: Any) -> Probe:
    arrays = [np.asarray(value) for value in values]
    leaves, named = [library.leaf(array, True) for array in arrays], f"{name} {_times(arrays)}"
    seed = library.leaf(np.ones_like(arrays[0]), False)
    gradients: list[Any] = []

    def backward(recorded: Any) -> None:
        gradients[:] = library.walk(recorded, seed, leaves)

    phases = {"forward": lambda _: library.record(chain, leaves), "backward": backward}
    resets = leaves if library.adds else []
    return Probe(named, phases, resets, lambda: dict(zip("xw", gradients)), unit="µs", per=LENGTH)


def _times(arrays: list[np.ndarray]) -> str:
    """`16×32` of equal shapes, `16×32 32×32` of two."""
    return " ".join(dict.fromkeys("×".join(map(str, array.shape)) or "1 number" for array in arrays))


def _additions(library: Library) -> Probe:
    x = library.leaf(np.linspace(0, 1, 16, dtype=np.float32), True)
    seed = library.leaf(np.ones(16, np.float32), False)
    gradients: list[Any] = []

    def build(_: None) -> Any:
        return library.record(lambda x: additions(x, x, ADDITIONS), [x])

    def walk(recorded: Any) -> Any:
        gradients[:] = library.walk(recorded, seed, [x])
        return recorded

    phases = {"build": build, "walk": walk, "free": lambda recorded: None}
    resets = [x] if library.adds else []
    return Probe("100,000 additions", phases, resets, lambda: {"x": gradients[0]}, memory=1)
