"""Sequence to sequence: learning, teacher forcing and free running, every option, and how sequences are decoded."""

import itertools
import math

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad_rnn.attention import AdditiveAttention, BilinearAttention, DotAttention
from minigrad_rnn.beam import beam
from minigrad_rnn.data import DataError
from minigrad_rnn.data.padding import padded, shifted
from minigrad_rnn.decode import greedy, sample, with_stop
from minigrad_rnn.losses import sequence_loss
from minigrad_rnn.seq2seq import (
    OneToMany,
    ScheduledSampling,
    Seq2Seq,
    exponential_decay,
    inverse_sigmoid_decay,
    linear_decay,
)

E, H, V = 3, 4, 5  # embedding, hidden, symbols: 0 starts, 1 ends
START, END = 0, 1
SOURCES, LENGTHS = np.array([[2, 4, 3], [3, 0, 3], [4, 0, 2], [2, 0, 0]]), [4, 1, 3]
TARGETS = np.array([[3, 2, 4], [2, 1, 3], [1, 0, 1]])

OPTIONS = {
    "sutskever": ("lstm", {"feed_context": False}),
    "cho": ("gru", {"start_from": "context"}),
    "bahdanau": ("gru", {"attention": lambda: AdditiveAttention(H, 2 * H, 6, "float64"), "bidirectional": True}),
    "luong": ("lstm", {"attention": lambda: BilinearAttention(H, H, "float64"), "feed_context": False, "layers": 2}),
    "context for everything": ("rnn", {"layers": 2, "bidirectional": True, "start_from": "context"}),
    "shared": ("rnn", {"shared": True, "feed_context": False}),
    "shared with attention": ("lstm", {"shared": True, "feed_context": False, "attention": lambda: DotAttention(H)}),
}


def made(name, **changes):
    cell, options = OPTIONS[name]
    options = options | changes
    if "attention" in options:
        options["attention"] = options["attention"]()
    mg.seed(7)
    return Seq2Seq(cell, V, V, E, H, dtype="float64", **options)


@pytest.fixture(params=OPTIONS)
def model(request):
    return made(request.param)


def words(generator, count, longest=5):
    return [generator.integers(2, 8, generator.integers(1, longest + 1)).tolist() for _ in range(count)]


def exact_matches(model, turn, **options):
    sources = words(np.random.default_rng(1), 200)
    array, lengths = padded(sources)
    found = greedy(model, model.start(array, lengths), [START] * 200, 8, END)
    return np.mean([one.symbols == turn(source) for one, source in zip(found, sources)])


@pytest.mark.parametrize(
    ("attention", "steps", "turn", "forcing"),
    [
        (None, 400, list, lambda i: 1.0),
        (lambda: AdditiveAttention(32, 32, 32), 250, lambda word: word[::-1], lambda i: 1.0),
        (lambda: AdditiveAttention(32, 32, 32), 300, list, lambda i: linear_decay(i, c=1e-3)),
    ],
)
def test_it_learns_to_copy_and_to_reverse(attention, steps, turn, forcing):
    mg.seed(0)
    model = Seq2Seq("gru", 8, 8, 16, 32, attention=attention and attention())
    optimizer, generator = mg.optim.Adam(model.parameters(), lr=1e-2), np.random.default_rng(0)
    for i in range(steps):
        optimizer.lr = 1e-2 * mg.optim.linear(i, steps, end=0.1)  # else it loses its way now and then
        sources = words(generator, 64)
        (xs, x_lengths), (ys, y_lengths) = padded(sources), padded([turn(word) for word in sources], END)
        loss = sequence_loss(model(xs, ys, x_lengths, forcing(i)), ys, y_lengths)
        model.zero_grad()
        loss.backward()
        optimizer.step()
    assert exact_matches(model, turn) >= 0.9


