"""A character language model: embedding, recurrent layers, and a softmax over the next character."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import CheckpointError
from minigrad.nn import Embedding, Linear, Module
from minigrad.serialize import load_with_metadata

from .cells import State
from .data import Vocabulary, streams
from .layers import Recurrent

KIND = "minigrad-rnn character model"
FORMAT = "1"


class CharModel(Module):
    """Characters in, scores of the next character out; `cell` as for `Recurrent`."""

    def __init__(self, vocabulary: Vocabulary, cell: str, embedding: int, hidden: int, layers: int = 1):
        self.vocabulary = vocabulary
        self.config = {"cell": cell, "embedding": embedding, "hidden": hidden, "layers": layers}
        self.embedding = Embedding(len(vocabulary), embedding)
        self.recurrent = Recurrent(cell, embedding, hidden, layers)
        self.head = Linear(hidden, len(vocabulary))

    def forward(self, codes: Any, state: State = None) -> tuple[mg.Tensor, State]:
        """Codes (time, batch) -> logits (time, batch, characters) and the state to go on from."""
        hidden, state = self.recurrent(self.embedding(codes), state)
        return self.head(hidden), state

    @mg.no_grad()
    def bits_per_character(self, codes: np.ndarray, batch: int = 32, length: int = 64) -> float:
        """The mean of -log2 p(next character) over `codes`, the state carried along each of `batch` streams."""
        state: State = None
        total, count = 0.0, 0
        for inputs, targets in streams(codes, batch, length, repeat=False):
            logits, state = self(inputs, state)
            total += mg.nn.cross_entropy(logits, targets).item() * targets.size
            count += targets.size
        return total / count / math.log(2)

    @mg.no_grad()
    def _next(self, code: int, state: State) -> tuple[np.ndarray, State]:
        logits, state = self(mg.full((1, 1), code, dtype="int64"), state)
        return logits.numpy()[0, 0].astype("float64"), state

    def continue_text(self, prime: str, length: int, temperature: float = 1.0, seed: int = 0) -> Iterator[str]:
        """Yield `length` characters after `prime` (after a new line if it is empty).

        They are drawn from softmax(logits / temperature); temperature 0 takes the likeliest. Raises TextError at
        once if `prime` has a character that the model does not know.
        """
        start = "\n" if "\n" in self.vocabulary.characters else self.vocabulary.characters[0]
        codes = self.vocabulary.encode(prime or start)
        return self._sample(codes, length, temperature, np.random.default_rng(seed))

    def _sample(self, codes: np.ndarray, length: int, temperature: float, generator: Any) -> Iterator[str]:
        state: State = None
        for code in codes:
            logits, state = self._next(int(code), state)
        for _ in range(length):
            if temperature > 0:
                scaled = np.exp((logits - logits.max()) / temperature)
                code = generator.choice(len(scaled), p=scaled / scaled.sum())
            else:
                code = int(logits.argmax())
            yield self.vocabulary.characters[code]
            logits, state = self._next(int(code), state)

    def save(self, path: str | Path) -> None:
        """Write the weights and all that is needed to use them to a safetensors file, whole or not at all."""
        metadata = {
            "kind": KIND,
            "format": FORMAT,
            "config": json.dumps(self.config),
            "vocabulary": json.dumps(self.vocabulary.characters),
        }
        mg.save(path, self.state_dict(), metadata)

    @staticmethod
    def load(path: str | Path, cell: str | None = None) -> CharModel:
        """The model in the file `path`, made where `use_backend` says.

        A model of a cell given as module:Class wants it named again as `cell`: a file does not choose what is imported.
        Raises CheckpointError for a file that is no character model, or damaged.
        """
        state, metadata = load_with_metadata(path)
        if metadata.get("kind") != KIND:
            raise CheckpointError(f"{path} holds no character model: give a model.safetensors of `minigrad-rnn train`")
        if metadata.get("format") != FORMAT:
            raise CheckpointError(
                f"{path} has format {metadata.get('format')} and this version reads {FORMAT}: upgrade minigrad"
            )
        try:
            vocabulary = Vocabulary(json.loads(metadata["vocabulary"]))
            config = json.loads(metadata["config"])
            sizes = {name: int(config[name]) for name in ("embedding", "hidden", "layers")}
            fits = (
                state["embedding.weight"].shape == (len(vocabulary), sizes["embedding"])
                and state["head.weight"].shape == (sizes["hidden"], len(vocabulary))
                and 1 <= sizes["layers"] <= len(state)
            )
            name = str(config["cell"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{path} is damaged: its description cannot be read ({error!r}); use a copy"
            ) from error
        if not fits:
            raise CheckpointError(f"{path} is damaged: its tensors do not fit its description; use a copy")
        if ":" in name and cell is None:
            raise CheckpointError(f"{path} was trained with a cell of its user's own, {name}: name it with --cell")
        model = CharModel(vocabulary, cell or name, **sizes)
        model.load_state_dict(state)
        return model
