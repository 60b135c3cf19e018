"""Decoding: symbols out of a model, one step at a time, each sequence until it ends on its own.

A sequence ends with an end symbol; after a number of symbols of its own (a predicted length is a `max_length` for each
sequence, without an end symbol); or where a Bernoulli variable says so (`with_stop` makes it an end symbol).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError

from .cells.base import as_tensor


class Decoder(Protocol):
    """What the functions here decode from.

    A state is a Tensor, a NumPy array, or tuples, lists and dicts of them, with None where there is nothing; each of
    its arrays has the batch on its first axis. A step leaves the state before it as it was, to go on from again.
    """

    def start(self, *args: Any, **options: Any) -> Any:
        """The state before the first step."""

    def step(self, symbols: Any, state: Any) -> tuple[mg.Tensor, Any]:
        """The symbols before (batch), the state -> log-probabilities of the next (batch, vocabulary), the new state."""
        raise TypeError(f"{type(self).__name__} has no step(): write step(self, symbols, state) -> (log_p, state)")


class Decoded(NamedTuple):
    """A sequence of symbols, without the end symbol; its log-probability, with it; and whether it came (`ended`)."""

    symbols: list[int]
    log_probability: float
    ended: bool


class LanguageModel:
    """The Decoder of a model of `codes (time, batch), state -> logits (time, batch, vocabulary), state`.

    So a `CharModel` is called, and any with a `Recurrent` in it: the parts of its state are (layers, batch, …). It
    is first called with None for its state.
    """

    def __init__(self, model: Callable[..., tuple[mg.Tensor, Any]]):
        self.model = model

    def start(self, prefix: Any = None) -> Any:
        """The state after the symbols `prefix` (time, batch); that of a model that has read nothing if None."""
        return None if prefix is None else _batch_first(self.model(mg.tensor(prefix), None)[1])

    def step(self, symbols: Any, state: Any) -> tuple[mg.Tensor, Any]:
        """As of every `Decoder`: log-probabilities (batch, vocabulary) and the new state."""
        logits, state = self.model(mg.expand_dims(mg.tensor(symbols), 0), _batch_first(state))
        return mg.log_softmax(logits[0]), _batch_first(state)


def _batch_first(state: Any) -> Any:
    """The state of a `Recurrent` with layers and batch exchanged; a list, for layers that differ, as it is."""
    return state if isinstance(state, list) else _each(state, lambda part: mg.swapaxes(part, 0, 1))


def select(state: Any, rows: np.ndarray) -> Any:
    """The state of the sequences `rows` (which may come several times), whatever the state is made of."""

    return _each(state, lambda part: part[part.backend.xp.asarray(rows) if isinstance(part, mg.Tensor) else rows])


def _each(state: Any, function: Callable[[Any], Any]) -> Any:
    """`state` with `function` applied to each array in it."""
    if state is None:
        return None
    if isinstance(state, dict):
        return {name: _each(part, function) for name, part in state.items()}
    if isinstance(state, (tuple, list)):
        parts = [_each(part, function) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    return function(state)


def with_stop(logits: Any, stop_logits: Any) -> mg.Tensor:
    """Log-probabilities (…, vocabulary + 1) of each symbol, and last, as the end symbol, of stopping before it.

    logits (…, vocabulary) and stop_logits (…). At each step a Bernoulli variable of probability σ(stop logit) ends the
    sequence (Goodfellow, Bengio and Courville 2016, section 10.2.3): so p(end) = σ(l), p(symbol) = σ(-l) softmax.
    Raises ShapeError for shapes that do not fit.
    """
    logits, stop_logits = as_tensor(logits), as_tensor(stop_logits)
    if stop_logits.shape != logits.shape[:-1]:
        raise ShapeError(f"logits {logits.shape} want stop_logits {logits.shape[:-1]}, not {stop_logits.shape}")
    stop = mg.expand_dims(stop_logits, -1)
    return mg.concatenate([mg.log_softmax(logits) + mg.log_sigmoid(-stop), mg.log_sigmoid(stop)], axis=-1)


def greedy(decoder: Decoder, state: Any, symbols: Any, max_length: Any, end: int | None = None) -> list[Decoded]:
    """At each step the likeliest symbol, until `end` or `max_length` symbols (an integer, or one for each sequence).

    `state` is what `decoder.start` returned, `symbols` (batch) what the first step reads (start symbols, say). No
    graph is recorded; a model with dropout is put in `eval()` by the caller. Raises ShapeError for symbols and lengths
    that do not fit, ValueError for an end symbol that is none.
    """
    return _walk(decoder, state, symbols, max_length, end, lambda log_p: log_p.argmax(axis=1))


def sample(
    decoder: Decoder,
    state: Any,
    symbols: Any,
    max_length: Any,
    end: int | None = None,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | np.random.Generator = 0,
) -> list[Decoded]:
    """At each step a symbol drawn from `sampling_probabilities`; `seed` is one, or a generator to go on with.

    The log-probability returned is the model's own, without temperature, top_k and top_p. All else as for `greedy`.
    """
    generator = np.random.default_rng(seed)
    choose = lambda log_p: draw(sampling_probabilities(log_p, temperature, top_k, top_p), generator)
    return _walk(decoder, state, symbols, max_length, end, choose)


def draw(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One symbol of each row (batch, vocabulary), drawn with these probabilities: (batch)."""
    sums = probabilities.cumsum(axis=1)
    return (sums > rng.random((len(sums), 1)) * sums[:, -1:]).argmax(axis=1)


