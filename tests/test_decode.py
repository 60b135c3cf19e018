"""Greedy decoding, sampling and beam search, against all strings of a small model."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad_rnn.beam import beam, length_penalty
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.data import Vocabulary
from minigrad_rnn.decode import Decoder, LanguageModel, greedy, sample, sampling_probabilities, select, with_stop

V, END = 4, 3


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class Memory(NamedTuple):
    """Part of a state."""

    words: mg.Tensor
    nothing: None = None


class Table:
    """A decoder whose log-probabilities depend on the whole prefix, which its nested state holds."""

    def __init__(self, seed=0, sharpness=1.5):
        self.seed, self.sharpness = seed, sharpness

    def start(self, batch=1):
        return {"who": np.arange(batch), "read": (Memory(mg.tensor(np.zeros((batch, 1), "int64"))), [None])}

    def step(self, symbols, state):
        memory, rest = state["read"]
        words = mg.concatenate([memory.words, mg.tensor(np.asarray(symbols).reshape(-1, 1))], axis=1)
        rows = [self.row(who, prefix[2:]) for who, prefix in zip(state["who"], words.numpy())]
        return mg.tensor(np.stack(rows)), {"who": state["who"], "read": (Memory(words), rest)}

    def row(self, who, prefix):
        generator = np.random.default_rng([self.seed, int(who), *map(int, prefix), len(prefix)])
        return log_softmax(self.sharpness * generator.normal(size=V))


def all_strings(table, who, longest, end=END):
    """Every string that ends or is cut off, with its log-probability, and whether it ended."""
    for length in range(longest + 1):
        for symbols in itertools.product([v for v in range(V) if v != end], repeat=length):
            log_p = sum(table.row(who, symbols[:t])[v] for t, v in enumerate(symbols))
            if length < longest and end is not None:
                yield list(symbols), log_p + table.row(who, symbols)[end], True
            elif length == longest:
                yield list(symbols), log_p, False


def first(batch):
    return np.zeros(batch, int)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("end", [END, None])
def test_a_full_beam_finds_the_best_of_all_strings(alpha, end):
    table, B, longest = Table(), 3, 3
    found = beam(table, table.start(B), first(B), longest, end, width=100, alpha=alpha, n_best=5)
    for who in range(B):
        ranked = sorted(
            all_strings(table, who, longest, end), key=lambda s: -s[1] / length_penalty(len(s[0]) + s[2], alpha)
        )
        for ours, expected in zip(found[who], ranked[:5], strict=True):
            assert (ours.symbols, ours.ended) == (expected[0], expected[2])
            np.testing.assert_allclose(ours.log_probability, expected[1], rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(seed):
    table, B = Table(seed), 4
    alone = beam(table, table.start(B), first(B), 6, END, width=1)
    assert [best for (best,) in alone] == greedy(table, table.start(B), first(B), 6, END)


def test_greedy_by_hand():
    table = Table(1)
    for who, found in enumerate(greedy(table, table.start(3), first(3), 5, END)):
        symbols, total, ended = [], 0.0, False
        while len(symbols) < 5 and not ended:
            row = table.row(who, symbols)
            total += row.max()
            ended = row.argmax() == END
            symbols += [] if ended else [int(row.argmax())]
        assert (found.symbols, found.ended) == (symbols, ended)
        np.testing.assert_allclose(found.log_probability, total)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_sequence_is_decoded_in_a_batch_as_alone(alpha):
    table, B = Table(2), 3
    together = beam(table, table.start(B), first(B), 4, END, width=3, alpha=alpha, n_best=3)
    for who in range(B):
        state = {"who": np.array([who]), "read": table.start(1)["read"]}
        assert beam(table, state, first(1), 4, END, width=3, alpha=alpha, n_best=3) == [together[who]]


def test_a_beam_keeps_what_greedy_loses():
    class Trap(Table):
        def row(self, who, prefix):
            p = {(): [0.55, 0.45, 0, 0], (0,): [0.5, 0.5, 0, 0]}.get(tuple(prefix), [1, 0, 0, 0])
            return np.log(np.maximum(p, 1e-30))

    trap = Trap()
    assert greedy(trap, trap.start(), first(1), 2)[0].symbols == [0, 0]
    best, second = beam(trap, trap.start(), first(1), 2, width=2, n_best=2)[0]
    assert best.symbols == [1, 0]
    np.testing.assert_allclose([best.log_probability, second.log_probability], np.log([0.45, 0.275]))


def test_length_penalty():
    np.testing.assert_allclose(length_penalty(np.array([1, 7, 13]), 1.0), [1, 2, 3])
    np.testing.assert_allclose(length_penalty(7, 0.5), math.sqrt(2))
    assert length_penalty(9, 0.0) == 1


def test_the_penalty_turns_short_into_long():
    class Choice(Table):
        def row(self, who, prefix):  # ends at once with 0.5; goes on 7 times with 0.45 in all
            p = [0.5, 0, 0, 0.5] if not len(prefix) else [0.9 ** (1 / 6), 0, 0, 1 - 0.9 ** (1 / 6)]
            return np.log(np.maximum(p, 1e-30))

    choice = Choice()
    for alpha, length in ((0.0, 0), (1.0, 7)):
        best = beam(choice, choice.start(), first(1), 7, END, width=4, alpha=alpha)[0][0]
        assert len(best.symbols) == length  # -log 0.5 = 0.69 against -log 0.45 / 2 = 0.40
    np.testing.assert_allclose(best.log_probability, math.log(0.45))


def test_where_sequences_end():
    table = Table(sharpness=0.3)
    lengths = [3, 0, 5]
    found = greedy(table, table.start(3), first(3), lengths)  # predicted lengths, no end symbol
    assert [len(one.symbols) for one in found] == lengths
    assert not any(one.ended for one in found)
    beams = beam(table, table.start(3), first(3), lengths, width=2)
    assert [len(best.symbols) for (best,) in beams] == lengths
    assert found[1] == beams[1][0] == ([], 0.0, False)
    ended = [one for seed in range(20) for one in sample(table, table.start(3), first(3), 9, END, seed=seed)]
    assert {one.ended for one in ended} == {True, False}
    assert all(len(one.symbols) == 9 for one in ended if not one.ended)
    assert all(END not in one.symbols for one in ended)


def test_a_bernoulli_stop_is_an_end_symbol():
    rng = np.random.default_rng(0)
    logits, stop = rng.normal(size=(5, V)), rng.normal(size=5)
    log_p = with_stop(mg.tensor(logits), mg.tensor(stop)).numpy()
    halt = 1 / (1 + np.exp(-stop))
    np.testing.assert_allclose(np.exp(log_p[:, -1]), halt)
    np.testing.assert_allclose(np.exp(log_p[:, :-1]), (1 - halt)[:, None] * np.exp(log_softmax(logits)))
    mg.gradcheck(with_stop, [logits, stop])
    np.testing.assert_allclose(with_stop(logits.tolist(), stop.tolist()).numpy(), log_p, rtol=1e-5)
    targets = np.arange(5) % (V + 1)  # the last is to stop
    ended = mg.tensor((targets == V).astype(float))
    together = mg.nn.cross_entropy(mg.tensor(log_p), targets, reduction="none")
    symbols = mg.nn.cross_entropy(mg.tensor(logits), np.minimum(targets, V - 1), reduction="none")
    parts = mg.nn.bce_with_logits(mg.tensor(stop), ended, reduction="none") + (1 - ended) * symbols
    np.testing.assert_allclose(together.numpy(), parts.numpy(), rtol=0, atol=1e-12)
    with pytest.raises(ShapeError, match=r"want stop_logits \(5,\)"):
        with_stop(mg.tensor(logits), mg.tensor(logits))


def test_stops_come_as_often_as_their_probability_says():
    class Stopping:
        """Ends with the probability 0.3 at each step."""

        def step(self, symbols, state):
            B = len(symbols)
            return with_stop(mg.tensor(np.zeros((B, 2))), mg.tensor(np.full(B, math.log(0.3 / 0.7)))), state

    lengths = [len(one.symbols) for one in sample(Stopping(), None, first(4000), 50, end=2)]
    counts = np.bincount(lengths, minlength=4)[:4] / 4000
    np.testing.assert_allclose(counts, 0.3 * 0.7 ** np.arange(4), atol=0.03)


def test_sampling_follows_the_probabilities():
    table = Table(4)
    N, longest = 4000, 2
    state = {"who": np.zeros(N, int), "read": table.start(N)["read"]}
    found = sample(table, state, first(N), longest, END, seed=1)
    strings = {tuple(symbols): log_p for symbols, log_p, _ in all_strings(table, 0, longest)}
    counts = dict.fromkeys(strings, 0)
    for one in found:
        counts[tuple(one.symbols)] += 1
        np.testing.assert_allclose(one.log_probability, strings[tuple(one.symbols)])
    expected = N * np.exp(list(strings.values()))
    chi_square = ((np.array(list(counts.values())) - expected) ** 2 / expected).sum()
    assert chi_square < 32.9  # the 0.1 % point of 12 degrees of freedom: 13 strings


def test_seeds_and_generators():
    table = Table()
    one, again, other = (sample(table, table.start(5), first(5), 8, END, seed=s) for s in (1, 1, 2))
    assert one == again != other
    generator = np.random.default_rng(1)
    assert sample(table, table.start(5), first(5), 8, END, seed=generator) == one
    assert sample(table, table.start(5), first(5), 8, END, seed=generator) != one


def test_temperature_top_k_and_top_p_by_hand():
    log_p = np.log([[0.1, 0.4, 0.2, 0.3]])
    np.testing.assert_allclose(sampling_probabilities(log_p), [[0.1, 0.4, 0.2, 0.3]])
    squares = np.array([0.01, 0.16, 0.04, 0.09])
    np.testing.assert_allclose(sampling_probabilities(log_p, 0.5)[0], squares / squares.sum())
    np.testing.assert_allclose(sampling_probabilities(log_p, top_k=2), [[0, 4 / 7, 0, 3 / 7]])
    np.testing.assert_allclose(sampling_probabilities(log_p, top_k=9), [[0.1, 0.4, 0.2, 0.3]])
    np.testing.assert_allclose(sampling_probabilities(log_p, top_p=0.75), [[0, 4 / 9, 2 / 9, 3 / 9]])
    np.testing.assert_allclose(sampling_probabilities(log_p, top_p=0.39), [[0, 1, 0, 0]])
    np.testing.assert_allclose(sampling_probabilities(log_p, top_p=1.0), [[0.1, 0.4, 0.2, 0.3]])
    np.testing.assert_allclose(sampling_probabilities(log_p, top_k=3, top_p=0.5), [[0, 4 / 7, 0, 3 / 7]])
    np.testing.assert_allclose(sampling_probabilities(np.zeros(4), top_k=2), [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(sampling_probabilities(np.array([0.0, -np.inf, 0.0])), [0.5, 0, 0.5])
    cold = sampling_probabilities(log_p, temperature=1e-3)
    np.testing.assert_allclose(cold, [[0, 1, 0, 0]], atol=1e-12)


def test_a_sample_of_the_likeliest_is_greedy():
    table = Table(3)
    likeliest = greedy(table, table.start(4), first(4), 6, END)
    assert sample(table, table.start(4), first(4), 6, END, top_k=1) == likeliest
    assert sample(table, table.start(4), first(4), 6, END, top_p=1e-9) == likeliest
    support = sample(table, table.start(200), first(200), 1, top_k=2)
    for who, one in enumerate(support):
        assert one.symbols[0] in np.argsort(table.row(who, []))[-2:]


def test_select_goes_into_any_state():
    words = mg.tensor(np.arange(6).reshape(3, 2))
    state = {"a": (Memory(words), [words, None]), "b": np.arange(3)}
    rows = np.array([2, 0, 0])
    taken = select(state, rows)
    assert isinstance(taken["a"][0], Memory)
    np.testing.assert_array_equal(taken["a"][0].words.numpy(), [[4, 5], [0, 1], [0, 1]])
    np.testing.assert_array_equal(taken["a"][1][0].numpy(), taken["a"][0].words.numpy())
    assert taken["a"][1][1] is None
    np.testing.assert_array_equal(taken["b"], rows)


@pytest.fixture(params=["rnn", "lstm", "tdnn"])
def model(request):
    mg.seed(3)
    model = CharModel(Vocabulary("abc\n"), request.param, 3, 5, layers=2)
    for parameter in model.parameters():
        parameter.data *= 3
    return model


def test_a_character_model_is_a_decoder(model):
    text = "".join(model.continue_text("ab", 8, temperature=0))
    codes = model.vocabulary.encode("ab")
    decoder = LanguageModel(model)
    state = decoder.start(codes[:-1].reshape(-1, 1))
    (found,) = greedy(decoder, state, codes[-1:], 8)
    assert "".join(model.vocabulary.characters[code] for code in found.symbols) == text
    logits, _ = model(mg.tensor(np.array([*codes, *found.symbols[:-1]]).reshape(-1, 1)))
    scores = mg.log_softmax(logits[1:, 0]).numpy()[np.arange(8), found.symbols]
    np.testing.assert_allclose(found.log_probability, scores.sum(), rtol=1e-5)


def test_a_beam_over_a_character_model(model):
    decoder, longest = LanguageModel(model), 3
    state = decoder.start(np.array([[0, 1]]))
    found = beam(decoder, state, [2, 2], longest, width=4**longest, n_best=3)
    strings = np.array(list(itertools.product(range(4), repeat=longest))).T
    for n, prefix in enumerate((0, 1)):
        inputs = np.concatenate([np.full((1, 64), prefix), np.full((1, 64), 2), strings[:-1]])
        scores = mg.log_softmax(model(mg.tensor(inputs))[0][1:]).numpy()
        totals = np.take_along_axis(scores, strings[:, :, None], axis=2).sum(axis=(0, 2))
        best = np.sort(totals)[::-1][:3]
        np.testing.assert_allclose([one.log_probability for one in found[n]], best, rtol=1e-4)
        assert found[n][0].symbols == strings[:, totals.argmax()].tolist()


def test_a_stream_is_steps_with_the_state_in_hand(model):
    decoder = LanguageModel(model)
    whole = greedy(decoder, decoder.start(), [0, 1], 6)
    state, symbols, streamed = decoder.start(), np.array([0, 1]), []
    for _ in range(6):
        log_p, state = decoder.step(symbols, state)
        symbols = log_p.numpy().argmax(axis=1)
        streamed.append(symbols.tolist())
    assert np.array(streamed).T.tolist() == [one.symbols for one in whole]


def test_nothing_is_recorded(model):
    class Watching(LanguageModel):
        def step(self, symbols, state):
            log_p, state = super().step(symbols, state)
            assert not log_p.requires_grad
            return log_p, state

    for decode in (greedy, sample, beam):
        decode(Watching(model), None, [0], 2)


def test_what_does_not_fit():
    table = Table()
    with pytest.raises(ShapeError, match="integers, one a sequence"):
        greedy(table, table.start(), 0, 5)
    with pytest.raises(ShapeError, match="integers, one a sequence"):
        greedy(table, table.start(), [0.5], 5)
    with pytest.raises(ShapeError, match="max_length is one integer"):
        greedy(table, table.start(), [0], [5, 5])
    with pytest.raises(ShapeError, match="max_length is one integer"):
        greedy(table, table.start(), [0], -1)
    with pytest.raises(ValueError, match="end must be one of the 4 symbols"):
        greedy(table, table.start(), [0], 5, end=4)
    with pytest.raises(ValueError, match=r"temperature must be above 0, not 0: greedy\(\)"):
        sample(table, table.start(), [0], 5, temperature=0)
    with pytest.raises(ValueError, match="top_k"):
        sample(table, table.start(), [0], 5, top_k=0)
    with pytest.raises(ValueError, match="top_p"):
        sample(table, table.start(), [0], 5, top_p=1.5)
    with pytest.raises(ValueError, match="n_best must be from 1 to the width"):
        beam(table, table.start(), [0], 5, n_best=5)
    with pytest.raises(ValueError, match="alpha"):
        beam(table, table.start(), [0], 5, alpha=-1)

    class Wrong(Table):
        def step(self, symbols, state):
            return super().step(symbols, state)[0][0], state

    with pytest.raises(ShapeError, match=r"gives \(1, vocabulary\) here"):
        greedy(Wrong(), table.start(), [0], 5)

    class Unfinished(Decoder):
        pass

    with pytest.raises(TypeError, match=r"Unfinished has no step\(\)"):
        greedy(Unfinished(), None, [0], 5)
