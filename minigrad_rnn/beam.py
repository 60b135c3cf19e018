"""Beam search: the likeliest whole sequences, of those that look best on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from .decode import Decoded, Decoder, check_start, host_step, select


def length_penalty(length: Any, alpha: float) -> Any:
    """((5 + length) / 6)^alpha: what a log-probability is divided by (Wu et al. 2016, eq. 14)."""
    return ((5 + length) / 6) ** alpha


def beam(
    decoder: Decoder,
    state: Any,
    symbols: Any,
    max_length: Any,
    end: int | None = None,
    *,
    width: int = 4,
    alpha: float = 0.0,
    n_best: int = 1,
) -> list[list[Decoded]]:
    """For each sequence the up to `n_best` found with the greatest log-probability / length_penalty, best first.

    At each step the `width` likeliest continuations are kept; those that end leave the beam (Sutskever, Vinyals and Le
    2014, section 3.2). The length that is penalised counts the end symbol. The search is over when nothing that still
    runs could be among the `n_best`, so that goes for no loss. A width of 1 is `greedy`. All else as for `greedy`;
    ValueError for a width or n_best below 1, n_best above width, alpha below 0.
    """
    if not 1 <= n_best <= width:
        raise ValueError(f"n_best must be from 1 to the width, and they are {n_best} and {width}")
    if not alpha >= 0:
        raise ValueError(f"alpha must be at least 0, not {alpha}")
    symbols, limits = check_start(symbols, max_length)
    B = len(symbols)
    batch = np.arange(B)[:, None]
    state = select(state, np.repeat(batch, width))
    last = np.repeat(symbols, width)
    paths = np.zeros((B, width, 0), np.int64)
    scores = np.full((B, width), -np.inf)  # the log-probability of what runs, -inf in a free place
    scores[:, 0] = 0
    done: list[list[Decoded]] = [[] if limit else [Decoded([], 0.0, False)] for limit in limits]
    scores[limits == 0] = -np.inf

    def rank(found: Decoded) -> float:
        return -found.log_probability / length_penalty(len(found.symbols) + found.ended, alpha)

    for t in range(limits.max()):
        log_p, state = host_step(decoder, last, state, end)
        V = log_p.shape[1]
        continued = (scores[:, :, None] + log_p.reshape(B, width, V)).reshape(B, width * V)
        best = np.argsort(-continued, axis=1, kind="stable")[:, :width]
        parents, chosen = best // V, best % V
        scores = continued[batch, best]
        paths = np.concatenate([paths[batch, parents], chosen[:, :, None]], axis=2)
        over = np.isfinite(scores) & ((chosen == end) | (t + 1 == limits[:, None]))
        for n, w in np.argwhere(over):
            ended = bool(chosen[n, w] == end)
            done[n].append(Decoded(paths[n, w, : t + (not ended)].tolist(), float(scores[n, w]), ended))
        scores[over] = -np.inf
        for n in range(B):
            done[n] = sorted(done[n], key=rank)[:n_best]
            # Log-probabilities only fall, and the penalty divides by no more than that of the greatest length.
            bound = -scores[n].max() / length_penalty(limits[n], alpha)
            if len(done[n]) == n_best and rank(done[n][-1]) <= bound:
                scores[n] = -np.inf
        if np.isneginf(scores).all():
            break
        state, last = select(state, (batch * width + parents).reshape(-1)), chosen.reshape(-1)
    return done
