"""The tables of ONNX's operators: each row computes in onnxruntime what its primitive does here."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad_rnn.interop import onnx_ops
from minigrad_rnn.interop.onnx_trace import record

pytest.importorskip("onnx", reason="what is tested here are ONNX files")
pytest.importorskip("onnxruntime", reason="the files are run by onnxruntime")

from onnx_files import check, ours

OF_ONE = [
    mg.abs, mg.fabs, mg.arcsinh, mg.arctan, mg.ceil, mg.copy, mg.cos, mg.cosh, mg.elu, mg.erf, mg.erfc, mg.exp, mg.exp2,
    mg.expm1, mg.floor, mg.gelu, mg.hard_sigmoid, mg.hard_tanh, mg.isfinite, mg.isinf, mg.isnan, mg.leaky_relu,
    mg.log_sigmoid, mg.log_softmax, mg.logical_not, mg.negative, mg.positive, mg.relu, mg.rint, mg.selu, mg.sigmoid,
    mg.sign, mg.silu, mg.sin, mg.sinh, mg.softmax, mg.softplus, mg.square, mg.tan, mg.tanh, mg.trunc,
]  # fmt: skip
OF_POSITIVE = [mg.log, mg.log10, mg.log1p, mg.log2, mg.reciprocal, mg.sqrt]
OF_TWO = [
    mg.add, mg.divide, mg.equal, mg.greater, mg.greater_equal, mg.hypot, mg.less, mg.less_equal, mg.logaddexp,
    mg.maximum, mg.minimum, mg.multiply, mg.not_equal, mg.subtract,
]  # fmt: skip
OF_ANSWERS = [mg.logical_and, mg.logical_or, mg.logical_xor]
REDUCTIONS = [mg.all, mg.any, mg.max, mg.min, mg.mean, mg.std, mg.sum, mg.var, mg.logsumexp]

# Functions of x (time, batch, 4) that return a tuple.
OPERATIONS = {
    "of one": lambda x: tuple(f(3 * x) for f in OF_ONE),
    "of a positive one": lambda x: tuple(f(mg.abs(x) + 0.5) for f in OF_POSITIVE),
    "inverses": lambda x: (*(f(mg.tanh(x) / 2) for f in (mg.arcsin, mg.arccos, mg.arctanh)), mg.arccosh(x * x + 1.5)),
    "of two": lambda x: tuple(f(x, y) for f in OF_TWO for y in (x[:, :, ::-1], x[0] / 2, 0.5)),
    "of answers": lambda x: tuple(f(x > 0, x < 0.5) for f in OF_ANSWERS),
    "numbers on the left": lambda x: (1 + x, 1 - x, 2 * x, 1 / (x + 9), 2.0**x),
    "powers": lambda x: (x**2, x**3, mg.abs(x) ** 0.5, mg.power(mg.abs(x) + 0.1, x)),
    "options": lambda x: (mg.round(x, 1), mg.round(x), mg.gelu(x, "tanh"), mg.elu(x, 0.5), mg.leaky_relu(x, 0.2)),
    "clips": lambda x: (mg.clip(x, -0.2, 0.3), mg.clip(x, 0.1), mg.clip(x, None, 0.1)),
    "choices": lambda x: (mg.where(x > 0, x, 0), mg.where(x[0] > 0, x, x[::-1]), mg.where(x > 0, 1, 2)),
    "reductions": lambda x: tuple(f(x, axis=axis) for f in REDUCTIONS for axis in (0, -1, (0, 2), None)),
    "reductions that keep axes": lambda x: tuple(f(x, axis=1, keepdims=True) for f in REDUCTIONS),
    "reductions of answers": lambda x: ((x > 0).sum(axis=2), mg.mean(x > 0, axis=0), mg.var(x, 2, ddof=1)),
    "places": lambda x: (mg.argmax(x, axis=2), mg.argmin(x, axis=0, keepdims=True), mg.argmax(x), mg.argmin(x)),
    "normalised": lambda x: (mg.softmax(x, 0), mg.log_softmax(x, 1), nn.LayerNorm(4)(x), nn.RMSNorm(4)(x)),
    "norms": lambda x: (mg.linalg.norm(x, axis=2), mg.linalg.norm(x), mg.linalg.norm(x, 1, axis=0)),
    "running sums": lambda x: (mg.cumsum(x, 0), mg.cumsum(x, -1)),
    "products": lambda x: (
        x @ mg.ones((4, 2)), x[0] @ mg.ones(4), x @ x.swapaxes(1, 2), mg.einsum("tbf,tbg->bfg", x, x),
    ),
    "shapes": lambda x: (
        x.reshape(-1), x.reshape(x.shape[0] * x.shape[1], 4), x.reshape(x.shape[0], 2, x.shape[1], 2), x.T,
        mg.moveaxis(x, 0, 2), mg.squeeze(x[:, :, :1], 2), mg.broadcast_to(x[0], x.shape), mg.tile(x, (1, 1, 2)),
    ),
    "joined": lambda x: (
        mg.concatenate([x, x * 2], axis=-1), mg.concatenate([x, x]), mg.stack([x, -x], axis=-1), mg.stack([x, x], 1),
    ),
    "cut": lambda x: (*mg.split(x, 2, axis=-1), *mg.split(x, [1], axis=2), *mg.unstack(mg.moveaxis(x, 2, 0))),
    "parts": lambda x: (
        x[0], x[-1], x[:, 0, 1:3], x[..., ::2], x[::-1], x[:, None, :, 1], x[len(x) - 1, :, -2], x[..., -1:, :],
        x[: len(x)], x[:, :, [0, 2, 2]], mg.take(x, [3, 1], axis=2), x[mg.argmax(x.sum(axis=(1, 2)))], x[:, :, -3:-1],
    ),
    "flips": lambda x: (mg.flip(x, 0), mg.flip(x), mg.flip(x, (1, 2))),
    "padded": lambda x: (mg.pad(x, ((2, 0), (0, 1), (0, 0)))[: len(x)], mg.pad(x, 1, constant_values=3.0)),
    "dtypes": lambda x: (x.astype("float64") * 2, (x * 9).astype("int64"), (x > 0) * x, (x > 0) + 1, mg.to(x, "numpy")),
    "lengths as numbers": lambda x: (x / len(x), x * (x.shape[0] * x.shape[1] + 2)),
    "constants": lambda x: (x + np.arange(4, dtype="float32"), x * mg.zeros_like(x), mg.full(x.shape, 2.0) + x[0]),
    "convolutions": lambda x: (
        mg.conv1d(mg.reshape(x, (-1, 2, 2)), mg.ones((6, 1, 3)) / 9, padding=2, dilation=2, groups=2),
        mg.max_pool1d(x, 2), mg.avg_pool1d(x, 2, 1, padding=1), mg.max_pool1d(x, 3, 2, padding=1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name, tmp_path):
    with np.errstate(all="ignore"):
        example = np.zeros((1, 1, 4))
        check(nn.Sequential(OPERATIONS[name]), str(tmp_path / "model.onnx"), run=ours, example=example)


def test_every_row_is_tried():
    tables = onnx_ops.POINTWISE, onnx_ops.ANSWERS, onnx_ops.LOGIC, onnx_ops.ROWS
    x = np.random.default_rng(0).standard_normal((3, 2, 4)).astype("float32")
    seen = {call.op.name for function in OPERATIONS.values() for call in record(function, [x]).calls}
    assert {row for table in tables for row in table} - seen == set()
