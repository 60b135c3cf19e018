"""What is left of a state's change after many steps, what bounds it, and the gradient's norm in each cell and step."""

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad_rnn.gradflow import (
    grad_norms,
    gradflow,
    jacobian_bound,
    per_step_grads,
    plot_grad_norms,
    plot_gradflow,
    plot_gradflow_pairs,
    singular_values,
    spectral_radius,
)
from minigrad_rnn.plotting import PlotError

T, B, I, H = 6, 3, 2, 4
OPTIONS = {"convlstm": {"size": (2, 2)}}
rng = np.random.default_rng(0)


def rnn(nonlinearity, scale=1.0, hidden=H):
    """A vanilla cell whose recurrent matrix is `scale` times an orthogonal one."""
    mg.seed(0)
    cell = mr.RNNCell(I, hidden, nonlinearity=nonlinearity, dtype="float64")
    cell.weight_hh.data *= scale
    return cell


def inputs(steps=T, batch=B, size=I):
    return rng.normal(size=(steps, batch, size))


@pytest.mark.parametrize(("norm", "order"), [("spectral", 2), ("frobenius", "fro")])
def test_of_a_linear_cell_it_is_a_power_of_the_matrix(norm, order):
    cell = rnn("identity")
    cell.weight_hh.data[...] = cell.weight_hh.backend.asarray(rng.normal(size=(H, H)))
    W = cell.weight_hh.numpy()
    found = gradflow(cell, inputs(), all_pairs=True, norm=norm)
    expected = [
        [np.linalg.norm(np.linalg.matrix_power(W, t - k), order) if k <= t else 0 for k in range(T)] for t in range(T)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(gradflow(cell, inputs(), norm=norm), found[-1])


@pytest.mark.parametrize("part", ["h", "c"])
def test_against_the_walk_through_the_whole_unrolled_graph(part):
    mg.seed(1)
    cell = mr.LSTMCell(I, H, dtype="float64")
    xs, which = inputs(batch=1), "hc".index(part)
    found = gradflow(cell, xs, norm="frobenius", part=part)
    for k in range(T):
        _, state = mr.unroll(cell, xs[: k + 1])

        def last(moved, k=k, state=state):
            start = tuple(moved if n == which else other for n, other in enumerate(state))
            return mr.unroll(cell, xs[k + 1 :], start)[1][which] if k < T - 1 else moved

        jacobian = mg.jacobian(last, state[which].detach()).numpy()
        np.testing.assert_allclose(found[k], np.linalg.norm(jacobian), rtol=1e-10)


def test_norms_are_averaged_over_the_batch():
    cell, xs = rnn("tanh"), inputs()
    each = [gradflow(cell, xs[:, n : n + 1], all_pairs=True) for n in range(B)]
    np.testing.assert_allclose(gradflow(cell, xs, all_pairs=True), np.mean(each, axis=0), rtol=1e-12)


@pytest.mark.parametrize("name", mr.cells.names())
def test_of_every_cell(name):
    mg.seed(0)
    cell = mr.cells.get(name)(I, H, **OPTIONS.get(name, {}))
    axes = (2,) * (len(cell.input_axes) - 1)
    found = gradflow(cell, rng.normal(size=(T, B, I, *axes)).astype("float32"))
    assert found.shape == (T,)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[-1], 1)


