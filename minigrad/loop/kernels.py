"""Which kernels run a loop: compiled ones where there is a compiler and it knows all that the loop does."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from . import array_kernels, machine
from .arrays import Arrays, Products
from .plan import Loop


def choice() -> str:
    """What MINIGRAD_KERNELS says: "llvm", "cuda" (on CuPy), "numpy" (array code), or "auto" (llvm and cuda)."""
    return os.environ.get("MINIGRAD_KERNELS", "auto")


def products(xp: Any, dtype: Any) -> Any:
    """What multiplies matrices over all steps at once."""
    if _compiles(xp) and dtype in ("float32", "float64"):
        from .gemm import Products as Compiled

        return Compiled()
    return Products(xp)


def _compiles(xp: Any) -> bool:
    return xp is np and choice() in ("auto", "llvm") and machine.available()


def run(loop: Loop, arrays: Arrays, order: range) -> None:
    """Run a loop over the steps in `order`."""
    if _compiles(arrays.xp):
        from . import llvm_kernels

        if loop.kernel is None and llvm_kernels.can_run(loop):
            loop.kernel = llvm_kernels.Kernel(loop)
        if loop.kernel is not None:
            loop.kernel.run(loop, arrays, order)
            return
    elif hasattr(arrays.xp, "RawModule") and choice() in ("auto", "cuda"):
        from . import cuda_kernels

        if cuda_kernels.run(loop, arrays, order):
            return
    array_kernels.run(loop, arrays, order)