def test_against_plain_numpy():
    model = made("context for everything", layers=1, bidirectional=False)
    p = {name: parameter.numpy() for name, parameter in model.named_parameters()}

    def rnn(prefix, x, h):
        return np.tanh(x @ p[f"{prefix}.weight_ih"] + h @ p[f"{prefix}.weight_hh"] + p[f"{prefix}.bias"])

    h = np.zeros((3, H))
    for t in range(4):
        h = rnn("encoder.cells.0", p["source_embedding.weight"][SOURCES[t]], h)
    C = h
    s = np.tanh(C @ p["bridge.0.0.weight"] + p["bridge.0.0.bias"])
    outputs = model(SOURCES, TARGETS).numpy()
    for t, previous in enumerate([np.full(3, START), *TARGETS[:-1]]):
        s = rnn("decoder.cells.0", np.concatenate([p["target_embedding.weight"][previous], C], 1), s)
        expected = np.concatenate([s, C], 1) @ p["output.weight"] + p["output.bias"]
        np.testing.assert_allclose(outputs[t], expected, atol=1e-12)


def test_attention_against_plain_numpy():
    model = made("bahdanau")
    (start,), source = model.encode(SOURCES, LENGTHS)
    logits = model(SOURCES, TARGETS, LENGTHS).numpy()
    s, previous = start, np.full(3, START)
    for t in range(3):
        context, _ = model.attention(s, source.memory, LENGTHS)
        x = mg.concatenate([model.target_embedding(mg.tensor(previous)), context], axis=1)
        s, _ = model.decoder.cells[0].step(x, s)
        expected = model.output(mg.concatenate([s, context], axis=1)).numpy()
        np.testing.assert_allclose(logits[t], expected, atol=1e-12)
        previous = TARGETS[t]


def test_teacher_forced_logits_are_those_of_decoding_step_by_step(model):
    logits = model(SOURCES, TARGETS, LENGTHS)
    state, previous = model.start(SOURCES, LENGTHS), np.full(3, START)
    for t in range(len(TARGETS)):
        log_p, state = model.step(previous, state)
        np.testing.assert_allclose(log_p.numpy(), mg.log_softmax(logits[t]).numpy(), atol=1e-12)
        previous = TARGETS[t]


def test_padding_of_sources_changes_nothing(model):
    together = model(SOURCES, TARGETS, LENGTHS).numpy()
    for n, length in enumerate(LENGTHS):
        alone = model(SOURCES[:length, n : n + 1], TARGETS[:, n : n + 1]).numpy()
        np.testing.assert_allclose(together[:, n], alone[:, 0], atol=1e-12)


def test_running_free_is_greedy_decoding(model):
    free = model(SOURCES, TARGETS, LENGTHS, teacher_forcing=0).numpy()
    found = greedy(model, model.start(SOURCES, LENGTHS), [START] * 3, 3)
    np.testing.assert_array_equal(free.argmax(axis=2).T, [one.symbols for one in found])
    for n, one in enumerate(found):
        scores = free[:, n] - np.log(np.exp(free[:, n]).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(one.log_probability, scores.max(axis=1).sum())


def test_scheduled_sampling_flips_a_coin_for_each_sequence_and_step():
    T, B = 20, 50

    class Seen(nn.Module):
        """Keeps what the decoder reads."""

        def forward(self, symbols):
            read.append(symbols.numpy())
            return mg.zeros((B, E), "float64")

    model = made("sutskever", feedback=lambda logits: mg.full((B,), 4, "int64"))
    model.target_embedding = Seen()
    sources, targets = np.full((1, B), 2), np.full((T, B), 3)
    shares = []
    for probability in (0.0, 0.3, 1.0):
        read = []
        model(sources, targets, teacher_forcing=probability)
        assert (read[0] == START).all()
        given = np.stack(read[1:]) == 3
        assert (np.stack(read[1:])[~given] == 4).all()
        shares.append(given.mean())
        if probability == 0.3:
            assert given.mean(axis=0).std() > 0
            assert given.mean(axis=1).std() > 0
    assert (shares[0], shares[2]) == (0, 1)
    np.testing.assert_allclose(shares[1], 0.3, atol=0.05)


def test_every_parameter_learns(model):
    sequence_loss(model(SOURCES, TARGETS, LENGTHS), TARGETS, [3, 2, 3]).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad.numpy() != 0).any(), name


@pytest.mark.parametrize("name", ["bahdanau", "luong"])
def test_gradients_against_finite_differences(name):
    model = made(name)
    for path, parameter in model.named_parameters():
        if path.split(".")[0] not in ("attention", "bridge", "output") and "weight_hh" not in path:
            continue
        *parents, last = path.split(".")
        holder = model
        for part in parents:
            holder = holder[int(part)] if part.isdigit() else getattr(holder, part)

        def loss(value, holder=holder, last=last):
            setattr(holder, last, value)
            return sequence_loss(model(SOURCES, TARGETS, LENGTHS), TARGETS, [3, 2, 3])

        mg.gradcheck(loss, [parameter])
        setattr(holder, last, parameter)


