"""Every operation, by one table: a new operation joins by adding one row.

Each row is held against finite differences (of the operation, and of its gradient), NumPy, PyTorch and itself in
float32, for every combination of its examples and options.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

# What the numbers of an input are. `apart` keeps them, and those of a second input, away from each other and from 0,
# -0.5 and 0.7, where kinks and ties are.
Domain = Callable[[np.random.Generator, tuple[int, ...], int], np.ndarray]


def anywhere(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.uniform(-2, 2, shape)


def positive(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.uniform(0.3, 2, shape)


def apart(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    n = int(np.prod(shape))
    return ((rng.permutation(n) - n // 2) * 0.4 + 0.13 + 0.16 * place).reshape(shape)


def few(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.integers(0, 3, shape).astype(float)


def mask(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.integers(0, 2, shape).astype(bool)


@dataclass(frozen=True)
class In:
    """An input's shape, and how it lies in memory: row by row, column by column, backwards, or with gaps."""

    text: str  # "2x3", "2x3F", "2x3backwards", "2x3gaps"; "0d" has no axis

    @property
    def layout(self) -> str:
        return self.text.lstrip("0123456789x")

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.text == "0d" else tuple(map(int, self.text.removesuffix(self.layout).split("x")))

    def make(self, values: np.ndarray) -> np.ndarray:
        if self.layout == "F":
            return np.asfortranarray(values)
        if self.layout == "backwards":
            return values[::-1, ::-1].copy()[::-1, ::-1]
        if self.layout == "gaps":
            return np.repeat(values, 2, axis=-1)[..., ::2]
        return values


# The inputs of an example, side by side: a shape, and how it lies in memory (see `In`). Examples are parted by commas.
ONE = "0d, 1, 2x3, 2x1x2, 0x3, 2x3F, 2x3backwards, 2x3gaps"
TWO = "0d 0d, 2x3 2x3, 2x3 3, 3 2x1x3, 2x1 1x3, 1 2x2, 0d 3, 2x2 0d, 0x3 3, 2x3F 2x3backwards, 2x3gaps 1x3"
MATRIX = "2x3, 2x3F, 2x3backwards, 2x3gaps"
CUBE = "2x3x2, 2x3x2F, 2x3x2gaps"


def each(option: str, *values: Any) -> list[dict[str, Any]]:
    return [{option: value} for value in values]


def axes(*values: Any) -> list[dict[str, Any]]:
    """No option at all, then each of these axes."""
    return [{}, *each("axis", *values)]


AXES = [*axes(0, -1, (0, -1)), {"axis": 1, "keepdims": True}, {"axis": (0, 2), "keepdims": True}, {"keepdims": True}]


@dataclass
class Row:
    """One operation: ours, NumPy's, PyTorch's, and what to call them with."""

    ours: Callable[..., Any]
    numpys: Callable[..., Any]
    torchs: Callable[..., Any]
    examples: str
    options: Iterable[dict[str, Any]] = ({},)
    domain: Domain | tuple[Domain, ...] = anywhere
    grad: bool = True
    keeps_dtype: bool = True
    name: str = ""  # of the operation, where `ours` wraps it

    def __post_init__(self) -> None:
        self.name = self.name or self.ours.__name__

    def cases(self) -> Iterator[Case]:
        for example, options in itertools.product(self.examples.split(","), self.options):
            yield Case(self, [In(text) for text in example.split()], options)

    def domain_of(self, place: int) -> Domain:
        return self.domain[place] if isinstance(self.domain, tuple) else self.domain


@dataclass
class Case:
    row: Row
    inputs: list[In]
    options: dict[str, Any]

    def __str__(self) -> str:
        told = [f"{key}={value}".replace("\n", "") for key, value in self.options.items()]
        return "-".join([self.row.name, *[spec.text for spec in self.inputs], *told])

    def arrays(self, dtype: Any = np.float64) -> list[np.ndarray]:
        made = []
        for place, spec in enumerate(self.inputs):
            rng = np.random.default_rng(zlib.crc32(f"{self}{place}".encode()))
            values = self.row.domain_of(place)(rng, spec.shape, place)
            made.append(spec.make(values.astype(dtype) if values.dtype == np.float64 else values))
        return made

    def run(self, *inputs: Any) -> list[Any]:
        """The results of ours, as a list."""
        return listed(self.row.ours(*inputs, **self.options))


def listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (tuple, list)) else [results]


