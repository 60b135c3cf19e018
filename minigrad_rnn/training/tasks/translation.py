"""One text into another, character by character."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend

from ...attention import AdditiveAttention, Attention, BilinearAttention, DotAttention
from ...cells import State
from ...data import TextError, Vocabulary, read_pairs
from ...decode import greedy
from ...evaluating import evaluating
from ...losses import sequence_loss
from ...seq2seq import Seq2Seq, padded
from ..config import Config
from .base import Task, digest_of, perplexity

START, END = 0, 1
SPECIAL = 2  # symbols before the characters
VALIDATED = 200  # pairs, at most


class Pairs(NamedTuple):
    """Sources and targets (time, batch), and how long they are."""

    sources: Any
    source_lengths: np.ndarray
    targets: Any
    target_lengths: np.ndarray


class Translation(Task):
    """An encoder and a decoder learn pairs of texts, by teacher forcing; judged by how many come out exactly right.

    Each pass takes the pairs in an order of its own, drawn from the seed. The last of the file, up to 200, are kept for
    validation.
    """

    model: Seq2Seq
    epoch: int
    unit = "character"
    metric, maximise = "accuracy", True

    def __init__(self, config: Config):
        if not config.text:
            raise TextError("pairs are read from a file: name it, a pair on each line with a tab between, with --text")
        pairs = read_pairs(config.text)
        self.source, self.digest = config.text, digest_of(repr(pairs))
        self.vocabularies = [Vocabulary("".join(pair[side] for pair in pairs)) for side in (0, 1)]
        encoded = [
            tuple((vocabulary.encode(text) + SPECIAL).tolist() for vocabulary, text in zip(self.vocabularies, pair))
            for pair in pairs
        ]
        kept = len(pairs) * config.validation if config.validation < 1 else config.validation
        cut = len(pairs) - max(1, min(VALIDATED, int(kept)))
        if cut < 1:
            raise TextError(f"of {len(pairs)} pairs none is left to train on: choose a smaller --validation")
        self.pairs, self.kept, self.texts = encoded[:cut], encoded[cut:], pairs[cut:]
        self.rows = min(config.batch, len(self.pairs))
        self.epoch = len(self.pairs) // self.rows
        self.validation_rows = len(self.kept)
        self.seed = config.seed
        sources, targets = (len(vocabulary) + SPECIAL for vocabulary in self.vocabularies)
        self.model = Seq2Seq(
            config.cell,
            sources,
            targets,
            config.embedding,
            config.hidden,
            layers=config.layers,
            attention=_attention(config),
            dropout=config.dropout,
            dtype=config.dtype,
            start_symbol=START,
            end_symbol=END,
            **config.options,
        )

    def batch(self, step: int, rows: slice) -> Pairs:
        epoch, number = divmod(step, self.epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pairs))
        return _padded([self.pairs[i] for i in order[number * self.rows :][: self.rows][rows]])

    def loss(self, batch: Pairs, state: State) -> tuple[mg.Tensor, int, State]:
        logits = self.model(batch.sources, batch.targets, batch.source_lengths)
        count = int(batch.target_lengths.sum())
        return sequence_loss(logits, batch.targets, batch.target_lengths), count, None

    def evaluate(self, rows: slice) -> np.ndarray:
        chosen = self.kept[rows]
        batch = _padded(chosen)
        with evaluating(self.model):
            loss, count, _ = self.loss(batch, None)
            written = self._translate(batch)
        right = sum(list(target) == symbols for (_, target), symbols in zip(chosen, written, strict=True))
        return np.array([loss.item() * count, count, right, len(chosen)])

    def _translate(self, batch: Pairs) -> list[list[int]]:
        state = self.model.start(batch.sources, batch.source_lengths)
        longest = max(len(target) for _, target in [*self.pairs, *self.kept]) + 10
        starts = np.full(len(batch.source_lengths), START)
        return [decoded.symbols for decoded in greedy(self.model, state, starts, longest, END)]

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        nats = float(sums[0] / sums[1])
        return {"loss": nats, "perplexity": perplexity(nats), "accuracy": float(sums[2] / sums[3])}

    def sample(self, length: int) -> str:
        with evaluating(self.model):
            written = self._translate(_padded(self.kept[:5]))
        texts = (self.vocabularies[1].decode([c - SPECIAL for c in codes if c >= SPECIAL]) for codes in written)
        return "\n".join(f"{source} -> {text}" for (source, _), text in zip(self.texts, texts))

    def describe(self) -> str:
        return f"{len(self.pairs) + len(self.kept):,} pairs of {self.source}; the last {len(self.kept):,} are kept"

    def metadata(self) -> dict[str, str]:
        symbols = [vocabulary.symbols for vocabulary in self.vocabularies]
        return {"kind": "minigrad-rnn translation model", "vocabulary": json.dumps(symbols)}


def _padded(pairs: list[Any]) -> Pairs:
    sources, source_lengths = padded([source for source, _ in pairs])
    targets, target_lengths = padded([target for _, target in pairs], END)
    asarray = current_backend().asarray
    return Pairs(asarray(sources), source_lengths, asarray(targets), target_lengths)


def _attention(config: Config) -> Attention | None:
    directions = 2 if config.options.get("bidirectional") else 1
    query, memory = config.hidden, config.hidden * directions
    if config.attention == "additive":
        return AdditiveAttention(query, memory, config.hidden, dtype=config.dtype)
    if config.attention == "bilinear":
        return BilinearAttention(query, memory, dtype=config.dtype)
    return DotAttention(query) if config.attention == "dot" else None
