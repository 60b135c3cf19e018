"""Which ONNX operators compute which primitive of minigrad: three tables, by the primitives' names.

A row is written in ONNX's operators, as methods of a `Writer` (`w.Mul(x, 0.5)`), and speaks of one operation at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.ops.special import GELU_CUBIC, GELU_RATE

from .onnx_graph import Graph, Writer
from .onnx_trace import ExportError, Length, Operation, Var

BOOL, INT64 = np.dtype(bool), np.dtype("int64")
LAST, FIRST = np.iinfo(np.int64).max, np.iinfo(np.int64).min  # as ends of a slice: as far as there is

# Element by element, all in the dtype of the result: an operator's name, or a function of the writer and the arguments.
POINTWISE: dict[str, str | Callable[..., str]] = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "negative": "Neg",
    "positive": "Identity",
    "copy": "Identity",
    "astype": "Identity",
    "to": "Identity",
    "reciprocal": "Reciprocal",
    "exp": "Exp",
    "exp2": lambda w, x: w.Exp(w.Mul(x, math.log(2))),
    "expm1": lambda w, x: w.Sub(w.Exp(x), 1),
    "log": "Log",
    "log2": lambda w, x: w.Div(w.Log(x), math.log(2)),
    "log10": lambda w, x: w.Div(w.Log(x), math.log(10)),
    "log1p": lambda w, x: w.Log(w.Add(x, 1)),
    "logaddexp": lambda w, x, y: w.Add(w.Max(x, y), w.Softplus(w.Neg(w.Abs(w.Sub(x, y))))),
    "sqrt": "Sqrt",
    "square": lambda w, x: w.Mul(x, x),
    "power": "Pow",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "tanh": "Tanh",
    "arcsin": "Asin",
    "arccos": "Acos",
    "arctan": "Atan",
    "arcsinh": "Asinh",
    "arccosh": "Acosh",
    "arctanh": "Atanh",
    "sign": "Sign",
    "abs": "Abs",
    "fabs": "Abs",
    "maximum": "Max",
    "minimum": "Min",
    "floor": "Floor",
    "ceil": "Ceil",
    "rint": "Round",
    "trunc": lambda w, x: w.Mul(w.Sign(x), w.Floor(w.Abs(x))),
    "hypot": lambda w, x, y: w.Sqrt(w.Add(w.Mul(x, x), w.Mul(y, y))),
    "relu": lambda w, x: w.Max(x, 0),
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "log_sigmoid": lambda w, x: w.Neg(w.Softplus(w.Neg(x))),
    "erf": "Erf",
    "erfc": lambda w, x: w.Sub(1, w.Erf(x)),
    "normal_cdf": lambda w, x: w.Mul(w.Add(w.Erf(w.Mul(x, math.sqrt(0.5))), 1), 0.5),
    "gelu": lambda w, x: w.Mul(x, w.Sigmoid(w.Mul(x, w.Add(w.Mul(w.Mul(x, x), GELU_CUBIC), GELU_RATE)))),
}

# Answers, in booleans: of numbers in the dtype that they have in common, and of booleans.
ANSWERS: dict[str, str | Callable[..., str]] = {
    "equal": "Equal",
    "not_equal": lambda w, x, y: w.Not(w.Equal(x, y)),
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "isfinite": lambda w, x: w.Not(w.Or(w.IsNaN(x), w.IsInf(x))),
}
LOGIC: dict[str, str] = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor", "logical_not": "Not"}


def write(graph: Graph, operation: Operation) -> None:
    """Add the nodes of an operation to the graph. Raises ExportError for one that is in no table."""
    name, results = operation.name, operation.results
    w = Writer(graph, results[0].dtype)
    try:
        if name in ROWS:
            made = ROWS[name](w, operation)
        elif name in POINTWISE and not operation.options.keys() - {"dtype", "source", "target"}:
            made = _pointwise(w, POINTWISE[name], operation.args, w.dtype)
        elif name in ANSWERS:
            given = [arg.dtype if isinstance(arg, Var) else arg for arg in operation.args]
            made = _pointwise(w, ANSWERS[name], operation.args, np.result_type(*given))
        elif name in LOGIC:
            made = _pointwise(w, LOGIC[name], operation.args, BOOL)
        else:
            raise ExportError(
                "it has no row in minigrad_rnn/interop/onnx_ops.py: compute it with other operations, or add the row"
            )
    except ExportError as error:
        raise ExportError(f"ONNX export of {name!r}: {error.message}", operation.line) from None
    for var, result in zip(results, (made,) if isinstance(made, str) else made, strict=True):
        graph.computed(var, result)


def _pointwise(w: Writer, row: str | Callable[..., str], args: tuple[Any, ...], dtype: Any) -> str:
    within = Writer(w.graph, dtype)
    inputs = [within.cast(arg, dtype) for arg in args]
    return getattr(within, row)(*inputs) if isinstance(row, str) else row(within, *inputs)


def _axes(w: Writer, op: Operation) -> str | None:
    axis = op.options.get("axis")
    return None if axis is None else w.ints(*(axis if isinstance(axis, tuple) else (axis,)))


def _reduced(kind: str) -> Callable[[Writer, Operation], str]:
    return lambda w, op: getattr(w, kind)(
        w.cast(op.args[0], w.dtype), _axes(w, op), keepdims=int(op.options["keepdims"])
    )


def _of_answers(kind: str) -> Callable[[Writer, Operation], str]:
    """All are true if the smallest is 1, any if the largest is."""

    def write(w: Writer, op: Operation) -> str:
        numbers = w.graph.cast(w.cast(op.args[0], BOOL), BOOL, INT64)
        return w.graph.cast(getattr(w, kind)(numbers, _axes(w, op), keepdims=int(op.options["keepdims"])), INT64, BOOL)

    return write


def _place(kind: str) -> Callable[[Writer, Operation], str]:
    def write(w: Writer, op: Operation) -> str:
        x, axis = w.graph.var(op.args[0]), op.options["axis"]
        if axis is None:
            x, axis = w.Reshape(x, w.ints(-1)), 0
        return getattr(w, kind)(x, axis=axis, keepdims=int(op.options["keepdims"]))

    return write


def _variance(w: Writer, op: Operation) -> str:
    x, axes, kept = w.cast(op.args[0], w.dtype), _axes(w, op), int(op.options["keepdims"])
    gap = w.Sub(x, w.ReduceMean(x, axes, keepdims=1))
    shape = w.Shape(x)
    lengths = shape if axes is None else w.Gather(shape, axes)
    count = w.graph.cast(w.ReduceProd(lengths, None, keepdims=0), INT64, w.dtype)
    return w.Div(w.ReduceSum(w.Mul(gap, gap), axes, keepdims=kept), w.Sub(count, op.options["ddof"]))


def _normalized(w: Writer, op: Operation) -> str:
    x, axes = w.cast(op.args[0], w.dtype), _axes(w, op)
    gap = w.Sub(x, w.ReduceMean(x, axes, keepdims=1))
    return w.Div(gap, w.Sqrt(w.Add(w.ReduceMean(w.Mul(gap, gap), axes, keepdims=1), op.options["eps"])))


def _power(w: Writer, op: Operation) -> str:
    x, exponent = w.cast(op.args[0], w.dtype), op.args[1] if len(op.args) > 1 else op.options["exponent"]
    return w.Mul(x, x) if type(exponent) in (int, float) and exponent == 2 else w.Pow(x, w.cast(exponent, w.dtype))


def _rounded(w: Writer, op: Operation) -> str:
    scale = 10.0 ** op.options["decimals"]
    x = w.cast(op.args[0], w.dtype)
    return w.Round(x) if scale == 1 else w.Div(w.Round(w.Mul(x, scale)), scale)


def _clipped(w: Writer, op: Operation) -> str:
    return w.Clip(w.cast(op.args[0], w.dtype), op.options["low"], op.options["high"])


def _elu(w: Writer, op: Operation) -> str:
    x = w.cast(op.args[0], w.dtype)
    return w.Where(w.Greater(x, 0), x, w.Mul(w.Sub(w.Exp(w.Min(x, 0)), 1), op.options["alpha"]))


def _leaky_relu(w: Writer, op: Operation) -> str:
    x = w.cast(op.args[0], w.dtype)
    return w.Where(w.Greater(x, 0), x, w.Mul(x, op.options["negative_slope"]))


def _where(w: Writer, op: Operation) -> str:
    condition, x, y = op.args
    if x is y:  # an Embedding's row for padding: only its gradient is another
        return w.cast(x, w.dtype)
    return w.Where(w.cast(condition, BOOL), w.cast(x, w.dtype), w.cast(y, w.dtype))


def _reshaped(w: Writer, op: Operation) -> str:
    """To the shape of the result, which may say -1 for a single length that is known only when it runs."""
    shape = op.results[0].shape
    if sum(isinstance(n, Length) for n in shape) == 1:
        shape = tuple([-1 if isinstance(n, Length) else n for n in shape])
    return w.Reshape(w.cast(op.args[0], w.dtype), w.ints(*shape))


def _transposed(w: Writer, op: Operation) -> str:
    ndim, axes = len(op.args[0].shape), op.options["axes"]
    order = reversed(range(ndim)) if axes is None else [axis % ndim for axis in axes]
    return w.Transpose(w.cast(op.args[0], w.dtype), perm=list(order))


def _flipped(w: Writer, op: Operation) -> str:
    axis, ndim = op.options["axis"], len(op.args[0].shape)
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    count = len(axes)
    return w.Slice(
        w.cast(op.args[0], w.dtype), w.ints(*[-1] * count), w.ints(*[FIRST] * count), w.ints(*axes),
        w.ints(*[-1] * count),
    )  # fmt: skip


def _stacked(w: Writer, op: Operation) -> str:
    axis = op.options["axis"] % len(op.results[0].shape)
    return w.Concat(*[w.Unsqueeze(w.cast(arg, w.dtype), w.ints(axis)) for arg in op.args], axis=axis)


def _split(w: Writer, op: Operation) -> tuple[str, ...]:
    axis = op.options["axis"]
    sizes = [result.shape[axis] for result in op.results]
    return w.Split(w.cast(op.args[0], w.dtype), w.ints(*sizes), axis=axis, outputs=len(sizes))


def _unstacked(w: Writer, op: Operation) -> tuple[str, ...]:
    x = w.cast(op.args[0], w.dtype)
    return tuple([w.Gather(x, w.index(i), axis=0) for i in range(len(op.results))])


def _part(w: Writer, op: Operation) -> str:
    """x[index]: slices and numbers in one Slice, one array of integers by Gather, new axes at the end."""
    x, ndim = op.args[0], len(op.args[0].shape)
    given = op.options["index"]
    parts = list(given) if isinstance(given, tuple) else [given]
    if any(part is Ellipsis for part in parts):
        place = next(i for i, part in enumerate(parts) if part is Ellipsis)
        spare = ndim - sum(part is not None for part in parts) + 1
        parts[place : place + 1] = [slice(None)] * spare
    cuts, gone, fresh, arrays = [], [], [], []
    axis = kept = 0
    for part in parts:
        if part is None:
            fresh.append(kept)
            kept += 1
            continue
        if isinstance(part, slice):
            if part != slice(None):
                step = 1 if part.step is None else part.step
                start = part.start if part.start is not None else (0 if step > 0 else LAST)
                cuts.append((axis, start, part.stop if part.stop is not None else (LAST if step > 0 else FIRST), step))
            kept += 1
        elif isinstance(part, Var) and part.dtype.kind in "iu":
            arrays.append((axis, part))
            kept += len(part.shape)
        elif isinstance(part, (int, Length)) and not isinstance(part, bool):
            cuts.append((axis, part, LAST if part == -1 else _next(part), 1))
            gone.append(axis)
        else:
            raise ExportError("an index is made of whole numbers, slices, None, ... and one array of integers")
        axis += 1
    if len(arrays) > 1 or (arrays and gone):
        raise ExportError("an array as an index stands beside slices only: index in two steps")
    name = w.cast(x, w.dtype)
    if cuts:
        axes, starts, stops, steps = zip(*cuts, strict=True)
        name = w.Slice(name, w.ints(*starts), w.ints(*stops), w.ints(*axes), w.ints(*steps))
    for axis, array in arrays:
        name = w.Gather(name, w.cast(array, INT64), axis=axis)
    name = w.Squeeze(name, w.ints(*gone)) if gone else name
    name = w.Unsqueeze(name, w.ints(*fresh)) if fresh else name
    return name if name != w.cast(x, w.dtype) else w.Identity(name)


def _next(number: int | Length) -> int | Length:
    if not isinstance(number, Length):
        return number + 1
    terms = {axes: factor for factor, axes in number.terms}
    terms[()] = terms.get((), 0) + 1
    return Length(tuple([(factor, axes) for axes, factor in terms.items() if factor]))


def _padded(w: Writer, op: Operation) -> str:
    before, after = zip(*op.options["widths"], strict=True)
    return w.Pad(w.cast(op.args[0], w.dtype), w.ints(*before, *after), op.options["value"])


def _einsum(w: Writer, op: Operation) -> str:
    equation = f"{op.options['left']},{op.options['right']}->{op.options['made']}"
    return w.Einsum(*[w.cast(arg, w.dtype) for arg in op.args], equation=equation)


def _window(op: Operation) -> dict[str, Any]:
    slide = op.options["slide"]
    before, after = zip(*slide.padding, strict=True)
    return {"strides": slide.stride, "pads": [*before, *after]}


def _convolved(w: Writer, op: Operation) -> str:
    slide = op.options["slide"]
    inputs = [w.cast(arg, w.dtype) for arg in op.args]
    return w.Conv(*inputs, dilations=slide.dilation, group=slide.groups, **_window(op))


def _pooled(kind: str, **attributes: Any) -> Callable[[Writer, Operation], str]:
    def write(w: Writer, op: Operation) -> str:
        window = op.options["window"]
        if len(op.args[0].shape) != len(window) + 2:
            raise ExportError(f"ONNX pools arrays of {len(window) + 2} axes (batch, channel, …): reshape")
        pooled = getattr(w, kind)(w.cast(op.args[0], w.dtype), kernel_shape=window, **_window(op), **attributes)
        return w.Mul(pooled, math.prod(window)) if kind == "AveragePool" else pooled

    return write


def _length_of(w: Writer, op: Operation) -> str:
    if "p" in op.options:
        raise ExportError("only norms with ord 1, 2 and infinity: compute it with other operations")
    return w.ReduceL2(w.cast(op.args[0], w.dtype), _axes(w, op), keepdims=1)


# All others: a function of the writer, in the dtype of the first result, and the operation.
ROWS: dict[str, Callable[[Writer, Operation], Any]] = {
    "power": _power,
    "round": _rounded,
    "clip": _clipped,
    "elu": _elu,
    "leaky_relu": _leaky_relu,
    "where": _where,
    "sum": _reduced("ReduceSum"),
    "mean": _reduced("ReduceMean"),
    "max": _reduced("ReduceMax"),
    "min": _reduced("ReduceMin"),
    "logsumexp": _reduced("ReduceLogSumExp"),
    "all": _of_answers("ReduceMin"),
    "any": _of_answers("ReduceMax"),
    "argmax": _place("ArgMax"),
    "argmin": _place("ArgMin"),
    "var": _variance,
    "std": lambda w, op: w.Sqrt(_variance(w, op)),
    "softmax": lambda w, op: w.Softmax(w.cast(op.args[0], w.dtype), axis=op.options["axis"]),
    "log_softmax": lambda w, op: w.LogSoftmax(w.cast(op.args[0], w.dtype), axis=op.options["axis"]),
    "normalize": _normalized,
    "norm": _length_of,
    "cumsum": lambda w, op: w.CumSum(w.cast(op.args[0], w.dtype), w.index(op.options["axis"])),
    "matmul": lambda w, op: w.MatMul(*[w.cast(arg, w.dtype) for arg in op.args]),
    "einsum": _einsum,
    "convolve": _convolved,
    "max_pool": _pooled("MaxPool"),
    "sum_pool": _pooled("AveragePool", count_include_pad=1),
    "reshape": _reshaped,
    "transpose": _transposed,
    "broadcast_to": lambda w, op: w.Expand(w.cast(op.args[0], w.dtype), w.ints(*op.results[0].shape)),
    "flip": _flipped,
    "concatenate": lambda w, op: w.Concat(*[w.cast(arg, w.dtype) for arg in op.args], axis=op.options["axis"]),
    "stack": _stacked,
    "split": _split,
    "unstack": _unstacked,
    "getitem": _part,
    "pad": _padded,
}
