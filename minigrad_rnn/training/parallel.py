"""Data-parallel training: every process computes the gradient of its part of the batch, and all make the same step.

A `Group` is the processes that train together, started by `mpiexec -n 4`; `Group.alone()` is one process, without MPI.
Only buffers of numbers and text cross between processes, never pickled objects.

The gradients go in one allreduce once the whole backward walk is over. Between two processes of one machine that is
0.2 % of a step of the character model (benchmarks/scaling.py), and no more could be hidden by sending each gradient as
soon as it is known; a layer's leave its compiled loop together, besides, and the first layer's are the last.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np

from minigrad import Tensor
from minigrad.errors import BackendMismatchError, MinigradError
from minigrad.loop.threads import count
from minigrad.nn import Module

LAUNCHERS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")  # where MPICH's and Open MPI's mpiexec say how many they started
DRAIN = 0.3  # seconds until mpiexec has passed on what a process wrote; at an abort it drops the rest
INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


class Group:
    """The processes ("ranks") that train together; every method but `share` is called by all of them, in one order.

    `rank` of `size` is this one, `local_rank` its number among those on this machine (its GPU, say). A group of one
    does nothing, and needs no MPI. `comm` is the communicator of mpi4py (None: a group of one).
    """

    def __init__(self, comm: Any = None):
        self._comm = comm
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self._node = None if comm is None else comm.Split_type(_mpi().COMM_TYPE_SHARED)
        self.local_rank: int = 0 if self._node is None else self._node.Get_rank()
        self._flat: _Flat | None = None
        self._nccl: Any = None
        self._is_guarded = False

    @classmethod
    def alone(cls) -> Self:
        """This process by itself."""
        return cls()

    @classmethod
    def world(cls) -> Self:
        """All processes that mpiexec started; this one alone where it did not.

        Raises MinigradError where mpi4py or an MPI library is missing, or is another one than mpiexec's.
        """
        comm = _mpi().COMM_WORLD
        started = max(int(os.environ.get(name, 1)) for name in LAUNCHERS)
        if comm.Get_size() == 1 < started:
            raise MinigradError(
                f"mpiexec started {started} processes, and each finds itself alone: it belongs to another MPI library"
                f" than mpi4py's ({_mpi().get_vendor()[0]}); use the one that came with that (after pip install"
                " 'minigrad[mpi]' the one beside this python)"
            )
        return cls(comm if comm.Get_size() > 1 else None)

    def share(self, count: int) -> slice:
        """This rank's rows of a batch of `count`: contiguous, in the ranks' order, sizes differing by one at most.

        Raises MinigradError if there are fewer rows than ranks.
        """
        if count < self.size:
            raise MinigradError(
                f"a batch of {count} cannot be shared among {self.size} processes:"
                f" give a batch of at least {self.size}, or start fewer"
            )
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def average_gradients(
        self, parameters: Iterable[Tensor], weight: float, extras: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Make each gradient Σ_r weight_r grad_r / Σ_r weight_r; returns Σ_r weight_r and Σ_r extras_r.

        `weight` is what this rank's mean loss was a mean over (its tokens), so that the result is the gradient of the
        mean over the global batch; a rank of weight 0 counts for nothing, whatever its gradients. `extras` (k) are a
        few numbers more. A parameter without gradient counts as zeros, and stays without if no rank has one.

        Gradients are added in their own dtype: float64 would cost twice the traffic, and each rank's gradient has
        been rounded already. `weight` and `extras` are added in float64, in the ranks' order. Every rank gets the same
        bits. Raises MinigradError, on all ranks, if all weights are 0.
        """
        parameters, extras = list(parameters), np.array(extras, "float64")
        if not 0 <= weight < np.inf:
            raise ValueError(f"the weight of a rank's gradients must be a number from 0 on, not {weight}")
        if self._comm is None:
            return float(weight), extras
        layout = _layout(parameters), extras.size
        if self._flat is None or self._flat.layout != layout:
            self._flat = _Flat(parameters, layout, self.rank, self.size)
        return self._flat.average(parameters, float(weight), extras, self._add_up)

    def _add_up(self, array: Any) -> None:
        """Put into `array`, on the host or on a GPU, the sum of all ranks' arrays."""
        if isinstance(array, np.ndarray):
            self._comm.Allreduce(_mpi().IN_PLACE, array)
            return
        if self._nccl is None:
            from .nccl import Nccl

            self._nccl = Nccl(self._comm)
        self._nccl.add_up(array)

    def broadcast(self, parameters: Module | Iterable[Tensor]) -> None:
        """Give all ranks rank 0's values: of parameters, or of all parameters and buffers of a module.

        Raises MinigradError on a rank whose parameters are not those of rank 0 in number, shape and dtype.
        """
        if self._comm is None:
            return
        own = [*parameters.parameters(), *parameters.buffers()] if isinstance(parameters, Module) else list(parameters)
        told = repr([(p.shape, p.dtype.str) for p in own]).encode()
        if self._from_first(told) != told:
            raise MinigradError(
                f"rank {self.rank} has parameters of other shapes or dtypes than rank 0:"
                " make the model from the same options and the same data on every rank"
            )
        for p in own:
            values = np.array(p.backend.to_numpy(p.data), order="C")
            self._comm.Bcast(values.reshape(-1).view("uint8"))
            with p.backend.here:
                p.data[...] = p.backend.asarray(values.reshape(p.shape))
            p.mark_written()

    def _from_first(self, data: bytes) -> bytes:
        """Rank 0's `data`."""
        size = np.array([len(data)])
        self._comm.Bcast(size)
        buffer = np.frombuffer(data, "uint8").copy() if self.rank == 0 else np.empty(size[0], "uint8")
        self._comm.Bcast(buffer)
        return buffer.tobytes()

    def gather(self, array: np.ndarray, axis: int) -> np.ndarray | None:
        """All ranks' arrays, which may differ in length there, joined on `axis`: on rank 0; None elsewhere.

        Any dtype but Python objects. Raises ValueError for arrays that do not fit each other.
        """
        if self._comm is None:
            return array
        packed = io.BytesIO()
        np.save(packed, array, allow_pickle=False)
        parts = self._gathered(packed.getvalue())
        if parts is None:
            return None
        return np.concatenate([np.load(io.BytesIO(part), allow_pickle=False) for part in parts], axis)

    def gather_text(self, text: str) -> list[str] | None:
        """All ranks' texts, in their order: on rank 0; None elsewhere."""
        if self._comm is None:
            return [text]
        parts = self._gathered(text.encode())
        return None if parts is None else [part.decode() for part in parts]

    def _gathered(self, data: bytes) -> list[bytes] | None:
        sizes = np.empty(self.size, "int64") if self.rank == 0 else None
        self._comm.Gather(np.array([len(data)], "int64"), sizes)
        if sizes is None:
            self._comm.Gatherv(data, None)
            return None
        whole = np.empty(sizes.sum(), "uint8")
        self._comm.Gatherv(data, [whole, sizes])
        return [part.tobytes() for part in np.split(whole, sizes.cumsum()[:-1])]

    def sum(self, values: Any) -> np.ndarray:
        """The sum over all ranks of a small array of numbers, in float64: on every rank."""
        total = np.array(values, "float64", order="C")
        if self._comm is not None:
            self._comm.Allreduce(_mpi().IN_PLACE, total)
        return total

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        if self._comm is not None:
            self._comm.Barrier()

    def threads_per_rank(self) -> int:
        """How many threads this process may run so that the ranks on its machine share the cores evenly; at least 1.

        A core counts for each rank as the part of it that is left by those that may run on it too.
        """
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        if self._node is None:
            return count()
        last = np.array([max(cores)])
        self._node.Allreduce(_mpi().IN_PLACE, last, _mpi().MAX)
        users = np.zeros(last[0] + 1)
        users[list(cores)] = 1
        self._node.Allreduce(_mpi().IN_PLACE, users)
        return max(1, int((1 / users[list(cores)]).sum() + 1e-9))

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Within the block, an exception on one rank ends all of them: they would wait for it for ever.

        Its rank, machine and error go to stderr, with the traceback if it is no MinigradError; the exit status is 1,
        130 after Ctrl-C, or what `sys.exit` was given. When one is killed from outside, mpiexec ends the others and
        tells its process number: which rank that was, rank 0 says on stderr at the start. Alone, exceptions pass, as
        they do through a block within another one.
        """
        if self._comm is None or self._is_guarded:
            yield
            return
        self._is_guarded = True
        self._introduce()
        try:
            yield
        except BaseException as error:
            if isinstance(error, SystemExit) and not error.code:
                raise
            self._abort(error)
        finally:
            self._is_guarded = False

    def _introduce(self) -> None:
        """Say on stderr which process is which rank, a line for each machine."""
        members = self.gather_text(f"{socket.gethostname()} {os.getpid()}")
        machines: dict[str, list[str]] = {}
        for rank, member in enumerate(members or ()):
            host, process = member.rsplit(" ", 1)
            machines.setdefault(host, []).append(f"rank {rank} is {process}")
        for host, processes in machines.items():
            print(f"minigrad: processes on {host}: {', '.join(processes)}", file=sys.stderr, flush=True)

    def _abort(self, error: BaseException) -> None:
        status = 1
        what = f"{type(error).__name__}: {error}"
        if isinstance(error, KeyboardInterrupt):
            status, what = INTERRUPTED, "interrupted"
        elif isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else 1
            what = f"ended with exit status {error.code}" if isinstance(error.code, int) else str(error.code)
        elif not isinstance(error, MinigradError):
            what += "\n" + "".join(traceback.format_exception(error)).rstrip()
        who = f"rank {self.rank} of {self.size} (process {os.getpid()} on {socket.gethostname()})"
        sys.stdout.flush()
        print(f"minigrad: {who}: {what}", file=sys.stderr, flush=True)
        time.sleep(DRAIN)
        self._comm.Abort(status)
        raise SystemExit(status) from None  # MPICH's Abort returns before mpiexec has ended this process


class _Flat:
    """One array for the gradients of all parameters, and behind them what else the ranks tell each other at a step.

    [gradient of each parameter | 1 for each that has one | numbers of rank 0 | of rank 1 | …], in the dtype of the
    gradients. A number is float64: its 64 bits go as four integers below 2^16, which float32 holds exactly, and where
    one rank writes its own the others add 0. So they arrive as they were, whatever the order of the sum.
    """

    def __init__(self, parameters: list[Tensor], layout: Any, rank: int, size: int):
        self.layout, self.rank, self.size = layout, rank, size
        backends = list(dict.fromkeys(p.backend for p in parameters))
        if len(backends) > 1:
            raise BackendMismatchError(
                f"parameters lie on {' and '.join(b.name for b in backends)}: move the whole model to one with .to()"
            )
        (self.backend,) = backends
        ends = np.cumsum([0, *(p.size for p in parameters)]).tolist()
        tail = len(parameters) + size * 4 * (1 + layout[1])
        with self.backend.here:
            dtype = np.result_type("float32", *(p.dtype for p in parameters))
            self.array = self.backend.xp.empty(ends[-1] + tail, dtype)
            self.parts = [self.array[a:b].reshape(p.shape) for p, a, b in zip(parameters, ends, ends[1:])]
            self.tail = self.array[ends[-1] :]

    def average(
        self, parameters: list[Tensor], weight: float, extras: np.ndarray, add_up: Callable[[Any], None]
    ) -> tuple[float, np.ndarray]:
        """What `Group.average_gradients` says."""
        xp, count = self.backend.xp, len(parameters)
        with self.backend.here, np.errstate(over="ignore", invalid="ignore"):  # infinities are the caller's to find
            tail = np.zeros(self.tail.shape, self.tail.dtype)
            for n, (p, part) in enumerate(zip(parameters, self.parts)):
                if p.grad is None or not weight:
                    part[...] = 0
                else:
                    xp.multiply(p.grad.data, weight, out=part)
                    tail[n] = 1
            slots = tail[count:].reshape(self.size, -1)
            slots[self.rank] = np.append(weight, extras).view("uint16")
            self.tail[...] = self.backend.asarray(tail)
            add_up(self.array)
            tail = self.backend.to_numpy(self.tail)
            numbers = tail[count:].astype("uint16").view("float64").reshape(self.size, -1).sum(axis=0)
            total = float(numbers[0])
            if not total:
                raise MinigradError("no rank has anything to learn from in this batch: all weights are 0")
            for p, part, having in zip(parameters, self.parts, tail):
                if not having:
                    p.grad = None
                elif p.grad is None:
                    p.grad = Tensor((part / total).astype(p.dtype))
                else:
                    xp.divide(part, total, out=p.grad.data)
        return total, numbers[1:]


def _layout(parameters: list[Tensor]) -> list[Any]:
    """What a flat array for the gradients depends on."""
    return [(p.shape, p.dtype, p.backend) for p in parameters]


def _mpi() -> Any:
    """The module mpi4py.MPI; the first import starts MPI."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the second where it finds no MPI library
        raise MinigradError(
            f"training in several processes needs mpi4py and an MPI library ({error}): pip install 'minigrad[mpi]',"
            " then start them with mpiexec -n 4 …"
        ) from error
    return MPI
