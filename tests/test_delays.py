"""Networks with tapped delays: TDNN and NARX."""

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.errors import ShapeError
from minigrad_rnn.cells.narx import NARXCell
from minigrad_rnn.cells.tdnn import TDNNCell

T, B, I, H, O = 7, 3, 2, 4, 2
rng = np.random.default_rng(0)
XS, YS = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))


def test_tdnn_is_a_convolution_over_time():
    mg.seed(0)
    cell = TDNNCell(I, H, taps=3, dtype="float64")
    outputs, past = mr.unroll(cell, XS)
    W, b = cell.weight.numpy().reshape(4, I, H), cell.bias.numpy()
    for t in range(T):
        a = b + sum(XS[t - k] @ W[k] for k in range(4) if t >= k)
        np.testing.assert_allclose(outputs.numpy()[t], np.tanh(a), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(past.numpy(), np.concatenate([XS[-1], XS[-2], XS[-3]], axis=1))
    conv = mg.nn.Conv1d(I, H, 4, dtype="float64")
    conv.weight.data[...] = conv.weight.backend.asarray(np.transpose(W[::-1], (2, 1, 0)))
    conv.bias.data[...] = conv.bias.backend.asarray(b)
    padded = np.pad(np.transpose(XS, (1, 2, 0)), ((0, 0), (0, 0), (3, 0)))
    same = mg.tanh(conv(mg.tensor(padded))).numpy()
    np.testing.assert_allclose(outputs.numpy(), np.transpose(same, (2, 0, 1)), rtol=0, atol=1e-12)


def test_tdnn_has_a_finite_response():
    cell = TDNNCell(I, H, taps=2, dtype="float64")
    changed = XS.copy()
    changed[1] += 1
    difference = np.abs(mr.unroll(cell, XS)[0].numpy() - mr.unroll(cell, changed)[0].numpy()).max(axis=(1, 2))
    assert (difference > 0).tolist() == [False, True, True, True, False, False, False]


@pytest.mark.parametrize(("input_taps", "output_taps"), [(0, 1), (0, 3), (2, 1), (2, 3), (0, T - 1)])
def test_narx_against_plain_numpy(input_taps, output_taps):
    mg.seed(1)
    cell = NARXCell(I, H, O, input_taps, output_taps, dtype="float64")
    U, A, V = (p.numpy() for p in (cell.weight_ih, cell.weight_yh, cell.weight_hy))
    U, A = U.reshape(-1, I, H), A.reshape(-1, O, H)

    def run(fed):
        outputs = []
        for t in range(T):
            past = outputs if fed is None else list(fed[:t])
            a = sum(XS[t - k] @ U[k] for k in range(input_taps + 1) if t >= k) + np.zeros((B, H))
            a = a + sum(past[t - k] @ A[k - 1] for k in range(1, output_taps + 1) if t >= k)
            outputs.append(np.tanh(a) @ V)
        return np.stack(outputs)

    np.testing.assert_allclose(mr.unroll(cell, XS)[0].numpy(), run(None), rtol=0, atol=1e-12)
    np.testing.assert_allclose(cell.open_loop(XS, YS).numpy(), run(YS), rtol=0, atol=1e-12)


def test_open_loop_on_its_own_outputs_is_the_closed_loop():
    mg.seed(2)
    cell = NARXCell(I, H, O, input_taps=1, output_taps=2, dtype="float64")
    closed, _ = mr.unroll(cell, XS)
    np.testing.assert_allclose(cell.open_loop(XS, closed.detach()).numpy(), closed.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TDNNCell(I, H, taps=2, dtype="float64"),
        lambda: NARXCell(I, H, O, 2, 2, dtype="float64"),
        lambda: NARXCell(I, H, O, dtype="float64"),
    ],
)
def test_gradients_lengths_and_layers(make):
    mg.seed(3)
    cell = make()
    names = [name for name, _ in cell.named_parameters()]
    start = cell.initial_state(B)

    def loss(xs, *values):
        for name, value in zip(names, values, strict=True):
            setattr(cell, name, value)
        return mg.square(mr.unroll(cell, xs, start)[0]).sum()

    weights = [mg.tensor(p.numpy(), requires_grad=True) for p in cell.parameters()]
    mg.gradcheck(loss, [mg.tensor(XS, requires_grad=True), *weights])
    cell = make()
    together, _ = mr.unroll(cell, XS, lengths=[7, 2, 4])
    for n, length in enumerate([7, 2, 4]):
        alone, _ = mr.unroll(cell, XS[:length, n : n + 1])
        np.testing.assert_allclose(together.numpy()[:length, n], alone.numpy()[:, 0], rtol=0, atol=1e-12)
        assert (together.numpy()[length:, n] == 0).all()


