"""The CTC loss: the sum over all alignments, and PyTorch's."""

import itertools
import math

import numpy as np
import pytest
from strict import StrictArray

import minigrad as mg
from minigrad import nn
from minigrad.errors import MinigradError, OperandError, ShapeError

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None


def by_hand(log_probs, target, blank=0):
    """-log of the sum over every path that reads as `target`."""
    T, C = log_probs.shape
    total = 0.0
    for path in itertools.product(range(C), repeat=T):
        read = [c for c, _ in itertools.groupby(path) if c != blank]
        if read == list(target):
            total += math.exp(sum(log_probs[t, c] for t, c in enumerate(path)))
    return -math.log(total) if total else math.inf


def logits(T, N, C, seed=0):
    return np.random.default_rng(seed).normal(size=(T, N, C)) * 2


@pytest.mark.on_numpy
@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("target", [[], [1], [1, 1], [1, 3], [3, 1, 3], [1, 1, 1]])
def test_it_is_the_sum_over_all_alignments(target, blank):
    for T in (1, 3, 5):
        log_probs = mg.log_softmax(mg.tensor(logits(T, 1, 4))).numpy()
        loss = nn.ctc_loss(log_probs, np.array([target], int).reshape(1, -1), [T], [len(target)], blank, "none")
        np.testing.assert_allclose(loss, [by_hand(log_probs[:, 0], target, blank)], rtol=1e-12)


# Time, batch, classes, target and input lengths: repeats, nothing to read, one step, lengths that differ, just possible
SIZES = {
    "even": (6, 2, 4, [3, 2], [6, 6]),
    "lengths": (9, 4, 3, [2, 0, 4, 1], [9, 3, 8, 1]),
    "one step": (1, 3, 4, [1, 0, 1], [1, 1, 1]),
    "nothing to read": (4, 2, 3, [0, 0], [4, 2]),
    "one sequence": (7, 1, 5, [3], [6]),
    "long": (60, 3, 8, [20, 9, 14], [60, 51, 42]),
}


def problem(size):
    T, N, C, target_lengths, input_lengths = SIZES[size]
    rng = np.random.default_rng(len(size))
    return logits(T, N, C), rng.integers(1, C, (N, max(1, *target_lengths))), input_lengths, target_lengths


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_ctc_is_torchs(size, zero_infinity, reduction):
    values, targets, input_lengths, target_lengths = problem(size)
    x, y = mg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    ours = nn.ctc_loss(mg.log_softmax(x), targets, input_lengths, target_lengths, 0, reduction, zero_infinity)
    theirs = torch.nn.functional.ctc_loss(
        torch.log_softmax(y, -1), torch.tensor(targets), input_lengths, target_lengths, 0, reduction, zero_infinity
    )
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-10)
    ours.sum().backward()
    theirs.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), atol=1e-10)
    flat = np.concatenate([row[:n] for row, n in zip(targets, target_lengths)])
    again = nn.ctc_loss(
        mg.log_softmax(mg.tensor(values)), flat, input_lengths, target_lengths, 0, reduction, zero_infinity
    )
    np.testing.assert_array_equal(again, ours.numpy())


@pytest.mark.torch
def test_what_cannot_be_is_infinite_or_nothing():
    values, targets = logits(4, 3, 3), np.array([[1, 1, 1, 1], [1, 2, 1, 2], [1, 1, 2, 0]])
    lengths = ([4, 4, 3], [4, 4, 3])
    for zero_infinity in (False, True):
        x, y = mg.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        ours = nn.ctc_loss(mg.log_softmax(x), targets, *lengths, reduction="none", zero_infinity=zero_infinity)
        theirs = torch.nn.functional.ctc_loss(
            torch.log_softmax(y, -1), torch.tensor(targets), *lengths, reduction="none", zero_infinity=zero_infinity
        )
        np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-12)
        ours.sum().backward()
        theirs.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("size", ["even", "lengths", "one step", "nothing to read"])
