"""How operations, names and numbers are written in a drawing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..backend import backend_of

SYMBOLS = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "divide": "÷",
    "negative": "neg",
    "matmul": "@",
    "sigmoid": "σ",
    "relu": "ReLU",
    "sqrt": "√",
    "square": "x²",
    "sum": "Σ",
    "concatenate": "concat",
    "log_softmax": "log softmax",
    "equal": "=",
    "not_equal": "≠",
    "less": "<",
    "less_equal": "≤",
    "greater": ">",
    "greater_equal": "≥",
}

ACTIVATIONS = {
    "sigmoid", "tanh", "relu", "softmax", "elu", "leaky_relu", "gelu", "softplus", "log_softmax", "heaviside",
}  # fmt: skip
INDEX = re.compile(r"(?<![^\W_])([^\W\d_]{1,2})_(?:\{([^{}]*)\}|(\w{1,6}))")  # h_t, h_{t-1}

TWO_SIDED = {op for op, sign in SYMBOLS.items() if sign in "+−×÷=≠<≤>≥"}
NUMBERS = (bool, int, float, np.generic)

COLUMNS, ROWS = 4, 3  # of numbers that are written out; larger arrays are abbreviated


def symbol(op: str, options: dict[str, Any], arguments: Sequence[Any] = ()) -> str:
    """The sign of an operation, as a blackboard has it; a plain number among its arguments is written beside it."""
    if op in TWO_SIDED and len(arguments) == 2:
        left, right = (number(a) if isinstance(a, NUMBERS) else "" for a in arguments)
        return f"{left} {SYMBOLS[op]} {right}".strip()
    if op == "item":
        return f"[{options['index']}]"
    if op == "getitem":
        return f"[{_index(options['index'])}]"
    if op == "power" and "exponent" in options:
        return "x²" if options["exponent"] == 2 else f"x^{number(options['exponent'])}"
    return SYMBOLS.get(op, op)


def indexed(title: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a title, and whether each is an index: "h_{t-1}" is "h" and, set lower, "t−1"."""
    at = 0
    for match in INDEX.finditer(title):
        yield title[at : match.end(1)], False
        yield (match[2] or match[3] or "").replace("-", "−"), True
        at = match.end()
    yield title[at:], False


def lowered(label: str) -> tuple[str, str, str]:
    """A label as its stem, the index to be set lower, and the rest: "h_3 = tanh" is "h", "3" and " = tanh".

    The index is "" of one that has none, or one too long for it.
    """
    name, equals, rest = label.partition(" = ")
    stem, _, index = name.partition("_")
    return (stem, index, equals + rest) if 0 < len(stem) <= 2 and 0 < len(index) <= 6 else (label, "", "")


def _index(index: Any) -> str:
    if isinstance(index, tuple):
        return ", ".join(_index(part) for part in index)
    if isinstance(index, slice):
        ends = ["" if end is None else str(end) for end in (index.start, index.stop)]
        return ":".join(ends if index.step is None else [*ends, str(index.step)])
    if index is Ellipsis:
        return "…"
    return str(index) if isinstance(index, (int, np.integer)) else "array"


def number(value: Any) -> str:
    """`value` to three significant digits, with a real minus sign."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        text = str(value)
    elif isinstance(value, (complex, np.complexfloating)):
        text = f"{value:.3g}"
    else:
        value = float(value) + 0.0  # without the sign of −0
        text = f"{value:.2e}" if 0 < abs(value) < 1e-3 else f"{value:.3g}"
    if "e" in text:
        digits, exponent = text.split("e")
        text = f"{digits}e{int(exponent)}"
    return text.replace("-", "−").replace("inf", "∞")


def several(shape: Any) -> bool:
    """Is it the shapes of an operation's several results, rather than one shape?"""
    return bool(shape) and isinstance(shape[0], tuple)


def shape(dimensions: tuple[int, ...]) -> str:
    return "scalar" if dimensions == () else "×".join(map(str, dimensions))


def numbers(array: Any) -> tuple[str, ...]:
    """The lines in which an array is written: whole if it is small, its first and last numbers if not."""
    backend = backend_of(array)
    host = np.asarray(array if backend is None else backend.to_numpy(array))
    full = host.shape
    while host.ndim > 1 and host.shape[0] == 1:
        host = host[0]
    if host.size == 1:
        return (number(host.reshape(-1)[0]),)
    if host.size == 0:
        return (f"[] {shape(full)}",)
    if host.ndim == 1 and host.size <= COLUMNS:
        return (f"[{' '.join(map(number, host))}]",)
    if host.ndim == 2 and len(host) <= ROWS and host.shape[1] <= COLUMNS:
        cells = [[number(value) for value in row] for row in host]
        widths = [max(map(len, column)) for column in zip(*cells)]
        return tuple(f"[{' '.join(cell.rjust(n) for cell, n in zip(row, widths))}]" for row in cells)
    return (f"[{number(host.reshape(-1)[0])} … {number(host.reshape(-1)[-1])}] {shape(full)}",)
