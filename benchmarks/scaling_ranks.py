"""What benchmarks.scaling runs, under mpiexec where there are several ranks: each prints one line of JSON, on rank 0.

python -m benchmarks.scaling_ranks step BATCH SECONDS         # BATCH sequences on each rank
python -m benchmarks.scaling_ranks allreduce SECONDS BYTES …  # seconds of each size
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

import numpy as np

import minigrad as mg
import minigrad_rnn as mr
from minigrad_rnn.training.parallel import Group

CHARACTERS, EMBEDDING, HIDDEN, LAYERS, T = 65, 128, 256, 2, 100
FEWEST = 5  # samples


class Model(mg.nn.Module):
    """The character model: embedding, LSTM, softmax."""

    def __init__(self) -> None:
        self.embedding = mg.nn.Embedding(CHARACTERS, EMBEDDING)
        self.recurrent = mr.LSTM(EMBEDDING, HIDDEN, LAYERS)
        self.head = mg.nn.Linear(HIDDEN, CHARACTERS)

    def forward(self, codes: Any, state: Any) -> tuple[mg.Tensor, Any]:
        hidden, state = self.recurrent(self.embedding(codes), state)
        return self.head(hidden), state


def step(group: Group, batch: int, seconds: float) -> dict[str, Any]:
    """Medians, in ms, of a training step and of its parts: forward and backward, averaging, clipping and Adam."""
    mg.seed(0)
    model = Model()
    parameters = list(model.parameters())
    adam = mg.optim.Adam(parameters, lr=1e-3)
    codes = np.random.default_rng(group.rank).integers(CHARACTERS, size=(T + 1, batch))
    state: Any = None

    def once() -> list[float]:
        nonlocal state
        times = [time.perf_counter()]
        logits, state = model(codes[:-1], state)
        state = tuple(part.detach() for part in state)
        loss = mg.nn.cross_entropy(logits, codes[1:])
        adam.zero_grad()
        loss.backward()
        times.append(time.perf_counter())
        group.average_gradients(parameters, codes[1:].size, np.array([loss.item() * codes[1:].size]))
        times.append(time.perf_counter())
        mg.optim.clip_grad_norm(parameters, 1.0)
        adam.step()
        times.append(time.perf_counter())
        return [1e3 * seconds for seconds in (times[-1] - times[0], *np.diff(times))]

    samples = sampled(group, once, seconds)
    names = ("step", "forward and backward", "averaging", "update")
    medians = dict(zip(names, (statistics.median(column) for column in zip(*samples))))
    return medians | {"samples": len(samples), "parameters": sum(p.size for p in parameters)}


def sampled(group: Group, once: Any, seconds: float) -> list[Any]:
    """What `once` returns, as often as fits into `seconds`; all ranks stop together, by rank 0's clock."""
    for _ in range(3):
        once()
    found: list[Any] = []
    end = time.perf_counter() + seconds
    while len(found) < FEWEST or group.sum(time.perf_counter() < end and group.rank == 0):
        found.append(once())
    return found


def allreduce(group: Group, seconds: float, sizes: list[int]) -> dict[str, Any]:
    """Of each size in bytes the median time, in ms, of an allreduce in place, the slowest rank's."""
    from mpi4py import MPI

    found = {}
    for size in sizes:
        array = np.zeros(size // 4, "float32")

        def once(array: np.ndarray = array) -> float:
            group.barrier()
            started = time.perf_counter()
            MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, array)
            return 1e3 * (time.perf_counter() - started)

        times = np.array(sampled(group, once, seconds))
        MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, times, MPI.MAX)
        found[size] = float(np.median(times))
    return found


def main() -> None:
    what, *numbers = sys.argv[1:]
    group = Group.world()
    with group.guarded():
        if what == "step":
            found = step(group, int(numbers[0]), float(numbers[1]))
        else:
            found = allreduce(group, float(numbers[0]), [int(size) for size in numbers[1:]])
        if group.rank == 0:
            print(json.dumps(found))


if __name__ == "__main__":
    main()
