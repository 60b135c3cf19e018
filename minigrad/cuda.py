"""CuPy: its record, or those of its devices, and its random numbers."""

from __future__ import annotations

import math
import secrets
from typing import Any

from .backend import Backend
from .errors import BackendUnavailableError
from .memory_use import MemoryUse


def load() -> Backend:
    """The record of CuPy, with one for each device if there are several. BackendUnavailableError if there is none."""
    try:
        import cupy
    except ImportError as error:
        raise BackendUnavailableError(
            "CuPy is not installed: pip install 'minigrad[cuda13]' (or cuda12), or use the backend 'numpy'"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendUnavailableError(f"CuPy finds no CUDA device ({error}): use the backend 'numpy'") from error
    if count == 0:
        raise BackendUnavailableError("CuPy finds no CUDA device: use the backend 'numpy'")

    def memory() -> MemoryUse:
        pool = cupy.get_default_memory_pool()
        free, total = cupy.cuda.runtime.memGetInfo()
        return MemoryUse(pool.used_bytes(), pool.total_bytes(), free, total)

    def generator(seed: int | None) -> Generator:
        return Generator(cupy, seed)

    def record(name: str, **differs: Any) -> Backend:
        return Backend(name, **{"xp": cupy, **differs}, array_type=cupy.ndarray, to_numpy=cupy.asnumpy,
                       memory=memory, default_rng=generator, in_order=False)  # fmt: skip

    if count == 1:
        return record("cupy")
    devices = [cupy.cuda.Device(i) for i in range(count)]
    return record(
        "cupy",
        devices=tuple(
            record(f"cupy:{i}" if i else "cupy", xp=OnDevice(cupy, device), here=device)
            for i, device in enumerate(devices)
        ),
    )


class OnDevice:
    """A library whose functions run on one device, whichever is the current one."""

    def __init__(self, library: Any, device: Any):
        self._library, self._device = library, device

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._library, name)
        if not callable(found) or isinstance(found, type):
            return found

        def on_device(*args: Any, **options: Any) -> Any:
            with self._device:
                return found(*args, **options)

        return on_device


class Generator:
    """Random numbers from cuRAND's Philox, whose state is two numbers: the seed, and how far along its sequence.

    So it is saved and restored in no time (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). It has
    what the library uses of NumPy's generators.
    """

    def __init__(self, cupy: Any, seed: int | None):
        self._curand = cupy.cuda.curand
        philox = self._curand.CURAND_RNG_PSEUDO_PHILOX4_32_10
        self._source = cupy.random.RandomState(0, method=philox)
        self.state = {"seed": secrets.randbits(63) if seed is None else seed, "offset": 0}

    @property
    def bit_generator(self) -> Generator:
        """Itself: it holds `state`, as those of NumPy do."""
        return self

    def random(self, size: Any = None, dtype: Any = "float64") -> Any:
        """Uniform numbers in [0, 1)."""
        return self._draw(size).random_sample(size, dtype)

    def standard_normal(self, size: Any = None, dtype: Any = "float64") -> Any:
        """Numbers of the standard normal distribution."""
        return self._draw(size).standard_normal(size, dtype)

    def _draw(self, size: Any) -> Any:
        """The source at the place where numbers for `size` come from; the next ones come from beyond."""
        source = self._source._generator
        self._curand.setPseudoRandomGeneratorSeed(source, self.state["seed"])
        self._curand.setGeneratorOffset(source, self.state["offset"])
        count = math.prod(size) if isinstance(size, tuple) else size or 1
        # A float64 takes two of its numbers; a normal one is made of two, and one more where the count is odd.
        self.state = {"seed": self.state["seed"], "offset": self.state["offset"] + 4 * (count + 1)}
        return self._source
