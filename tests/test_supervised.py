"""Models that learn from examples: batches, losses, figures, and what a model answers."""

from functools import partial

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad_rnn.metrics import accuracy, confusion, squared_error
from minigrad_rnn.training import Config, Supervised, fit


class Sum(mg.nn.Module):
    """w · Σ_t x_t of (time, batch, feature): (batch, 1)."""

    def __init__(self):
        self.w = mg.nn.Parameter(mg.tensor([[0.0], [0.0]]))

    def forward(self, xs):
        return mg.tensor(xs).sum(axis=0) @ self.w


def examples(count, seed=0):
    xs = np.random.default_rng(seed).normal(size=(3, count, 2)).astype("float32")
    return xs, xs.sum(axis=0) @ np.array([[2.0], [-1.0]], "float32")


@pytest.mark.on_numpy
def test_each_pass_takes_every_example_once_in_an_order_of_its_own():
    train = examples(12)
    task = Supervised(Sum(), train, examples(4, 1), mg.nn.mse_loss, batch=4, axis=(1, 0), seed=3)
    assert (task.rows, task.epoch, task.validation_rows) == (4, 3, 4)
    passes = []
    for epoch in range(2):
        batches = [task.batch(3 * epoch + n, slice(0, 4)) for n in range(3)]
        assert [batch[0].shape for batch in batches] == [(3, 4, 2)] * 3
        passes.append(np.concatenate([batch[1] for batch in batches]).ravel())
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(train[1].ravel())
    assert passes[0].tolist() != passes[1].tolist()
    np.testing.assert_array_equal(task.batch(4, slice(1, 3))[1], task.batch(4, slice(0, 4))[1][1:3])


def test_a_linear_sum_is_learned():
    task = Supervised(Sum(), examples(64), examples(300, 1), mg.nn.mse_loss, squared_error, 16, axis=(1, 0))
    result = fit(task, Config(steps=200, lr=0.1))
    np.testing.assert_allclose(task.model.w.numpy(), [[2.0], [-1.0]], atol=1e-3)
    assert result.figures["squared_error"] == pytest.approx(result.figures["loss"], rel=1e-5)
    predicted = task.predict()
    assert predicted.shape == (300, 1)
    np.testing.assert_allclose(np.square(predicted - task.validation[1]).mean(), result.figures["loss"], rtol=1e-4)


class Closeness:
    def __call__(self, outputs, targets):
        return 1 - squared_error(outputs, targets)


def within(outputs, targets, limit):
    return (squared_error(outputs, targets) < limit**2).astype(outputs.dtype)


def test_what_a_metric_is_called():
    for metric, name in (
        (within, "within"),
        (partial(partial(within), limit=0.1), "within"),
        (Closeness(), "Closeness"),
    ):
        assert Supervised(Sum(), examples(4), examples(4), mg.nn.mse_loss, metric, axis=(1, 0)).metric == name
    task = Supervised(Sum(), examples(8), examples(8), mg.nn.mse_loss, partial(within, limit=99.0), axis=(1, 0))
    assert task.figures(task.evaluate(slice(0, 8)))["within"] == 1


@pytest.mark.on_numpy
def test_batches_made_anew():
    drawn = []

    def make(count, rng):
        drawn.append(count)
        return examples(count, int(rng.integers(1 << 30)))

    task = Supervised(Sum(), make, examples(5, 1), mg.nn.mse_loss, batch=8, axis=(1, 0))
    first, again, other = (task.batch(step, slice(0, 8))[1] for step in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert drawn == [8, 8, 8]
    assert task.epoch is None


def test_arrays_that_do_not_go_together():
    xs, ys = examples(6)
    with pytest.raises(ValueError, match="5 and 6 examples"):
        Supervised(Sum(), (xs, ys[:5]), examples(3), mg.nn.mse_loss, axis=(1, 0))
    with pytest.raises(ValueError, match="at least one"):
        Supervised(Sum(), examples(3), (xs[:, :0], ys[:0]), mg.nn.mse_loss, axis=(1, 0))


def test_lengths_go_into_the_model():
    """The answer is read off each sequence's own last step: what stands behind it changes nothing."""
    mg.seed(0)
    model = mr.SequenceModel(mr.Recurrent("gru", 2, 3), outputs=4, last=True)
    xs = np.random.default_rng(0).normal(size=(5, 2, 2)).astype("float32")
    lengths = np.array([5, 2])
    changed = xs.copy()
    changed[2:, 1] = 9
    answers = model(xs, lengths).numpy()
    np.testing.assert_array_equal(answers, model(changed, lengths).numpy())
    np.testing.assert_allclose(answers[1], model(xs[:2, 1:], [2]).numpy()[0], rtol=1e-6)
    classes = np.array([1, 3])
    task = Supervised(
        model, (xs, lengths, classes), (xs, lengths, classes), mg.nn.cross_entropy, accuracy, axis=(1, 0, 0), inputs=2
    )
    assert fit(task, Config(steps=60, lr=0.05)).figures["accuracy"] == 1.0


def test_metrics():
    scores = mg.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert accuracy(scores, np.array([1, 0, 0])).tolist() == [1, 1, 0]
    assert accuracy(mg.tensor([0.5, -0.5]), np.array([1.0, 1.0])).tolist() == [1, 0]
    assert confusion([1, 0, 1], [1, 0, 0], 2).tolist() == [[1, 1], [0, 1]]


def test_outputs_that_have_their_examples_elsewhere_than_the_targets():
    """More than are evaluated together: outputs (time, N, classes), targets (N, time)."""

    class Same(mg.nn.Module):
        def __init__(self):
            self.w = mg.nn.Parameter(mg.tensor(1.0))

        def forward(self, xs):
            return mg.tensor(xs) * self.w

    xs = np.random.default_rng(0).normal(size=(3, 300, 2)).astype("float32")
    loss = lambda outputs, targets: mg.nn.mse_loss(mg.swapaxes(outputs, 0, 1), targets)
    arrays = xs, np.swapaxes(xs, 0, 1)
    task = Supervised(Same(), arrays, arrays, loss, axis=(1, 0), outputs_axis=1)
    np.testing.assert_array_equal(task.predict(), xs)


def test_a_loss_of_each_example_is_the_same_however_many_are_evaluated_together(monkeypatch):
    xs = np.random.default_rng(0).normal(size=(5, 9, 2)).astype("float32")
    lengths = np.array([5, 1, 1, 2, 5, 3, 1, 4, 2])
    layer = mr.Recurrent("rnn", 2, 3)
    model = mr.models.SequenceModel(layer, 2)
    arrays = xs, lengths, np.ones((5, 9), "int64"), lengths
    loss = partial(mr.sequence_loss, reduction="sequence")
    task = Supervised(model, arrays, arrays, loss, axis=(1, 0, 1, 0), inputs=2)
    figures = []
    for at_once in (256, 4, 1):
        monkeypatch.setattr("minigrad_rnn.training.tasks.supervised.AT_ONCE", at_once)
        figures.append(task.figures(task.evaluate(slice(0, 9)))["loss"])
    np.testing.assert_allclose(figures, figures[0], rtol=1e-6)
    with mg.no_grad():
        expected = loss(model(xs, lengths), arrays[2], lengths).numpy().mean()
    np.testing.assert_allclose(figures[0], expected, rtol=1e-6)
    batch = task.batch(0, slice(0, 4))
    assert task.loss(batch, None)[0].shape == ()
