"""Jacobians, Hessians and products with them: against what calculus says, against each other, to any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

RNG = np.random.default_rng(0)
A = RNG.standard_normal((4, 3))
X = RNG.standard_normal(3)
V = RNG.standard_normal(3)
U = RNG.standard_normal(4)


def layer(x: Any) -> Any:
    return mg.tanh(A @ x)


def energy(x: Any) -> Any:
    return (mg.exp(x) * mg.tanh(A @ x).sum() * x).sum()


def two(x: Any, y: Any) -> Any:
    """(2, 3), (3,) -> (2, 2)"""
    return mg.sin(x) @ mg.stack([y, y * y]).T


JACOBIAN = (1 - np.tanh(A @ X) ** 2)[:, None] * A


def test_jacobian():
    found = mg.jacobian(layer, X)
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found.numpy(), JACOBIAN, rtol=1e-12)
    assert not found.requires_grad


def test_jacobian_of_matrices_has_the_axes_of_both():
    x = RNG.standard_normal((2, 3))
    found = mg.jacobian(lambda x: x @ A.T, x).numpy()
    assert found.shape == (2, 4, 2, 3)
    for i in range(2):
        np.testing.assert_array_equal(found[i, :, i], A)
        assert not found[i, :, 1 - i].any()


def test_jacobian_by_each_argument():
    x, y = RNG.standard_normal((2, 3)), RNG.standard_normal(3)
    by_x, by_y = mg.jacobian(two, (x, y))
    assert (by_x.shape, by_y.shape) == ((2, 2, 2, 3), (2, 2, 3))
    np.testing.assert_allclose(by_x.numpy()[0, 1, 0], np.cos(x[0]) * y * y, rtol=1e-12)
    np.testing.assert_allclose(by_y.numpy()[1, 1], np.sin(x[1]) * 2 * y, rtol=1e-12)


@pytest.mark.on_numpy
@pytest.mark.parametrize("x", [2.0, [1.0, 2.0], mg.ones(2), np.ones(2, np.float32)])
def test_a_point_of_any_kind(x):
    assert np.asarray(mg.jacobian(lambda x: (x * x).sum(), x)).tolist() == (2 * np.asarray(x)).tolist()
    assert mg.jacobian(lambda x: x * x, x).dtype == np.float32


def test_products_are_those_with_the_jacobian():
    np.testing.assert_allclose(mg.vjp(layer, X, U).numpy(), U @ JACOBIAN, rtol=1e-12)
    np.testing.assert_allclose(mg.jvp(layer, X, V).numpy(), JACOBIAN @ V, rtol=1e-12)
    x, y = RNG.standard_normal((2, 3)), RNG.standard_normal(3)
    u, vs = RNG.standard_normal((2, 2)), (RNG.standard_normal((2, 3)), RNG.standard_normal(3))
    by_x, by_y = (part.numpy() for part in mg.jacobian(two, (x, y)))
    back = mg.vjp(two, (x, y), u)
    np.testing.assert_allclose(back[0].numpy(), np.tensordot(u, by_x, 2), rtol=1e-12)
    np.testing.assert_allclose(back[1].numpy(), np.tensordot(u, by_y, 2), rtol=1e-12)
    forth = mg.jvp(two, (x, y), vs).numpy()
    np.testing.assert_allclose(forth, np.tensordot(by_x, vs[0], 2) + np.tensordot(by_y, vs[1], 1), rtol=1e-12)


def test_hessian():
    found = mg.hessian(lambda x: (x**3).sum() + x[0] * x[1], X).numpy()
    expected = np.diag(6 * X)
    expected[0, 1] = expected[1, 0] = 1
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_hessian_by_each_argument():
    (aa, ab), (ba, bb) = mg.hessian(lambda a, b: (a * a * b).sum(), (X, V))
    np.testing.assert_allclose(aa.numpy(), np.diag(2 * V), rtol=1e-12)
    np.testing.assert_allclose(ab.numpy(), np.diag(2 * X), rtol=1e-12)
    np.testing.assert_allclose(ba.numpy(), np.diag(2 * X), rtol=1e-12)
    assert not bb.numpy().any()


def test_hvp_is_the_product_with_the_hessian():
    hessian = mg.hessian(energy, X).numpy()
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12)
    np.testing.assert_allclose(mg.hvp(energy, X, V).numpy(), hessian @ V, rtol=1e-12)
    a, b = mg.hvp(lambda a, b: (a * a * b).sum(), (X, V), (np.ones(3), U[:3]))
    np.testing.assert_allclose(a.numpy(), 2 * V + 2 * X * U[:3], rtol=1e-12)
    np.testing.assert_allclose(b.numpy(), 2 * X, rtol=1e-12)


def test_transforms_nest():
    """d³/dx³ of x⁵ three ways, and the gradient of a Jacobian's norm."""
    quintic = lambda x: (x**5).sum()
    third = mg.jacobian(lambda x: mg.hessian(quintic, x), [2.0]).item()
    assert third == mg.jacobian(lambda x: mg.jacobian(lambda x: mg.jacobian(quintic, x), x), [2.0]).item() == 240
    assert mg.hvp(lambda x: mg.vjp(quintic, x, 1.0).sum(), [2.0], [1.0]).item() == 240
    x = mg.tensor(X, requires_grad=True)
    loss = mg.square(mg.jacobian(layer, x)).sum()
    gradient = mg.grad(loss, x)
    assert mg.gradcheck(lambda x: mg.square(mg.jacobian(layer, x)).sum(), X)
    np.testing.assert_allclose(
        gradient.numpy(), mg.jacobian(lambda x: mg.square(mg.jacobian(layer, x)).sum(), X).numpy()
    )


