"""One text into another, character by character."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.backend import current_backend

from ...attention import AdditiveAttention, Alignment, Attention, BilinearAttention, DotAttention
from ...cells import State
from ...data import TextError, Vocabulary, read_pairs
from ...data.padding import padded
from ...data.splits import share_of
from ...decode import greedy
from ...evaluating import evaluating
from ...losses import sequence_loss
from ...seq2seq import Seq2Seq
from ..config import Config
from .base import Task, digest_of, perplexity

START, END = 0, 1
SPECIAL = 2  # symbols before the characters
VALIDATED = 200  # pairs, at most, of a share
SPARE = 10  # symbols that may be written beyond the longest target
AT_ONCE = 256  # pairs that are translated together


class Pairs(NamedTuple):
    """Sources and targets (time, batch), how long they are, and how often the decoder reads the truth."""

    sources: Any
    source_lengths: np.ndarray
    targets: Any
    target_lengths: np.ndarray
    teacher_forcing: float = 1.0


class Translation(Task):
    """An encoder and a decoder learn pairs of texts (source, target); judged by how many come out exactly right.

    Each pass takes the pairs in an order of its own, drawn from the seed. The last `config.validation` of them are kept
    for validation (of a share, up to 200): `texts`; the others are `known`. Without `pairs` they are those of the file
    `config.text`. `teacher_forcing` says, of an update's number, the probability of `Seq2Seq.forward`; without it the
    decoder always reads the truth.
    """

    model: Seq2Seq
    epoch: int
    unit = "character"
    metric, maximise = "accuracy", True

    def __init__(
        self,
        config: Config,
        pairs: Sequence[tuple[str, str]] | None = None,
        teacher_forcing: Callable[[int], float] | None = None,
    ):
        if pairs is None and not config.text:
            raise TextError(
                "pairs are read from a file, one on each line with a tab between: give its name as text (--text)"
            )
        self.source = config.text if pairs is None else "a list"
        pairs = read_pairs(config.text) if pairs is None else list(pairs)
        self.digest, self.teacher_forcing = digest_of(repr(pairs)), teacher_forcing
        texts = ["".join(pair[side] for pair in pairs) for side in (0, 1)]
        if config.options.get("shared"):  # weights, and so the symbols
            texts = ["".join(texts)] * 2
        self.vocabularies = [Vocabulary(text) for text in texts]
        encoded = [(self._encode(0, source), self._encode(1, target)) for source, target in pairs]
        self.longest = max(len(target) for _, target in encoded)
        share = min(VALIDATED, max(1, share_of(config.validation, len(pairs))))
        cut = len(pairs) - (share if config.validation < 1 else int(config.validation))
        if cut < 1:
            raise TextError(
                f"of {len(pairs)} pairs none is left beside the validation: keep fewer for it (--validation)"
            )
        self.pairs, self.kept, self.known, self.texts = encoded[:cut], encoded[cut:], pairs[:cut], pairs[cut:]
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
        batch = _padded([self.pairs[i] for i in order[number * self.rows :][: self.rows][rows]])
        return batch._replace(teacher_forcing=self.teacher_forcing(step)) if self.teacher_forcing else batch

    def loss(self, batch: Pairs, state: State) -> tuple[mg.Tensor, int, State]:
        logits = self.model(batch.sources, batch.targets, batch.source_lengths, batch.teacher_forcing)
        count = int(batch.target_lengths.sum())
        return sequence_loss(logits, batch.targets, batch.target_lengths), count, None

    def evaluate(self, rows: slice) -> np.ndarray:
        chosen = self.kept[rows]
        sums = np.zeros(4)
        with evaluating(self.model):
            for first in range(0, len(chosen), AT_ONCE):
                some = chosen[first : first + AT_ONCE]
                batch = _padded(some)
                loss, count, _ = self.loss(batch, None)
                right = sum(list(target) == found for (_, target), found in zip(some, self._written(batch)))
                sums += [loss.item() * count, count, right, len(some)]
        return sums

    def translate(self, sources: Sequence[str]) -> list[str]:
        """What the model makes of texts, greedily. Raises TextError for a character that there was not."""
        found: list[str] = []
        with evaluating(self.model):
            for first in range(0, len(sources), AT_ONCE):
                some = self.encoded(sources[first : first + AT_ONCE])
                found += [self._decode(codes) for codes in self._written(some)]
        return found

    def encoded(self, sources: Sequence[str], targets: Sequence[str] | None = None) -> Pairs:
        """Texts as symbols, without targets empty ones. Raises TextError for a character that there was not."""
        targets = [""] * len(sources) if targets is None else targets
        return _padded([(self._encode(0, source), self._encode(1, target)) for source, target in zip(sources, targets)])

    def alignment(self, source: str) -> Alignment:
        """What the model makes of a text, and how much of each of its characters it reads to write each."""
        with evaluating(self.model):
            batch = self.encoded([source])
            (codes,) = self._written(batch)
            if not codes:
                return Alignment(source, "", np.zeros((0, len(source))))
            weights = self.model.alignment(batch.sources, padded([codes])[0], batch.source_lengths).numpy()
        return Alignment(source, self._decode(codes), weights[:, 0])

    def log_probabilities(self, source: str, target: str) -> np.ndarray:
        """Of each symbol at each step, while the true `target` is written, and of the end: (len(target) + 1, symbols).

        The symbol `model.end_symbol` is the end. Raises TextError for a character that there was not.
        """
        with evaluating(self.model):
            batch = self.encoded([source], [target])
            return mg.log_softmax(self.model(batch.sources, batch.targets, batch.source_lengths)[:, 0]).numpy()

    def _written(self, batch: Pairs) -> list[list[int]]:
        state = self.model.start(batch.sources, batch.source_lengths)
        starts = np.full(len(batch.source_lengths), START)
        return [decoded.symbols for decoded in greedy(self.model, state, starts, self.longest + SPARE, END)]

    def _encode(self, side: int, text: str) -> tuple[int, ...]:
        return tuple((self.vocabularies[side].encode(text) + SPECIAL).tolist())

    def _decode(self, codes: Sequence[int]) -> str:
        return self.vocabularies[1].decode([code - SPECIAL for code in codes if code >= SPECIAL])

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        nats = float(sums[0] / sums[1])
        return {"loss": nats, "perplexity": perplexity(nats), "accuracy": float(sums[2] / sums[3])}

    def sample(self, length: int) -> str:
        sources = [source for source, _ in self.texts[:5]]
        return "\n".join(f"{source} -> {text}" for source, text in zip(sources, self.translate(sources)))

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