def test_shared_weights_are_held_once():
    apart, shared = made("shared", shared=False), made("shared")
    assert shared.decoder is shared.encoder
    assert shared.target_embedding is shared.source_embedding
    one = sum(p.size for p in (*shared.encoder.parameters(), *shared.source_embedding.parameters()))
    assert sum(p.size for p in apart.parameters()) - sum(p.size for p in shared.parameters()) == one


@pytest.mark.parametrize("name", ["bahdanau", "luong", "cho"])
def test_a_full_beam_finds_the_best_string(name):
    model, longest = made(name), 3
    for parameter in model.parameters():
        parameter.data *= 3
    strings = list(itertools.product(range(V), repeat=longest))
    array = np.array(strings).T
    found = beam(model, model.start(SOURCES, LENGTHS), [START] * 3, longest, width=V**longest, n_best=4)
    for n, length in enumerate(LENGTHS):
        source = np.repeat(SOURCES[:length, n : n + 1], len(strings), axis=1)
        scores = mg.log_softmax(model(source, array)).numpy()
        totals = np.take_along_axis(scores, array[:, :, None], axis=2).sum(axis=(0, 2))
        best = np.argsort(-totals)[:4]
        assert [one.symbols for one in found[n]] == [list(strings[k]) for k in best]
        np.testing.assert_allclose([one.log_probability for one in found[n]], totals[best])


def test_sampling_and_beams_end(model):
    state = model.start(SOURCES, LENGTHS)
    for one in sample(model, state, [START] * 3, 6, END, seed=1):
        assert END not in one.symbols
        assert one.ended or len(one.symbols) == 6
    for one, (best,) in zip(
        greedy(model, state, [START] * 3, 6, END), beam(model, state, [START] * 3, 6, END, width=1)
    ):
        assert one.symbols == best.symbols  # the state was gone on from twice
        np.testing.assert_allclose(one.log_probability, best.log_probability)


def test_an_output_that_stops_by_a_bernoulli_variable():
    class Stopping(nn.Module):
        """Logits of the symbols, and one of stopping."""

        def __init__(self, features):
            self.symbols, self.stop = nn.Linear(features, V, dtype="float64"), nn.Linear(features, 1, dtype="float64")

        def forward(self, x):
            return with_stop(self.symbols(x), self.stop(x)[:, 0])

    mg.seed(0)
    model = Seq2Seq("gru", V, V + 1, E, H, output=Stopping(2 * H), end_symbol=V, dtype="float64")
    targets, lengths = padded([[2, 3], [4]], model.end_symbol)
    log_p = model(SOURCES[:, :2], targets)
    loss = sequence_loss(log_p, targets, lengths, reduction="sum")
    by_hand = sum(log_p.numpy()[t, n, targets[t, n]] for n in range(2) for t in range(lengths[n]))
    np.testing.assert_allclose(loss.item(), -by_hand)
    model.output.stop.bias.data += 20  # stops at once
    found = greedy(model, model.start(SOURCES), [START] * 3, 9, model.end_symbol)
    assert all(one.symbols == [] and one.ended for one in found)


def test_a_continuous_decoder():
    F, T = 2, 4
    mg.seed(0)
    source, target = nn.Linear(F, E, dtype="float64"), nn.Linear(F, E, dtype="float64")
    model = Seq2Seq("gru", source, target, E, H, output=nn.Linear(2 * H, F, dtype="float64"), dtype="float64")
    rng = np.random.default_rng(0)
    xs, ys = rng.normal(size=(5, 3, F)), rng.normal(size=(T, 3, F))
    forced, free = model(xs, ys, [5, 2, 4]).numpy(), model(xs, ys, [5, 2, 4], teacher_forcing=0)
    assert forced.shape == free.shape == (T, 3, F)
    fed = model(xs, np.concatenate([free.numpy()[:-1], ys[-1:]]), [5, 2, 4])
    np.testing.assert_allclose(fed.numpy(), free.numpy(), atol=1e-12)
    mg.gradcheck(lambda xs: model(xs, ys, [5, 2, 4], teacher_forcing=0), [xs])
    loss = sequence_loss(model(xs, ys), ys, [4, 1, 3], nn.mse_loss)
    squares = (model(xs, ys).numpy() - ys) ** 2
    np.testing.assert_allclose(loss.item(), np.concatenate([squares[:n, k] for k, n in enumerate([4, 1, 3])]).mean())