def sequence(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function([x, y])` as `function(x, y)`."""
    return lambda *arrays, **options: function(arrays, **options)


def flat_index(shape: tuple[int, ...], index: Any) -> Any:
    """The place in the flattened array of each item of `array[index]`; PyTorch does not know all of NumPy's indices."""
    return torch.tensor(np.array(np.arange(np.prod(shape, dtype=int)).reshape(shape)[index]))


def torch_getitem(x: Any, index: Any) -> Any:
    return x.reshape(-1)[flat_index(x.shape, index)]


def torch_setitem(x: Any, value: Any, index: Any) -> Any:
    places, flat = flat_index(x.shape, index), x.reshape(-1).clone()
    flat[places] = value.broadcast_to(places.shape)
    return flat.reshape(x.shape)


def numpy_setitem(x: np.ndarray, value: Any, index: Any) -> np.ndarray:
    out = x.copy()
    out[index] = value
    return out


def torch_dot(x: Any, y: Any) -> Any:
    if 0 in (x.ndim, y.ndim):
        return x * y
    return torch.tensordot(x, y, dims=([-1], [max(y.ndim - 2, 0)]))


def numpy_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


INDICES: list[Any] = [
    0,
    -1,
    slice(None, None, -1),
    (slice(1, None), slice(None, None, 2)),
    (Ellipsis, -1),
    (None, slice(None), 0),
    (0, 1),
    [0, 0, 1],
    np.array([[0, 1, 1], [-1, 0, 1]]),
    np.array([], int),
    (np.array([1, 0, 1]), np.array([0, -1, 0])),
    (slice(None), np.array([2, 0, 2])),
    (np.array([0, 1, 0]), slice(1, None)),
    np.array([[True, False, True], [False, True, True]]),
    np.array([True, False]),
]


def repeats(index: Any) -> int:
    """How many items of a (2, 3) array an index names more than once."""
    places = np.arange(6).reshape(2, 3)[index]
    return places.size - np.unique(places).size


TABLE = [
    # Element by element
    Row(mg.add, np.add, lambda x, y: x + y, TWO),
    Row(mg.subtract, np.subtract, lambda x, y: x - y, TWO),
    Row(mg.multiply, np.multiply, lambda x, y: x * y, TWO),
    Row(mg.divide, np.divide, lambda x, y: x / y, TWO, domain=(anywhere, positive)),
    Row(mg.negative, np.negative, lambda x: -x, ONE),
    Row(mg.exp, np.exp, lambda x: torch.exp(x), ONE),
    Row(mg.expm1, np.expm1, lambda x: torch.expm1(x), ONE),
    Row(mg.log, np.log, lambda x: torch.log(x), ONE, domain=positive),
    Row(mg.log1p, np.log1p, lambda x: torch.log1p(x), ONE, domain=positive),
    Row(mg.sqrt, np.sqrt, lambda x: torch.sqrt(x), ONE, domain=positive),
    Row(mg.square, np.square, lambda x: torch.square(x), ONE),
    Row(mg.tanh, np.tanh, lambda x: torch.tanh(x), ONE),
    Row(mg.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda x: torch.sigmoid(x), ONE),
    Row(mg.softplus, lambda x: np.log1p(np.exp(x)), lambda x: torch.nn.functional.softplus(x), ONE),
    Row(mg.relu, lambda x: np.maximum(x, 0), lambda x: torch.relu(x), ONE, domain=apart),
    Row(mg.sign, np.sign, lambda x: torch.sign(x), ONE, domain=apart),
    Row(mg.abs, np.abs, lambda x: torch.abs(x), ONE, domain=apart),
    Row(mg.absolute, np.abs, lambda x: torch.abs(x), ONE, domain=apart, name="absolute"),
    Row(mg.maximum, np.maximum, lambda x, y: torch.maximum(x, y), TWO, domain=apart),
    Row(mg.minimum, np.minimum, lambda x, y: torch.minimum(x, y), TWO, domain=apart),
    Row(mg.power, np.power, lambda x, y: x**y, TWO, domain=(positive, anywhere)),
    Row(
        *[lambda x, exponent: x**exponent] * 3,
        ONE,
        each("exponent", 3, 2, 1, 0, -1.5),
        domain=positive,
        name="power",
    ),
    Row(*[lambda x: 2**x] * 3, ONE, name="power"),
    Row(
        mg.clip,
        lambda x, low=None, high=None: np.clip(x, low, high),
        lambda x, low=None, high=None: torch.clip(x, low, high),
        ONE,
        [{"low": -0.5, "high": 0.7}, {"low": -0.5}, {"high": 0.7}],
        domain=apart,
    ),
    Row(
        mg.where,
        np.where,
        lambda condition, x, y: torch.where(condition, x, y),
        "0d 0d 0d, 2x3 2x3 2x3, 3 2x1 2x3, 2x3 3 0d, 2x3F 2x3backwards 2x3gaps, 0x3 3 1",
        domain=(mask, anywhere, anywhere),
    ),
    Row(mg.copy, np.copy, lambda x: x.clone(), ONE),
    Row(mg.to, lambda x, backend: x, lambda x, backend: x * 1, ONE, each("backend", "numpy")),
    Row(
        mg.astype,
        lambda x, dtype: x.astype(dtype),
        lambda x, dtype: x.double(),
        ONE,
        each("dtype", "float64"),
        keeps_dtype=False,
    ),
    Row(mg.equal, np.equal, lambda x, y: x == y, TWO, domain=few, grad=False),
    Row(mg.not_equal, np.not_equal, lambda x, y: x != y, TWO, domain=few, grad=False),
    Row(mg.less, np.less, lambda x, y: x < y, TWO, domain=few, grad=False),
    Row(mg.less_equal, np.less_equal, lambda x, y: x <= y, TWO, domain=few, grad=False),
    Row(mg.greater, np.greater, lambda x, y: x > y, TWO, domain=few, grad=False),
    Row(mg.greater_equal, np.greater_equal, lambda x, y: x >= y, TWO, domain=few, grad=False),
    # Over axes
    Row(mg.sum, np.sum, lambda x, **o: torch.sum(x, **{"axis": None, **o}), CUBE, AXES),
    Row(mg.sum, np.sum, lambda x: torch.sum(x), ONE),
    Row(mg.mean, np.mean, lambda x, **o: torch.mean(x, **{"axis": None, **o}), CUBE, AXES),
    Row(mg.mean, np.mean, lambda x, axis: torch.mean(x, axis), "2x3, 0x3", each("axis", 1)),
    Row(mg.max, np.max, lambda x, **o: torch.amax(x, **{"axis": (), **o}), CUBE, AXES, domain=apart),
    Row(mg.min, np.min, lambda x, **o: torch.amin(x, **{"axis": (), **o}), CUBE, AXES, domain=apart),
    Row(mg.max, np.max, lambda x: torch.amax(x), "0d, 1, 2x3", domain=apart),
    Row(
        mg.argmax,
        np.argmax,
        lambda x, axis=None: torch.argmax(x, axis),
        CUBE,
        axes(0, -1),
        domain=apart,
        grad=False,
    ),
    Row(
        mg.logsumexp,
        lambda x, axis=None, keepdims=False: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
        lambda x, axis=(0, 1, 2), keepdims=False: torch.logsumexp(x, axis, keepdims),
        CUBE,
        AXES,
    ),
    Row(mg.softmax, numpy_softmax, lambda x, axis=-1: torch.softmax(x, axis), f"3, 2x1, {CUBE}", axes(0, -1)),
    Row(mg.softmax, numpy_softmax, lambda x: torch.softmax(x, -1), "0x3"),
    Row(
        mg.log_softmax,
        lambda x, axis=-1: np.log(numpy_softmax(x, axis)),
        lambda x, axis=-1: torch.log_softmax(x, axis),
        f"3, 2x1, {CUBE}",
        axes(0, -1),
    ),
    # The same numbers in another arrangement
    Row(
        mg.reshape,
        np.reshape,
        lambda x, shape: torch.reshape(x, shape if isinstance(shape, tuple) else (shape,)),
        MATRIX,
        each("shape", (3, 2), -1, (1, -1, 2), (2, 3)),
    ),
    Row(mg.reshape, np.reshape, lambda x, shape: torch.reshape(x, shape), "0d, 1", each("shape", (), (1, 1))),
    Row(
        mg.transpose,
        np.transpose,
        lambda x, axes=(2, 1, 0): torch.permute(x, axes),
        CUBE,
        [{}, *each("axes", (1, 2, 0), (-1, 0, -2))],
    ),
    Row(
        mg.swapaxes,
        np.swapaxes,
        lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
        CUBE,
        [{"axis1": 0, "axis2": 2}, {"axis1": -1, "axis2": 1}],
    ),
    Row(
        mg.moveaxis,
        np.moveaxis,
        lambda x, source, destination: torch.moveaxis(x, source, destination),
        CUBE,
        [{"source": 0, "destination": -1}, {"source": -1, "destination": 0}, {"source": 1, "destination": 1}],
    ),
    Row(mg.expand_dims, np.expand_dims, lambda x, axis: torch.unsqueeze(x, axis), "0d, 3, 0", each("axis", 0, -1)),
    Row(
        mg.squeeze,
        np.squeeze,
        lambda x, axis=(0, 1, 2): torch.squeeze(x, axis),
        "1x3x1, 1x1x1, 1x0x1",
        axes(0, -1, (0, 2)),
    ),
    Row(
        mg.broadcast_to,
        np.broadcast_to,
        lambda x, shape: torch.broadcast_to(x, shape),
        "0d, 1, 3, 2x1, 2x3F, 2x3backwards",
        each("shape", (2, 3), (2, 2, 3)),
    ),
    Row(
        mg.flip,
        np.flip,
        lambda x, axis=(0, 1, 2): torch.flip(x, axis if isinstance(axis, tuple) else (axis,)),
        CUBE,
        axes(0, -1, (0, 1)),
    ),
    Row(
        sequence(mg.concatenate),
        sequence(np.concatenate),
        sequence(lambda xs, axis=0: torch.concatenate(xs, axis)),
        "2x3, 2x3 2x3 2x3, 2x3F 2x3gaps",
        axes(1, -2),
        name="concatenate",
    ),
    Row(
        sequence(mg.concatenate),
        sequence(np.concatenate),
        sequence(lambda xs, axis: torch.concatenate(xs, axis)),
        "2x1 2x3 2x0",
        each("axis", 1, -1),
        name="concatenate",
    ),
    Row(
        sequence(mg.stack),
        sequence(np.stack),
        sequence(lambda xs, axis=0: torch.stack(xs, axis)),
        "2x3, 2x3 2x3, 2x3F 2x3backwards 2x3gaps",
        axes(1, -1, -2),
        name="stack",
    ),
    Row(sequence(mg.stack), sequence(np.stack), sequence(lambda xs: torch.stack(xs)), "0d 0d, 0 0", name="stack"),
    Row(
        mg.split,
        lambda x, sections, axis=0: np.split(x, sections, axis),
        lambda x, sections, axis=0: torch.tensor_split(x, sections, axis),
        "4x2, 4x4F, 2x2gaps",
        [{"sections": 2}, {"sections": 2, "axis": -1}, {"sections": [1]}, {"sections": [0, 1], "axis": 1}],
    ),
    Row(mg.unstack, lambda x: list(x), lambda x: torch.unbind(x), "3, 2x3, 1x2, 2x3F, 2x3backwards"),
    # Parts
    Row(mg.getitem, lambda x, index: x[index], torch_getitem, MATRIX, each("index", *INDICES)),
    Row(mg.getitem, lambda x, index: x[index], torch_getitem, "0d, 1", each("index", (), Ellipsis, None)),
    Row(
        mg.setitem,
        numpy_setitem,
        torch_setitem,
        "2x3 0d, 2x3F 0d",
        each("index", *[index for index in INDICES if not repeats(index)]),
    ),
    Row(
        mg.setitem,
        numpy_setitem,
        torch_setitem,
        "2x3 3, 2x3gaps 2x3, 2x3F 1",
        each("index", slice(None), (Ellipsis, slice(None, None, -1))),
    ),
    Row(
        mg.take,
        lambda x, indices, axis=None: np.take(x, indices, axis),
        lambda x, indices, axis=None: torch_getitem(
            x.reshape(-1) if axis is None else x, (slice(None),) * ((axis or 0) % x.ndim) + (indices,)
        ),
        "2x3, 2x2, 2x3F, 2x3backwards, 2x2x2",
        [
            {"indices": np.array([1, 0, 1, -1]), "axis": 0},
            {"indices": np.array([[0, 1], [1, -2]]), "axis": 0},
            {"indices": np.array([1, 0, 1, -1]), "axis": 1},
            {"indices": np.array([[0, 0]]), "axis": -1},
            {"indices": np.array(1), "axis": 0},
            {"indices": np.array([3, 0, -1, 3])},
            {"indices": np.array([], int), "axis": 0},
        ],
    ),
    Row(
        mg.take,
        lambda x, indices, axis: np.take(x, indices, axis),
        lambda x, indices, axis: torch_getitem(x, indices),
        "3, 3x0",
        [{"indices": np.array([0, 1, 0]), "axis": 0}],
    ),
    Row(
        mg.take_along_axis,
        np.take_along_axis,
        lambda x, indices, axis: torch.take_along_dim(x, torch.tensor(indices), axis),
        MATRIX,
        [
            {"indices": np.array([[0, 1], [2, 2]]), "axis": 1},
            {"indices": np.array([[0, 1, 1], [0, 0, 1]]), "axis": 0},
            {"indices": np.array([[2], [0]]), "axis": -1},
            {"indices": np.array([[1, 1]]), "axis": 1},
        ],
    ),
    # Products of matrices
    Row(
        mg.matmul,
        np.matmul,
        lambda x, y: x @ y,
        "3 3, 2x3 3, 3 3x2, 2x3 3x2, 1x1 1x1, 4x2x3 3, 3 4x3x2, 2x2x3 3x2, 2x3 2x3x2, 2x2x3 2x3x2, 2x1x2x3 2x3x1, "
        "1x2x3 2x3x2, 2x2x1x2 2x2, 2x2x1x2 2, 0x3 3x2, 2x0 0x3, 0x2x3 3x2, 2x2x0 0x3, 2x3F 3x2backwards, 2x3gaps 3x2F, "
        "2x2x3gaps 3x2F, 2x2x3F 3x2backwards",
    ),
    Row(
        mg.dot,
        np.dot,
        torch_dot,
        "0d 0d, 0d 3, 2x3 0d, 3 3, 2x3 3, 3 3x2, 2x3 3x2, 2x2x3 3x2, 2x3 2x3x2, 3 2x3x2, 2x2x3 2x3x2",
    ),
    Row(
        mg.outer,
        np.outer,
        lambda x, y: torch.outer(x.reshape(-1), y.reshape(-1)),
        "0d 0d, 3 2, 2x2 3, 2x2F 1x2gaps, 0 2",
    ),
]

# Operations that make Tensors from no Tensor, tested by their values below.
CREATION = {
    "arange": (lambda: mg.arange(1, 7, 2), np.array([1, 3, 5])),
    "full": (lambda: mg.full((2,), 3.5), np.array([3.5, 3.5], np.float32)),
    "full_like": (lambda: mg.full_like(mg.tensor([[1, 2]]), 7), np.array([[7, 7]])),
    "ones": (lambda: mg.ones((1, 2)), np.ones((1, 2), np.float32)),
    "ones_like": (lambda: mg.ones_like(np.zeros(2)), np.ones(2)),
    "rand": (lambda: mg.rand(2, 3), np.random.default_rng(5).random((2, 3), np.float32)),
    "randn": (lambda: mg.randn(2, 3), np.random.default_rng(5).standard_normal((2, 3), np.float32)),
    "zeros": (lambda: mg.zeros(3, dtype="float64"), np.zeros(3)),
    "zeros_like": (lambda: mg.zeros_like(mg.tensor(2.0)), np.zeros((), np.float32)),
}

CASES = [case for row in TABLE for case in row.cases()]
DIFFERENTIABLE = [case for case in CASES if case.row.grad]
every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_gradient = pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)


def test_every_operation_has_a_row():
    rows = {row.name for row in TABLE} | CREATION.keys()
    assert {name for name in ops.__all__ if callable(getattr(ops, name))} - rows == set(), "add a row to TABLE"
    assert rows - set(ops.__all__) == set()


def seeds(case: Case, outputs: list[Any]) -> list[np.ndarray]:
    """A gradient to start from, for each output."""
    rng = np.random.default_rng(zlib.crc32(str(case).encode()))
    return [rng.uniform(0.5, 1.5, out.shape).astype(np.dtype(str(out.dtype).removeprefix("torch."))) for out in outputs]


def values_and_gradients(case: Case, arrays: list[Any]) -> tuple[list[Any], list[Any]]:
    inputs = [mg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    outputs = case.run(*inputs)
    leaves = [x for x in inputs if x.requires_grad]
    return outputs, listed(mg.grad(outputs, leaves, seeds(case, outputs)))


@every_case
def test_value_is_numpys(case):
    arrays = case.arrays()
    before = [x.copy() for x in arrays]
    expected = listed(case.row.numpys(*arrays, **case.options))
    outputs = case.run(*[mg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays])
    raw = case.run(*arrays)
    assert len(outputs) == len(raw) == len(expected)
    for out, array, value in zip(outputs, raw, expected):
        assert isinstance(out, mg.Tensor)
        assert type(out.data) is np.ndarray, "a Tensor holds an array, not a NumPy scalar"
        assert out.requires_grad == (out.node is not None) == case.row.grad
        assert not isinstance(array, mg.Tensor), "an operation given no Tensor returns a raw array"
        assert (out.shape, out.dtype) == (value.shape, value.dtype) == (array.shape, array.dtype)
        np.testing.assert_allclose(out.numpy(), value, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(out.numpy(), array)
    for x, old in zip(arrays, before):
        np.testing.assert_array_equal(x, old, "an operation changed its input")


@every_gradient
def test_first_derivative(case):
    assert mg.gradcheck(lambda *inputs: tuple(case.run(*inputs)), case.arrays())


@every_gradient
def test_second_derivative(case):
    """The gradient, as a function of the inputs and of the gradient that it starts from, has the right gradient."""
    arrays = case.arrays()
    outputs = case.run(*[mg.Tensor(x) for x in arrays])

    def gradient(*given: mg.Tensor) -> tuple[mg.Tensor, ...]:
        inputs, weights = given[: len(arrays)], list(given[len(arrays) :])
        leaves = [x for x in inputs if x.requires_grad]
        return tuple(listed(mg.grad(case.run(*inputs), leaves, weights, create_graph=True)))

    assert mg.gradcheck(gradient, [*[mg.Tensor(x) for x in arrays], *seeds(case, outputs)])


@every_gradient
def test_float32_stays_float32(case):
    arrays = case.arrays()
    wide, wide_gradients = values_and_gradients(case, arrays)
    narrow, gradients = values_and_gradients(case, [x.astype(np.float32) if x.dtype.kind == "f" else x for x in arrays])
    if case.row.keeps_dtype:
        assert {str(out.dtype) for out in narrow} == {"float32"}
    assert {str(g.dtype) for g in gradients} == {"float32"}
    for ours, value in zip([*narrow, *gradients], [*wide, *wide_gradients]):
        np.testing.assert_allclose(ours.numpy(), value.numpy(), rtol=1e-4, atol=1e-5)


@every_gradient
def test_gradients_have_memory_of_their_own(case):
    arrays = case.arrays()
    inputs = [mg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    for create_graph in (False, True):
        outputs = case.run(*inputs)
        starts = [mg.Tensor(seed) for seed in seeds(case, outputs)]
        leaves = [x for x in inputs if x.requires_grad]
        gradients = listed(mg.grad(outputs, leaves, starts, create_graph=create_graph))
        assert all(g.data.flags.writeable for g in gradients)
        for g, other in itertools.product(gradients, [*inputs, *outputs, *starts, *gradients]):
            assert g is other or not np.shares_memory(g.data, other.data)


@pytest.mark.torch
@every_case
def test_value_and_gradient_are_torchs(case):
    arrays = case.arrays()
    peers = [torch.tensor(np.ascontiguousarray(x), requires_grad=x.dtype.kind == "f") for x in arrays]
    expected = listed(case.row.torchs(*[x.reshape(a.shape) for x, a in zip(peers, arrays)], **case.options))
    if not case.row.grad:
        for out, peer in zip(case.run(*[mg.Tensor(x) for x in arrays]), expected):
            np.testing.assert_array_equal(out.numpy(), peer.numpy())
        return
    outputs, gradients = values_and_gradients(case, arrays)
    starts = [torch.tensor(seed) for seed in seeds(case, outputs)]
    leaves = [x for x in peers if x.requires_grad]
    peer_gradients = torch.autograd.grad(expected, leaves, starts)
    for ours, peer in zip([*outputs, *gradients], [*expected, *peer_gradients]):
        theirs = peer.detach().numpy().reshape(ours.shape)
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", CREATION)
def test_creation(name):
    mg.seed(5)
    make, expected = CREATION[name]
    made = make()
    assert isinstance(made, mg.Tensor)
    assert made.dtype == expected.dtype
    assert not made.requires_grad
    np.testing.assert_array_equal(made.numpy(), expected)


def test_creation_on_request():
    assert mg.ones(2, requires_grad=True).requires_grad
    assert mg.randn(2, dtype="float64").dtype == np.float64
    assert mg.arange(2).dtype == np.int64
    assert mg.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert mg.arange(2.0).dtype == np.float32
    assert mg.zeros_like(np.ones(2, np.float32), dtype="int64").dtype == np.int64
    assert mg.ones_like([[1.5, 2.0]]).tolist() == [[1, 1]]
    assert mg.full_like(2.0, 7).dtype == np.float32


# Kinks and ties, as design decisions that PyTorch shares


def gradient(f: Callable[..., Any], *arrays: Any, start: Any = None) -> Any:
    inputs = [mg.tensor(np.asarray(x, float), requires_grad=True) for x in arrays]
    out = f(*inputs)
    found = [g.tolist() for g in mg.grad(out, inputs, np.ones(out.shape) if start is None else np.asarray(start))]
    return found if len(found) > 1 else found[0]


def test_kinks():
    assert gradient(mg.relu, [-1, 0, 1]) == [0, 0, 1]
    assert gradient(mg.abs, [-2, 0, 2]) == [-1, 0, 1]
    assert gradient(mg.sign, [-2, 0, 2]) == [0, 0, 0]
    assert gradient(lambda x: mg.clip(x, -1, 1), [-2, -1, 0, 1, 2]) == [0, 1, 1, 1, 0]
    assert gradient(lambda x: mg.clip(x, -1), [-2, -1, 5]) == [0, 1, 1]


def test_ties():
    assert gradient(mg.maximum, [1, 2, 3], [3, 2, 1]) == [[0, 0.5, 1], [1, 0.5, 0]]
    assert gradient(mg.minimum, [1, 2, 3], [3, 2, 1]) == [[1, 0.5, 0], [0, 0.5, 1]]
    assert gradient(lambda x: mg.maximum(x, 0), [-1, 0, 1]) == [0, 0.5, 1]
    assert gradient(mg.max, [2, 2, 1]) == [0.5, 0.5, 0]
    assert gradient(mg.min, [2, 1, 1, 1, 1]) == [0, 0.25, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("keepdims", [False, True])
def test_ties_over_an_axis(keepdims):
    half, third = 1 / 2, 1 / 3
    x = [[2, 2, 1], [0, 3, 1]]
    assert gradient(lambda x: mg.max(x, axis=1, keepdims=keepdims), x) == [[half, half, 0], [0, 1, 0]]
    assert gradient(lambda x: mg.min(x, axis=0, keepdims=keepdims), x) == [[0, 1, half], [1, 0, half]]
    assert gradient(lambda x: mg.max(x, axis=(0, 1), keepdims=keepdims), [[2, 2], [1, 2]]) == [
        [third, third],
        [0, third],
    ]


@pytest.mark.torch
def test_kinks_and_ties_are_torchs():
    points = np.array([-1.0, 0.0, 0.0, 1.0, 1.0])
    twins = [
        (mg.relu, lambda x: torch.relu(x)),
        (mg.abs, lambda x: torch.abs(x)),
        (mg.sign, lambda x: torch.sign(x)),
        (lambda x: mg.clip(x, 0, 1), lambda x: torch.clip(x, 0, 1)),
        (lambda x: mg.maximum(x, x * x), lambda x: torch.maximum(x, x * x)),
        (lambda x: mg.minimum(x, x * x), lambda x: torch.minimum(x, x * x)),
        (mg.max, lambda x: torch.amax(x)),
        (mg.min, lambda x: torch.amin(x)),
        (lambda x: x**0, lambda x: x**0),
        (lambda x: x**1, lambda x: x**1),
        (lambda x: x**2, lambda x: x**2),
        (lambda x: x ** mg.tensor(np.zeros(5)), lambda x: x ** torch.zeros(5)),
        (lambda x: x ** mg.tensor(np.ones(5)), lambda x: x ** torch.ones(5)),
    ]
    for ours, torchs in twins:
        peer = torch.tensor(points, requires_grad=True)
        torchs(peer).sum().backward()
        assert gradient(lambda x, f=ours: f(x).sum(), points) == peer.grad.tolist()


def test_zero_to_the_power_of_zero():
    assert gradient(lambda x: x**0, [0.0, 2.0]) == [0, 0]
    assert gradient(lambda x: x ** np.zeros(2), [0.0, 2.0]) == [0, 0]
    assert gradient(lambda x: x**1, [0.0]) == [1]
    assert gradient(lambda x, y: x**y, [0.0, 2.0], [0.0, 3.0]) == [[0, 12], [0, pytest.approx(8 * np.log(2))]]


def test_where_lets_no_nan_through_the_branch_not_taken():
    condition = np.array([True, False])
    assert gradient(lambda x, y: mg.where(condition, x, y), [1, 2], [3, 4], start=[np.inf, 1.0]) == [
        [np.inf, 0],
        [0, 1],
    ]
    x, y = gradient(lambda x, y: mg.where(condition, x, y), [1, 2], [3, 4], start=[np.nan, 1.0])
    assert np.isnan(x[0])
    assert [x[1], y] == [0, [0, 1]]
    outputs = mg.where(mg.tensor([1.0, -1.0]) > 0, mg.tensor([1.0, np.nan], requires_grad=True) * 2, 0)
    assert outputs.tolist() == [2, 0]


def test_repeated_indices_add_up():
    assert gradient(lambda x: x[[0, 0, 1]], [1, 2, 3], start=[1.0, 10.0, 100.0]) == [11, 100, 0]
    assert gradient(lambda x: x[np.array([0, -3, 1])], [1, 2, 3], start=[1.0, 10.0, 100.0]) == [11, 100, 0]
    assert gradient(lambda x: x[mg.tensor([2, 2])], [1, 2, 3]) == [0, 0, 2]


def test_boolean_index():
    assert gradient(lambda x: x[x.numpy() > 1], [1, 2, 3]) == [0, 1, 1]
    assert gradient(lambda x: x[x > 1], [1, 2, 3]) == [0, 1, 1]


def test_embedding_with_repeats_and_negative_indices():
    table = np.arange(12.0).reshape(4, 3)
    rows = np.array([[0, -1], [3, 0]])
    start = np.arange(1.0, 13).reshape(2, 2, 3)
    expected = np.zeros((4, 3))
    np.add.at(expected, rows, start)
    assert gradient(lambda x: mg.take(x, rows, axis=0), table, start=start) == expected.tolist()
    assert gradient(lambda x: x[mg.tensor(rows)], table, start=start) == expected.tolist()


@pytest.mark.filterwarnings("error")
def test_no_overflow_far_out():
    far = np.array([-1e4, 1e4])
    assert mg.sigmoid(far).tolist() == [0, 1]
    assert mg.softplus(far).tolist() == [0, 1e4]
    assert mg.tanh(far).tolist() == [-1, 1]
    assert mg.softmax(far).tolist() == [0, 1]
    assert mg.log_softmax(far).tolist() == [-2e4, 0]
    assert mg.logsumexp(far).tolist() == 1e4
    assert gradient(mg.softplus, far) == [0, 1]
    assert gradient(mg.logsumexp, far) == [0, 1]


@pytest.mark.filterwarnings("error")
def test_logsumexp_of_nothing_but_minus_infinity():
    rows = np.array([[-np.inf, -np.inf], [0.0, -np.inf]])
    assert mg.logsumexp(rows, axis=1).tolist() == [-np.inf, 0]


def test_lists_stand_for_arrays():
    x = mg.tensor(np.array([3.0, 4.0]), requires_grad=True)
    assert mg.concatenate([[1.0, 2.0], x]).tolist() == [1, 2, 3, 4]
    assert gradient(lambda x: mg.concatenate([[1.0, 2.0], x]), [3, 4], start=[1.0, 2.0, 3.0, 4.0]) == [3, 4]
    assert mg.dot([1.0, 2.0], x).item() == 11
    assert mg.stack([x, [5.0, 6.0]]).tolist() == [[3, 4], [5, 6]]


def test_integers_have_no_gradient():
    x = mg.tensor([1.5, 2.5], requires_grad=True)
    assert not x.astype("int64").requires_grad
    assert x.astype("int64").tolist() == [1, 2]
    assert mg.grad((x * x.astype("int64")).sum(), x).tolist() == [1, 2]


# Programs of many operations

POINTWISE = [
    (row, 1 if row.examples == ONE else 2)
    for row in TABLE
    if row.grad and row.keeps_dtype and not any(row.options) and row.examples in (ONE, TWO)
]


def into(domain: Domain, x: Any, tanh: Callable[[Any], Any]) -> Any:
    return 1.5 + tanh(x) if domain is positive else x


def run_program(program: list[tuple[int, int, int]], leaves: list[Any], which: str, tanh: Callable[[Any], Any]) -> Any:
    """The sum of all that a program computes; each step picks an operation, and operands from what there is so far."""
    pool = list(leaves)
    for op, *picks in program:
        row, arity = POINTWISE[op % len(POINTWISE)]
        operands = [into(row.domain_of(i), pool[pick % len(pool)], tanh) for i, pick in enumerate(picks[:arity])]
        pool.append(tanh(getattr(row, which)(*operands)))  # so that no number grows without bound
    total = pool[-1].sum()
    for value in pool[len(leaves) : -1]:
        total = total + value.sum()
    return total


steps = st.tuples(st.integers(0, 10**4), st.integers(0, 50), st.integers(0, 50))


@pytest.mark.torch
@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(program=st.lists(steps, min_size=1, max_size=20), seed=st.integers(0, 100))
def test_random_programs(program, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(-2, 2, shape) for shape in [(2, 3), (3,), (2, 1), ()]]
    leaves = [mg.tensor(x, requires_grad=True) for x in arrays]
    peers = [torch.tensor(x, requires_grad=True) for x in arrays]
    ours = run_program(program, leaves, "ours", mg.tanh)
    torchs = run_program(program, peers, "torchs", lambda x: torch.tanh(x))
    np.testing.assert_allclose(ours.item(), torchs.item(), rtol=1e-11)
    expected = torch.autograd.grad(torchs, peers, allow_unused=True, materialize_grads=True)
    plain = mg.grad(ours, leaves, retain_graph=True, allow_unused=True)
    recorded = mg.grad(ours, leaves, create_graph=True, allow_unused=True)
    for g, again, peer in zip(plain, recorded, expected):
        if g is None:
            assert again is None
            assert not peer.any()
        else:
            np.testing.assert_array_equal(g.numpy(), again.numpy())
            np.testing.assert_allclose(g.numpy(), peer.numpy(), rtol=1e-9, atol=1e-10)
