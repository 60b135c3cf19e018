"""Anomaly detection: the first NaN or infinity, forward or backward, and the line of the user's that made it."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture
def x():
    return mg.tensor([1.0, 0.0, -1.0], requires_grad=True, name="x")


def line_of(function, text):
    """ "file:line: source" of the line of `function` that holds `text`."""
    lines, start = inspect.getsourcelines(function)
    n = next(i for i, line in enumerate(lines) if text in line)
    return f"{inspect.getsourcefile(function)}:{start + n}: {lines[n].strip()}"


def anomaly(function):
    with pytest.raises(errors.AnomalyError) as caught, mg.detect_anomaly():
        function()
    return caught.value


def test_forward_nan(x):
    def compute():
        y = x * 2
        z = mg.log(y)
        return z.sum()

    error = anomaly(compute)
    assert error.message.startswith("'log' made a NaN of a Tensor of shape (3,): ")
    assert error.line == line_of(compute, "mg.log")


@pytest.mark.filterwarnings("error")
def test_numpys_warnings_do_not_come_first(x):
    before = np.geterr()
    assert anomaly(lambda: mg.log(x)).message.startswith("'log' made a NaN of x")
    assert np.geterr() == before


def test_forward_infinity(x):
    error = anomaly(lambda: x / 0.0)
    assert error.message.startswith("'divide' made a NaN of x of shape (3,), 0.0: ")
    error = anomaly(lambda: 1 / mg.abs(x))
    assert error.message.startswith("'divide' made an infinity of 1, a Tensor of shape (3,): ")


def test_a_nan_that_was_handed_in():
    data = mg.tensor([1.0, np.nan], name="data")
    error = anomaly(lambda: data * 2)
    assert error.message.startswith("operand 0 of 'multiply' (data of shape (2,)) already holds a NaN")
    error = anomaly(lambda: mg.ones(2) + np.array([np.nan, 1]))
    assert error.message.startswith("operand 1 of 'add' (an array of shape (2,)) already holds a NaN")


@pytest.mark.parametrize("create_graph", [False, True])
def test_backward(x, create_graph):
    def compute():
        y = mg.abs(x)
        z = mg.sqrt(y)
        mg.grad(z.sum(), x, create_graph=create_graph)

    with mg.scope("layer 0", "t=3"):
        error = anomaly(compute)
    assert (
        "the gradient of 'sqrt' in layer 0 / t=3 for its operand 0, of shape (3,), became an infinity" in error.message
    )
    assert error.line == line_of(compute, "mg.sqrt")


def test_backward_nan_of_finite_numbers(x):
    def compute():
        y = mg.exp(x * 1000 - 950)
        return (y / (y * y)).sum()

    wide = mg.tensor([1e-200], dtype="float64", requires_grad=True)
    error = anomaly(lambda: (1 / wide).sum().backward())
    assert "the gradient of 'divide' for its operand 1, of shape (1,), became an infinity" in error.message


def test_a_gradient_that_starts_from_nan(x):
    error = anomaly(lambda: (x * 2).backward(np.array([1.0, np.nan, 1.0], np.float32)))
    assert "the gradient that reached 'multiply' (3,) already holds a NaN" in error.message


def test_second_derivative():
    x = mg.tensor([0.0], requires_grad=True)

    def compute():
        y = x**1.5
        (g,) = mg.grad(y.sum(), [x], create_graph=True)
        g.sum().backward()

    error = anomaly(compute)
    assert "became an infinity" in error.message
    assert error.line == line_of(compute, "x**1.5")


def test_infinities_of_masks_pass(x):
    with mg.detect_anomaly():
        masked = mg.where(np.array([True, False, True]), x, -np.inf)
        y = mg.softmax(masked)
        (y * y).sum().backward()
    assert x.grad.tolist()[1] == 0


def test_nothing_changes_where_nothing_is_wrong(x):
    plain = mg.grad(mg.tanh(x).sum(), x).tolist()
    with mg.detect_anomaly():
        a, b = mg.split(mg.tanh(mg.concatenate([x, x])), 2)
        assert mg.grad(a.sum() + b.sum() * 0, x).tolist() == plain
        assert (mg.argmax(x) > 5).tolist() is False


def test_only_inside_and_as_a_decorator(x):
    assert np.isnan(mg.log(x).numpy()).any()

    @mg.detect_anomaly()
    def compute():
        return mg.log(x)

    with pytest.raises(errors.AnomalyError):
        compute()
    assert np.isnan(mg.log(x).numpy()).any()
    with mg.detect_anomaly(), mg.no_grad(), pytest.raises(errors.AnomalyError):
        mg.log(x)