def test_of_layers_in_both_directions():
    mg.seed(2)
    layer = mr.GRU(I, H, num_layers=2, bidirectional=True, dtype="float64")
    xs = inputs()
    found = gradflow(layer, xs, all_pairs=True)
    assert found.shape == (4, T, T)
    np.testing.assert_array_equal(np.triu(found[0], 1), 0)
    np.testing.assert_array_equal(np.tril(found[1], -1), 0)
    below = mg.concatenate([mr.unroll(layer.cells[n], xs, reverse=bool(n))[0] for n in (0, 1)], axis=2)
    np.testing.assert_allclose(found[2], gradflow(layer.cells[2], below, all_pairs=True), rtol=1e-12)
    backward = gradflow(layer.cells[3], below[::-1], all_pairs=True)
    np.testing.assert_allclose(found[3], backward[::-1, ::-1], rtol=1e-12)
    np.testing.assert_allclose(
        gradflow(layer, xs)[:, [0, -1]],
        [[f[-1, 0], 1] if n % 2 == 0 else [1, f[0, -1]] for n, f in enumerate(found)],
    )
    wired = mr.RNN(I, H, num_layers=2, skip=True)
    assert gradflow(wired, xs.astype("float32")).shape == (2, T)
    first = mr.GRU(I, H, batch_first=True)
    assert gradflow(first, np.zeros((B, T, I), "float32")).shape == (1, T)


@pytest.mark.parametrize(("nonlinearity", "scale"), [("tanh", 1.3), ("tanh", 0.7), ("sigmoid", 5.0), ("relu", 1.1)])
def test_the_bound_holds(nonlinearity, scale):
    cell = rnn(nonlinearity, scale)
    cell.weight_hh.data += 0.1
    norms = gradflow(cell, 0.1 * inputs(20), all_pairs=True)
    lags = np.arange(20)[:, None] - np.arange(20)
    bounds = jacobian_bound(cell.weight_hh, lags, nonlinearity)
    assert (norms[lags >= 0] <= bounds[lags >= 0] * (1 + 1e-12)).all()
    assert norms[5, 3] > 0.01 * bounds[5, 3]  # of no use if it were far off


def test_small_weights_vanish_and_large_ones_explode():
    """Pascanu, Mikolov and Bengio 2013, section 2.1: below and above a largest singular value of 1 / γ."""
    T, quiet = 40, np.zeros((40, 1, I))
    vanishing = gradflow(rnn("tanh", 0.5), inputs(T))
    assert vanishing[0] < 0.5**38
    exploding = gradflow(rnn("tanh", 1.5), quiet)
    np.testing.assert_allclose(exploding[0], 1.5**39, rtol=1e-9)  # at h = 0 the slope of tanh is 1
    assert gradflow(rnn("sigmoid", 3.0), inputs(T))[0] < 0.75**39


def test_an_open_forget_gate_keeps_the_gradient():
    """Gers, Schmidhuber and Cummins 2000: with f near 1 the cell state is the constant error carousel."""
    mg.seed(3)
    cell = mr.LSTMCell(I, H, dtype="float64")
    xs = inputs(50)
    closed = gradflow(cell, xs, part="c")
    cell.bias.data[H : 2 * H] = 10
    cell.bias.data[:H] = -10
    kept = gradflow(cell, xs, part="c")
    assert closed[0] < 1e-2
    assert 0.95 < kept[0] < 1.05


def test_no_gradient_at_all_is_zero():
    class Forgetful(mr.RNNCell):
        def step(self, x, h):
            return super().step(x, h.detach())

    np.testing.assert_array_equal(gradflow(Forgetful(I, H), inputs().astype("float32")), [0] * (T - 1) + [1])


def test_what_cannot_be_asked():
    cell = mr.LSTMCell(I, H)
    with pytest.raises(ValueError, match="spectral or frobenius"):
        gradflow(cell, inputs(), norm="max")
    with pytest.raises(ValueError, match="choose h or c"):
        gradflow(cell, inputs(), part="m")
    with pytest.raises(ValueError, match="nonlinearity 'softplus'"):
        jacobian_bound(np.eye(2), 1, "softplus")
    with pytest.raises(mg.errors.ShapeError, match=r"square matrix.*\(2, 3\)"):
        spectral_radius(np.ones((2, 3)))
    with pytest.raises(mg.errors.ShapeError, match="two axes"):
        singular_values(np.ones(3))