@pytest.mark.parametrize("transform", [mg.jvp, mg.vjp])
def test_products_can_be_differentiated(transform):
    vector = mg.tensor(V if transform is mg.jvp else U, requires_grad=True)
    assert mg.gradcheck(lambda x, v: transform(layer, x, v), [X, vector])


def test_what_the_function_closes_over_has_gradients_on_request():
    """A gradient penalty: the weights are trained by the norm of the derivative with respect to the data."""
    w = mg.tensor(A, requires_grad=True, name="w")
    f = lambda x: mg.tanh(w @ x).sum()
    assert not mg.jacobian(f, X).requires_grad
    penalty = mg.square(mg.jacobian(f, X, create_graph=True)).sum()
    penalty.backward()
    assert mg.gradcheck(lambda w: mg.square(mg.jacobian(lambda x: mg.tanh(w @ x).sum(), X, create_graph=True)).sum(), A)
    assert w.grad.shape == w.shape


def test_inside_no_grad_and_of_what_is_closed_over_twice():
    x = mg.tensor(X, requires_grad=True)
    with mg.no_grad():
        np.testing.assert_allclose(mg.jacobian(layer, x).numpy(), JACOBIAN, rtol=1e-12)
    partial = mg.jacobian(lambda y: (y * x).sum(), x)
    np.testing.assert_array_equal(partial.numpy(), X)  # of the argument only
    assert x.grad is None


def test_where_there_is_nothing_to_differentiate():
    constant = lambda x: mg.ones(2, dtype="float64")
    assert mg.jacobian(constant, X).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert mg.jvp(constant, X, V).tolist() == [0, 0]
    assert mg.vjp(constant, X, [1.0, 1.0]).tolist() == [0, 0, 0]
    assert mg.hvp(lambda x: x.sum(), X, V).tolist() == [0, 0, 0]
    assert mg.hessian(lambda x: x.sum(), X).tolist() == np.zeros((3, 3)).tolist()
    assert mg.jacobian(lambda x, y: x, (X, V))[1].tolist() == np.zeros((3, 3)).tolist()
    assert mg.jacobian(lambda x: x[:0], X).shape == (0, 3)
    assert mg.jacobian(lambda x: x * 2, np.zeros((0, 2))).shape == (0, 2, 0, 2)


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda: mg.hessian(layer, X), errors.NonScalarError, r"single number, not shape \(4,\)"),
        (lambda: mg.hvp(layer, X, V), errors.NonScalarError, r"single number, not shape \(4,\)"),
        (lambda: mg.jacobian(lambda x: (x, x), X), errors.ShapeError, "returned 2 results"),
        (lambda: mg.vjp(layer, X, V), errors.ShapeError, r"\(3,\), and f\(x\) has shape \(4,\)"),
        (lambda: mg.jvp(layer, X, U), errors.ShapeError, r"\(4,\), and x has shape \(3,\)"),
        (lambda: mg.jvp(two, (A, X), (A,)), errors.ShapeError, "2 parts and the direction 1"),
        (lambda: mg.jacobian(layer, np.arange(3)), errors.MinigradError, "not int64"),
    ],
)
def test_clear_errors(call, error, told):
    with pytest.raises(error, match=told):
        call()


@pytest.mark.torch
def test_transforms_are_torchs():
    from torch.autograd import functional

    twin = torch.tensor(A)
    theirs = lambda x: (torch.exp(x) * torch.tanh(twin @ x).sum() * x).sum()
    x, v = torch.tensor(X), torch.tensor(V)
    pairs = [
        (mg.hessian(energy, X), functional.hessian(theirs, x)),
        (mg.hvp(energy, X, V), functional.hvp(theirs, x, v)[1]),
        (mg.jvp(layer, X, V), functional.jvp(lambda x: torch.tanh(twin @ x), x, v)[1]),
        (mg.vjp(layer, X, U), functional.vjp(lambda x: torch.tanh(twin @ x), x, torch.tensor(U))[1]),
    ]
    for ours, peer in pairs:
        np.testing.assert_allclose(ours.numpy(), peer.numpy(), rtol=1e-11)