def test_a_cell_of_your_own():
    class Leaky(mr.Cell):
        """A leaky integrator of its input."""

        def __init__(self, input_size, hidden_size):
            self.U = nn.init.glorot(input_size, hidden_size)

        def step(self, x, h):
            h = 0.9 * h + mg.tanh(x @ self.U)
            return h, h

    for options in ({}, {"bidirectional": True, "layers": 2}, {"attention": DotAttention(H)}):
        model = Seq2Seq(Leaky, V, V, E, H, **options)
        assert model(SOURCES, TARGETS, LENGTHS).shape == (3, 3, V)


@pytest.mark.parametrize("cell", [name for name in mr.cells.names() if name != "convlstm"])
@pytest.mark.parametrize("options", [{"start_from": "context"}, {"bidirectional": True}, {"feed_context": False}])
def test_any_registered_cell(cell, options):
    mg.seed(0)
    model = Seq2Seq(cell, V, V, E, H, layers=2, **options)
    sequence_loss(model(SOURCES, TARGETS, LENGTHS), TARGETS).backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in model.parameters() if p.grad is not None)
    forced = mg.log_softmax(model(SOURCES, TARGETS[:1], LENGTHS)[0])
    stepped, _ = model.step([START] * 3, model.start(SOURCES, LENGTHS))
    np.testing.assert_allclose(stepped.numpy(), forced.numpy(), atol=1e-5)


def test_dropout_between_layers_is_off_in_evaluation():
    mg.seed(0)
    model = Seq2Seq("gru", V, V, E, H, layers=2, dropout=0.5)
    assert (model(SOURCES, TARGETS).numpy() != model(SOURCES, TARGETS).numpy()).any()
    model.eval()
    np.testing.assert_array_equal(model(SOURCES, TARGETS).numpy(), model(SOURCES, TARGETS).numpy())


def test_pictures_and_equations_speak_of_steps():
    model = Seq2Seq("rnn", V, V, E, H, attention=AdditiveAttention(H, H, 3))
    loss = sequence_loss(model(SOURCES, TARGETS), TARGETS).named("loss")
    equations = str(mg.draw(loss).equations())
    for line in ("H = stack_t(h_t)", "α_t = softmax(", "ctx_t = ", "s_t = tanh(", "out_t = "):
        assert line in equations
    boxes = mg.draw(loss, level="cell").svg()
    for title in ("encoder, t = 0", f"decoder, t = {len(SOURCES)}", "attention", "input", "output", "decoder output"):
        assert title in boxes


def test_decay_schedules():
    assert [linear_decay(i, 0.9, 0.1, 0.25) for i in (0, 1, 6, 7, 100)] == pytest.approx([0.9, 0.8, 0.3, 0.25, 0.25])
    assert [exponential_decay(i, 0.5) for i in (0, 1, 3)] == [1, 0.5, 0.125]
    assert inverse_sigmoid_decay(0, 4) == 0.8
    assert inverse_sigmoid_decay(8, 4) == pytest.approx(4 / (4 + math.exp(2)))
    assert inverse_sigmoid_decay(1e9, 1) == pytest.approx(0)
    for decay in (linear_decay, exponential_decay, inverse_sigmoid_decay):
        assert [decay(i) for i in range(0, 9000, 100)] == sorted((decay(i) for i in range(0, 9000, 100)), reverse=True)
    with pytest.raises(ValueError, match="between 0 and 1"):
        exponential_decay(3, 1.5)
    with pytest.raises(ValueError, match="at least 1"):
        inverse_sigmoid_decay(3, 0.5)


