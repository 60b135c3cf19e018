"""Linear algebra, under NumPy's names: `mg.linalg.inv` is for Tensors what `np.linalg.inv` is for arrays."""

from .ops.contractions import tensordot
from .ops.decompositions import cholesky, det, eigh, inv, matrix_power, multi_dot, pinv, qr, slogdet, solve, svd
from .ops.norms import norm
from .ops.products import cross, matmul, outer

# fmt: off
__all__ = [
    "cholesky", "cross", "det", "eigh", "inv", "matmul", "matrix_power", "multi_dot", "norm", "outer", "pinv", "qr",
    "slogdet", "solve", "svd", "tensordot",
]
# fmt: on
