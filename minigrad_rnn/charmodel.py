"""A language model: embedding, recurrent layers, and a softmax over the next character, or word."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.errors import AnomalyError, CheckpointError
from minigrad.nn import Dropout, Embedding, Linear, Module, init
from minigrad.serialize import load_with_metadata

from .cells import State, UnknownCellError
from .data import Streams, Vocabulary, Words
from .decode import sampling_probabilities
from .evaluating import evaluating
from .layers import Recurrent

KIND = "minigrad-rnn character model"
FORMAT = "2"
OWN = "training."  # what tensors of a checkpoint are called that are no weights


class Written(NamedTuple):
    """The `code` of a symbol written or read, its `probability` (None if it was given), and the state after it."""

    code: int
    probability: float | None
    state: State


class CharModel(Module):
    """Symbols in, scores of the next symbol out; `cell`, `dropout` (between layers) and `options` as for `Recurrent`.

    Called with codes of `vocabulary` (time, batch) and a state; returns logits (time, batch, symbols) and the state
    after. Each symbol is an `embedding` numbers wide, each of the layers `hidden` units. `output_dropout` is dropout
    on what the output layer reads.
    """

    def __init__(
        self,
        vocabulary: Vocabulary | Words,
        cell: str,
        embedding: int,
        hidden: int,
        layers: int = 1,
        dropout: float = 0.0,
        output_dropout: float = 0.0,
        dtype: str = "float32",
        options: Mapping[str, Any] | None = None,
    ):
        self.vocabulary = vocabulary
        self.config = {
            "cell": cell,
            "embedding": embedding,
            "hidden": hidden,
            "layers": layers,
            "dropout": dropout,
            "output_dropout": output_dropout,
            "dtype": dtype,
            "options": dict(options or {}),
        }
        self.embedding = Embedding(len(vocabulary), embedding, dtype=dtype)
        self.recurrent = Recurrent(cell, embedding, hidden, layers, dropout=dropout, dtype=dtype, **(options or {}))
        self.dropout = Dropout(output_dropout)
        self.head = Linear(self.recurrent.output_size, len(vocabulary), dtype=dtype)

    def forward(self, codes: Any, state: State = None) -> tuple[mg.Tensor, State]:
        """Codes (time, batch) -> logits (time, batch, symbols) and the state to go on from."""
        hidden, state = self.recurrent(self.embedding(codes), state)
        return self.head(self.dropout(hidden)), state

    def nats(self, streams: Streams, rows: slice = slice(None)) -> tuple[float, int]:
        """Σ -ln p(next symbol) over the streams `rows`, the state carried along each, and how many symbols."""
        state: State = None
        total, count = 0.0, 0
        with evaluating(self):
            for number in range(len(streams)):
                inputs, targets = streams.piece(number, rows)
                logits, state = self(inputs, state)
                total += mg.nn.cross_entropy(logits, targets).item() * targets.size
                count += targets.size
        return total, count

    def bits_per_character(self, codes: np.ndarray, batch: int = 32, length: int = 64) -> float:
        """The mean of -log2 p(next character) over `codes`, the state carried along each of `batch` streams."""
        total, count = self.nats(Streams(codes, batch, length))
        return total / count / math.log(2)

    def write(
        self,
        codes: Any,
        length: int,
        temperature: float = 1.0,
        seed: int = 0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Iterator[Written]:
        """Read the symbols `codes`, then yield `length` more of the model's own; the first yielded is the first read.

        Drawn by `sampling_probabilities`, from the `seed` on; temperature 0 takes the likeliest. The model is left as
        it is, and so is every generator of random numbers: several threads may write with one model. Raises
        AnomalyError where the scores are not finite.
        """
        generator = np.random.default_rng(seed)
        state: State = None
        given = [int(code) for code in codes]
        logits = np.zeros(0)
        for n in range(len(given) + length):
            probability = None
            if n < len(given):
                code = given[n]
            else:
                p = sampling_probabilities(logits, temperature or 1.0, top_k, top_p)
                code = int(generator.choice(len(p), p=p)) if temperature > 0 else int(p.argmax())
                probability = float(p[code])
            logits, state = self._next(code, state)
            if not np.isfinite(logits).all():
                raise AnomalyError("the model's scores are not finite: its training diverged; give another model")
            yield Written(code, probability, state)

    @mg.no_grad()
    def _next(self, code: int, state: State) -> tuple[np.ndarray, State]:
        logits, state = self(mg.full((1, 1), code, dtype="int64"), state)
        return logits.numpy()[0, 0].astype("float64"), state

    def start_codes(self, prime: str) -> np.ndarray:
        """The symbols of `prime`, a new line if it is empty. Raises TextError for a character that is not known."""
        codes = self.vocabulary.encode(prime)
        if not len(codes):
            symbols = self.vocabulary.symbols
            codes = np.array([symbols.index("\n") if "\n" in symbols else 0])
        return codes

    def continue_text(self, prime: str, length: int, temperature: float = 1.0, seed: int = 0) -> Iterator[str]:
        """Yield the texts of `length` symbols after `prime`, as `CharModel.write` does. Raises TextError at once."""
        codes = self.start_codes(prime)
        written = self.write(codes, length, temperature, seed)
        return (self.vocabulary.decode([w.code]) for n, w in enumerate(written) if n >= len(codes))

    def metadata(self) -> dict[str, str]:
        """What a file of its weights needs beside them, for `load`."""
        return {
            "kind": KIND,
            "format": FORMAT,
            "config": json.dumps(self.config),
            "unit": self.vocabulary.unit,
            "vocabulary": json.dumps(self.vocabulary.symbols),
        }

    def save(self, path: str | Path) -> None:
        """Write the weights and all that is needed to use them to a safetensors file, whole or not at all."""
        mg.save(path, self.state_dict(), self.metadata())

    @staticmethod
    def load(path: str | Path, cell: str | None = None) -> CharModel:
        """The model in the file `path`, also in a run's checkpoint, ready to write (`eval`), where `use_backend` says.

        A model of a cell given as module:Class wants it named again as `cell`: a file does not choose what is imported.
        Raises CheckpointError for a file that is no language model, or damaged; no more memory is used than a few
        times the file's size.
        """
        tensors, metadata = load_with_metadata(path, finite=True)
        if metadata.get("kind") != KIND:
            raise CheckpointError(f"{path} holds no language model: give a model.safetensors of `minigrad-rnn train`")
        if metadata.get("format") != FORMAT:
            raise CheckpointError(
                f"{path} has format {metadata.get('format')} and this version reads {FORMAT}: upgrade minigrad, or "
                "train again if the file is the older one"
            )
        state = {name: tensor for name, tensor in tensors.items() if not name.startswith(OWN)}
        try:
            config = json.loads(metadata["config"])
            name = config["cell"]
            symbols = json.loads(metadata["vocabulary"])
            vocabulary = Words(symbols) if metadata.get("unit") == Words.unit else Vocabulary(symbols)
            largest = max(tensor.size for tensor in state.values())
            fits = _plausible(config, largest) and len(vocabulary) <= largest and 1 <= config["layers"] <= len(state)
            if not fits or config["dtype"] not in ("float32", "float64"):
                raise ValueError("sizes that its tensors do not have")
            if ":" in name and cell is None:
                raise CheckpointError(f"{path} was trained with a cell of its user's own, {name}: name it with --cell")
            with init.skipped():  # so that sizes which are too large take no memory of the host's
                model = CharModel(vocabulary, **(config | {"cell": cell or name}))
            model.load_state_dict(state)
        except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
            if isinstance(error, CheckpointError) or (cell and isinstance(error, UnknownCellError)):
                raise
            raise CheckpointError(
                f"{path} is damaged: its description cannot be read ({error!r}); use a copy"
            ) from error
        return model.eval()


def _plausible(value: Any, largest: int) -> bool:
    """Is no number in a description, read from JSON, larger than the file's largest tensor."""
    if isinstance(value, dict):
        return all(_plausible(part, largest) for part in value.values())
    if isinstance(value, list):
        return len(value) <= 8 and all(_plausible(part, largest) for part in value)
    return not isinstance(value, (int, float)) or -largest <= value <= max(largest, 1)