def test_padded(monkeypatch):
    array, lengths = padded([[2, 3], [], [4]], END)
    np.testing.assert_array_equal(array, [[2, 1, 4], [3, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(lengths, [3, 1, 2])
    np.testing.assert_array_equal(shifted(array, 7), [[7, 7, 7], [2, 1, 4], [3, 0, 1]])
    with pytest.raises(ShapeError, match="one longer than 0"):
        padded([[], []])
    monkeypatch.setattr("minigrad_rnn.data.padding.LARGEST", 20)
    with pytest.raises(DataError, match="3 sequences filled up to the longest, of 7 steps, are 21 numbers"):
        padded([[1] * 7, [1], [1]])


@pytest.mark.parametrize("every_step", [False, True])
def test_one_to_many_writes_in_steps_what_it_writes_at_once(every_step):
    model = OneToMany(nn.Linear(3, 4), "gru", V, 2, 4, every_step)
    images, previous = (
        np.random.default_rng(0).normal(size=(2, 3)).astype("float32"),
        np.array([[0, 0], [2, 3], [1, 2]]),
    )
    at_once = mg.log_softmax(model(images, previous)).numpy()
    assert at_once.shape == (3, 2, V)
    state = model.start(images)
    for symbols, expected in zip(previous, at_once):
        found, state = model.step(symbols, state)
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_scheduled_sampling_reads_less_and_less_of_the_truth():
    given = []
    model = ScheduledSampling(made("cho"), lambda update: given.append(update) or 1.0)
    taught = model(SOURCES, TARGETS, LENGTHS).numpy()
    model(SOURCES, TARGETS, LENGTHS)
    np.testing.assert_array_equal(taught, model.seq2seq(SOURCES, TARGETS, LENGTHS).numpy())
    model.eval()
    np.testing.assert_array_equal(
        model(SOURCES, TARGETS, LENGTHS).numpy(), model.seq2seq(SOURCES, TARGETS, LENGTHS, 0.0).numpy()
    )
    assert given == [0, 1]
    alone = ScheduledSampling(model.seq2seq, lambda update: 0.0)
    np.testing.assert_array_equal(
        alone(SOURCES, TARGETS, LENGTHS).numpy(), model.seq2seq(SOURCES, TARGETS, LENGTHS, 0.0).numpy()
    )
    assert abs(alone(SOURCES, TARGETS, LENGTHS).numpy() - taught).max() > 1e-3


def test_what_does_not_fit():
    model = made("cho")
    with pytest.raises(ShapeError, match=r"targets are \(time, batch\), as many sequences as sources \(3\)"):
        model(SOURCES, TARGETS[:, :2])
    with pytest.raises(ShapeError, match="targets are"):
        model(SOURCES, TARGETS[:0])
    with pytest.raises(ShapeError, match="lengths must be 3 integers"):
        model(SOURCES, TARGETS, [4, 1, 5])
    with pytest.raises(ValueError, match="teacher_forcing is a probability"):
        model(SOURCES, TARGETS, teacher_forcing=1.5)
    with pytest.raises(ValueError, match="queries of size 4 and memories of size 8"):
        Seq2Seq("rnn", V, V, E, H, bidirectional=True, attention=DotAttention(H))
    with pytest.raises(ValueError, match="feed_context=False"):
        Seq2Seq("rnn", V, V, E, H, shared=True)
    with pytest.raises(ValueError, match="shared weights"):
        Seq2Seq("rnn", V, V + 1, E, H, shared=True, feed_context=False)
    with pytest.raises(ValueError, match="wants an output module"):
        Seq2Seq("rnn", V, nn.Linear(2, E), E, H)
    with pytest.raises(ValueError, match="start_from"):
        Seq2Seq("rnn", V, V, E, H, start_from="nothing")
    with pytest.raises(mr.cells.UnknownCellError):
        Seq2Seq("none", V, V, E, H)


@pytest.mark.parametrize("name", ["bahdanau", "luong"])
def test_alignment_is_what_the_contexts_are_means_by(name):
    model = made(name)
    seen = []
    attend = model.attention.forward

    def watched(*args):
        seen.append(attend(*args)[1].numpy())
        return attend(*args)

    model.attention.forward = watched
    weights = model.alignment(SOURCES, TARGETS, LENGTHS).numpy()
    assert weights.shape == (len(TARGETS), len(LENGTHS), len(SOURCES))
    np.testing.assert_array_equal(weights, np.stack(seen))
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-12)
    for n, length in enumerate(LENGTHS):
        assert not weights[:, n, length:].any()


def test_without_attention_there_is_no_alignment():
    with pytest.raises(ValueError, match="without attention"):
        made("cho").alignment(SOURCES, TARGETS, LENGTHS)
