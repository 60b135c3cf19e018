"""N-gram models: the next symbol, from how often each followed the same few symbols before."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

SMOOTHINGS = ("none", "add-one", "witten-bell", "kneser-ney")
FLAT = ("none", "add-one")  # those that do not ask shorter histories


class _Level(NamedTuple):
    """What followed the histories of one length. Gram i is a history and the symbol after it, and a longer history."""

    keys: np.ndarray  # (grams,) number of the history · count + symbol, rising
    starts: np.ndarray  # (histories + 1,) where the grams of each history begin
    counts: np.ndarray  # (grams,) how often each is in the text
    befores: np.ndarray  # (grams,) how many different symbols came before each, for Kneser and Ney


class NGram:
    """What followed each history of up to `order` symbols in `codes`, counted; symbols are 0 to `count` - 1.

        model = NGram(train, 5, len(vocabulary))
        model.bits(held_out), model.of_order(2).bits(held_out)

    `smoothing` says what is made of the counts c(h, s) of histories h and what came next; h' is h without its first
    symbol:

    - "none": c(h, s) / c(h), and 0 for what was never seen (Goldberg 2015)
    - "add-one": (c(h, s) + 1) / (c(h) + count)
    - "witten-bell": (c(h, s) + n(h) p(s | h')) / (c(h) + n(h)), n(h) being how many kinds of symbols followed h
      (Witten and Bell 1991, their method C; interpolated as in Chen and Goodman 1998, section 2.4)
    - "kneser-ney": (c(h, s) - D + γ(h) p(s | h')) / c(h), where p(s | h') counts after how many different
      symbols h' s was seen; the discounts D of counts of 1, 2 and more make up γ (modified: Chen and Goodman 1998,
      section 3; 1/2 where the text is too small to tell one, so that something is always left to what was not seen)

    Below the empty history all symbols are as likely. A history that was never seen is shortened until it was; only
    "none" and "add-one" do not. Raises ValueError for an unknown smoothing, for fewer symbols than a gram has, and for
    symbols that are not from 0 to `count` - 1, here and in what is asked later.
    """

    def __init__(self, codes: np.ndarray, order: int, count: int, smoothing: str = "kneser-ney"):
        if not 0 <= order < len(codes):
            raise ValueError(f"order must be from 0 up, and below the {len(codes)} symbols that there are, not {order}")
        self.count = count
        self._levels = _levels(self._checked(codes), order, count)
        self._choose(order, smoothing)

    def _checked(self, codes: Any) -> np.ndarray:
        codes = np.asarray(codes, np.int64)
        if codes.size and not 0 <= codes.min() <= codes.max() < self.count:
            raise ValueError(f"symbols are 0 to {self.count - 1}, and are {codes.min()} to {codes.max()}")
        return codes

    def of_order(self, order: int, smoothing: str | None = None) -> NGram:
        """The model of a lower order, or with another smoothing, of the same counts."""
        if not 0 <= order < len(self._levels):
            raise ValueError(f"order must be from 0 to {len(self._levels) - 1}, which was counted, not {order}")
        other = copy.copy(self)
        other._choose(order, smoothing or self.smoothing)
        return other

    def _choose(self, order: int, smoothing: str) -> None:
        if smoothing not in SMOOTHINGS:
            raise ValueError(f"smoothing must be one of {', '.join(SMOOTHINGS)}, not {smoothing!r}")
        self.order, self.smoothing = order, smoothing
        self._base = 0.0 if smoothing == "none" else 1 / self.count
        self._shares = [self._share(self._levels[k], top=k == order) for k in range(order + 1)]

    def _share(self, level: _Level, top: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(own, rest, every), of which p = (own[gram] + rest[history] p(shorter history)) / every[history].

        The last number of each is for what was never seen.
        """
        counts = level.befores if self.smoothing == "kneser-ney" and not top else level.counts
        own = counts.astype(np.float64)
        every = self._total(level, own)
        if self.smoothing == "kneser-ney":
            discounts = _discounts(counts)[np.minimum(counts, 3)]
            own -= discounts
            rest = self._total(level, discounts)
        else:
            kinds = {"none": np.zeros_like(every), "add-one": np.full_like(every, self.count)}
            rest = kinds.get(self.smoothing, np.diff(level.starts).astype(np.float64))
            every = every + rest
        unseen = float(self.count) if self.smoothing == "add-one" else 0.0
        return np.append(own, 0.0), np.append(rest, unseen), np.append(every, unseen)

    def _total(self, level: _Level, numbers: np.ndarray) -> np.ndarray:
        """The sum over each history's grams; 0 for that which ends the text, and has none."""
        return np.bincount(level.keys // self.count, numbers, minlength=len(level.starts) - 1)

    def probabilities(self, codes: Any) -> np.ndarray:
        """p(symbol | the `order` before it) of each of `codes` but the first; (len(codes) - 1,).

        The history of the first few is what there is before them.
        """
        codes = self._checked(codes)
        p = np.full(max(0, len(codes) - 1), self._base)
        histories = np.zeros(len(codes) + 1, np.int64)  # of the length k that begin at each place; -1: never seen
        for k, (own, rest, every) in enumerate(self._shares[: len(codes)]):
            grams = _find(self._levels[k].keys, histories[:-1], codes[k:], self.count)
            new = max(1 - k, 0)  # the first symbol is given
            before, after = histories[new:-1], p[max(k - 1, 0) :]
            lower = np.full_like(after, self._base) if self.smoothing in FLAT else after
            sums, known = own[grams[new:]] + rest[before] * lower, every[before] > 0
            p[max(k - 1, 0) :] = np.divide(sums, every[before], out=lower, where=known)
            histories = grams
        return p

    def bits(self, codes: Any) -> float:
        """The mean of -log2 p over `codes` but the first: bits per symbol, infinite where one was held for impossible.

        Raises ValueError for fewer than two.
        """
        if len(codes) < 2:
            raise ValueError(f"bits are a mean over the symbols after the first: give at least 2, not {len(codes)}")
        with np.errstate(divide="ignore"):
            return float(-np.log2(self.probabilities(codes)).mean())

    def next(self, history: Any) -> np.ndarray:
        """p(symbol | the last `order` of `history`) for every symbol: (count,)."""
        history = self._checked(history)
        p = np.full(self.count, self._base)
        for k in range(min(self.order, len(history)) + 1):
            level, (own, rest, every) = self._levels[k], self._shares[k]
            row = self._row(history[len(history) - k :])
            if self.smoothing in FLAT:
                p = np.full(self.count, self._base)
            if every[row] > 0:
                p = rest[row] * p
                if row >= 0:
                    grams = slice(level.starts[row], level.starts[row + 1])
                    p[level.keys[grams] % self.count] += own[grams]
                p /= every[row]
        return p

    def _row(self, history: np.ndarray) -> int:
        """The number of a history, -1 if it was never seen."""
        row = np.zeros(1, np.int64)
        for k, code in enumerate(history):
            row = _find(self._levels[k].keys, row, np.array([code]), self.count)
        return int(row[0])

    def write(self, codes: Any, length: int, seed: int = 0) -> Iterator[int]:
        """Yield `length` symbols that go on from `codes`, each drawn by its probability, from `seed` on.

        Where nothing is possible ("none", at the end of the text that was counted) the history is shortened.
        """
        generator, written = np.random.default_rng(seed), [int(code) for code in codes]
        for _ in range(length):
            history = written[len(written) - self.order :] if self.order <= len(written) else written
            while not (p := self.next(history)).any():
                history = history[1:]
            code = int(generator.choice(self.count, p=p / p.sum()))
            written.append(code)
            yield code


def _levels(codes: np.ndarray, order: int, count: int) -> list[_Level]:
    """The grams of 1 to order + 1 symbols; gram i of one level is history i of the next."""
    levels: list[_Level] = []
    histories, size = np.zeros(len(codes) + 1, np.int64), 1
    for k in range(order + 1):
        keys, grams, counts = np.unique(histories[:-1] * count + codes[k:], return_inverse=True, return_counts=True)
        if levels:  # the shorter gram that each of these ends in has one more symbol before it
            shorter = np.empty(len(keys), np.int64)
            shorter[grams] = histories[1:]
            levels[-1] = levels[-1]._replace(befores=np.bincount(shorter, minlength=size))
        levels.append(_Level(keys, np.searchsorted(keys, np.arange(size + 1) * count), counts, counts))
        histories, size = grams, len(keys)
    return levels


def _find(keys: np.ndarray, histories: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """The numbers of grams by their histories' numbers and their symbols; -1 for those that are not among `keys`."""
    wanted = histories * count + codes
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((histories >= 0) & (keys[places] == wanted), places, -1)


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from counts of 0, 1, 2, and 3 or more (Chen and Goodman 1998, eq. 26)."""
    n = np.array([(counts == times).sum() for times in range(1, 5)], np.float64)
    if not n.all():
        return np.array([0.0, 0.5, 0.5, 0.5])
    Y = n[0] / (n[0] + 2 * n[1])
    times = np.array([1.0, 2.0, 3.0])
    discounts = times - (times + 1) * Y * n[1:] / n[:3]
    return np.append(0.0, np.where(discounts > 0, discounts, 0.5))  # with none, what is unseen would be impossible
