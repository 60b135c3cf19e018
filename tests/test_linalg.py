"""`mg.linalg`: its operations by a table of their own, as those of test_ops.py; then hard cases of norms and einsum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import test_ops
from strict import asarray
from table import Case, Row
from test_backend import check_on

import minigrad as mg
from minigrad import linalg
from minigrad.errors import MatrixError, NoGradientError, ShapeError

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

FEW = "1x1, 2x2, 2x2x2F"
SQUARE = FEW + ", 3x3, 3x3F, 2x2gaps, 2x2backwards, 0x2x2"


def regular(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    """Well away from singular, with singular values well away from each other."""
    m, n = shape[-2:]
    return rng.uniform(-0.3, 0.3, shape) + np.eye(m, n) * (1 + np.arange(n))


def vectors(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.uniform(-2, 2, shape) if place else regular(rng, shape, place)


def symmetric(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of the symmetric part: finite differences leave the symmetric matrices otherwise."""
    return lambda a: function((a + a.swapaxes(-1, -2)) / 2)


def any_sign(eigh: Callable[..., Any]) -> Callable[..., Any]:
    """`eigh` with vectors that do not depend on the signs that it gives them."""

    def result(a: Any) -> Any:
        w, v = eigh(a)
        return w, v * v[..., :1, :]

    return result


def any_signs(svd: Callable[..., Any]) -> Callable[..., Any]:
    def result(a: Any) -> Any:
        u, s, vh = svd(a, full_matrices=False)
        return u * vh[..., None, :, 0], s, vh * u[..., 0, :, None]

    return result


def in_torch(name: str) -> Callable[..., Any]:
    return lambda *arrays, **options: getattr(torch.linalg, name)(*arrays, **options)


def torch_qr(a: Any) -> Any:
    return tuple(torch.linalg.qr(a))


def torch_slogdet(a: Any) -> Any:
    sign, size = torch.linalg.slogdet(a)
    return sign + 0 * size, size