def test_the_gradient_is_that_of_finite_differences(size):
    values, targets, *lengths = problem(size)
    lengths[1] = [min(n, (m + 1) // 2) for n, m in zip(lengths[1], lengths[0])]  # possible whatever repeats
    assert mg.gradcheck(lambda x: nn.ctc_loss(x, targets, *lengths, reduction="none"), [mg.log_softmax(values)])


def test_probabilities_of_zero():
    log_probs = np.log([[[0.5, 0.5, 1]], [[0.25, 0.75, 1]]])
    log_probs[..., 2] = -np.inf
    x = mg.tensor(log_probs, requires_grad=True)
    loss = nn.ctc_loss(x, [[1]], [2], [1])
    np.testing.assert_allclose(loss.item(), -math.log(0.875), rtol=1e-12)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy()[:, 0], -np.array([[0.375, 0.5, 0], [0.125, 0.75, 0]]) / 0.875, rtol=1e-12)
    assert nn.ctc_loss(x, [[2]], [2], [1]).item() == np.inf


def test_float32_and_far_out():
    values = (logits(200, 2, 5) * 100).astype("float32")
    targets, lengths = np.random.default_rng(1).integers(1, 5, (2, 30)), ([200, 150], [30, 20])
    x, wide = mg.tensor(values, requires_grad=True), mg.tensor(values.astype("float64"), requires_grad=True)
    losses = [nn.ctc_loss(mg.log_softmax(z), targets, *lengths, reduction="sum") for z in (x, wide)]
    assert losses[0].dtype == np.float32
    np.testing.assert_allclose(losses[0].item(), losses[1].item(), rtol=1e-5)
    for loss in losses:
        loss.backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_allclose(x.grad.numpy(), wide.grad.numpy(), atol=2e-2)


def test_it_stays_on_the_backend(strict):
    values, targets, *lengths = problem("lengths")
    x, y = mg.tensor(values, requires_grad=True), strict(values, requires_grad=True)
    losses = [nn.ctc_loss(mg.log_softmax(z), targets, *lengths, zero_infinity=True) for z in (x, y)]
    assert type(losses[1].data) is StrictArray
    for loss in losses:
        loss.backward()
    np.testing.assert_allclose(y.grad.numpy(), x.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_there_is_no_second_derivative():
    x = mg.tensor(logits(3, 1, 3), requires_grad=True)
    g = mg.grad(nn.ctc_loss(mg.log_softmax(x), [[1]], [3], [1]), x, create_graph=True)
    with pytest.raises(MinigradError, match="no second derivative"):
        (g * g).sum().backward()


@pytest.mark.on_numpy
@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"log_probs": np.zeros((4, 3))}, ShapeError, r"\(time, batch, classes\)"),
        ({"blank": 3}, ValueError, "one of the 3 classes"),
        ({"targets": [[0, 1], [1, 1]]}, ValueError, "other than the blank"),
        ({"targets": [[1, 3], [1, 1]]}, ValueError, "from 0 to 2"),
        ({"targets": [[1.0, 2.0], [1.0, 1.0]]}, OperandError, "integers"),
        ({"targets": [1, 2]}, ShapeError, "all 3 labels"),
        ({"targets": [[1], [1]]}, ShapeError, r"\(2, 2 or more\)"),
        ({"input_lengths": [4, 5]}, ValueError, "from 0 to 4"),
        ({"input_lengths": [4]}, ShapeError, "2 integers"),
        ({"target_lengths": [2.0, 1.0]}, ShapeError, "2 integers"),
        ({"reduction": "average"}, ValueError, "'mean', 'sum' or 'none'"),
    ],
)
def test_bad_arguments(change, error, told):
    given = {"log_probs": np.zeros((4, 2, 3)), "targets": [[1, 2], [1, 0]]}
    given |= {"input_lengths": [4, 4], "target_lengths": [2, 1]}
    nn.ctc_loss(**given)
    with pytest.raises(error, match=told):
        nn.ctc_loss(**{**given, **change})
