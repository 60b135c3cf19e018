"""Sums over GPUs, one a rank, by NVIDIA's NCCL through CuPy.

Its names have been held against CuPy 14, and its calls against a stand-in; it has not been run on a device yet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import MinigradError

ID_BYTES = 128  # of an ncclUniqueId


class Nccl:
    """The ranks of the MPI communicator `comm`, each with the GPU that is the current one there.

    Raises MinigradError where NCCL is not installed. Two ranks on one GPU are refused by NCCL itself.
    """

    def __init__(self, comm: Any):
        import cupy
        from cupy.cuda import nccl

        if not nccl.available:
            raise MinigradError(
                "training on several GPUs needs NCCL: pip install nvidia-nccl-cu13 (or -cu12), or use backend 'numpy'"
            )
        rank, size = comm.Get_rank(), comm.Get_size()
        identity = np.empty(ID_BYTES, "uint8")
        if rank == 0:
            identity[:] = np.frombuffer(nccl.get_unique_id(), "uint8")
        comm.Bcast(identity)
        self._communicator = nccl.NcclCommunicator(size, identity.tobytes(), rank)
        self._current_stream = cupy.cuda.get_current_stream
        self._types = {np.dtype("float32"): nccl.NCCL_FLOAT32, np.dtype("float64"): nccl.NCCL_FLOAT64}
        self._sum = nccl.NCCL_SUM

    def add_up(self, array: Any) -> None:
        """Put into the contiguous `array` (float32 or float64) the sum of all ranks' arrays.

        It is done when what comes next on the current stream begins: the host does not wait.
        """
        place, stream = array.data.ptr, self._current_stream().ptr
        self._communicator.allReduce(place, place, array.size, self._types[array.dtype], self._sum, stream)