def multi(multi_dot: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays: multi_dot(arrays)


ROWS = [
    Row(linalg.inv, np.linalg.inv, in_torch("inv"), SQUARE, domain=regular),
    Row(linalg.det, np.linalg.det, in_torch("det"), SQUARE, domain=regular),
    Row(linalg.slogdet, np.linalg.slogdet, torch_slogdet, SQUARE, domain=regular),
    Row(
        linalg.solve,
        np.linalg.solve,
        lambda a, b: torch.linalg.solve(a, b[:, None])[..., 0] if b.ndim == 1 else torch.linalg.solve(a, b),
        "2x2 2, 2x2 2x1, 2x2F 2x3gaps, 2x2x2 2, 2x2x2 2x1, 2x2 2x2x1, 2x1x2x2 2x2x1, 0x2x2 2",
        domain=vectors,
    ),
    Row(
        symmetric(linalg.cholesky),
        symmetric(np.linalg.cholesky),
        symmetric(in_torch("cholesky")),
        SQUARE,
        domain=regular,
        name="cholesky",
    ),
    Row(
        symmetric(any_sign(linalg.eigh)),
        symmetric(any_sign(np.linalg.eigh)),
        symmetric(any_sign(in_torch("eigh"))),
        FEW + ", 3x3F",
        domain=regular,
        name="eigh",
    ),
    Row(
        any_signs(linalg.svd),
        any_signs(np.linalg.svd),
        any_signs(in_torch("svd")),
        FEW + ", 3x2, 2x3F",
        domain=regular,
        name="svd",
    ),
    Row(
        linalg.svd,
        np.linalg.svd,
        lambda a, compute_uv: torch.linalg.svdvals(a),
        "2x3, 3x3, 0x2x2",
        [{"compute_uv": False}],
        domain=regular,
    ),
    Row(linalg.qr, np.linalg.qr, torch_qr, FEW + ", 3x2, 2x3F, 1x3, 3x3", domain=regular),
    Row(linalg.pinv, np.linalg.pinv, in_torch("pinv"), FEW + ", 3x2, 2x3F, 2x1x2", domain=regular),
    Row(
        linalg.matrix_power,
        np.linalg.matrix_power,
        lambda a, n: torch.linalg.matrix_power(a, n) + 0 * a,
        "2x2, 2x2x2F",
        [{"n": n} for n in (0, 1, 2, 3, 5, 6, -1, -3)],
        domain=regular,
    ),
    Row(
        multi(linalg.multi_dot),
        multi(np.linalg.multi_dot),
        multi(lambda arrays: torch.linalg.multi_dot(arrays)),
        "2x2 2x2, 2x3 3x1 1x2, 3 3x2 2x2 2, 1x2 2x3 3",
        name="multi_dot",
    ),
]
CASES = [case for row in ROWS for case in row.cases()]
CHECKS = [
    test_ops.test_value_is_numpys,
    test_ops.test_first_derivative,
    test_ops.test_second_derivative,
    test_ops.test_float32_stays_float32,
    test_ops.test_gradients_have_memory_of_their_own,
    pytest.param(test_ops.test_value_and_gradient_are_torchs, marks=pytest.mark.torch),
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_operation(check: Callable[[Case], None], case: Case):
    check(case)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_stays_on_the_backend(strict, row):
    check_on(row, asarray, "strict")


@pytest.mark.gpu
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_on_cupy(row):
    import cupy

    check_on(row, cupy.asarray, "cupy")


# Where it is hard


def leaf(values: Any) -> mg.Tensor:
    return mg.tensor(np.asarray(values, float), requires_grad=True)


def cofactors(a: np.ndarray) -> np.ndarray:
    rest = [[np.delete(np.delete(a, i, 0), j, 1) for j in range(len(a))] for i in range(len(a))]
    return np.array([[(-1) ** (i + j) * np.linalg.det(rest[i][j]) for j in range(len(a))] for i in range(len(a))])


@pytest.mark.parametrize("rank", [3, 2, 1, 0])
def test_det_has_its_derivatives_at_matrices_of_any_rank(rank):
    rng = np.random.default_rng(rank)
    a = rng.normal(size=(3, rank)) @ rng.normal(size=(rank, 3))
    x = leaf(a)
    np.testing.assert_allclose(mg.grad(linalg.det(x), x).numpy(), cofactors(a), atol=1e-13)
    assert mg.gradcheck(lambda x: mg.grad(linalg.det(x), x, create_graph=True), a)


def test_det_has_no_third_derivative():
    x = leaf(np.diag([1.0, 2.0, 3.0]))
    second = mg.grad(mg.grad(linalg.det(x), x, create_graph=True).sum(), x, create_graph=True)
    with pytest.raises(NoGradientError, match="slogdet"):
        mg.grad(second.sum(), x)


def test_slogdet_does_not_overflow():
    x = leaf(np.diag([1e-300, 1e-300, -1e300, 2.0]))
    result = linalg.slogdet(x)
    assert result.sign.item() == -1
    assert result.logabsdet.item() == pytest.approx(np.log(2e-300))
    np.testing.assert_allclose(mg.grad(result.logabsdet, x).numpy(), np.diag([1e300, 1e300, -1e-300, 0.5]))


def test_values_of_degenerate_matrices_have_gradients():
    """Equal eigenvalues or singular values: what depends on them alone is differentiable (or has a subgradient)."""
    x = leaf(np.eye(3))
    np.testing.assert_allclose(mg.grad(linalg.eigh(x).eigenvalues.sum(), x).numpy(), np.eye(3), atol=1e-15)
    np.testing.assert_allclose(mg.grad(mg.norm(x, "nuc"), x).numpy(), np.eye(3), atol=1e-15)
    zeros = leaf(np.zeros((3, 2)))
    _, s, vh = linalg.svd(zeros, full_matrices=False)
    assert np.isfinite(mg.grad(s.sum() + vh.sum(), zeros).numpy()).all()


def test_results_have_numpys_names():
    x = mg.tensor([[2.0, 1.0], [1.0, 3.0]])
    w, v = linalg.eigh(x)
    np.testing.assert_allclose((v * w @ v.T).numpy(), x.numpy(), rtol=1e-6)
    assert linalg.eigh(x).eigenvectors.tolist() == v.tolist()
    assert linalg.qr(x)._fields == ("Q", "R")
    assert linalg.svd(x)._fields == ("U", "S", "Vh")
    assert linalg.slogdet(x).logabsdet.item() == pytest.approx(np.log(5))


def test_pinv_of_a_matrix_of_lower_rank():
    a = np.outer([1.0, 2.0, 3.0], [1.0, 1.0]).astype(np.float32)
    np.testing.assert_allclose(linalg.pinv(mg.Tensor(a)), np.outer([1, 1], [1, 2, 3]) / 28, rtol=1e-5)
    assert linalg.pinv(np.diag([1.0, 0.1]), rcond=0.5).tolist() == [[1, 0], [0, 0]]


def test_multi_dot_multiplies_in_the_best_order():
    x = mg.tensor(np.ones((50, 1)), requires_grad=True)
    shapes, node = [], linalg.multi_dot([x, mg.ones((1, 50)), mg.ones((50, 1)), mg.ones((1, 50))]).node
    while isinstance(node, mg.graph.Node):
        shapes.append(node.shape)
        node = node.parents[0]
    assert shapes == [(50, 50)], "the small product first, then the column times the row"


def test_lists_are_matrices():
    assert linalg.solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0]).tolist() == [0.5, 0.25]
    assert linalg.inv([[2.0]]).tolist() == [[0.5]]
    assert linalg.multi_dot([[[1, 2]], [[3], [4]]]).tolist() == [[11]]
    assert mg.norm([3.0, 4.0]).item() == 5
    assert mg.outer([1.0, 2.0], mg.tensor([3.0])).tolist() == [[3], [6]]
    assert mg.outer([1.0, 2.0], mg.tensor([3.0])).dtype == np.float32
    assert mg.kron(2.0, [[1.0, 3.0]]).tolist() == [[2, 6]]
    assert mg.einsum("i,i", [1, 2], [3, 4]).item() == 11
    assert mg.tensordot([1.0, 2.0], [3.0, 4.0], np.int64(1)).item() == 11
    assert mg.tensordot([1.0, 2.0], [3.0, 4.0], (np.int64(0), np.int64(0))).item() == 11
    assert linalg.matrix_power([[2.0, 0.0], [0.0, 1.0]], np.int64(3)).tolist() == [[8, 0], [0, 1]]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: linalg.inv(mg.zeros((2, 2))), r"'inv' cannot take \(2, 2\): Singular matrix: use pinv"),
        (lambda: linalg.inv(mg.zeros((2, 3))), "'inv'.*square: the last two"),
        (lambda: linalg.cholesky(-mg.eye(2)), "'cholesky'.*positive definite: add a small"),
        (lambda: linalg.solve(mg.eye(2), mg.zeros(3)), "'solve'"),
        (lambda: linalg.svd(mg.zeros((2, 3))), "full_matrices=False"),
        (lambda: linalg.multi_dot([mg.eye(2)]), "two or more"),
        (lambda: mg.norm(mg.zeros((2, 2, 2)), 1), "along which axis"),
        (lambda: mg.norm(mg.zeros((2, 2)), 3), "ord=3"),
        (lambda: mg.norm(mg.zeros(2), "nuc"), "ord='nuc'"),
        (lambda: mg.norm(mg.zeros(2), axis=1), "axis 1 does not fit"),
        (lambda: mg.norm(mg.zeros((2, 2)), axis=(0, -2)), "does not fit"),
        (lambda: mg.cross(mg.zeros(2), mg.zeros(2)), "3 components"),
        (lambda: mg.tensordot(mg.zeros((2, 3)), mg.zeros((2, 3))[:, :2], 2), r"axes \[0, 1\] of shape \(2, 3\)"),
        (lambda: mg.tensordot(mg.zeros(2), mg.zeros(2), 2), "cannot sum"),
    ],
)
def test_what_does_not_fit(wrong, told):
    with pytest.raises(ShapeError, match=told):
        wrong()