def sampling_probabilities(
    log_probabilities: np.ndarray, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> np.ndarray:
    """p^(1 / temperature), of it the `top_k` likeliest, of these the `top_p` likeliest, each time made to sum to 1.

    (…, vocabulary) both. `top_p` keeps the fewest symbols whose probabilities reach it (Holtzman et al. 2020, eq. 2
    and 3). Of equal ones the first is the likelier. Raises ValueError for a temperature or top_p that is not above 0,
    a top_p above 1, a top_k below 1.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}: greedy() takes the likeliest symbol")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k must be at least 1, not {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, not {top_p}")
    scaled = np.asarray(log_probabilities, "float64") / temperature
    p = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    order = np.argsort(-p, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1)
    if top_k is not None:
        ranked[..., top_k:] = 0
        ranked /= ranked.sum(axis=-1, keepdims=True)
    if top_p is not None:
        ranked[ranked.cumsum(axis=-1) - ranked >= top_p] = 0  # what stands before it reaches top_p already
        ranked /= ranked.sum(axis=-1, keepdims=True)
    np.put_along_axis(p, order, ranked, axis=-1)
    return p


def _walk(
    decoder: Decoder,
    state: Any,
    symbols: Any,
    max_length: Any,
    end: int | None,
    choose: Callable[[np.ndarray], np.ndarray],
) -> list[Decoded]:
    symbols, limits = check_start(symbols, max_length)
    found: list[list[int]] = [[] for _ in symbols]
    total, ended = np.zeros(len(symbols)), np.zeros(len(symbols), bool)
    for t in range(limits.max()):
        log_p, state = host_step(decoder, symbols, state, end)
        symbols = choose(log_p)
        running = ~ended & (t < limits)
        total[running] += log_p[running, symbols[running]]
        ended |= running & (symbols == end)
        for n in np.flatnonzero(running & ~ended):
            found[n].append(int(symbols[n]))
        if (ended | (t + 1 >= limits)).all():
            break
    return [Decoded(*parts) for parts in zip(found, total.tolist(), ended.tolist())]


def check_start(symbols: Any, max_length: Any) -> tuple[np.ndarray, np.ndarray]:
    """The first symbols and each sequence's greatest length, integers (batch) on the host; ShapeError if not so."""
    first, limits = mg.tensor(symbols).numpy(), mg.tensor(max_length).numpy()
    if first.ndim != 1 or not first.size or first.dtype.kind not in "iu":
        raise ShapeError(f"symbols are integers, one a sequence, not {first.dtype} of shape {first.shape}")
    if limits.shape not in ((), first.shape) or limits.dtype.kind not in "iu" or limits.min() < 0:
        raise ShapeError(f"max_length is one integer, or one a sequence ({len(first)}), from 0 on, not {max_length!r}")
    return first, np.broadcast_to(limits, first.shape)


@mg.no_grad()
def host_step(decoder: Decoder, symbols: np.ndarray, state: Any, end: int | None) -> tuple[np.ndarray, Any]:
    """One step of the decoder, its log-probabilities (batch, vocabulary) in float64 on the host."""
    log_p, state = decoder.step(symbols, state)
    if log_p.ndim != 2 or len(log_p) != len(symbols):
        raise ShapeError(f"a decoder's step gives ({len(symbols)}, vocabulary) here, and gave {log_p.shape}")
    if end is not None and not 0 <= end < log_p.shape[1]:
        raise ValueError(f"end must be one of the {log_p.shape[1]} symbols, not {end}")
    return log_p.numpy().astype("float64"), state
