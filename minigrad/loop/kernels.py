"""Which kernels run a loop: compiled ones where there is a compiler and it knows all that the loop does."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from . import array_kernels, machine
from .arrays import Arrays, Products
from .loops import Loop


def choice() -> str:
    """What MINIGRAD_KERNELS says: "llvm", "cuda" (on CuPy), "numpy" (array code), or "auto" (llvm, else array code).

    "cuda" has to be asked for as long as its kernels have not been run on a device.
    """
    return os.environ.get("MINIGRAD_KERNELS", "auto")


def products(xp: Any, dtype: Any) -> Any:
    """What multiplies matrices over all steps at once."""
    if _compiles(xp) and dtype in ("float32", "float64"):
        from .gemm import Products as Compiled

        return Compiled()
    return Products(xp)


def are_machine_code() -> bool:
    """Do loops over NumPy's arrays run as machine code."""
    return choice() in ("auto", "llvm") and machine.available()


def _compiles(xp: Any) -> bool:
    return xp is np and are_machine_code()


def _machine_code(loop: Loop) -> Any:
    """The machine code of a loop; False where there is none."""
    from . import llvm_kernels

    if not llvm_kernels.can_run(loop):
        return False
    try:
        return llvm_kernels.Kernel(loop)
    except (RuntimeError, OSError) as error:  # of LLVM: on a processor that it does not know, say
        warnings.warn(f"a loop runs in array code, since LLVM could not compile it: {error}", stacklevel=2)
        return False


def run(loop: Loop, arrays: Arrays, order: range) -> None:
    """Run a loop over the steps in `order`."""
    if _compiles(arrays.xp):
        if loop.kernel is None:
            loop.kernel = _machine_code(loop)
        if loop.kernel:
            loop.kernel.run(loop, arrays, order)
            return
    elif hasattr(arrays.xp, "RawModule") and choice() == "cuda":
        from . import cuda_kernels

        if cuda_kernels.run(loop, arrays, order):
            return
    array_kernels.run(loop, arrays, order)
