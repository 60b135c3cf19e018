"""N-gram models, beside dictionaries that count the same."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from minigrad_rnn.data import NGram

SIZE = 7  # symbols; the last is never seen


@pytest.fixture(scope="module")
def codes():
    rng = np.random.default_rng(0)
    steps = rng.choice([0, 0, 0, 1, 1, 2, 3], size=700)
    return np.cumsum(steps) % (SIZE - 1)


class ByDictionary:
    """The same probabilities, from a dictionary of counters: one symbol at a time."""

    def __init__(self, codes, order, smoothing):
        self.order, self.smoothing = order, smoothing
        grams = [tuple(codes[i : i + k + 1]) for k in range(order + 1) for i in range(len(codes) - k)]
        self.followers = defaultdict(Counter)
        for gram in grams:
            self.followers[gram[:-1]][gram[-1]] += 1
        if smoothing == "kneser-ney":
            places = {gram for gram in grams if len(gram) > 1}
            lower = defaultdict(Counter)
            for gram in places:
                lower[gram[1:-1]][gram[-1]] += 1
            for history in [history for history in self.followers if len(history) < order]:
                self.followers[history] = lower[history]

    def discount(self, times, length):
        of_counts = Counter(c for h, found in self.followers.items() if len(h) == length for c in found.values())
        n = [of_counts[j] for j in range(5)]
        if not all(n[1:]):
            return 0.5
        j = min(times, 3)
        discount = j - (j + 1) * n[1] / (n[1] + 2 * n[2]) * n[j + 1] / n[j]
        return discount if discount > 0 else 0.5

    def probability(self, symbol, history):
        found = self.followers.get(history, Counter())
        count, total, kinds = found[symbol], sum(found.values()), len([1 for c in found.values() if c])
        if self.smoothing == "none":
            return count / total if total else 0.0
        if self.smoothing == "add-one":
            return (count + 1) / (total + SIZE)
        lower = self.probability(symbol, history[1:]) if history else 1 / SIZE
        if not total:
            return lower
        if self.smoothing == "witten-bell":
            return (count + kinds * lower) / (total + kinds)
        taken = {c: self.discount(c, len(history)) for c in set(found.values()) if c}
        rest = sum(taken[c] for c in found.values() if c)
        return (count - taken.get(count, 0.0) + rest * lower) / total


@pytest.mark.parametrize("smoothing", ["none", "add-one", "witten-bell", "kneser-ney"])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_the_probabilities_are_those_of_dictionaries(codes, order, smoothing):
    model = NGram(codes[:500], 3, SIZE, smoothing).of_order(order)
    reference = ByDictionary(codes[:500].tolist(), order, smoothing)
    held_out = np.append(codes[500:600], SIZE - 1)
    expected = [
        reference.probability(int(held_out[i]), tuple(held_out[max(0, i - order) : i].tolist()))
        for i in range(1, len(held_out))
    ]
    np.testing.assert_allclose(model.probabilities(held_out), expected, rtol=1e-12)
    for i in (1, 2, 50, 100):  # and all symbols at once
        history = held_out[:i]
        expected = [reference.probability(s, tuple(history[max(0, i - order) :].tolist())) for s in range(SIZE)]
        np.testing.assert_allclose(model.next(history), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("smoothing", ["add-one", "witten-bell", "kneser-ney"])
def test_the_probabilities_of_all_symbols_add_up_to_one(codes, smoothing):
    model = NGram(codes, 4, SIZE, smoothing)
    for history in ([], [0], codes[10:14], codes[-4:], [SIZE - 1, 0], [SIZE - 1] * 9):
        assert model.next(history).min() > 0
        np.testing.assert_allclose(model.next(history).sum(), 1, rtol=1e-12)


def test_a_short_text_leaves_something_to_what_it_has_not():
    """Of pairs, 1 comes once, 1 twice, 1 three times and 3 four times: by the formula 3 and more lose 3 - 4 < 0."""
    pairs = [(0, 1)] * 1 + [(2, 3)] * 2 + [(4, 5)] * 3 + [(6, 7)] * 4 + [(8, 9)] * 4 + [(10, 11)] * 4
    joints = range(12, 12 + len(pairs))  # each once: what stands between the pairs
    codes = np.concatenate([[a, b, joint] for (a, b), joint in zip(pairs, joints)])
    model = NGram(codes, 1, 40)
    for first in range(40):
        assert model.next([first]).min() > 0
        np.testing.assert_allclose(model.next([first]).sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(model.probabilities([6, 7])[0] - 0.5 / 4 * model.next([])[7], 3.5 / 4, rtol=1e-12)
    assert np.isfinite(model.bits([6, 39, 0, 8, 5]))


def test_bits():
    """After 0 came 1 three times and 0 once, after 1 came 0 three times; with one added to each."""
    train = np.array([0, 0, 1, 0, 1, 0, 1, 0])
    expected = -np.mean(np.log2([4 / 6, 4 / 5, 2 / 6]))  # 0 -> 1, 1 -> 0, 0 -> 0
    np.testing.assert_allclose(NGram(train, 1, 2, "add-one").bits([0, 1, 0, 0]), expected, rtol=1e-12)
    assert NGram(train, 1, 2, "none").bits([0, 1, 1]) == np.inf


def test_what_it_writes(codes):
    """Without smoothing only what was seen, and beyond the end of the text too; the same from the same seed."""
    train = codes[:60]
    model = NGram(train, 3, SIZE, "none")
    written = list(model.write(train[-3:], 200, seed=1))
    assert written == list(model.write(train[-3:], 200, seed=1))
    assert len(written) == 200
    assert set(written) <= set(train.tolist())
    seen = {tuple(train[i : i + 4]) for i in range(len(train) - 3)}
    text = [*train[-3:].tolist(), *written]
    unseen = [i for i in range(3, len(text)) if tuple(text[i - 3 : i + 1]) not in seen]
    ends = tuple(train[-3:])  # the one history that nothing may have followed
    assert all(tuple(text[i - 3 : i]) == ends for i in unseen[:1])


def test_what_it_refuses(codes):
    with pytest.raises(ValueError, match="order"):
        NGram(codes[:5], 5, SIZE)
    with pytest.raises(ValueError, match="kneser-ney"):
        NGram(codes, 1, SIZE, "laplace")
    with pytest.raises(ValueError, match="counted"):
        NGram(codes, 2, SIZE).of_order(3)
    with pytest.raises(ValueError, match="give at least 2, not 1"):
        NGram(codes, 2, SIZE).bits(codes[:1])
    for asked in (lambda model: model.next([SIZE]), lambda model: model.probabilities([0, -1])):
        with pytest.raises(ValueError, match=f"symbols are 0 to {SIZE - 1}, and are"):
            asked(NGram(codes, 2, SIZE))