@pytest.mark.parametrize("kind", [MatrixError, ShapeError, np.linalg.LinAlgError])
def test_singular_matrices_are_numpys_error_too(kind):
    with pytest.raises(kind):
        linalg.solve(mg.ones((2, 2)), mg.ones((2, 1)))


# Norms


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("ord", [None, 3])
def test_norm_neither_over_nor_underflows(ord, scale):
    x = leaf(np.array([3.0, 4.0]) * scale)
    size = mg.norm(x, ord)
    assert size.item() == pytest.approx(np.linalg.norm([3.0, 4.0], ord) * scale)
    np.testing.assert_allclose(mg.grad(size, x).numpy(), mg.grad(mg.norm(y := leaf([3, 4]), ord), y).numpy())


@pytest.mark.parametrize("ord", [None, 1, 2, 3, 1.5, 0.5, 0])
def test_the_gradient_of_a_norm_at_0_is_0(ord):
    x = leaf(np.zeros(3))
    g = mg.grad(mg.norm(x, ord), x, create_graph=True)
    assert g.tolist() == [0, 0, 0]
    if g.requires_grad:
        assert mg.grad(g.sum(), x).tolist() == [0, 0, 0]
    x = leaf([0, 2.0])
    assert mg.grad(mg.norm(x, ord), x).tolist() == [0, 1 if ord != 0 else 0]


