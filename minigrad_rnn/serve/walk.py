"""Reading and writing with a language model, one symbol at a time, with what its hidden units do at each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minigrad.errors import AnomalyError

from ..cells import State, parts_of
from ..charmodel import CharModel, Written


class Step(NamedTuple):
    """A symbol's text, its `probability` (None if it was given), and the units of each layer once it was read.

    The activations are one array (units) a layer: the first part of the layer's state, h of an LSTM.
    """

    text: str
    probability: float | None
    activations: list[np.ndarray]


def walk(
    model: CharModel,
    prime: str,
    length: int,
    temperature: float = 1.0,
    seed: int = 0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Iterator[Step]:
    """Yield a step for each symbol of `prime` and then for each of `length` that the model writes.

    They are those of `CharModel.write` (`temperature`, `seed`, `top_k` and `top_p` too). Nothing is shared between two
    walks: each may run in a thread of its own. A model with dropout is put in `eval()` by the caller. Raises TextError
    at once if `prime` has a character that the model does not know; on the way AnomalyError if its numbers are not
    finite.
    """
    codes = model.start_codes(prime)
    stands_in = not len(model.vocabulary.encode(prime))  # a symbol stands for an empty prime, and is not shown
    written = model.write(codes, length, temperature, seed, top_k, top_p)
    return itertools.islice(_steps(model, written), int(stands_in), None)


def _steps(model: CharModel, written: Iterator[Written]) -> Iterator[Step]:
    try:
        for code, probability, state in written:
            activations = _activations(state)
            if not all(np.isfinite(layer).all() for layer in activations):
                raise AnomalyError("a hidden unit is not finite")
            yield Step(model.vocabulary.decode([code]), probability, activations)
    except AnomalyError as error:
        raise AnomalyError("the model's numbers are not finite: its training diverged; give another model") from error


def _activations(state: State) -> list[np.ndarray]:
    """The first part of each layer's state (units), for a batch of one."""
    layers = [parts_of(layer)[0] for layer in state] if isinstance(state, list) else parts_of(state)[0]
    return [layer.numpy().ravel() for layer in layers]
