"""Language models: the next character, or word, of a text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad as mg

from ...cells import State
from ...charmodel import CharModel
from ...data import NGram, Streams, Vocabulary, Words, split, text_of
from ...evaluating import evaluating
from ..config import Config, ConfigError
from .base import Task, digest_of, perplexity

VALIDATION_STREAMS = 32


class Language(Task):
    """The text is cut into `batch` streams, read side by side, `length` symbols at a time.

    Trained by truncated backpropagation through time (Williams and Peng 1990): the state is carried from piece to
    piece, without gradient, and starts anew with each pass. Validation reads all of the text that was kept, in up to 32
    streams, the state carried along each: nats, bits (a character) or perplexity (a word). The text is that of the
    configuration, or `text`.
    """

    model: CharModel
    epoch: int

    def __init__(self, config: Config, text: str | None = None):
        if refused := [name for name in ("bidirectional", "batch_first") if config.options.get(name)]:
            raise ConfigError(f"a language model cannot be {refused[0]}: it would read its own answers; leave it out")
        text = text_of(config.text) if text is None else text
        words = config.kind == "words"
        vocabulary: Vocabulary | Words = Words.of(text, config.vocabulary) if words else Vocabulary(text)
        codes = vocabulary.encode(text)
        self.train, self.validation = split(codes, config.validation)
        self.digest = digest_of(text)
        self.source = config.text or "the source of Python's standard library"
        self.streams = Streams(self.train, config.batch, config.length)
        self.validation_streams = Streams(self.validation, VALIDATION_STREAMS, max(config.length, 64))
        self.rows, self.epoch, self.carry = self.streams.batch, len(self.streams), config.carry
        self.validation_rows = self.validation_streams.batch
        self.unit = vocabulary.unit
        self.metric = "perplexity" if words else "bits_per_character"
        self.seed = config.seed
        self.model = CharModel(
            vocabulary,
            config.cell,
            config.embedding,
            config.hidden,
            config.layers,
            config.dropout,
            config.output_dropout,
            config.dtype,
            config.options,
        )

    def batch(self, step: int, rows: slice) -> tuple[Any, Any]:
        return self.streams.piece(step % self.epoch, rows)

    def loss(self, batch: tuple[Any, Any], state: State) -> tuple[mg.Tensor, int, State]:
        inputs, targets = batch
        logits, state = self.model(inputs, state)
        return mg.nn.cross_entropy(logits, targets), targets.size, state

    def evaluate(self, rows: slice) -> np.ndarray:
        return np.array(self.model.nats(self.validation_streams, rows))

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        nats = float(sums[0] / sums[1])
        if self.metric == "perplexity":
            return {"loss": nats, "perplexity": perplexity(nats)}
        return {"loss": nats, "bits_per_character": nats / math.log(2)}

    def sample(self, length: int) -> str:
        with evaluating(self.model):
            return "".join(self.model.continue_text("", length, 0.8, self.seed))

    def describe(self) -> str:
        count = len(self.train) + len(self.validation)
        return (
            f"{self.source}, {count:,} {self.unit}s of {len(self.model.vocabulary)} kinds; the last "
            f"{len(self.validation):,} are kept for validation"
        )

    def bigram_bits(self) -> float:
        """What the add-one bigram model of the training text comes to on the rest, in bits: the figure to beat."""
        return NGram(self.train, 1, len(self.model.vocabulary), "add-one").bits(self.validation)

    def metadata(self) -> dict[str, str]:
        return self.model.metadata()
