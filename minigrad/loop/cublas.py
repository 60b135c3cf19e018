"""Products by cuBLAS in the middle of a capture.

CuPy's own `a @ b` cannot be captured: it sets cuBLAS's stream at each call, which is refused while that stream
captures, and its result goes back to the memory pool when Python lets go of it, though the graph still writes there. So
here cuBLAS is called as it is, with a handle of our own. Its stream is set before the capture begins, and after that
(setting a stream takes it away again) the memory to work in, for which it would otherwise ask the device meanwhile.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import weakref
from typing import Any

WORKSPACE = 2**23  # bytes, for sums of parts of a product; an address divisible by 256 is asked for, CuPy's are by 512
AS_IT_IS = 0  # CUBLAS_OP_N


def library(cupy: Any) -> Any:
    """The library that CuPy has loaded. Raises OSError if there is none."""
    importlib.import_module("cupy_backends.cuda.libs.cublas")  # loads it, from wherever it is installed
    version = cupy.cuda.runtime.runtimeGetVersion() // 1000
    return ctypes.CDLL(f"cublas64_{version}.dll" if os.name == "nt" else f"libcublas.so.{version}")


class Handle:
    """A handle of cuBLAS's, and the memory that it works in, which must live as long as the graphs made with it."""

    def __init__(self, xp: Any):
        self._library = library(xp)
        self._handle = ctypes.c_void_p()
        self._check("cublasCreate_v2", ctypes.byref(self._handle))
        weakref.finalize(self, self._library.cublasDestroy_v2, self._handle).atexit = False  # CUDA may be gone by then
        self._workspace = xp.empty(WORKSPACE, "uint8")

    def work_on(self, stream: Any) -> None:
        """Queue what comes on this stream, which does not capture yet."""
        self._check("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream.ptr))
        workspace = ctypes.c_void_p(self._workspace.data.ptr)
        self._check("cublasSetWorkspace_v2", self._handle, workspace, ctypes.c_size_t(WORKSPACE))

    def multiply(self, left: Any, low: int, matrix: Any, out: Any, add: bool) -> None:
        """Columns of `left` from `low` on, times `matrix`, into `out` or added to it; all in rows without gaps."""
        number = ctypes.c_float if out.dtype.itemsize == 4 else ctypes.c_double
        (depth, width), size = matrix.shape, out.dtype.itemsize
        # cuBLAS has columns where there are rows here: what it takes for Cᵀ = Bᵀ Aᵀ is C = A B.
        self._check(
            "cublasSgemm_v2" if size == 4 else "cublasDgemm_v2",
            self._handle, AS_IT_IS, AS_IT_IS, width, out.shape[0], depth,
            ctypes.byref(number(1)), ctypes.c_void_p(matrix.data.ptr), width,
            ctypes.c_void_p(left.data.ptr + low * size), left.shape[1],
            ctypes.byref(number(add)), ctypes.c_void_p(out.data.ptr), width,
        )  # fmt: skip

    def _check(self, function: str, *args: Any) -> None:
        status = getattr(self._library, function)(*args)
        if status:
            raise RuntimeError(f"{function} of cuBLAS answers {status}")
