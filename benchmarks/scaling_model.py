"""Data-parallel training on paper: what a step would take on more ranks than there are, from what was measured on two.

    t(P) = t_step(b) + t_allreduce(n, P)

t_step(b) is a whole step of one rank with b sequences, as measured; n the bytes of the gradients. Of the two usual
algorithms (Thakur, Rabenseifner and Gropp 2005) the faster one counts, as MPI libraries choose:

    ring                           2 (P - 1) latency   + 2 (P - 1) / P · n / bandwidth
    recursive halving, doubling    2 log2(P) latency   + 2 (P - 1) / P · n / bandwidth
    recursive doubling             log2(P) latency     + log2(P) n / bandwidth

Left out: the additions, ranks that wait for a slower one, links that several ranks share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

RANKS = (8, 64, 512)
MOST = 2**20  # ranks that are looked at
HALF = 0.5


@dataclass(frozen=True)
class Network:
    """What lies between two ranks: seconds until the first byte, bytes a second, and how many ranks it reaches."""

    name: str
    latency: float
    bandwidth: float
    reach: int = MOST

    def algorithms(self, size: float, ranks: int) -> dict[str, float]:
        """Seconds of an allreduce of `size` bytes over `ranks`, a power of two, by algorithm."""
        rounds, share = math.log2(ranks), (ranks - 1) / ranks
        moved = 2 * share * size / self.bandwidth
        return {
            "ring": 2 * (ranks - 1) * self.latency + moved,
            "halving and doubling": 2 * rounds * self.latency + moved,
            "doubling": rounds * (self.latency + size / self.bandwidth),
        }

    def allreduce(self, size: float, ranks: int) -> float:
        """Seconds of the fastest one."""
        return min(self.algorithms(size, ranks).values())


# Assumed: what MPI sees on such a network, one rank to a link.
NETWORKS = (Network("10 GbE", 30e-6, 1.25e9), Network("InfiniBand 100 Gb/s", 1.5e-6, 12.5e9))


def shared_memory(nothing: float, seconds: float, size: int) -> Network:
    """As two ranks found it: `seconds` for `size` bytes, `nothing` for a few. Such a machine has 64 ranks at most."""
    return Network("shared memory, as measured", nothing / 2, size / (seconds - nothing), reach=64)


@dataclass(frozen=True)
class Training:
    """`seconds[b]` of a step of one rank with b sequences, for b a power of two; `size` bytes of gradients."""

    seconds: dict[int, float]
    size: int

    def alone(self, batch: int) -> float:
        """Seconds of one rank for a batch; for one that is larger than measured, the largest one after another."""
        largest = max(self.seconds)
        return self.seconds[batch] if batch in self.seconds else batch / largest * self.seconds[largest]

    def weak(self, network: Network, ranks: int, batch: int) -> float:
        """Efficiency with `batch` sequences on each rank: t(1) / t(P)."""
        one = self.alone(batch)
        return one / (one + network.allreduce(self.size, ranks))

    def strong(self, network: Network, ranks: int, batch: int) -> float | None:
        """Efficiency with `batch` sequences in all: t(1) / (P t(P)); None if there are more ranks than sequences."""
        if ranks > batch:
            return None
        own = self.alone(batch // ranks)
        return self.alone(batch) / ranks / (own + network.allreduce(self.size, ranks))


def below_half(efficiency: Callable[[int], float | None], reach: int) -> int | None:
    """The fewest ranks, a power of two, at which the efficiency is under a half; None if there are none."""
    ranks = 2
    while ranks <= reach and (found := efficiency(ranks)) is not None:
        if found < HALF:
            return ranks
        ranks *= 2
    return None
