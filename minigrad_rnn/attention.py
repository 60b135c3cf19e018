"""Attention: what to read of a memory, as a weighted mean whose weights a query chooses."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.nn import Module, init

from .cells.base import as_tensor
from .lengths import check_lengths


class Alignment(NamedTuple):
    """A text, what was made of it, and how much of each of its characters was read to write each (written, read)."""

    read: str
    written: str
    weights: np.ndarray


class Attention(Module):
    """Base of attentions. A subclass writes `score`, and `keys` for what depends on the memory alone.

    Called as `attention(query, memory, mask=None, keys=None)` with query (batch, query_size) and memory (time, batch,
    memory_size); returns the context Σ_t α_t memory_t (batch, memory_size) and the weights α = softmax of the scores
    over time (batch, time). `mask` says what may be read: one length a sequence, or booleans (batch, time). All other
    weights are exactly 0; a sequence with nothing to read has the context 0. Who asks the same memory several times
    computes `keys(memory)` once and hands it in. Raises ShapeError for shapes that do not fit.
    """

    query_size: int
    memory_size: int

    def keys(self, memory: mg.Tensor) -> mg.Tensor:
        """What the scores need of the memory (time, batch, memory_size), whatever the query."""
        return memory

    def score(self, query: mg.Tensor, keys: mg.Tensor) -> mg.Tensor:
        """How well each item of the memory goes with the query: (batch, time)."""
        raise TypeError(f"{type(self).__name__} has no score(): write score(self, query, keys) -> (batch, time)")

    def forward(
        self, query: Any, memory: Any, mask: Any = None, keys: mg.Tensor | None = None
    ) -> tuple[mg.Tensor, mg.Tensor]:
        query, memory = as_tensor(query), as_tensor(memory)
        self._check(query, memory)
        scores = self.score(query, self.keys(memory) if keys is None else keys)
        if mask is None:
            weights = mg.softmax(scores, axis=1)
        else:
            mask = as_mask(mask, memory)
            weights = mg.softmax(mg.where(mask, scores, np.finfo(scores.dtype).min), axis=1)
            weights = mg.where(mask, weights, 0)  # is the softmax already, but where there is nothing to read
        weights = weights.named("α")
        return mg.einsum("bt,tbm->bm", weights, memory).named("ctx"), weights

    def _check(self, query: mg.Tensor, memory: mg.Tensor) -> None:
        if query.ndim != 2 or memory.ndim != 3 or query.shape[0] != memory.shape[1] or len(memory) == 0:
            raise ShapeError(
                f"{type(self).__name__} takes a query (batch, size) and a memory (time, batch, size) of the same batch "
                f"and at least one step, and was given {query.shape} and {memory.shape}"
            )
        if (query.shape[1], memory.shape[2]) != (self.query_size, self.memory_size):
            raise ShapeError(
                f"this {type(self).__name__} takes queries of size {self.query_size} and memories of size "
                f"{self.memory_size}, and was given {query.shape} and {memory.shape}"
            )


def as_mask(mask: Any, memory: mg.Tensor) -> Any:
    """Lengths (batch), or booleans (batch, time), as a raw boolean array (batch, time) where the memory is.

    Raises ShapeError for anything else.
    """
    T, B = memory.shape[:2]
    raw: Any = mask.data if isinstance(mask, mg.Tensor) else memory.backend.asarray(mask)
    if raw.ndim == 1:
        return memory.backend.xp.asarray(np.arange(T) < check_lengths(mask, T, B)[:, None])
    if raw.shape != (B, T) or raw.dtype.kind != "b":
        raise ShapeError(
            f"a mask is {B} lengths, or booleans ({B}, {T}), (batch, time); this one is {raw.dtype} of {raw.shape}"
        )
    return raw


class DotAttention(Attention):
    """score_t = query · memory_t (Luong et al. 2015, section 3.1, "dot").

    `scaled` divides it by √size (Vaswani et al. 2017, eq. 1). The query is as wide as the memory; there are no
    parameters.
    """

    def __init__(self, size: int, scaled: bool = False):
        self.query_size = self.memory_size = size
        self.scaled = scaled

    def score(self, query: mg.Tensor, keys: mg.Tensor) -> mg.Tensor:
        if self.scaled:
            query = query / math.sqrt(self.query_size)
        return mg.einsum("bq,tbq->bt", query, keys)


class BilinearAttention(Attention):
    """score_t = query · (memory_t W) (Luong et al. 2015, section 3.1, "general").

    W is weight (memory_size, query_size).
    """

    def __init__(self, query_size: int, memory_size: int, dtype: Any = "float32"):
        self.query_size, self.memory_size = query_size, memory_size
        self.weight = init.glorot(memory_size, query_size, dtype=dtype)
        self.weight.name = "W_a"

    def keys(self, memory: mg.Tensor) -> mg.Tensor:
        return memory @ self.weight

    def score(self, query: mg.Tensor, keys: mg.Tensor) -> mg.Tensor:
        return mg.einsum("bq,tbq->bt", query, keys)


class AdditiveAttention(Attention):
    """score_t = tanh(query W + memory_t U) · v (e_ij of Bahdanau et al. 2015, appendix A.1.2).

    W is weight_query (query_size, hidden_size), U weight_memory (memory_size, hidden_size), v (hidden_size).
    """

    def __init__(self, query_size: int, memory_size: int, hidden_size: int, dtype: Any = "float32"):
        self.query_size, self.memory_size = query_size, memory_size
        self.weight_query = init.glorot(query_size, hidden_size, dtype=dtype)
        self.weight_memory = init.glorot(memory_size, hidden_size, dtype=dtype)
        self.v = init.normal(hidden_size, std=1 / math.sqrt(hidden_size), dtype=dtype)
        self.weight_query.name, self.weight_memory.name, self.v.name = "W_a", "U_a", "v_a"

    def keys(self, memory: mg.Tensor) -> mg.Tensor:
        return memory @ self.weight_memory

    def score(self, query: mg.Tensor, keys: mg.Tensor) -> mg.Tensor:
        return mg.swapaxes(mg.tanh(query @ self.weight_query + keys) @ self.v, 0, 1)