def test_by_name_stacked_in_both_directions():
    network = mr.Recurrent("tdnn", I, H, num_layers=2, bidirectional=True, taps=3, dtype="float64")
    outputs, state = network(XS)
    assert outputs.shape == (T, B, 2 * H)
    assert [part.shape for part in state] == [(B, 3 * I)] * 2 + [(B, 6 * H)] * 2  # a list: the layers' differ
    streaming = mr.Recurrent("tdnn", I, H, num_layers=2, taps=3, dtype="float64")
    first, state = streaming(XS[:3])
    second, _ = streaming(XS[3:], state)
    whole, _ = streaming(XS)
    np.testing.assert_allclose(np.concatenate([first, second]), whole.numpy(), rtol=0, atol=1e-12)
    layer = mr.Recurrent("narx", I, H, output_size=O, output_taps=2, num_layers=2)
    assert layer(XS.astype("float32"))[0].shape == (T, B, O)
    assert layer.output_size == O


@pytest.mark.parametrize(("input_taps", "output_taps"), [(0, 1), (0, 3), (2, 1), (2, 3)])
def test_a_closed_loop_goes_on_from_the_true_past(input_taps, output_taps):
    mg.seed(6)
    cell = NARXCell(I, H, O, input_taps, output_taps, dtype="float64")
    forecasts, _ = mr.unroll(cell, XS[4:], cell.after(XS[:4], YS[:4]))
    fed = YS.copy()
    for t in range(4, T):
        fed[t] = cell.open_loop(XS, fed).numpy()[t]
    np.testing.assert_allclose(forecasts.numpy(), fed[4:], rtol=0, atol=1e-12)


def test_narx_learns_a_system_in_open_loop_and_runs_it_in_closed_loop():
    """y_t = 0.5 y_{t-1} - 0.3 y_{t-2} + x_t: learned from the true past, then left to itself."""
    mg.seed(0)
    xs = rng.uniform(-1, 1, (60, 16, 1)).astype("float32")
    ys = np.zeros_like(xs)
    for t in range(60):
        ys[t] = xs[t] + (0.5 * ys[t - 1] if t else 0) - (0.3 * ys[t - 2] if t > 1 else 0)
    cell = NARXCell(1, 8, 1, output_taps=2, nonlinearity="identity")
    optimizer = mg.optim.Adam(cell.parameters(), lr=0.02)
    for _ in range(300):
        loss = mg.nn.mse_loss(cell.open_loop(xs, ys), ys)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    closed, _ = mr.unroll(cell, xs)
    assert loss.item() < 1e-4
    assert np.square(closed.numpy() - ys).mean() < 1e-3


def test_jordan_in_open_loop():
    """Recurrence from the output trains in parallel over time: equal to a run that is fed the true outputs."""
    mg.seed(4)
    cell = mr.cells.get("jordan")(I, H, output_size=O, output="sigmoid", dtype="float64")
    before = np.concatenate([np.zeros((1, B, O)), YS[:-1]])
    steps = [cell.step(mg.tensor(XS[t]), mg.tensor(before[t]))[0].numpy() for t in range(T)]
    np.testing.assert_allclose(cell.open_loop(XS, YS).numpy(), np.stack(steps), rtol=0, atol=1e-14)
    closed, _ = mr.unroll(cell, XS)
    np.testing.assert_allclose(cell.open_loop(XS, closed.detach()).numpy(), closed.numpy(), rtol=0, atol=1e-12)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        TDNNCell(I, H, taps=0)
    with pytest.raises(ValueError, match="not 1, 0 and 0"):
        NARXCell(I, H, output_taps=0)
    with pytest.raises(ValueError, match="choose one of tanh"):
        TDNNCell(I, H, nonlinearity="step")
    with pytest.raises(ShapeError, match=r"\(7, 3, 2\) and \(6, 3, 2\)"):
        NARXCell(I, H, O).open_loop(XS, YS[1:])
    with pytest.raises(ShapeError, match="3 past outputs and 1 past inputs are not in 2 steps"):
        NARXCell(I, H, O, input_taps=1, output_taps=3).after(XS[:2], YS[:2])
