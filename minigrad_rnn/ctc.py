"""Labels out of a network trained by connectionist temporal classification (`mg.nn.ctc_loss`).

A path has a class at each step; it reads as its classes with repeats made one and blanks left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError

from .lengths import check_lengths


class Labelling(NamedTuple):
    """Labels, without blanks, and their log-probability."""

    labels: list[int]
    log_probability: float


def ctc_greedy(log_probs: Any, lengths: Any = None, blank: int = 0) -> list[Labelling]:
    """What the likeliest path of each sequence reads as, and that path's log-probability.

    (Graves et al. 2006, section 3.2, best path decoding.) `log_probs` (time, batch, classes), of `log_softmax`;
    `lengths`, one a sequence. The labelling need not be the likeliest. Raises ShapeError for shapes and lengths that do
    not fit, ValueError for a blank that is no class.
    """
    found = []
    for scores in _sequences("ctc_greedy", log_probs, lengths, blank):
        path = scores.argmax(axis=1)
        starts = np.append(True, path[1:] != path[:-1])[: len(path)]
        found.append(Labelling(path[starts & (path != blank)].tolist(), float(scores.max(axis=1).sum())))
    return found


def ctc_prefix_beam(
    log_probs: Any, lengths: Any = None, blank: int = 0, width: int = 16, n_best: int = 1
) -> list[list[Labelling]]:
    """For each sequence the up to `n_best` likeliest labellings found, best first.

    (The prefix search of Graves et al. 2006, section 3.2, as a beam: Hannun et al. 2014, algorithm 1, without a
    language model.) At each step the `width` likeliest beginnings of a labelling are kept, the probability of each
    summed over all of its paths that came through the beam: it is exact with a width that leaves out none. All else as
    for `ctc_greedy`; ValueError for a width or n_best below 1, or n_best above width.
    """
    if not 1 <= n_best <= width:
        raise ValueError(f"n_best must be from 1 to the width, and they are {n_best} and {width}")
    return [
        _search(scores, blank, width)[:n_best] for scores in _sequences("ctc_prefix_beam", log_probs, lengths, blank)
    ]


def _search(scores: np.ndarray, blank: int, width: int) -> list[Labelling]:
    """The beam after all steps of one sequence (time, classes), best first."""
    prefixes: list[tuple[int, ...]] = [()]
    in_blank, in_label = np.zeros(1), np.full(1, -np.inf)  # log-probability of the paths that end in one or the other
    C = scores.shape[1]
    for p in scores:
        either = np.logaddexp(in_blank, in_label)
        last = np.array([prefix[-1] if prefix else blank for prefix in prefixes])
        longer = either[:, None] + p
        rows = np.arange(len(prefixes))
        longer[rows, last] = in_blank + p[last]  # a label comes twice only with a blank between
        longer[:, blank] = -np.inf
        in_blank, in_label = either + p[blank], in_label + p[last]
        places = {prefix: n for n, prefix in enumerate(prefixes)}
        for n, prefix in enumerate(prefixes):
            if prefix and (parent := places.get(prefix[:-1])) is not None:  # what grows into one that is there, joins
                in_label[n] = np.logaddexp(in_label[n], longer[parent, prefix[-1]])
                longer[parent, prefix[-1]] = -np.inf
        in_blank = np.append(in_blank, np.full(longer.size, -np.inf))
        in_label = np.append(in_label, longer)
        total = np.logaddexp(in_blank, in_label)
        best = np.argsort(-total, kind="stable")[:width]
        best = best[total[best] > -np.inf]
        grown = (best - len(prefixes)).tolist()
        prefixes = [prefixes[n + len(prefixes)] if n < 0 else (*prefixes[n // C], n % C) for n in grown]
        in_blank, in_label = in_blank[best], in_label[best]
    total = np.logaddexp(in_blank, in_label)
    return [Labelling(list(prefix), float(log_p)) for prefix, log_p in zip(prefixes, total)]


def _sequences(what: str, log_probs: Any, lengths: Any, blank: int) -> list[np.ndarray]:
    """The real steps of each sequence, (length, classes), on the host."""
    host = mg.tensor(log_probs).numpy()
    if host.ndim != 3 or 0 in host.shape:
        raise ShapeError(f"{what} takes log_probs (time, batch, classes), none of them 0, and was given {host.shape}")
    T, N, C = host.shape
    if not 0 <= blank < C:
        raise ValueError(f"{what}: blank must be one of the {C} classes, not {blank}")
    return [host[:length, n].astype("float64") for n, length in enumerate(check_lengths(lengths, T, N))]
