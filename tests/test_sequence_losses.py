"""Losses of whole sequences: per step, of the last step, the largest error, soft-DTW."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad_rnn.losses import last_steps, max_error, sequence_loss, soft_dtw

T, B, C = 5, 3, 4
LENGTHS = [5, 2, 3]
rng = np.random.default_rng(0)
LOGITS, LABELS = rng.normal(size=(T, B, C)), rng.integers(0, C, (T, B))


def surprises():
    """-log p of each label, by hand."""
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(axis=2, keepdims=True))
    return -np.take_along_axis(log_p, LABELS[:, :, None], axis=2)[:, :, 0]


def test_per_step_loss_by_hand():
    losses = surprises()
    alone = [losses[:length, n] for n, length in enumerate(LENGTHS)]
    logits = mg.tensor(LOGITS)
    np.testing.assert_allclose(sequence_loss(logits, LABELS, LENGTHS).item(), np.concatenate(alone).mean(), rtol=1e-12)
    np.testing.assert_allclose(
        sequence_loss(logits, LABELS, LENGTHS, reduction="sum").item(), np.concatenate(alone).sum(), rtol=1e-12
    )
    each = sequence_loss(logits, LABELS, LENGTHS, reduction="sequence").numpy()
    np.testing.assert_allclose(each, [part.mean() for part in alone], rtol=1e-12)
    np.testing.assert_allclose(sequence_loss(logits, LABELS).item(), losses.mean(), rtol=1e-12)


def test_padding_may_hold_anything_and_gets_no_gradient():
    logits, labels = LOGITS.copy(), LABELS.copy()
    for n, length in enumerate(LENGTHS):
        logits[length:, n], labels[length:, n] = np.nan, -7
    given = mg.tensor(logits, requires_grad=True)
    loss = sequence_loss(given, labels, LENGTHS)
    loss.backward()
    np.testing.assert_allclose(loss.item(), sequence_loss(mg.tensor(LOGITS), LABELS, LENGTHS).item(), rtol=1e-12)
    gradient = given.grad.numpy()
    for n, length in enumerate(LENGTHS):
        assert (gradient[length:, n] == 0).all()
        assert (gradient[:length, n] != 0).all()


def test_a_sequence_of_no_step_counts_for_nothing():
    logits = mg.tensor(LOGITS)
    some = sequence_loss(logits, LABELS, [5, 0, 3])
    np.testing.assert_allclose(some.item(), sequence_loss(logits[:, [0, 2]], LABELS[:, [0, 2]], [5, 3]).item())
    assert sequence_loss(logits, LABELS, [5, 0, 3], reduction="sequence").numpy()[1] == 0


def test_a_loss_of_several_numbers_a_step_counts_by_their_mean():
    targets = rng.normal(size=(T, B, C))
    each = sequence_loss(mg.tensor(LOGITS), targets, LENGTHS, nn.mse_loss, "sequence").numpy()
    squares = (LOGITS - targets) ** 2
    np.testing.assert_allclose(each, [squares[:length, n].mean() for n, length in enumerate(LENGTHS)], rtol=1e-12)
    options = sequence_loss(mg.tensor(LOGITS), targets, loss=nn.huber_loss, delta=0.5).item()
    np.testing.assert_allclose(options, nn.huber_loss(mg.tensor(LOGITS), targets, delta=0.5).item(), rtol=1e-12)


def test_last_steps():
    last = last_steps(mg.tensor(LOGITS), LENGTHS).numpy()
    np.testing.assert_array_equal(last, LOGITS[[4, 1, 2], [0, 1, 2]])


def test_max_error_by_hand():
    targets = rng.normal(size=(T, B, C))
    errors = abs(LOGITS - targets)
    worst = [errors[:length, n].max() for n, length in enumerate(LENGTHS)]
    outputs = mg.tensor(LOGITS, requires_grad=True)
    np.testing.assert_array_equal(max_error(outputs, targets, LENGTHS, "none").numpy(), worst)
    loss = max_error(outputs, targets, LENGTHS)
    np.testing.assert_allclose(loss.item(), np.mean(worst))
    loss.backward()
    assert (outputs.grad.numpy() != 0).sum() == B
    np.testing.assert_allclose(max_error(outputs, targets, reduction="sum").item(), errors.max(axis=(0, 2)).sum())


def test_lists_are_taken():
    outputs, targets = [[1.0, 5.0], [3.0, 9.0]], [[0.0, 0.0], [0.0, 0.0]]
    assert sequence_loss(outputs, targets, [2, 1], nn.mse_loss, "sequence").tolist() == [5, 25]
    assert last_steps(outputs, [2, 1]).tolist() == [3, 5]
    assert max_error(outputs, targets, reduction="none").tolist() == [3, 9]
    assert soft_dtw([[[3.0]]], [[[1.0]]]).item() == 4


def dtw_by_programme(x, y, gamma):
    """Algorithm 1 of Cuturi and Blondel (2017), cell by cell."""
    r = np.full((len(x) + 1, len(y) + 1), np.inf)
    r[0, 0] = 0
    for i, j in itertools.product(range(1, len(x) + 1), range(1, len(y) + 1)):
        before = -np.array([r[i - 1, j - 1], r[i - 1, j], r[i, j - 1]]) / gamma
        top = before.max()
        r[i, j] = ((x[i - 1] - y[j - 1]) ** 2).sum() - gamma * (top + np.log(np.exp(before - top).sum()))
    return r[-1, -1]


def paths(n, m):
    """Every monotone alignment of n with m steps."""
    if (n, m) == (0, 0):
        yield [(0, 0)]
        return
    for di, dj in ((1, 1), (1, 0), (0, 1)):
        if n >= di and m >= dj:
            for path in paths(n - di, m - dj):
                yield [*path, (n, m)]


@pytest.mark.parametrize("gamma", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("sizes", [(4, 6), (6, 3), (1, 5), (1, 1), (5, 1)])
def test_soft_dtw_is_the_dynamic_programme(gamma, sizes):
    n, m = sizes
    x, y = rng.normal(size=(n, B, 2)), rng.normal(size=(m, B, 2))
    lengths_x, lengths_y = rng.integers(1, n + 1, B), rng.integers(1, m + 1, B)
    ours = soft_dtw(mg.tensor(x), mg.tensor(y), gamma, lengths_x, lengths_y, "none").numpy()
    by_hand = [dtw_by_programme(x[:a, k], y[:b, k], gamma) for k, (a, b) in enumerate(zip(lengths_x, lengths_y))]
    np.testing.assert_allclose(ours, by_hand, rtol=1e-10)


def test_soft_dtw_is_the_soft_minimum_over_all_alignments():
    x, y = rng.normal(size=(4, 1, 2)), rng.normal(size=(3, 1, 2))
    costs = ((x[:, None, 0] - y[None, :, 0]) ** 2).sum(axis=2)
    totals = np.array([sum(costs[cell] for cell in path) for path in paths(3, 2)])
    assert len(totals) == 25  # the Delannoy number of (3, 2)
    np.testing.assert_allclose(
        soft_dtw(mg.tensor(x), y, 0.7).item(), -0.7 * np.log(np.exp(-totals / 0.7).sum()), rtol=1e-12
    )
    np.testing.assert_allclose(soft_dtw(mg.tensor(x), y, 1e-4).item(), totals.min(), atol=1e-3)


def test_soft_dtw_forgives_another_speed():
    slow = mg.tensor(np.sin(np.linspace(0, 3, 12)).reshape(12, 1, 1))
    fast = np.sin(np.linspace(0, 3, 6)).reshape(6, 1, 1)
    assert soft_dtw(slow, fast, 1e-3).item() < 0.2 < 5 < soft_dtw(slow, -fast, 1e-3).item()


def test_gradients():
    x, y = rng.normal(size=(4, 2, 2)), rng.normal(size=(3, 2, 2))
    mg.gradcheck(lambda x, y: soft_dtw(x, y, 0.5, [4, 2], [1, 3], "none"), [x, y])
    mg.gradcheck(lambda logits: sequence_loss(logits, LABELS, LENGTHS, reduction="sequence"), [LOGITS])
    mg.gradcheck(lambda outputs: sequence_loss(outputs, LOGITS + 1, LENGTHS, nn.mse_loss), [LOGITS.copy()])
    mg.gradcheck(lambda outputs: last_steps(outputs, LENGTHS), [LOGITS])
    mg.gradcheck(lambda outputs, targets: max_error(outputs, targets, LENGTHS), [LOGITS, rng.normal(size=(T, B, C))])


def test_soft_dtw_gives_padding_no_gradient():
    x = mg.tensor(rng.normal(size=(5, 2, 2)), requires_grad=True)
    soft_dtw(x, rng.normal(size=(4, 2, 2)), 1.0, [3, 5], [4, 2]).backward()
    gradient = x.grad.numpy()
    assert (gradient[3:, 0] == 0).all()
    assert (gradient[:3, 0] != 0).all()
    assert np.isfinite(gradient).all()


def test_what_does_not_fit():
    logits = mg.tensor(LOGITS)
    with pytest.raises(ShapeError, match=r"want targets \(5, 3, …\)"):
        sequence_loss(logits, LABELS[:4])
    with pytest.raises(ShapeError, match="lengths must be 3 integers"):
        sequence_loss(logits, LABELS, [5, 6, 1])
    with pytest.raises(ShapeError, match="lengths must be 3 integers"):
        sequence_loss(logits, LABELS, [5.0, 3.0, 1.0])
    with pytest.raises(ShapeError, match="nothing to learn from"):
        sequence_loss(logits, LABELS, [0, 0, 0])
    with pytest.raises(ValueError, match="'mean', 'sequence' or 'sum'"):
        sequence_loss(logits, LABELS, reduction="none")
    with pytest.raises(ShapeError, match="from 1 to 5"):
        last_steps(logits, [5, 0, 1])
    with pytest.raises(ShapeError, match="differ"):
        max_error(logits, LABELS)
    with pytest.raises(ShapeError, match="at least one of each"):
        last_steps(mg.tensor(np.ones(3)), [1])
    with pytest.raises(ValueError, match="gamma must be above 0"):
        soft_dtw(logits, LOGITS, 0)
    with pytest.raises(ShapeError, match="batch and features the same"):
        soft_dtw(logits, LOGITS[:, :2])
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none'"):
        soft_dtw(logits, LOGITS, reduction="batch")
