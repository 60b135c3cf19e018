"""Cells that nobody thought of: a random step, compiled, computes what the graph of all its steps computes."""

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.loop import kernels, machine
from minigrad.loop.unrolled import flatten, unroll

B, T, INPUT = 3, 4, 3
WIDTHS = (1, 4, 5, 18)  # fewer columns than a vector has lanes, and more than two vectors
# What one line of a step may do with two values and a number; widths are made to fit by `fit`.
LINES = (
    "matmul", "matmul", "matmul", "add", "subtract", "multiply", "divide", "tanh", "sigmoid", "relu", "exp", "scale",
    "bias", "square", "abs", "where", "maximum", "softmax", "norm", "sum", "mean", "concat", "concat", "split", "slice",
    "fixed", "softplus", "reversed", "transposed",
)  # fmt: skip


class Step:
    """A random step: `lines` are (what, which value, which other, a number); parameters are made when first used."""

    def __init__(self, lines, state_widths):
        self.lines, self.state_widths = lines, state_widths
        self.numbers = np.random.default_rng(0)
        self.parameters = {}

    def parameter(self, name, *shape):
        if name not in self.parameters:
            value = self.numbers.normal(0, 0.5, shape)
            self.parameters[name] = mg.tensor(value, requires_grad=True, name=name)
        return self.parameters[name]

    def fit(self, value, width, name):
        """`value` with `width` columns: some of its own, or a product with a matrix."""
        if value.shape[1] == width:
            return value
        if value.shape[1] > width:
            return value[:, :width]
        return value @ self.parameter(f"fit {name}", value.shape[1], width)

    def line(self, n, what, a, b, k):
        width = a.shape[1]
        if what in ("add", "subtract", "multiply", "divide", "where", "maximum"):
            b = self.fit(b, width, n)
        if what == "matmul":
            return a @ self.parameter(f"W{n}", width, WIDTHS[k % 4])
        if what == "divide":
            return a / (1 + mg.square(b))
        if what == "where":
            return mg.where(a < b, a, 0.5 * b)
        if what == "exp":
            return mg.exp(mg.tanh(a))
        if what == "scale":
            return (k - 2) / 3 * a
        if what == "bias":
            return a + self.parameter(f"b{n}", width)
        if what == "fixed":
            return a * mg.exp(self.parameter(f"g{n}", 1 if k % 2 else width))
        if what == "softmax":
            return mg.softmax(a, axis=-1)
        if what == "norm":
            return (a - a.mean(axis=-1, keepdims=True)) / mg.sqrt(a.var(axis=-1, keepdims=True) + 0.1)
        if what in ("sum", "mean"):
            return b * getattr(mg, what)(mg.tanh(a), axis=1, keepdims=True)
        if what == "concat":
            return mg.concatenate([a, b], axis=1)
        if what == "split":
            parts = mg.split(a, [width // 2], axis=1) if width > 1 else [a]
            return parts[k % len(parts)]
        if what == "slice":
            return a[:, k % width :]
        if what == "reversed":  # what the compiler has no name for
            return mg.flip(a, axis=1)
        if what == "transposed":
            return (a.T * 2).T
        return getattr(mg, what)(a, b) if what in ("add", "subtract", "multiply", "maximum") else getattr(mg, what)(a)

    def __call__(self, carry, x):
        values = [x, *carry]
        for n, (what, i, j, k) in enumerate(self.lines):
            made = self.line(n, LINES[what % len(LINES)], values[i % len(values)], values[j % len(values)], k)
            values.append(made[:, :24])
        ends = [mg.tanh(self.fit(values[-1 - i], width, f"end{i}")) for i, width in enumerate(self.state_widths)]
        return tuple(ends), values[-1]


programs = st.lists(
    st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 9), st.integers(0, 9), st.integers(0, 7)),
    min_size=2,
    max_size=12,
)
states = st.lists(st.sampled_from((1, 2, 5, 18)), min_size=1, max_size=2)


def run(step, how, reverse, batch=B):
    """Outputs, last carry and all gradients."""
    numbers = np.random.default_rng(1)
    xs = mg.tensor(numbers.normal(size=(T, batch, INPUT)), requires_grad=True)
    init = tuple(mg.tensor(numbers.normal(size=(batch, n)), requires_grad=True) for n in step.state_widths)
    carry, ys = how(step, init, xs, reverse)
    loss = sum((part * numbers.normal(size=part.shape)).sum() for part in [ys, *carry])
    leaves = [xs, *init, *step.parameters.values()]
    grads = mg.grad(loss, leaves, allow_unused=True)
    zeros = [np.zeros(leaf.shape) if g is None else g.numpy() for leaf, g in zip(leaves, grads, strict=True)]
    return [ys.numpy(), *(part.numpy() for part in carry), *zeros]


def agree(lines, widths, reverse, batch=B):
    step = Step(lines, widths)
    expected = run(step, lambda s, init, xs, r: unroll(s, init, [xs], flatten(xs)[1], T, r), reverse, batch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that it fell back to the graph of all steps
        found = run(step, lambda s, init, xs, r: mg.scan(s, init, xs, reverse=r), reverse, batch)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


# Once wrong: overlapping columns of one product; answers kept among numbers; neighbours that share one operand only.
@example([(0, 0, 0, 0)] * 6 + [(24, 0, 0, 1), (3, 0, 9, 0), (0, 0, 0, 0)], [1, 2], False, 1)
@example([(0, 0, 0, 0), (0, 0, 0, 0), (24, 1, 0, 1), *[(0, 0, 0, 0)] * 3, (15, 4, 1, 0), (15, 0, 8, 0)], [5], False, 1)
@example([(27, 0, 0, 0), (15, 0, 1, 0), (15, 0, 8, 0)], [1, 1], False, 1)
@settings(max_examples=250, deadline=None, derandomize=True)
@given(programs, states, st.booleans(), st.sampled_from((1, 3)))
def test_random_steps_in_array_code(lines, widths, reverse, batch):
    before, kernels.choice = kernels.choice, lambda: "numpy"
    try:
        agree(lines, widths, reverse, batch)
    finally:
        kernels.choice = before


@pytest.mark.skipif(not machine.available(), reason="llvmlite is not installed: pip install 'minigrad[jit]'")
@settings(max_examples=80, deadline=None, derandomize=True)
@given(programs, states, st.booleans(), st.sampled_from((1, 3)))
def test_random_steps_in_machine_code(lines, widths, reverse, batch):
    agree(lines, widths, reverse, batch)
