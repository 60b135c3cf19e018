"""How many threads work on a loop.

In machine code each runs a share of the batch, and Python's lock is free meanwhile. In array code the threads are those
of the BLAS library, whose workers cost more than they do where the product of a step is small.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

LEAST_FOR_BLAS = 4_000_000  # multiplications in a product, below which a second BLAS thread saves next to nothing
LEAST_WORK = 3_000_000  # multiplications; below, another thread's start takes longer than it saves


_chosen: list[int] = []  # of use_threads, the innermost last


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(_cores(), count()), "minigrad-loop")  # which it starts when they are wanted


if hasattr(os, "register_at_fork"):  # of the threads, a fork has none
    os.register_at_fork(after_in_child=lambda: _pool.cache_clear())


@functools.cache
def _cores() -> int:
    """The cores that this process may use, or fewer if OMP_NUM_THREADS says so."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(int(given), cores)) if given.isdigit() else cores


def count() -> int:
    """How many threads a loop may use: what `use_threads` says, or OMP_NUM_THREADS, else one for each core."""
    return _chosen[-1] if _chosen else _cores()


@contextlib.contextmanager
def use_threads(most: int) -> Iterator[None]:
    """`with mg.use_threads(n):` compute with n threads: compiled loops do; array products, where loops are array code.

    Where loops are machine code products get one thread: BLAS's others keep a core busy for a while after each product,
    and the loop that follows would want it. Holds for the whole process. Raises ValueError for less than one.
    """
    from threadpoolctl import threadpool_limits

    from .kernels import are_machine_code

    if most < 1:
        raise ValueError(f"use_threads takes a number of threads from 1 up, not {most}")
    _chosen.append(most)
    try:
        with threadpool_limits(1 if are_machine_code() else most, user_api="blas"):
            yield
    finally:
        _chosen.pop()


def threads_for(rows: int, work: int) -> int:
    """How many threads to share `rows` among, for `work` multiplications in all."""
    return max(1, min(count(), rows, work // LEAST_WORK))


def in_threads(tasks: Sequence[Callable[[], object]]) -> None:
    """Run all tasks at once, the first of them here."""
    others = [_pool().submit(task) for task in tasks[1:]]
    tasks[0]()
    for other in others:
        other.result()


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


@contextlib.contextmanager
def blas_threads_for(work: int) -> Iterator[None]:
    """For as long as the block runs, one thread for products of `work` multiplications each, if more would not pay."""
    if work >= LEAST_FOR_BLAS or count() == 1:
        yield
    else:
        with _blas().limit(limits=1):
            yield
