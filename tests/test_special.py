"""Kinks, ties, stability and traps of the operations element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_ops import gradient

import minigrad as mg

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

INF, NAN = math.inf, math.nan


def nth_derivative(f: Callable[[Any], Any], x: float, order: int) -> float:
    """Of a function of one number, by walking back through the walk back."""
    leaf = mg.tensor(np.array(x), requires_grad=True)
    y = f(leaf)
    for _ in range(order):
        y = mg.grad(y, leaf, create_graph=True)
    return y.item()


# Kinks and ties


@pytest.mark.torch
@pytest.mark.parametrize(
    ("ours", "torchs"),
    [
        (mg.elu, lambda x: torch.nn.functional.elu(x)),
        (lambda x: mg.elu(x, 0.5), lambda x: torch.nn.functional.elu(x, 0.5)),
        (mg.selu, lambda x: torch.selu(x)),
        (mg.leaky_relu, lambda x: torch.nn.functional.leaky_relu(x)),
        (mg.hard_tanh, lambda x: torch.nn.functional.hardtanh(x)),
        (mg.floor, lambda x: torch.floor(x)),
        (mg.ceil, lambda x: torch.ceil(x)),
        (mg.trunc, lambda x: torch.trunc(x)),
        (mg.rint, lambda x: torch.round(x)),
        (mg.round, lambda x: torch.round(x)),
        (lambda x: mg.mod(x, 2), lambda x: torch.remainder(x, 2)),
        (lambda x: mg.fmod(x, 2), lambda x: torch.fmod(x, 2)),
        (lambda x: mg.copysign(x, -x), lambda x: torch.copysign(x, -x)),
        (lambda x: mg.fmax(x, x * x), lambda x: torch.fmax(x, x * x)),
        (lambda x: mg.fmin(x, x * x), lambda x: torch.fmin(x, x * x)),
    ],
)
def test_kinks_and_ties_are_torchs(ours, torchs):
    points = np.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0])
    peer = torch.tensor(points, requires_grad=True)
    expected = torchs(peer)
    expected.sum().backward()
    np.testing.assert_allclose(ours(mg.tensor(points)).numpy(), expected.detach().numpy(), rtol=1e-14, atol=0)
    np.testing.assert_allclose(gradient(ours, points), peer.grad.numpy(), rtol=1e-14, atol=0)


@pytest.mark.torch
def test_kinks_of_hard_sigmoid_are_torchs():
    points = np.array([-4.0, -3.0, 0.0, 3.0, 4.0], np.float32)
    peer = torch.tensor(points, requires_grad=True)
    torch.nn.functional.hardsigmoid(peer).sum().backward()
    assert gradient(mg.hard_sigmoid, points) == pytest.approx(peer.grad.tolist(), rel=1e-7)


def test_fmax_and_fmin_pass_nans_over():
    x, y = [1.0, NAN, 2.0, NAN], [NAN, 3.0, 2.0, NAN]
    for f in (mg.fmax, mg.fmin):
        assert f(np.array(x), np.array(y)).tolist() == [1, 3, 2, pytest.approx(NAN, nan_ok=True)]
        assert gradient(f, x, y) == [[1, 0, 1, 1], [0, 1, 0, 0]]


def test_a_nan_hides_no_gradient_of_maximum():
    assert gradient(mg.maximum, [NAN, 1.0], [1.0, NAN]) == [[1, 1], [1, 1]]


def test_heaviside_has_a_gradient_for_its_value_at_0_only():
    assert gradient(mg.heaviside, [-1.0, 0.0, 2.0], [0.5, 0.5, 0.5]) == [[0, 0, 0], [0, 1, 0]]


def test_hypot_and_arctan2_have_no_slope_at_the_origin():
    for f in (mg.hypot, mg.arctan2):
        assert gradient(f, [0.0], [0.0]) == [[0], [0]]
    assert nth_derivative(lambda x: mg.hypot(x, x), 0.0, 2) == 0


def test_nan_to_num_gives_no_gradient_to_what_it_replaced():
    x = [NAN, INF, -INF, 2.0]
    assert gradient(lambda x: mg.nan_to_num(x, nan=7.0, posinf=8.0, neginf=9.0), x) == [0, 0, 0, 1]
    assert mg.nan_to_num(mg.tensor(x), nan=7.0, posinf=8.0, neginf=9.0).tolist() == [7, 8, 9, 2]
    with pytest.raises(TypeError, match="copy=False"):
        mg.nan_to_num(mg.tensor(x), copy=False)


# Bounds of clip


def test_clip_under_numpys_names():
    x = mg.tensor([-2.0, 0.5, 3.0])
    for clipped in (
        mg.clip(x, -1, 1),
        mg.clip(x, a_min=-1, a_max=1),
        mg.clip(x, min=-1, max=1),
        np.clip(x, -1, 1),
        np.clip(x, min=-1, max=1),
        x.clip(-1, 1),
        x.clip(min=-1, max=1),
    ):
        assert clipped.tolist() == [-1, 0.5, 1]
    assert mg.clip(x, max=1).tolist() == [-2, 0.5, 1]
    with pytest.raises(TypeError, match="a bound twice"):
        mg.clip(x, -1, 1, min=0)
    with pytest.raises(TypeError, match="'out'"):
        np.clip(x, -1, 1, out=np.zeros(3))


def test_clip_with_tensors_for_bounds():
    found = gradient(mg.clip, [-2.0, -1.0, 0.0, 1.0, 2.0], [-1.0], [1.0])
    assert found == [[0, 1, 1, 1, 0], [1], [1]]
    assert gradient(mg.clip, [5.0], [3.0], [2.0]) == [[0], [0], [1]]  # the upper bound wins, as in NumPy
    low = mg.tensor([0.0], requires_grad=True)
    assert mg.grad(mg.clip(np.array([-1.0, 4.0]), low).sum(), low).tolist() == [1]
    assert np.isnan(mg.clip(mg.tensor([NAN, 1.0]), low, mg.tensor([NAN])).numpy()).all()


# Stability


@pytest.mark.on_numpy
@pytest.mark.torch
@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_erf_to_the_last_digits(name):
    x = np.linspace(-7, 26, 3301)
    ours, expected = getattr(mg, name)(x), np.array([getattr(math, name)(value) for value in x])
    np.testing.assert_allclose(ours, expected, rtol=2e-15, atol=0)
    narrow = getattr(mg, name)(x.astype(np.float32))
    assert narrow.dtype == np.float32
    # A float32 x is rounded by x * 6e-8, and erfc(x) falls as exp(-x²).
    normal = expected > 1.2e-38 if name == "erfc" else x == x
    exact = [getattr(math, name)(float(value)) for value in x.astype(np.float32)[normal]]
    np.testing.assert_allclose(narrow[normal], exact, rtol=3e-6 if name == "erfc" else 4e-7, atol=0)


@pytest.mark.on_numpy
def test_erf_of_many_numbers_and_of_odd_ones():
    many = np.linspace(-4, 4, 50_000).reshape(2, -1, 5)[:, ::2]
    np.testing.assert_array_equal(mg.erf(many)[1, 7], mg.erf(many[1, 7].copy()))
    assert mg.erf(np.array([-INF, -0.0, INF, 1e300])).tolist() == [-1, 0, 1, 1]
    assert mg.erfc(np.array([-INF, INF, 1e300])).tolist() == [2, 0, 0]
    assert np.isnan(mg.erf(NAN))
    assert np.isnan(mg.erfc(NAN))
    assert mg.erf(mg.tensor([1, 0], dtype="int64")).tolist() == pytest.approx([math.erf(1), 0], rel=1e-15)
    assert gradient(mg.erf, [1e300, INF]) == [0, 0]


@pytest.mark.on_numpy
def test_gelu_far_out():
    x = np.array([-8.0, -5.0, 5.0, 40.0])
    phi = [math.erfc(-value / math.sqrt(2)) / 2 for value in x]
    np.testing.assert_allclose(mg.gelu(x), x * phi, rtol=1e-12)
    far = np.array([-3e38, -40, 40, 3e38], np.float32)
    assert mg.gelu(far).tolist()[1:] == [0, 40, float(far[3])]
    for approximate in ("none", "tanh"):
        made = gradient(lambda x, a=approximate: mg.gelu(x, a), far)
        assert made == pytest.approx([0, 0, 1, 1], abs=1e-200, rel=0)
    with pytest.raises(ValueError, match="approximate='sigmoid'"):
        mg.gelu(far, "sigmoid")


def test_no_overflow_far_out():
    far = np.array([-1e4, 1e4])
    assert mg.log_sigmoid(far).tolist() == [-1e4, 0]
    assert gradient(mg.log_sigmoid, far) == [1, 0]
    assert mg.silu(far).tolist() == [0, 1e4]
    assert mg.elu(far).tolist() == [-1, 1e4]
    assert gradient(mg.elu, far) == [0, 1]
    assert gradient(mg.logaddexp, far, far[::-1].copy()) == [[0, 1], [1, 0]]
    huge = np.array([1e300])
    for f in (mg.arctan, mg.arcsinh, mg.arccosh):
        assert np.isfinite(gradient(f, huge)).all()
    x, y = gradient(mg.arctan2, [1e-200], [1e-200])
    np.testing.assert_allclose([x, y], [[5e199], [-5e199]], rtol=1e-12)


def test_logaddexp_of_infinities():
    x, y = [-INF, INF, -INF, 0.0], [-INF, INF, 1.0, 0.0]
    for f in (mg.logaddexp, mg.logaddexp2):
        assert gradient(f, x, y) == [[0.5, 0.5, 0, 0.5], [0.5, 0.5, 1, 0.5]]


def test_arcsin_near_1_loses_no_digits():
    x = 1 - 2.0**-50
    assert gradient(mg.arcsin, [x])[0] == pytest.approx(1 / math.sqrt(2.0**-50 * (2 - 2.0**-50)), rel=1e-15)


def test_derivatives_of_sinc_to_any_order():
    for order, value in enumerate([1, 0, -(math.pi**2) / 3, 0, math.pi**4 / 5, 0, -(math.pi**6) / 7]):
        assert nth_derivative(mg.sinc, 0.0, order) == pytest.approx(value, rel=1e-14)
    for x in (1e-9, 1e-3, 0.5, 0.6366, 0.6367, 0.9, 4.0, 50.0):  # at 2/π it turns from one form to the other
        z = math.pi * x
        first = (math.cos(z) - math.sin(z) / z) / x if x > 0.1 else -z * math.pi / 3 * (1 - z * z / 10)
        assert nth_derivative(mg.sinc, x, 1) == pytest.approx(first, rel=1e-9)
    for order in (2, 3, 4):  # one order is the slope of the one before
        for x in (0.3, 0.95, 1.2, 1.6, 7.3):
            slope = (nth_derivative(mg.sinc, x + 1e-5, order - 1) - nth_derivative(mg.sinc, x - 1e-5, order - 1)) / 2e-5
            assert nth_derivative(mg.sinc, x, order) == pytest.approx(slope, rel=1e-6, abs=1e-6)


# Traps


@pytest.mark.parametrize("f", [mg.floor, mg.ceil, mg.trunc, mg.rint, mg.round, mg.sign])
def test_steps_have_the_gradient_0_whatever_comes_back(f):
    assert gradient(f, [0.3, 1.0], start=[INF, NAN]) == [0, 0]


def test_power_of_a_negative_base_to_whole_numbers():
    assert gradient(lambda x: x ** mg.tensor([2.0, 3.0, 0.0]), [-2.0, -2.0, -2.0]) == [-4, 12, 0]
    assert gradient(lambda x, y: x**y, [-2.0, 0.0], [3.0, 2.0]) == [[12, 0], [0, 0]]
    assert nth_derivative(lambda x: x ** mg.tensor(np.array(3.0)), -2.0, 2) == -12
    assert nth_derivative(lambda x: x ** mg.tensor(np.array(2.0)), 0.0, 2) == 2


def test_float_power_computes_in_float64():
    x = mg.tensor([2.0, 4.0], requires_grad=True)
    out = mg.float_power(x, 0.5)
    assert out.dtype == np.float64
    assert out.tolist() == [2**0.5, 2]
    assert mg.grad(out.sum(), x).dtype == np.float32
    assert mg.float_power(mg.tensor([3, 2]), 2).tolist() == [9, 4]
    assert mg.float_power(2, -1) == 0.5


def test_round_to_decimals_and_halves_to_even():
    assert mg.round(mg.tensor([0.5, 1.5, 2.5])).tolist() == [0, 2, 2]
    assert np.round(mg.tensor(np.array([1.234])), 2).tolist() == [1.23]
    assert mg.round(mg.tensor([1234]), -2).tolist() == [1200]


def test_bits_and_answers_have_no_gradient():
    x = mg.tensor([1.0, 0.0, NAN], requires_grad=True)
    found = mg.logical_or(mg.isnan(x), mg.logical_and(x > 0.5, mg.isfinite(x)))
    assert found.tolist() == [True, False, True]
    assert not found.requires_grad
    assert mg.invert(found).tolist() == [False, True, False]
    assert mg.bitwise_xor(mg.tensor([6, 5]), 3).tolist() == [5, 6]
    with pytest.raises(TypeError, match="bitwise_and"):
        mg.bitwise_and(x, 1)


@pytest.mark.parametrize(
    "name", ["isnan", "logical_and", "arctan2", "hypot", "deg2rad", "degrees", "remainder", "fabs"]
)
def test_numpys_own_functions_take_tensors(name):
    function = getattr(np, name)
    arrays = [np.array([0.5, 2.0]), np.array([1.5, 0.25])][: function.nin]
    found = function(*[mg.tensor(x) for x in arrays])
    assert isinstance(found, mg.Tensor)
    np.testing.assert_array_equal(found.numpy(), function(*arrays))


def test_numbers_and_lists_go_to_a_backend():
    assert mg.to(2.5, "numpy").tolist() == 2.5
    assert mg.to(np.float64(2.5), "numpy").dtype == np.float64
    assert mg.to([1.0, 2.0], "numpy").tolist() == [1, 2]


@pytest.mark.on_numpy
@pytest.mark.parametrize(
    "name", ["elu", "erf", "gelu", "hard_sigmoid", "hard_tanh", "log_sigmoid", "selu", "sinc", "silu"]
)
def test_numbers_and_lists_stand_for_arrays(name):
    function = getattr(mg, name)
    of_list = function([-0.5, 0.25])
    assert of_list.dtype == np.float32
    np.testing.assert_array_equal(of_list, function(np.array([-0.5, 0.25], np.float32)))
    assert function(0.25) == pytest.approx(of_list[1], rel=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_small_sigmoids_keep_their_digits(dtype):
    x = np.array([-1e4, -1e2, -16.0, -9.0, -3.0, 0.0, 3.0, 40.0, 1e4, np.inf, -np.inf], dtype)
    wide = x.astype(np.longdouble)
    with np.errstate(over="ignore"):
        expected = 1 / (1 + np.exp(-wide))
    smallest = np.finfo(dtype).smallest_normal
    made = mg.sigmoid(mg.tensor(x)).numpy()
    np.testing.assert_allclose(made, expected.astype(dtype), rtol=4 * float(np.finfo(dtype).eps), atol=float(smallest))