def test_spectra():
    turn = np.array([[0.0, -2.0], [2.0, 0.0]])
    assert spectral_radius(turn) == pytest.approx(2)
    shear = mg.tensor([[1.0, 100.0], [0.0, 0.5]])
    assert spectral_radius(shear) == pytest.approx(1)
    values = singular_values(shear)
    assert values[0] > 100
    assert np.prod(values) == pytest.approx(0.5)
    np.testing.assert_allclose(jacobian_bound(turn, [0, 1, 2], "sigmoid"), [1, 0.5, 0.25])


class Model(mg.nn.Module):
    def __init__(self):
        mg.seed(4)
        self.layer = mr.LSTM(I, H, num_layers=2, dtype="float64")
        self.head = mg.nn.Linear(H, 1, dtype="float64")

    def forward(self, xs):
        return self.head(self.layer(xs)[0][-1])


def test_norms_for_each_cell_and_step():
    model = Model()
    loss = mg.square(model(inputs())).sum()
    norms = grad_norms(loss, model)
    assert list(norms) == ["layer.cells.0", "layer.cells.1"]
    for name, cell in zip(norms, model.layer.cells, strict=True):
        each = [per_step_grads(loss, p).reshape(T, -1) for p in cell.parameters()]
        np.testing.assert_allclose(norms[name], np.linalg.norm(np.concatenate(each, axis=1), axis=1))
    model.layer.cells[0].requires_grad_(False)
    frozen = grad_norms(mg.square(model(inputs())).sum(), model)
    np.testing.assert_array_equal(frozen["layer.cells.0"], 0)


def test_a_cell_within_a_cell_is_counted_once():
    class Residual(mr.Cell):
        def __init__(self, input_size, hidden_size):
            self.inner = mr.RNNCell(input_size, hidden_size)

        def step(self, x, h):
            output, after = self.inner.step(x, h)
            return output + h, after

    cell = Residual(I, H)
    outputs, _ = mr.unroll(cell, inputs().astype("float32"))
    assert list(grad_norms(outputs.sum(), cell)) == [""]


def test_plots():
    cell, model = rnn("tanh"), Model()
    norms = gradflow(cell, inputs())
    axes = plot_gradflow({"tanh": norms, "bound": jacobian_bound(cell.weight_hh, range(T))[::-1]})
    assert [line.get_label() for line in axes.get_lines()] == ["tanh", "bound"]
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), norms[::-1])
    assert axes.get_yscale() == "log"
    assert plot_gradflow({"again": norms}, axes) is axes

    pairs = plot_gradflow_pairs(gradflow(cell, inputs(), all_pairs=True))
    assert pairs.images[0].get_array().shape == (T, T)

    alone = plot_grad_norms(mr.unroll(cell, inputs())[0].sum(), cell)
    assert [line.get_label() for line in alone.get_lines()] == ["RNNCell"]

    loss = mg.square(model(inputs())).sum()
    axes = plot_grad_norms(loss, model)
    assert [line.get_label() for line in axes.get_lines()] == ["layer.cells.0", "layer.cells.1"]
    for drawn in (axes, pairs):
        drawn.figure.canvas.draw()


def test_what_cannot_be_plotted():
    for draw in (lambda: plot_gradflow({}), lambda: plot_grad_norms(mg.ones(()), mg.nn.Linear(2, 2))):
        with pytest.raises(PlotError, match="no line to draw"):
            draw()
    with pytest.raises(PlotError, match="no norm is above 0"):
        plot_gradflow_pairs(np.zeros((3, 3)))


def test_a_layer_that_runs_as_a_compiled_loop():
    """Also the second of its kind, whose loop has been compiled: every step is seen, and the layer left as it was."""
    for seed in (0, 1):
        mg.seed(seed)
        layer = mr.Recurrent("rnn", 3, 4, compiled=True)
        xs = np.random.default_rng(seed).normal(size=(5, 2, 3)).astype("float32")
        layer(xs)
        np.testing.assert_allclose(mr.gradflow(layer, xs)[0], mr.gradflow(layer.cells[0], xs), rtol=1e-6)
        assert layer.compiled is True
