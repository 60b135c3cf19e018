"""Inverses, determinants and decompositions of matrices, (..., M, N): the last two axes of stacks of any depth.

Gradients are from Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation"
(2008), with other sources where named. They run through operations of this file again, so they hold to any order,
unless it says otherwise. An operation of several results computes them once more on the way back.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MatrixError, NoGradientError, OperandError, ShapeError
from ..primitive import primitive
from .contractions import einsum
from .pointwise import copy, where
from .products import as_arrays, matmul
from .shape import concatenate, shape_of

# fmt: off
__all__ = [
    "cholesky", "det", "eigh", "inv", "matrix_power", "multi_dot", "pinv", "qr", "slogdet", "solve", "svd",
]
# fmt: on

EighResult = namedtuple("EighResult", "eigenvalues eigenvectors")
QRResult = namedtuple("QRResult", "Q R")
SlogdetResult = namedtuple("SlogdetResult", "sign logabsdet")
SVDResult = namedtuple("SVDResult", "U S Vh")


def _t(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _inverse_or_0(x: Any) -> Any:
    """1 / x, and 0 for 0: what has no derivative (vectors of equal eigenvalues, say) gets none."""
    return where(x == 0, 0, 1 / where(x == 0, 1, x))


def _solve_stacks(xp: Any, a: Any, b: Any) -> Any:
    if a.shape[:-2] != b.shape[:-2]:  # CuPy does not broadcast here
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = xp.broadcast_to(a, stack + a.shape[-2:]), xp.broadcast_to(b, stack + b.shape[-2:])
    return xp.linalg.solve(a, b)


def _vjp_pinv(g: Any, p: Any, a: Any) -> Any:
    """Golub and Pereyra 1973, eq. 4.12: right where the rank does not change."""
    pt, gt = _t(p), _t(g)
    beyond_columns, beyond_rows = gt @ p @ pt, pt @ p @ gt
    return -pt @ g @ pt + beyond_columns - a @ (p @ beyond_columns) + beyond_rows - (beyond_rows @ p) @ a


inv: Callable[..., Any] = primitive(
    "inv",
    lambda xp, a: xp.linalg.inv(a),
    vjp=[lambda g, out: -_t(out) @ g @ _t(out)],
    doc="The inverse of each matrix (..., M, M). MatrixError for a singular one (CuPy gives NaN or infinities).",
)
_solve: Callable[..., Any] = primitive(
    "solve", _solve_stacks, vjp=[lambda g, out, a: -_solve(_t(a), g) @ _t(out), lambda g, a: _solve(_t(a), g)]
)
_pinv = primitive("pinv", lambda xp, a, *, rcond: xp.linalg.pinv(a, rcond), vjp=[_vjp_pinv])
_identity = primitive(
    "identity", lambda xp, a: xp.zeros_like(a) + xp.eye(a.shape[-1], dtype=a.dtype), vjp=[lambda g: g * 0]
)


def solve(a: Any, b: Any) -> Any:
    """The x of a @ x = b: (..., M, M) and (..., M, K) give (..., M, K); a `b` of one axis, (M,), gives (..., M).

    Raises ShapeError for shapes that do not fit, MatrixError for a singular `a` (CuPy gives NaN or infinities).
    """
    a, b = as_arrays(a, b)
    if b.shape[-2:][:1] != a.shape[-1:]:  # the length of a vector, the rows of a matrix
        wanted = "(..., M, M) and (..., M, K) or (M,)"
        raise ShapeError(f"the shapes of 'solve' must be {wanted}, not {a.shape} and {b.shape}")
    return _solve(a, b.reshape(-1, 1))[..., 0] if b.ndim == 1 else _solve(a, b)


def pinv(a: Any, rcond: float | None = None) -> Any:
    """The Moore-Penrose inverse, (..., M, N) to (..., N, M). Its gradient holds as long as the rank does.

    Singular values up to `rcond` times the largest count as 0; by default max(M, N) times the dtype's precision.
    """
    (a,) = as_arrays(a)
    precise = np.finfo(a.dtype if a.dtype.kind == "f" else float).eps
    return _pinv(a, rcond=float(max(a.shape[-2:]) * precise) if rcond is None else rcond)


def matrix_power(a: Any, n: int) -> Any:
    """The product of n times `a`, by squaring; of its inverse if n < 0, the identity if n = 0.

    Raises OperandError for an n that is no whole number, MatrixError for matrices that are not square, or singular.
    """
    shape = shape_of(a)
    if not isinstance(n, (int, np.integer)):
        raise OperandError(f"matrix_power takes a whole number n, not {n!r}: use eigh for other powers")
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise MatrixError(f"matrix_power takes square matrices (..., M, M), not shape {shape}")
    if n < 0:
        return matrix_power(inv(a), -n)
    if n < 2:
        return copy(a) if n else _identity(a)
    root = a if n < 4 else matrix_power(a, n // 2)
    square = matmul(root, root)
    return matmul(square, a) if n % 2 else square


def multi_dot(arrays: Sequence[Any]) -> Any:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first may be a row, the last a column, of one axis. (Cormen et al., Introduction to Algorithms, section 15.2.)
    """
    arrays = as_arrays(*arrays)
    if len(arrays) < 2:
        raise ShapeError(f"multi_dot takes two or more matrices, not {len(arrays)}")
    sizes = [1 if arrays[0].ndim == 1 else arrays[0].shape[0], *[array.shape[0] for array in arrays[1:]]]
    sizes.append(1 if arrays[-1].ndim == 1 else arrays[-1].shape[-1])
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(len(arrays))}  # cost, where to cut
    for length in range(1, len(arrays)):
        for i in range(len(arrays) - length):
            j = i + length
            best[i, j] = min(
                (best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        cut = best[i, j][1]
        return arrays[i] if i == j else matmul(product(i, cut), product(cut + 1, j))

    return product(0, len(arrays) - 1)


# Determinants


def _cofactors_by_svd(xp: Any, a: Any) -> Any:
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    others = xp.where(xp.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)
    return xp.linalg.det(u @ vh)[..., None, None] * (u * others[..., None, :]) @ vh


def _vjp_cofactors(g: Any, a: Any) -> Any:
    u, s, vh = svd(a, full_matrices=False)
    others = _all_but_two(s)
    inner = _t(u) @ g @ _t(vh)
    diagonal = (others @ einsum("...ii->...i", inner)[..., None])[..., 0]
    return det(u @ vh)[..., None, None] * (u * diagonal[..., None, :] - u @ (others * _t(inner))) @ vh


def _products_of_all_but_two(xp: Any, s: Any) -> Any:
    eye = xp.eye(s.shape[-1], dtype=bool)
    either = xp.maximum(eye[:, None, :], eye)  # [i, j, k]: is k one of i and j?
    return xp.where(eye, 0, xp.where(either, 1, s[..., None, None, :]).prod(-1))


def _no_third_derivative(g: Any) -> Any:
    raise NoGradientError("det has a first and a second derivative here: for more, differentiate slogdet")


det: Callable[..., Any] = primitive(
    "det",
    lambda xp, a: xp.linalg.det(a),
    vjp=[lambda g, a: g[..., None, None] * _cofactors(a)],
    doc=(
        "The determinant of each matrix: (..., M, M) to (...).\n\n"
        "The first and the second derivative are right at singular matrices too; there is no third."
    ),
)
# By the singular values, without a division, so that the derivatives are right at singular matrices of any rank.
_cofactors: Callable[..., Any] = primitive("cofactors", _cofactors_by_svd, vjp=[_vjp_cofactors])
_all_but_two = primitive("all_but_two", _products_of_all_but_two, vjp=[_no_third_derivative])
_slogdet = primitive(
    "slogdet", lambda xp, a: tuple(xp.linalg.slogdet(a)), vjp=[lambda g, a: g[1][..., None, None] * _t(inv(a))]
)


def slogdet(a: Any) -> SlogdetResult:
    """The sign of the determinant and the logarithm of its size, which neither over- nor underflow: each (...).

    Of a singular matrix they are 0 and -inf, and there is no gradient: MatrixError on the way back.
    """
    return SlogdetResult(*_slogdet(a))


# Decompositions


def _lower_half(xp: Any, x: Any) -> Any:
    return xp.tril(x) - x * (xp.eye(x.shape[-1], dtype=x.dtype) / 2)


def _symmetric(x: Any) -> Any:
    return (x + _t(x)) / 2


def _vjp_cholesky(g: Any, lower: Any) -> Any:
    """Murray 2016, eq. 10."""
    inverse = inv(lower)
    return _symmetric(_t(inverse) @ _triangle(_t(lower) @ g) @ inverse)


def _vjp_eigh(g: Any, a: Any) -> Any:
    gw, gv = g
    w, v = eigh(a)
    gaps = w[..., None, :] - w[..., :, None]
    return _symmetric((v * gw[..., None, :] + v @ (_inverse_or_0(gaps) * (_t(v) @ gv))) @ _t(v))


def _vjp_svd(g: Any, a: Any) -> Any:
    """Townsend 2016, "Differentiating the singular value decomposition", eq. 31."""
    gu, gs, gvh = g
    u, s, vh = svd(a, full_matrices=False)
    columns, rows = s[..., None, :], s[..., :, None]
    gaps = _inverse_or_0((columns - rows) * (columns + rows))
    left, right = _t(u) @ gu, vh @ _t(gvh)
    inner = gaps * (left - _t(left)) * columns + rows * (gaps * (right - _t(right)))
    outer = u @ inner + u * gs[..., None, :]
    m, n = a.shape[-2:]
    if m > n:
        outer = outer + (gu - u @ left) * _inverse_or_0(columns)
    if m < n:
        return outer @ vh + (u * _inverse_or_0(columns)) @ (gvh - _t(right) @ vh)
    return outer @ vh


def _vjp_qr(g: Any, a: Any) -> Any:
    """Walter and Lehmann 2013, eq. 5.16, for matrices that are at least as high as wide."""
    gq, gr = g
    q, r = qr(a)
    lower = _triangle(r @ _t(gr) - _t(gq) @ q)
    return _t(_solve(r, _t(gq + q @ (lower + _t(lower)))))


# The lower triangle of a matrix, with half its diagonal.
_triangle: Callable[..., Any] = primitive("lower_half", _lower_half, vjp=[lambda g: _triangle(g)])
_cholesky = primitive("cholesky", lambda xp, a: xp.linalg.cholesky(a), vjp=[lambda g, out: _vjp_cholesky(g, out)])
_eigh = primitive("eigh", lambda xp, a: tuple(xp.linalg.eigh(a)), vjp=[_vjp_eigh])
_svd = primitive("svd", lambda xp, a: tuple(xp.linalg.svd(a, full_matrices=False)), vjp=[_vjp_svd])
_qr = primitive("qr", lambda xp, a: tuple(xp.linalg.qr(a)), vjp=[_vjp_qr])


def cholesky(a: Any) -> Any:
    """The lower triangular L of a = L @ L.T, for a symmetric positive definite `a`, of which it reads the lower part.

    The gradient is that of a symmetric matrix: symmetric, as PyTorch's. Raises ShapeError if `a` is not such a matrix.
    """
    return _cholesky(a)


def eigh(a: Any) -> EighResult:
    """Eigenvalues (..., M), rising, and eigenvectors (..., M, M), as columns, of a symmetric `a`; reads its lower part.

    The gradient is symmetric. Vectors of equal eigenvalues have none: that part of it is 0.
    """
    return EighResult(*_eigh(a))


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """a = (U * S) @ Vh with S falling: shapes (..., M, K), (..., K), (..., K, N), where K = min(M, N).

    Only S without `compute_uv`. Vectors of equal singular values have no gradient: that part of it is 0.
    Raises ShapeError for `full_matrices` where M and N differ, as what that adds to U or Vh is arbitrary.
    """
    (a,) = as_arrays(a)
    if compute_uv and full_matrices and a.shape[-1] != a.shape[-2]:
        raise ShapeError(
            f"svd of shape {a.shape}: give full_matrices=False, only vectors of singular values are unique"
        )
    result = SVDResult(*_svd(a))
    return result if compute_uv else result.S


def qr(a: Any) -> QRResult:
    """a = Q @ R with orthonormal columns (..., M, K) and an upper triangle (..., K, N), where K = min(M, N).

    The gradient wants the first K columns of `a` to be independent.
    """
    (a,) = as_arrays(a)
    m, n = a.shape[-2:]
    if m >= n:
        return QRResult(*_qr(a))
    q, r = _qr(a[..., :m])
    return QRResult(q, concatenate([r, _t(q) @ a[..., m:]], axis=-1))
