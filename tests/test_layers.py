"""What a stack of layers does around its cells: noise, residuals, skips, ragged batches, learned states."""

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.errors import AnomalyError, ShapeError
from minigrad_rnn.noise import Noise

T, B, I, H = 5, 3, 2, 4
rng = np.random.default_rng(0)
XS = rng.normal(size=(T, B, I))


def layer(cell="lstm", **options):
    mg.seed(0)
    return mr.Recurrent(cell, I, H, dtype="float64", **options)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


# PyTorch


@pytest.mark.torch
@pytest.mark.parametrize(
    ("kind", "options"), [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("compiled", [False, True])
def test_lengths_against_packed_sequences(kind, options, dtype, compiled):
    torch = pytest.importorskip("torch")
    mg.seed(0)
    ours = getattr(mr, kind)(I, H, num_layers=2, bidirectional=True, dtype=dtype, compiled=compiled, **options)
    theirs = getattr(torch.nn, kind)(I, H, num_layers=2, bidirectional=True, dtype=getattr(torch, dtype), **options)
    order = {"RNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [0, 1, 2]}[kind]  # of the gates: the same in both
    for n, cell in enumerate(ours.cells):
        suffix = f"_l{n // 2}{'_reverse' if n % 2 else ''}"
        with torch.no_grad():
            for name in ("weight_ih", "weight_hh"):
                getattr(theirs, name + suffix).copy_(torch.tensor(getattr(cell, name).numpy().T))
            getattr(theirs, "bias_ih" + suffix).copy_(torch.tensor(cell.bias.numpy()))
            hidden = getattr(theirs, "bias_hh" + suffix).zero_()
            if kind == "GRU":
                hidden[len(order[:2]) * H :] = torch.tensor(cell.bias_hn.numpy())
    lengths = [3, 5, 1]
    xs = XS.astype(dtype)
    inputs = torch.tensor(xs, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(inputs, lengths, enforce_sorted=False)
    peer, peer_state = theirs(packed)
    peer, _ = torch.nn.utils.rnn.pad_packed_sequence(peer)
    mine = mg.tensor(xs, requires_grad=True)
    outputs, state = ours(mine, lengths=lengths)
    atol = 1e-10 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(outputs.numpy(), peer.detach().numpy(), rtol=0, atol=atol)
    for part, other in zip(parts(state), parts(peer_state), strict=True):
        np.testing.assert_allclose(part.numpy(), other.detach().numpy(), rtol=0, atol=atol)
    (mg.square(outputs).sum() + sum(part.sum() for part in parts(state))).backward()
    ((peer**2).sum() + sum(part.sum() for part in parts(peer_state))).backward()
    np.testing.assert_allclose(mine.grad.numpy(), inputs.grad.numpy(), rtol=0, atol=10 * atol)
    for n, cell in enumerate(ours.cells):
        suffix = f"_l{n // 2}{'_reverse' if n % 2 else ''}"
        for name in ("weight_ih", "weight_hh"):
            grad = getattr(theirs, name + suffix).grad.numpy().T
            np.testing.assert_allclose(getattr(cell, name).grad.numpy(), grad, rtol=0, atol=10 * atol)


# Ragged batches


def test_a_list_of_sequences_is_a_batch_of_different_lengths():
    network = layer(num_layers=2, bidirectional=True)
    lengths = [4, 1, 0, 5]
    sequences = [rng.normal(size=(n, I)) for n in lengths]
    outputs, state = network(sequences)
    assert [out.shape for out in outputs] == [(n, 2 * H) for n in lengths]
    sum(mg.square(out).sum() for out in outputs).backward()
    together = {name: p.grad.numpy().copy() for name, p in network.named_parameters()}
    network.zero_grad()
    for n, sequence in enumerate(sequences):
        if len(sequence):
            alone, end = network(sequence[:, None])
            mg.square(alone).sum().backward()
            np.testing.assert_allclose(outputs[n].numpy(), alone.numpy()[:, 0], rtol=0, atol=1e-12)
            for whole, single in zip(state, end, strict=True):
                np.testing.assert_allclose(whole.numpy()[:, n], single.numpy()[:, 0], rtol=0, atol=1e-12)
    for name, p in network.named_parameters():
        np.testing.assert_allclose(together[name], p.grad.numpy(), rtol=0, atol=1e-12)


def test_ragged_gradients_reach_the_sequences():
    xs = [mg.tensor(rng.normal(size=(n, I)), requires_grad=True) for n in (3, 2)]
    outputs, _ = layer("gru")(xs)
    (outputs[0].sum() + outputs[1].sum()).backward()
    assert [x.grad.shape for x in xs] == [(3, I), (2, I)]
    assert all((x.grad.numpy() != 0).all() for x in xs)


def test_no_list_of_sequences():
    with pytest.raises(ShapeError, match=r"sequences \(time, feature\)"):
        layer()([np.zeros((3, I, 1)), np.zeros((2, I, 1))])
    with pytest.raises(ShapeError, match="at least one step"):
        layer()([np.zeros((0, I))])


# Between layers


def test_residual_adds_a_layers_inputs_to_its_outputs():
    network = layer(num_layers=3, residual=True)
    outputs, _ = network(XS)
    xs = mg.tensor(XS)
    for n, cell in enumerate(network.cells):
        out, _ = mr.unroll(cell, xs)
        xs = out + xs if n else out
    np.testing.assert_allclose(outputs.numpy(), xs.numpy(), rtol=0, atol=1e-12)


def test_skip_gives_the_input_to_all_layers_and_all_layers_to_the_output():
    network = layer("rnn", num_layers=3, bidirectional=True, skip=True)
    assert [cell.input_size for cell in network.cells] == [I, I, *[2 * H + I] * 4]
    assert network.output_size == 6 * H
    outputs, _ = network(XS)
    assert outputs.shape == (T, B, 6 * H)
    xs, every = mg.tensor(XS), []
    for n in range(3):
        given = mg.concatenate([every[-1], xs], axis=2) if n else xs
        sides = [mr.unroll(network.cells[2 * n + side], given, reverse=bool(side))[0] for side in (0, 1)]
        every.append(mg.concatenate(sides, axis=2))
    np.testing.assert_allclose(outputs.numpy(), mg.concatenate(every, axis=2).numpy(), rtol=0, atol=1e-12)


def test_modules_between_layers():
    made = []

    def between(size):
        made.append(mg.nn.Sequential(mg.nn.Linear(size, size, dtype="float64"), mg.tanh))
        return made[-1]

    network = layer(num_layers=3, between=between)
    assert len(made) == 2
    outputs, _ = network(XS)
    xs = mg.tensor(XS)
    for n, cell in enumerate(network.cells):
        xs, _ = mr.unroll(cell, made[n - 1](xs) if n else xs)
    np.testing.assert_allclose(outputs.numpy(), xs.numpy(), rtol=0, atol=1e-12)
    assert {name.partition(".")[0] for name in network.state_dict()} == {"cells", "between"}


# Learned initial states


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_learned_initial_state_has_a_gradient(cell):
    network = layer(cell, num_layers=2, bidirectional=True, learned_state=True)
    start = [p for name, p in network.named_parameters() if name.startswith("initial")]
    assert len(start) == 4 * (2 if cell == "lstm" else 1)
    for p in start:
        p.data[...] = p.backend.asarray(rng.normal(size=p.shape))
    names = [name for name, _ in network.named_parameters() if name.startswith("initial")]

    def loss(*values):
        for n, value in enumerate(values):
            per_cell = len(values) // 4
            network.initial[n // per_cell][n % per_cell] = value
        return mg.square(network(XS)[0]).sum()

    mg.gradcheck(loss, [mg.tensor(p.numpy(), requires_grad=True) for p in start])
    assert len(names) == len(start)
    given = layer(cell, num_layers=2, bidirectional=True)(XS)[0]
    assert np.abs(network(XS)[0].numpy() - given.numpy()).max() > 1e-3


# Noise


def test_zoneout_keeps_old_states_and_mixes_in_evaluation():
    network = layer(zoneout={"h": 0.3, "c": 0.6})
    network.eval()
    outputs, (h, c) = network(XS)
    cell, state = network.cells[0], network.cells[0].initial_state(B)
    for t in range(T):
        _, new = cell.step(mg.tensor(XS[t]), state)
        state = tuple(p * old + (1 - p) * fresh for p, old, fresh in zip((0.3, 0.6), state, new, strict=True))
        np.testing.assert_allclose(outputs.numpy()[t], state[0].numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(c.numpy()[0], state[1].numpy(), rtol=0, atol=1e-12)
    network.train()
    _, (h, c) = layer("lstm", zoneout=0.999)(rng.normal(size=(T, 50, I)))
    assert (h.numpy() == 0).mean() > 0.95  # nearly all of the zeros of the start


def test_a_share_of_units_is_zoned_out():
    outputs, _ = layer("rnn", zoneout=0.25)(rng.normal(size=(40, 50, I)))
    kept = (outputs.numpy()[1:] == outputs.numpy()[:-1]).mean()
    assert kept == pytest.approx(0.25, abs=0.02)


def test_variational_dropout_drops_the_same_features_in_all_steps():
    xs = mg.tensor(rng.normal(size=(T, 200, I)), requires_grad=True)
    network = layer("rnn", input_dropout=0.4)
    network(xs)[0].sum().backward()
    dropped = xs.grad.numpy() == 0
    assert (dropped == dropped[0]).all()
    assert dropped.mean() == pytest.approx(0.4, abs=0.06)
    network.eval()
    np.testing.assert_array_equal(network(xs)[0].numpy(), layer("rnn")(xs)[0].numpy())


def test_state_dropout_scales_what_it_keeps():
    """With the identity for recurrent matrix and no input, h_t of a linear cell grows by 1 / (1 - p) where kept."""
    network = layer("rnn", nonlinearity="identity", state_dropout=0.5)
    cell = network.cells[0]
    cell.weight_hh.data[...] = cell.weight_hh.backend.asarray(np.eye(H))
    cell.weight_ih.data[...] = 0
    outputs, _ = network(np.zeros((3, 100, I)), mg.ones((1, 100, H), dtype="float64"))
    values = outputs.numpy()
    assert set(np.unique(values[0])) == {0.0, 2.0}
    np.testing.assert_array_equal(values[2], values[0] ** 3)


def test_dropped_weights_are_the_same_in_all_steps_and_come_back():
    network = layer("rnn", weight_drop=0.5)
    cell = network.cells[0]
    weight = cell.weight_hh
    outputs, _ = network(XS)
    mg.square(outputs).sum().backward()
    assert cell.weight_hh is weight
    dropped = weight.grad.numpy() == 0
    assert 0 < dropped.sum() < dropped.size
    kept = np.where(dropped, 0, 2 * weight.numpy())
    h = np.zeros((B, H))
    for t in range(T):
        h = np.tanh(XS[t] @ cell.weight_ih.numpy() + h @ kept + cell.bias.numpy())
        np.testing.assert_allclose(outputs.numpy()[t], h, rtol=0, atol=1e-12)


def test_noise_with_lengths_leaves_ended_sequences_alone():
    network = layer(zoneout=0.3, state_dropout=0.3)
    outputs, (h, _) = network(XS, lengths=[2, 5, 0])
    assert (outputs.numpy()[2:, 0] == 0).all()
    np.testing.assert_array_equal(h.numpy()[0, 0], outputs.numpy()[1, 0])
    assert (h.numpy()[0, 2] == 0).all()


@pytest.mark.parametrize("name", ["zoneout", "input_dropout", "state_dropout", "weight_drop"])
def test_noise_takes_probabilities(name):
    with pytest.raises(ValueError, match=rf"{name} must be a probability in \[0, 1\), not 1.5"):
        Noise(**{name: 1.5})


# What does not fit


def test_a_state_for_another_batch():
    cell = mr.LSTMCell(I, H, dtype="float64")
    with pytest.raises(
        ShapeError, match=r"for a batch of 3 has the parts h \(3, 4\), c \(3, 4\), and was given \(2, 4\)"
    ):
        mr.unroll(cell, XS, cell.initial_state(2))
    with pytest.raises(ShapeError, match="give a tuple of them"):
        mr.unroll(cell, XS, mg.zeros((B, H)))


@pytest.mark.on_numpy
def test_an_input_with_a_nan_is_refused():
    xs = XS.copy()
    xs[2, 1, 0] = np.nan
    with pytest.raises(AnomalyError, match=r"\(time, batch, feature\).*NaN, the first at \(2, 1, 0\)"):
        layer()(xs)


def test_an_empty_batch():
    with pytest.raises(ShapeError, match="at least 1"):
        layer()(np.zeros((T, 0, I)))
