"""Every operation, by one table: a new operation joins by adding one row.

Each row is held against finite differences (of the operation, and of its gradient), NumPy, PyTorch and itself in
float32, for every combination of its examples and options.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strict import memory_of
from table import TABLE, Case, listed

import minigrad as mg
from minigrad import ops
from minigrad.tensor import on_host

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

# Operations that make Tensors from no Tensor, tested by their values below.
CREATION = {
    "arange": (lambda: mg.arange(1, 7, 2), np.array([1, 3, 5])),
    "eye": (lambda: mg.eye(2, 3, 1), np.array([[0, 1, 0], [0, 0, 1]], np.float32)),
    "from_dlpack": (lambda: mg.from_dlpack(np.arange(3)), np.arange(3)),
    "full": (lambda: mg.full((2,), 3.5), np.array([3.5, 3.5], np.float32)),
    "full_like": (lambda: mg.full_like(mg.tensor([[1, 2]]), 7), np.array([[7, 7]])),
    "identity": (lambda: mg.identity(2, dtype="float64"), np.array([[1.0, 0.0], [0.0, 1.0]])),
    "linspace": (lambda: mg.linspace(0, 1, 5), np.array([0, 0.25, 0.5, 0.75, 1], np.float32)),
    "logspace": (lambda: mg.logspace(0, 3, 4, base=2), np.array([1, 2, 4, 8], np.float32)),
    "ones": (lambda: mg.ones((1, 2)), np.ones((1, 2), np.float32)),
    "ones_like": (lambda: mg.ones_like(np.zeros(2)), np.ones(2)),
    "rand": (lambda: mg.rand(2, 3), np.random.default_rng(5).random((2, 3), np.float32)),
    "randn": (lambda: mg.randn(2, 3), np.random.default_rng(5).standard_normal((2, 3), np.float32)),
    "tri": (lambda: mg.tri(2, 3, 1), np.array([[1, 1, 0], [1, 1, 1]], np.float32)),
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
    raw = case.run(*[mg.Tensor(x).data for x in arrays])
    assert len(outputs) == len(raw) == len(expected)
    for out, array, value in zip(outputs, raw, expected):
        assert isinstance(out, mg.Tensor)
        assert not isinstance(out.data, np.generic), "a Tensor holds an array, not a NumPy scalar"
        assert out.requires_grad == (out.node is not None) == case.row.grad
        assert not isinstance(array, mg.Tensor), "an operation given no Tensor returns a raw array"
        assert (out.shape, out.dtype) == (value.shape, value.dtype) == (array.shape, array.dtype)
        np.testing.assert_allclose(out.numpy(), value, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(out.numpy(), on_host(array))
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
            assert g is other or not np.shares_memory(memory_of(g), memory_of(other))


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
    assert mg.arange(np.float32(0), 1, np.float32(0.5)).tolist() == [0, 0.5]
    assert mg.arange(mg.tensor(0.0), mg.tensor(1.0), mg.tensor(0.5)).tolist() == [0, 0.5]
    assert mg.linspace(mg.tensor(0.0), mg.tensor(1.0), 3).tolist() == [0, 0.5, 1]
    assert mg.full(2, mg.tensor(3.0)).tolist() == mg.full_like([1.0, 2.0], mg.tensor(3.0)).tolist() == [3, 3]
    assert mg.rand((2, 3)).shape == mg.randn([2, 3]).shape == (2, 3)
    assert mg.rand().shape == ()
    assert mg.zeros_like(np.ones(2, np.float32), dtype="int64").dtype == np.int64
    assert mg.linspace(0, 1, 4, endpoint=False).tolist() == [0, 0.25, 0.5, 0.75]
    assert all(f(mg.tensor(1.0), requires_grad=True).requires_grad for f in (mg.zeros_like, mg.ones_like))


@pytest.mark.on_numpy
def test_dlpack_shares_memory():
    source = np.arange(3.0)
    x = mg.from_dlpack(source)
    assert np.shares_memory(x.data, source)
    assert np.shares_memory(mg.from_dlpack(x).data, source)
    with mg.no_grad():
        x[0] = 5.0
    assert source.tolist() == [5, 1, 2]
    source.flags.writeable = False
    assert not mg.from_dlpack(source).data.flags.writeable


@pytest.mark.on_numpy
@pytest.mark.torch
def test_dlpack_from_and_to_torch():
    peer = torch.arange(3.0)
    x = mg.from_dlpack(peer)
    peer[1] = 7
    assert x.tolist() == [0, 7, 2]
    assert torch.from_dlpack(x).data_ptr() == peer.data_ptr()
    with pytest.raises(BufferError, match="detach"):
        mg.from_dlpack(peer.requires_grad_())
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
    assert gradient(mg.max, [1, np.nan, np.nan]) == gradient(mg.min, [1, np.nan, np.nan]) == [0, 0.5, 0.5]


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
    assert gradient(lambda x: mg.logsumexp(x, axis=1), rows) == [[0, 0], [1, 0]]


@pytest.mark.parametrize("axis", [None, 1])
def test_the_gradient_of_logsumexp_sums_to_one_where_the_result_is_rounded(axis):
    x = mg.full((1, 4), 1e5, requires_grad=True)  # the result would be 1e5 + log(4), and is not
    assert mg.grad(mg.logsumexp(x, axis=axis).sum(), x).tolist() == [[0.25, 0.25, 0.25, 0.25]]


def test_roll_by_several_shifts():
    x, start = [[1, 2, 3], [4, 5, 6]], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert gradient(lambda x: mg.roll(x, (1, 3)), x, start=start) == np.roll(start, -4).tolist()
    assert gradient(lambda x: mg.roll(x, (1, 2), (0, 1)), x, start=start) == np.roll(start, (-1, -2), (0, 1)).tolist()


def test_quantiles_of_infinities():
    assert mg.median([np.inf, np.inf, 1.0]).item() == np.inf
    assert mg.quantile([1.0, 2.0, np.inf], [0.5, 0.75]).tolist() == [2, np.inf]
    assert gradient(lambda x: mg.quantile(x, 0.5), [3, 1, 2]) == [0, 0, 1]


def test_lists_stand_for_arrays():
    x = mg.tensor(np.array([3.0, 4.0]), requires_grad=True)
    assert mg.concatenate([[1.0, 2.0], x]).tolist() == [1, 2, 3, 4]
    assert gradient(lambda x: mg.concatenate([[1.0, 2.0], x]), [3, 4], start=[1.0, 2.0, 3.0, 4.0]) == [3, 4]
    assert mg.dot([1.0, 2.0], x).item() == 11
    assert mg.stack([x, [5.0, 6.0]]).tolist() == [[3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("swapaxes", {"axis1": 0, "axis2": 1}), ("moveaxis", {"source": 0, "destination": 1}), ("squeeze", {}),
        ("rot90", {}), ("rot90", {"k": 3}), ("roll", {"shift": 1, "axis": 1}), ("vsplit", {"indices_or_sections": 2}),
        ("split", {"indices_or_sections": np.int64(2)}), ("array_split", {"indices_or_sections": np.int64(3)}),
        ("hsplit", {"indices_or_sections": [1]}),
    ],
)  # fmt: skip
def test_a_list_is_laid_out_as_the_array_is(name, options):
    rows = [[1.0, 2.0], [3.0, 4.0]]
    found, expected = getattr(mg, name)(rows, **options), getattr(np, name)(np.array(rows, np.float32), **options)
    parts = found if isinstance(found, tuple) else [found]
    theirs = expected if isinstance(expected, (list, tuple)) else [expected]
    for ours, numpys in zip(parts, theirs, strict=True):
        np.testing.assert_array_equal(on_host(ours), numpys, strict=True)


def test_numbers_stand_for_arrays():
    assert [on_host(f(2.0)).tolist() for f in (mg.copy, mg.sum, mg.ravel, mg.atleast_1d)] == [2, 2, [2], [2]]
    assert mg.astype(2.0, "float16").dtype == np.float16
    assert mg.broadcast_to(2.0, 3).tolist() == [2, 2, 2]
    assert mg.vstack([1.0, 2.0]).tolist() == [[1], [2]]
    assert mg.hstack([1.0, 2.0]).tolist() == [1, 2]
    assert mg.column_stack([1.0, 2.0]).tolist() == [[1, 2]]
    with pytest.raises(mg.errors.ShapeError, match="multiplied by \\*"):
        mg.ones((2, 2, 2)) @ 2.0
    stubborn = mg.primitive("stubborn", lambda xp, x: x.nothing)
    with pytest.raises(AttributeError, match="nothing"):
        stubborn(2.0)


def test_integers_have_no_gradient():
    x = mg.tensor([1.5, 2.5], requires_grad=True)
    assert not x.astype("int64").requires_grad
    assert x.astype("int64").tolist() == [1, 2]
    assert mg.grad((x * x.astype("int64")).sum(), x).tolist() == [1, 2]