def test_norm_of_what_is_not_finite():
    assert mg.norm([np.inf, 1.0]).item() == np.inf
    assert np.isnan(mg.norm([np.nan, 1.0]).item())
    assert mg.norm([0.0, 2.0], -1).item() == 0
    assert mg.norm(np.zeros((0, 3)), 3, axis=0).tolist() == [0, 0, 0]


def test_largest_ones_share_the_gradient():
    x = leaf([3, -3, 1])
    assert mg.grad(mg.norm(x, np.inf), x).tolist() == [0.5, -0.5, 0]
    assert mg.grad(mg.norm(x, -np.inf), x).tolist() == [0, 0, 1]


# Einstein's notation


def test_einsum_of_interleaved_lists():
    rng = np.random.default_rng(0)
    x, y = leaf(rng.normal(size=(2, 3))), leaf(rng.normal(size=(3, 4)))
    for operands in ([x, [0, 1], y, [1, 2], [0, 2]], [x, [0, 1], y, [1, 2]], [x, [..., 5], y, [5, 30], [..., 30]]):
        out = mg.einsum(*operands)
        np.testing.assert_allclose(out.numpy(), x.numpy() @ y.numpy(), rtol=1e-13)
        assert mg.grad(out.sum(), x).tolist() == mg.grad((x @ y).sum(), x).tolist()
    np.testing.assert_array_equal(mg.einsum(x, [27, 3]).numpy(), np.einsum(x.numpy(), [27, 3]))


def test_einsum_finds_the_order_with_fewer_multiplications():
    operands = [mg.ones(shape, requires_grad=True) for shape in ((1, 40), (40, 40), (40, 1))]
    right = mg.einsum("ij,jk,kl->il", *operands[::-1][::-1])
    assert max(np.prod(node.shape) for node in mg.graph.ancestors([right.node])) == 40
    path = ["einsum_path", (1, 2), (0, 1)]
    assert mg.einsum("ij,jk,kl->il", *operands, optimize=path).item() == right.item() == 1600


@pytest.mark.parametrize(
    ("subscripts", "shapes", "told"),
    [
        (
            "ij,jk",
            [(2, 3), (4, 5)],
            r"the label 'j' two lengths, 3 and 4: reshape or transpose an operand:\n  ij  \(2, 3\)\n  jk  \(4, 5\)",
        ),
        ("ii", [(1, 3)], "the label 'i' two lengths, 1 and 3"),
        ("...,...", [(2,), (3,)], "an axis under '...' two lengths"),
        ("ij->kk", [(2, 3)], "'k' of its result twice"),
        ("ij->k", [(2, 3)], "'k' of its result only there"),
        ("ij", [(2, 3), (2,)], "names 1 operands, and 2 were given"),
        ("ijk", [(2, 3)], "gives operand 0 3 labels for its 2 axes"),
        ("i", [(2, 3)], "gives operand 0 1 labels for its 2 axes"),
        ("...i->i", [(2, 3)], "put '...' after the '->' too"),
        ("i.j", [(2, 3)], "may hold letters"),
        ("ij->i->j", [(2, 3)], "may hold letters"),
    ],
)
def test_einsum_says_what_does_not_fit(subscripts, shapes, told):
    with pytest.raises(ShapeError, match=told):
        mg.einsum(subscripts, *[mg.zeros(shape) for shape in shapes])
