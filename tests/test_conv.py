"""Convolutions, pooling and windows where they are hard, and the modules made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import InplaceError, ShapeError

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def leaf(*shape: int) -> mg.Tensor:
    return mg.tensor(np.random.default_rng(len(shape)).normal(size=shape), requires_grad=True)


def test_a_batch_in_parts_is_its_examples_one_by_one():
    """At this size the columns of each example fill the cache, so a part is one example."""
    x, w = leaf(3, 8, 64, 64), leaf(8, 8, 3, 3)
    g = np.random.default_rng(0).normal(size=(3, 8, 64, 64))
    y = mg.conv2d(x, w, padding=1)
    gx, gw = mg.grad(y, [x, w], g)
    singles = [mg.conv2d(x[i : i + 1], w, padding=1) for i in range(3)]
    parts = [mg.grad(single, [x, w], g[i : i + 1]) for i, single in enumerate(singles)]
    np.testing.assert_allclose(y.numpy(), mg.concatenate(singles).numpy(), rtol=1e-12)
    np.testing.assert_allclose(gx.numpy(), sum(part[0].numpy() for part in parts), rtol=1e-12)
    np.testing.assert_allclose(gw.numpy(), sum(part[1].numpy() for part in parts), rtol=1e-10)


def test_same_padding_of_an_even_window_has_the_odd_zero_at_the_end():
    x, w = leaf(1, 1, 5), mg.tensor(np.array([[[1.0, 10.0]]]))
    expected = x.numpy()[0, 0] + 10 * np.append(x.numpy()[0, 0, 1:], 0)
    np.testing.assert_allclose(mg.conv1d(x, w, padding="same").numpy()[0, 0], expected, rtol=1e-14)


def test_third_derivatives_of_a_convolution():
    x, w = leaf(1, 1, 4), leaf(1, 1, 2)

    def f(x: mg.Tensor, w: mg.Tensor) -> Any:
        g = mg.grad((mg.conv1d(x, w) ** 3).sum(), [x, w], create_graph=True)
        return mg.grad((g[0] * g[0]).sum() + (g[1] * g[1]).sum(), [x, w], create_graph=True)

    assert mg.gradcheck(f, [x, w])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: mg.conv2d(mg.zeros((1, 2, 3)), mg.zeros((1, 2, 3, 3))), r"conv2d takes x of shape \(N, C, H, W\)"),
        (lambda: mg.conv1d(mg.zeros((1, 2, 3)), mg.zeros((1, 3, 2))), r"\(1, 2, 3\).*groups times.*\(1, 3, 2\)"),
        (lambda: mg.conv1d(mg.zeros((1, 4, 3)), mg.zeros((3, 2, 2)), groups=2), "first axis a multiple of groups"),
        (lambda: mg.conv1d(mg.zeros((1, 1, 3)), mg.zeros((2, 1, 1)), mg.zeros(1)), r"bias of shape \(2,\)"),
        (lambda: mg.conv1d(mg.zeros((1, 1, 3)), mg.zeros((1, 1, 4))), "does not fit the lengths"),
        (lambda: mg.conv1d(mg.zeros((1, 1, 3)), mg.zeros((1, 1, 2)), dilation=3), r"dilated by \(3,\), does not fit"),
        (lambda: mg.conv1d(mg.zeros((1, 1, 3)), mg.zeros((1, 1, 2)), stride=0), "stride must be a whole number >= 1"),
        (lambda: mg.conv2d(mg.zeros((1, 1, 3, 3)), mg.zeros((1, 1, 2, 2)), padding=(1, 1, 1)), "padding must be"),
        (lambda: mg.conv1d(mg.zeros((1, 1, 3)), mg.zeros((1, 1, 2)), stride=2, padding="same"), "with stride 1 'same'"),
        (lambda: mg.conv1d(mg.zeros((1, 1, 3)), mg.zeros((1, 1, 2)), padding="full"), "not 'full'"),
        (lambda: mg.max_pool1d(mg.zeros((1, 3)), 4), "does not fit the lengths"),
        (lambda: mg.max_pool1d(mg.zeros((1, 3)), 2, padding=2), "at most half the window"),
        (lambda: mg.avg_pool2d(mg.zeros(3), 2), "avg_pool2d takes x of 2 or more axes"),
        (lambda: mg.sliding_window_view(mg.zeros(3), 4), r"window \(4,\) along the axes \[0\] does not fit \(3,\)"),
        (lambda: mg.sliding_window_view(mg.zeros((3, 3)), 2), "does not fit"),
        (lambda: mg.sliding_window_view(mg.zeros((3, 3)), 2, axis=2), "does not fit"),
        (lambda: nn.Conv1d(3, 4, 2, groups=2), "groups=2 must divide in_channels=3"),
    ],
)
def test_what_does_not_fit(wrong, told):
    with pytest.raises(ShapeError, match=told):
        wrong()


# Pooling


def test_equal_largest_ones_share_the_gradient():
    x = mg.tensor(np.array([[2.0, 2.0, 1.0, 3.0, 3.0, 3.0]]), requires_grad=True)
    g = mg.grad(mg.max_pool1d(x, 3), x, np.array([[6.0, 12.0]]))
    assert g.tolist() == [[3, 3, 0, 4, 4, 4]]
    y = mg.tensor(np.zeros((1, 3)), requires_grad=True)
    assert mg.grad(mg.max_pool1d(y, 2, 1).sum(), y).tolist() == [[0.5, 1, 0.5]], "windows that overlap"


def test_padding_is_never_the_largest_and_counts_in_the_mean():
    x = mg.tensor(np.full((1, 4), -6.0), requires_grad=True)
    assert mg.max_pool1d(x, 3, 2, 1).tolist() == [[-6, -6]]
    assert mg.grad(mg.max_pool1d(x, 3, 3, 1).sum(), x).tolist() == [[0.5, 0.5, 0.5, 0.5]]
    assert mg.avg_pool1d(x, 3, 2, 1).tolist() == [[-4, -6]]


def test_the_largest_of_whole_numbers_and_booleans():
    assert mg.max_pool1d(mg.tensor([[-9, -8, -7]]), 2, 1, 1).tolist() == [[-9, -8, -7, -7]]
    assert mg.max_pool2d(mg.tensor([[False, False], [False, True]]), 2, padding=1).tolist() == [[0, 0], [0, 1]]


def test_numpys_whole_numbers_and_lists():
    two, one = np.int64(2), np.int64(1)
    x = [[[1.0, 2.0, 4.0]]]
    assert mg.conv1d(x, [[[1.0, 1.0]]], [0.5], stride=one, padding=one).tolist() == [[[1.5, 3.5, 6.5, 4.5]]]
    assert mg.max_pool1d(x, two, one).tolist() == [[[2, 4]]]
    assert mg.sliding_window_view(x, two, np.int64(2)).tolist() == [[[[1, 2], [2, 4]]]]
    assert nn.Conv1d(1, 3, two).weight.shape == (3, 1, 2)
    assert nn.Conv1d(0, 3, 2).weight.shape == (3, 0, 2)


def test_nan_is_the_largest():
    x = mg.tensor([[1.0, np.nan, 2.0, 3.0]], requires_grad=True)
    y = mg.max_pool1d(x, 2)
    assert np.isnan(y.numpy()).tolist() == [[True, False]]
    assert mg.grad(y, x, np.ones((1, 2), np.float32)).tolist() == [[0, 0, 0, 1]]


# Windows


@pytest.mark.on_numpy
def test_windows_share_memory_and_know_when_it_is_overwritten():
    x = mg.tensor(np.arange(4.0), requires_grad=True)
    source = x * 1
    windows = mg.sliding_window_view(source, 2)
    assert np.shares_memory(windows.data, source.data)
    squares = (windows * windows).sum()
    with mg.no_grad():
        source[0] = 9.0
    with pytest.raises(InplaceError):
        squares.backward()


def test_a_moving_average():
    x = mg.tensor(np.arange(6.0), requires_grad=True)
    means = mg.sliding_window_view(x, 3).mean(axis=-1)
    assert means.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(mg.grad(means.sum(), x).numpy(), np.array([1, 2, 3, 3, 2, 1]) / 3)


# Modules


@pytest.mark.parametrize("axes", [1, 2])
def test_a_convolution_starts_as_he_and_others_say(axes):
    mg.seed(0)
    layer = (nn.Conv1d, nn.Conv2d)[axes - 1](8, 64, 3, groups=2, dtype="float64")
    fan_in = 8 // 2 * 3**axes
    assert layer.weight.shape == (64, 4, *[3] * axes)
    assert np.abs(layer.weight.numpy()).max() <= math.sqrt(6 / fan_in)
    assert layer.weight.numpy().var() == pytest.approx(2 / fan_in, rel=0.1)
    assert layer.bias.tolist() == [0] * 64
    assert nn.Conv1d(1, 1, 1, bias=False).bias is None


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1, "bias": False},
        {"padding": "same", "dilation": 2, "groups": 2},
        {"stride": (2, 1), "padding": (0, 2), "groups": 4},
    ],
    ids=str,
)
@pytest.mark.parametrize("axes", [1, 2])
def test_modules_are_torchs(axes, options):
    if axes == 1:
        options = {key: value[0] if isinstance(value, tuple) else value for key, value in options.items()}
    layer = (nn.Conv1d, nn.Conv2d)[axes - 1](4, 8, 3, dtype="float64", **options)
    peer = (torch.nn.Conv1d, torch.nn.Conv2d)[axes - 1](4, 8, 3, dtype=torch.float64, **options)
    peer.load_state_dict({name: torch.tensor(value.numpy()) for name, value in layer.state_dict().items()})
    pools = [(nn.MaxPool1d, nn.AvgPool1d), (nn.MaxPool2d, nn.AvgPool2d)][axes - 1]
    peers = [(torch.nn.MaxPool1d, torch.nn.AvgPool1d), (torch.nn.MaxPool2d, torch.nn.AvgPool2d)][axes - 1]
    x = leaf(2, 4, *[9] * axes)
    z = torch.tensor(x.numpy(), requires_grad=True)
    ours = pools[1](3, 1, 1)(pools[0](2)(mg.tanh(layer(x))))
    theirs = peers[1](3, 1, 1)(peers[0](2)(torch.tanh(peer(z))))
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-14)
    (ours * ours).sum().backward()
    (theirs * theirs).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-10, atol=1e-13)
    for name, parameter in peer.named_parameters():
        ours_there = dict(layer.named_parameters())[name].grad.numpy()
        np.testing.assert_allclose(ours_there, parameter.grad.numpy(), rtol=1e-10, atol=1e-12)
