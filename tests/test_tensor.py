"""What a Tensor does as NumPy's arrays do: operators, methods, conversions, and NumPy's own protocols."""

from __future__ import annotations

import copy
import operator

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors, ops

X = np.array([[1.5, -2.0, 0.5], [3.0, 2.5, -1.0]])
Y = np.array([[0.5, 2.0, -1.5], [1.0, -2.5, 2.0]])
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod]
BINARY += [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("f", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", [Y, Y[0], 2.0, 2, np.float64(2), np.float32(2), np.int32(2)], ids=repr)
def test_binary_operators_from_both_sides(f, other):
    x = mg.tensor(X)
    for made, expected in [(f(x, other), f(X, other)), (f(other, x), f(other, X))]:
        assert isinstance(made, mg.Tensor)
        assert made.dtype == expected.dtype
        np.testing.assert_array_equal(made.numpy(), expected)


def test_powers_and_products_from_both_sides():
    x, positive = mg.tensor(X), np.abs(Y)
    np.testing.assert_allclose((x**2).numpy(), X**2)
    np.testing.assert_allclose((mg.tensor(positive) ** X).numpy(), positive**X)
    np.testing.assert_allclose((positive**x).numpy(), positive**X)
    np.testing.assert_allclose((2**x).numpy(), 2**X)
    np.testing.assert_allclose((x @ Y.T).numpy(), X @ Y.T)
    np.testing.assert_allclose((Y.T @ x).numpy(), Y.T @ X)


@pytest.mark.parametrize("f", [operator.neg, operator.pos, operator.abs], ids=lambda f: f.__name__)
def test_unary_operators(f):
    np.testing.assert_array_equal(f(mg.tensor(X)).numpy(), f(X))


def test_masks_are_combined_as_numpys():
    x = mg.tensor(X)
    np.testing.assert_array_equal(((x > 0) & (x < 2)).numpy(), (X > 0) & (X < 2))
    np.testing.assert_array_equal(((x > 2) | (x < 0)).numpy(), (X > 2) | (X < 0))
    np.testing.assert_array_equal(((x > 2) ^ (x > 0)).numpy(), (X > 2) ^ (X > 0))
    np.testing.assert_array_equal((~(x > 0)).numpy(), ~(X > 0))
    np.testing.assert_array_equal(((X > 0) & (x < 2)).numpy(), (X > 0) & (X < 2))


METHODS = {
    "all": (),
    "any": (),
    "argmax": (1,),
    "argmin": (0,),
    "argsort": (1,),
    "clip": (-1, 1),
    "copy": (),
    "cumprod": (1,),
    "cumsum": (0,),
    "diagonal": (),
    "dot": (Y.T,),
    "flatten": (),
    "max": (0,),
    "mean": (1,),
    "min": (),
    "prod": (1,),
    "ravel": (),
    "repeat": (2, 1),
    "reshape": (3, 2),
    "round": (),
    "squeeze": (),
    "std": (0,),
    "sum": (0,),
    "swapaxes": (0, 1),
    "take": ([0, 2], 1),
    "trace": (),
    "transpose": (1, 0),
    "var": (1,),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_numpys(name):
    expected = getattr(X, name)(*METHODS[name])
    made = getattr(mg.tensor(X), name)(*METHODS[name])
    assert isinstance(made, mg.Tensor)
    assert made.shape == np.shape(expected)
    np.testing.assert_allclose(made.numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "cumsum", "cumprod"])
def test_sums_in_another_dtype(name):
    x = mg.tensor(np.full((3, 4), 41, np.float16), requires_grad=True)
    made = getattr(np, name)(x, axis=0, dtype=np.float64)
    assert made.dtype == np.float64
    np.testing.assert_array_equal(made.numpy(), getattr(np, name)(x.numpy(), axis=0, dtype=np.float64))
    made.sum().backward()
    assert x.grad.dtype == np.float16


@pytest.mark.parametrize("data", [[[1, 2], [3.0, 4]], 3.0, 2, True, np.float64(2)])
def test_the_class_takes_what_the_function_takes(data):
    made, expected = mg.Tensor(data), mg.tensor(data)
    assert (made.dtype, made.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(made.numpy(), expected.numpy())


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "sigmoid", "relu", "softmax"])
def test_methods_that_pytorch_has_too(name):
    positive = mg.tensor(np.abs(X))
    np.testing.assert_array_equal(getattr(positive, name)().numpy(), ops.OPERATIONS[name](positive).numpy())


def test_transposed():
    x = mg.tensor(np.arange(24.0).reshape(2, 3, 4))
    np.testing.assert_array_equal(x.T.numpy(), x.numpy().T)
    np.testing.assert_array_equal(x.mT.numpy(), x.numpy().swapaxes(1, 2))
    np.testing.assert_array_equal(x.transpose().numpy(), x.numpy().T)


def test_formats():
    assert f"{mg.tensor(2.0):.3f}" == "2.000"
    assert f"{mg.tensor(2.0)}" == "tensor(2.)"
    assert f"{mg.tensor([1, 2])}" == "tensor([1, 2])"
    assert [10, 20, 30][mg.tensor(1)] == 20
    assert list(range(mg.tensor(3))) == [0, 1, 2]


@pytest.mark.on_numpy
def test_deep_copies_of_leaves():
    x = mg.tensor(X, requires_grad=True, name="x")
    (x * x).sum().backward()
    twin = copy.deepcopy(x)
    assert (twin.name, twin.requires_grad) == ("x", True)
    assert not np.shares_memory(twin.data, x.data)
    assert not np.shares_memory(twin.grad.data, x.grad.data)
    np.testing.assert_array_equal(twin.grad.numpy(), 2 * X)
    with pytest.raises(errors.NoGradientError, match="only leaves can be deep-copied"):
        copy.deepcopy(x * 2)


def test_functions_of_numpys_linalg():
    square = mg.tensor([[2.0, 1.0], [1.0, 3.0]], dtype="float64", requires_grad=True)
    assert np.linalg.det(square).item() == pytest.approx(5)
    np.testing.assert_allclose((np.linalg.inv(square) @ square).numpy(), np.eye(2), atol=1e-15)
    sign, logarithm = np.linalg.slogdet(square)
    assert (sign.item(), logarithm.item()) == (1, pytest.approx(np.log(5)))
    assert np.linalg.norm(square).requires_grad
    with pytest.raises(errors.OperandError, match=r"np\.linalg\.eig does not know Tensors"):
        np.linalg.eig(square)


def test_functions_of_numpys_that_cannot_be_followed():
    x = mg.tensor(X, requires_grad=True)
    with pytest.raises(errors.OperandError, match=r"np\.add\.reduce does not know Tensors"):
        np.add.reduce(x)
    with pytest.raises(errors.OperandError, match=r"np\.add\(…, out=…\) does not know Tensors"):
        np.add(x, 1, out=np.zeros((2, 3)))
    array = X.copy()
    with pytest.raises(errors.OperandError, match=r"np\.add\(…, out=…\)"):
        array += x
    np.testing.assert_array_equal(array, X)


@pytest.mark.on_numpy
def test_dlpack_both_ways():
    x = mg.tensor(X, requires_grad=True)
    shared = np.from_dlpack(x)
    assert np.shares_memory(shared, x.data)
    back = mg.from_dlpack(shared)
    assert isinstance(back, mg.Tensor)
    assert back.node is None
    np.testing.assert_array_equal(back.numpy(), X)


@pytest.mark.on_numpy
@pytest.mark.torch
def test_dlpack_to_pytorch_and_from_it():
    import torch

    x = mg.tensor(X)
    peer = torch.from_dlpack(x)
    assert peer.tolist() == X.tolist()
    peer[0, 0] = 7
    assert x.numpy()[0, 0] == 7
    source = torch.tensor(Y)
    ours = mg.from_dlpack(source)
    source[0, 0] = 9
    assert ours.numpy()[0, 0] == 9
