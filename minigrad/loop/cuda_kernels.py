"""A loop on a CUDA device, with CuPy: kernels written for it, and as few calls from the host as can be.

A step of a small network takes a device less time than the host needs to ask for it. There are two ways out. Where all
of a loop's matrices fit into the memory of a block of threads, one kernel runs all steps, and each block has a row of
the batch (the rows do not see each other, so no block waits for another). Else a step is a product by cuBLAS and a
kernel for everything element by element after it, some more in a deep step, and that is captured as a CUDA graph of
many steps, which the device then runs by itself.

A graph holds addresses. What products read and write therefore lies in buffers that the loop keeps: the carry as the
last step left it, results, and copies of the matrices. The kernels find all else (sequences, results, biases) through a
table of addresses on the device, filled for each run, and count the steps there; so one graph serves sequences of any
length, and what is long is not copied. Sums over all steps are kept by row and added up after the loop, in one order.

None of this has run on a device yet: NVRTC compiles the kernels, and compiled as C++ they compute on a processor what
array code does. When which way is faster (`WAVES`, `GRAPHS`, the sizes of blocks) is an estimate.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np

from ..backend import backend_of
from . import cublas, cuda_source
from .arrays import Arrays
from .cuda_source import COLUMNS, RESIDENT, THREADS, Factor, Source
from .loops import Loop, Place
from .stages import is_of_rows

GRAPHS = (64, 8, 1)  # of how many steps there are graphs
WAVES = 4  # how often one after another a device may be filled with blocks that run all steps
ARRAY_CODE = "array code"  # in the place of a loop's kernel


def can_run(loop: Loop) -> bool:
    """Is everything in the loop of a kind that this file knows?"""
    if not is_of_rows(loop, cuda_source.is_known):
        return False
    inside = set(loop.steps)
    for gemm in loop.gemms:
        for left in gemm.lefts:
            whole = left.args[0] if left.kind == "part" else left
            if not (whole.what[0] == loop.carried if whole.kind == "in" else left in inside):
                return False  # it lies at another place at each step
    return True


def run(loop: Loop, arrays: Arrays, order: range) -> bool:
    """Run a loop over the steps in `order`; False where that is left to array code."""
    try:
        with backend_of(arrays.named[f"{loop.carried}0"]).here:  # type: ignore[union-attr]
            if loop.kernel is None:
                loop.kernel = Kernel(loop, arrays.xp) if can_run(loop) else ARRAY_CODE
            if loop.kernel is not ARRAY_CODE:
                loop.kernel.run(loop, arrays, order)
    except Exception as error:  # of the compiler's, or the device's
        warnings.warn(f"a scan runs as array code (so it does with MINIGRAD_KERNELS=numpy): {error}", stacklevel=2)
        loop.kernel = ARRAY_CODE
    return loop.kernel is not ARRAY_CODE


class Kernel:
    """The kernels of a loop, its buffers and its graphs, for any number of steps."""

    def __init__(self, loop: Loop, xp: Any):
        source = self.source = Source(loop)
        self.xp, self.batch = xp, loop.form.batch
        self.dtype = np.dtype("float32" if source.kind == "f" else "float64")
        module = xp.RawModule(code=source.text, options=("-std=c++17",))
        self.functions = {name: module.get_function(name) for name in ["advance", *(p.name for p in source.passes)]}
        self.shared_bytes = source.numbers * self.dtype.itemsize
        self.all_steps = module.get_function("all_steps") if source.resident and self._fits() else None
        if self.all_steps is not None:
            self.all_steps.max_dynamic_shared_size_bytes = self.shared_bytes
        self.table = xp.empty(len(source.table), "int64")
        self.buffers = {
            what: xp.empty((self.batch, width), bool if source.kind_of(what) == "b" else self.dtype)
            for what, width in source.buffers.items()
        }
        self.matrices = {factor: xp.empty(factor.matrix.shape, self.dtype) for factor in source.factors}
        self.graphs: dict[int, Any] = {}
        self.stream: Any = None  # to capture on
        self.handle: cublas.Handle | None = None
        self.captures: bool | None = None  # not the first run, which loads what a capture cannot
        self.done = xp.cuda.Event(disable_timing=True)
        self.lock = threading.Lock()

    def _fits(self) -> bool:
        """Has a block of this device memory for all matrices, and the device enough blocks?"""
        has = self.xp.cuda.Device().attributes
        blocks = min(has["MaxSharedMemoryPerMultiprocessor"] // max(self.shared_bytes, 1), 2048 // RESIDENT)
        at_once = blocks * has["MultiProcessorCount"]
        return self.shared_bytes <= has["MaxSharedMemoryPerBlockOptin"] and self.batch <= WAVES * at_once

    def run(self, loop: Loop, arrays: Arrays, order: range) -> None:
        """Run the loop over the steps in `order`."""
        with self.lock:
            stream = self.xp.cuda.get_current_stream()
            stream.wait_event(self.done)  # a run on another stream may still be in the buffers
            sums = self._fill(loop, arrays, order)
            if self.all_steps is not None:
                given = self.table, np.int64(len(order))
                self.all_steps((self.batch,), (RESIDENT,), given, shared_mem=self.shared_bytes)
            elif not (self.captures and self._replay(len(order))):
                for k in range(len(order)):
                    self._step(k)
                self.captures = self.captures is None
            for i in self.source.stays:
                _carry(loop, arrays, i, "after", order[-1], len(order))[...] = self._stay(i)
            for n, rows in sums.items():
                arrays.named[f"sum{n}"][...] = rows.sum(axis=0)
            self.done.record(stream)

    def _fill(self, loop: Loop, arrays: Arrays, order: range) -> dict[int, Any]:
        """Fill the table and the buffers for a run; the sums over all steps that are kept by row meanwhile."""
        sums: dict[int, Any] = {}
        held: list[Any] = []

        def address(array: Any) -> int:
            held.append(array)
            return array.data.ptr

        def word(what: Any) -> int:
            if what in self.buffers:
                return address(self.buffers[what])
            if what in self.matrices:
                return address(self.matrices[what])
            if isinstance(what, str):
                return {"base": 0, "first": order[0], "stride": order.step}[what]
            name, thing = what
            if name == "fixed":
                value = arrays.fixed(thing)
                return address(self.xp.ascontiguousarray(value, None if value.dtype == bool else self.dtype))
            if name == "sum":
                if loop.sums[thing].kind == "steps":
                    return address(arrays.named[f"sum{thing}"])
                sums[thing] = self.xp.zeros((self.batch, loop.sums[thing].args[0].shape[1]), self.dtype)
                return address(sums[thing])
            if name == "array":
                arrays.named[thing] = self.xp.ascontiguousarray(arrays.named[thing])
                return address(arrays.named[thing])
            if name == "columns":
                return int(arrays.named[thing].shape[2])
            return int(thing in arrays.in_turn) if name == "turn" else arrays.shift(Place(thing, 0, name))

        self.table[...] = self.xp.asarray(np.array([word(what) for what in self.source.table], np.int64))
        for factor, copy in self.matrices.items():
            copy[...] = arrays.fixed(factor.matrix)
        for what, state in self.buffers.items():
            if isinstance(what, tuple) and what[0] == "state":
                state[...] = _carry(loop, arrays, what[1], "before", order[0], 0)
        for i in self.source.stays:
            self._stay(i)[...] = _carry(loop, arrays, i, "before", order[0], 0)
        return sums

    def _stay(self, i: int) -> Any:
        """Where a part of the carry stays from step to step."""
        gemm, low = self.source.stays[i]
        return self.buffers[gemm][:, low : low + self.source.loop.carry[i].shape[1]]

    # One step after another

    def _step(self, k: int, handle: cublas.Handle | None = None) -> None:
        """Ask the device for one step, with `handle` while it is captured."""
        for part in self.source.sequence:
            if isinstance(part, Factor):
                self._multiply(part, handle)
                continue
            block = THREADS if part.by_row else min(COLUMNS, -(-part.width // 32) * 32)
            grid = (self.batch,) if part.by_row else (self.batch, -(-part.width // block))
            self.functions[part.name](grid, (block,), (self.table, np.int64(k)))

    def _multiply(self, factor: Factor, handle: cublas.Handle | None) -> None:
        left, matrix, out = self.buffers[factor.buffer], self.matrices[factor], self.buffers[factor.gemm]
        if handle is not None:
            handle.multiply(left, factor.low, matrix, out, not factor.first)
            return
        left = left[:, factor.low : factor.low + len(matrix)]
        if factor.first:
            self.xp.matmul(left, matrix, out=out)
        else:
            out += left @ matrix

    # Graphs

    def _replay(self, steps: int) -> bool:
        """Run so many steps as graphs; False, with a warning, where they cannot be captured."""
        sizes = []
        for size in GRAPHS:
            sizes += [size] * (steps // size)
            steps %= size
        try:
            for size in dict.fromkeys(sizes):
                if size not in self.graphs:
                    self.graphs[size] = self._capture(size)
        except Exception as error:  # of CUDA's, of cuBLAS's, or no library at all: there is a way without
            warnings.warn(f"the steps of a scan are not captured as a CUDA graph: {error}", stacklevel=2)
            return False
        for size in sizes:
            self.graphs[size].launch()
        return True

    def _capture(self, size: int) -> Any:
        """The graph of `size` steps, and of moving the count on by so many."""
        if self.stream is None:
            self.stream = self.xp.cuda.Stream(non_blocking=True)
        if self.handle is None and self.source.factors:
            self.handle = cublas.Handle(self.xp)
            self.handle.work_on(self.stream)
        with self.stream as stream:
            stream.begin_capture()
            try:
                for k in range(size):
                    self._step(k, self.handle)
                self.functions["advance"]((1,), (1,), (self.table, np.int64(size)))
            finally:
                graph = stream.end_capture()
        return graph


def _carry(loop: Loop, arrays: Arrays, i: int, when: str, step: int, count: int) -> Any:
    """A part of the carry before or after a step, `count` steps having been run then."""
    name = f"{loop.carried}{i}"
    at = count % 2 if name in arrays.in_turn else step + arrays.shift(Place(name, 0, when))
    return arrays.named[name][at]
