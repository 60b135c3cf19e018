"""Sums of products over named axes: Einstein's notation, and what it generalises.

Every contraction is done in pairs of operands, and a pair as one product of (stacks of) matrices.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from string import ascii_letters
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..primitive import primitive
from .products import as_arrays
from .shape import as_tuple

# fmt: off
__all__ = [
    "einsum", "inner", "tensordot",
]
# fmt: on

Shape = tuple[int, ...]


def _multiply(xp: Any, x: Any, y: Any, *, left: str, right: str, made: str) -> Any:
    length = dict(zip(left + right, x.shape + y.shape))
    summed = [label for label in left if label not in made]
    if not summed:
        return _aligned(x, left, made) * _aligned(y, right, made)
    batch = [label for label in made if label in left and label in right]
    rows = [label for label in made if label not in right]
    columns = [label for label in made if label not in left]

    def matrices(array: Any, labels: str, *groups: list[str]) -> Any:
        array = array.transpose([labels.index(label) for label in [*batch, *groups[0], *groups[1]]])
        shape = [length[label] for label in batch]
        return array.reshape([*shape, *[math.prod([length[label] for label in group]) for group in groups]])

    x, y = matrices(x, left, rows, summed), matrices(y, right, summed, columns)
    blocks = [*batch, *rows, *columns]
    product = x * y if x.shape[-1] == 1 else x @ y  # NumPy keeps a column times a row from BLAS
    return product.reshape([length[label] for label in blocks]).transpose([blocks.index(label) for label in made])


def _aligned(array: Any, labels: str, made: str) -> Any:
    """`array` with its axes in the order of `made`, and one of length 1 for each label that it lacks."""
    array = array.transpose([labels.index(label) for label in made if label in labels])
    lengths = iter(array.shape)
    return array.reshape([next(lengths) if label in labels else 1 for label in made])


def _fill_diagonal(xp: Any, g: Any, *, labels: str, shape: Shape) -> Any:
    out = xp.zeros(shape, g.dtype)
    xp.einsum(f"{labels}->{_distinct(labels)}", out)[...] = g
    return out


# The sum of x * y over the labels that `made` lacks: both have these, and none has a label twice. So a gradient is such
# a sum again.
_pair: Callable[..., Any] = primitive(
    "einsum",
    _multiply,
    vjp=[
        lambda g, y, left, right, made: _pair(g, y, left=made, right=right, made=left),
        lambda g, x, left, right, made: _pair(x, g, left=left, right=made, made=right),
    ],
)
_diagonal: Callable[..., Any] = primitive(
    "diagonal",
    lambda xp, x, *, labels: xp.einsum(f"{labels}->{_distinct(labels)}", x),
    vjp=[lambda g, in_shape, labels: _diagonal_matrix(g, labels=labels, shape=in_shape)],
    view=True,
)
_diagonal_matrix: Callable[..., Any] = primitive(
    "diagonal_matrix", _fill_diagonal, vjp=[lambda g, labels: _diagonal(g, labels=labels)]
)


def _distinct(labels: str) -> str:
    return "".join(dict.fromkeys(labels))


class Preparation(NamedTuple):
    """What is done to an operand alone, step by step; None where there is nothing to do."""

    shape: Shape | None  # without the axes of length 1 that would only be stretched
    repeated: str | None  # labels, of which some stand twice: take the diagonal
    summed: Shape | None  # the axes that nothing else has


class Plan(NamedTuple):
    """How to compute an einsum: prepare each operand, multiply pairs (places; results join at the end), transpose."""

    preparations: list[Preparation]
    pairs: list[tuple[int, int, dict[str, str]]]
    axes: Shape | None


@functools.lru_cache(maxsize=1024)
def _plan(subscripts: str, shapes: tuple[Shape, ...], optimize: Any) -> Plan:
    inputs, output = _parse(subscripts, shapes)
    length: dict[str, int] = {}
    for labels, shape in zip(inputs, shapes):
        for label, n in zip(labels, shape):
            length[label] = n if length.get(label, 1) == 1 else length[label]
    left, preparations = [], []
    for labels, shape in zip(inputs, shapes):
        kept = [(label, n) for label, n in zip(labels, shape) if n == length[label]]
        labels = "".join(label for label, _ in kept)
        left.append(_distinct(labels))
        preparations.append(
            Preparation(
                None if len(kept) == len(shape) else tuple(n for _, n in kept),
                None if left[-1] == labels else labels,
                None,
            )
        )
    for i, labels in enumerate(left):
        elsewhere = output + "".join(left[:i] + left[i + 1 :])
        left[i] = "".join(label for label in labels if label in elsewhere)
        if left[i] != labels:
            summed = tuple(axis for axis, label in enumerate(labels) if label not in elsewhere)
            preparations[i] = preparations[i]._replace(summed=summed)
    if len(left) == 1:
        axes = tuple(map(left[0].index, output))
        return Plan(preparations, [], None if axes == tuple(range(len(axes))) else axes)

    dummies = [np.broadcast_to(np.float32(0), [length[label] for label in labels]) for labels in left]
    wanted = list(optimize) if isinstance(optimize, tuple) else optimize
    path, _ = np.einsum_path(f"{','.join(left)}->{output}", *dummies, optimize=wanted)
    pairs, places = [], list(range(len(left)))
    for together in path[1:]:
        chosen = [places[i] for i in sorted(together)]
        places = [place for place in places if place not in chosen]
        while len(chosen) > 1:
            first, second, *chosen = chosen
            others = output + "".join(left[place] for place in [*places, *chosen])
            x, y = left[first], left[second]
            both, one = [label for label in x if label in y], [label for label in x + y if (label in x) != (label in y)]
            last = not places and not chosen
            made = output if last else "".join(label for label in [*both, *one] if label in others)
            pairs.append((first, second, {"left": x, "right": y, "made": made}))
            left.append(made)
            chosen.insert(0, len(left) - 1)
        places += chosen
    return Plan(preparations, pairs, None)


def _parse(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[list[str], str]:
    """The labels of each operand and of the result, with letters for the axes of an ellipsis."""

    def wrong(why: str) -> ShapeError:
        width = max(map(len, inputs))
        told = "".join(f"\n  {labels:<{width}}  {shape}" for labels, shape in zip(inputs, shapes))
        return ShapeError(f"einsum {subscripts!r} {why}:{told}")

    text = "".join(subscripts.split())
    before, arrow, output = text.partition("->")
    inputs = before.split(",")
    if len(inputs) != len(shapes):
        raise wrong(f"names {len(inputs)} operands, and {len(shapes)} were given: put a ',' between two operands")
    for labels in [*inputs, output]:
        if not set(labels.replace("...", "", 1)) <= set(ascii_letters):
            raise wrong("may hold letters, one '...' an operand, ',' between operands and one '->'")
    named = [labels.replace("...", "") for labels in inputs]
    spare = [len(shape) - len(labels) for labels, shape in zip(named, shapes)]
    for i, n in enumerate(spare):
        if n < 0 or (n and "..." not in inputs[i]):
            raise wrong(
                f"gives operand {i} {len(named[i])} labels for its {len(shapes[i])} axes: name each axis, or add '...'"
            )
    depth = max(n for n, labels in zip([*spare, 0], [*inputs, "..."]) if "..." in labels)
    dots = "".join([letter for letter in ascii_letters if letter not in text][:depth])
    if not arrow:
        every = "".join(named)
        output = dots + "".join(sorted(label for label in every if every.count(label) == 1))
    elif depth and "..." not in output:
        raise wrong("has axes under '...' that its result lacks: put '...' after the '->' too")
    output = output.replace("...", dots)
    expanded = [labels.replace("...", dots[depth - n :]) for labels, n in zip(inputs, spare)]
    for label in output:
        if output.count(label) > 1 or not any(label in labels for labels in expanded):
            raise wrong(f"has the label {label!r} of its result {'twice' if output.count(label) > 1 else 'only there'}")
    lengths: dict[str, int] = {}
    for labels, shape in zip(expanded, shapes):
        for label, n in zip(labels, shape):
            inside = {m for other, m in zip(labels, shape) if other == label}
            if len(inside) > 1 or len({n, lengths.get(label, 1), 1}) > 2:
                what = f"the label {label!r}" if label in text else "an axis under '...'"
                found = " and ".join(map(str, sorted({*inside, lengths.get(label, n)})))
                raise wrong(f"gives {what} two lengths, {found}: reshape or transpose an operand")
            lengths[label] = n if lengths.get(label, 1) == 1 else lengths[label]
    return expanded, output


def einsum(*operands: Any, optimize: Any = True) -> Any:
    """Einstein's summation: `einsum("ij,jk->ik", a, b)`, or `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    All of NumPy's subscripts: without "->" the result has the labels that occur once, in alphabetical order; "..."
    stands for further axes, which broadcast; a label that an operand has twice is its diagonal; length 1 stretches.
    Three or more operands are multiplied in pairs, in the order that `np.einsum_path` finds with `optimize` (True,
    "greedy", "optimal", or a path), from left to right if False. Raises ShapeError for subscripts that do not fit.
    """
    if isinstance(operands[0], str):
        subscripts, arrays = operands[0], operands[1:]
    else:
        arrays = operands[: len(operands) // 2 * 2 : 2]
        subscripts = ",".join(map(_as_letters, operands[1::2]))
        if len(operands) % 2:
            subscripts += "->" + _as_letters(operands[-1])
    values = list(as_arrays(*arrays))
    path = tuple(optimize) if isinstance(optimize, list) else optimize
    plan = _plan(subscripts, tuple([tuple(value.shape) for value in values]), path)
    for i, (shape, repeated, summed) in enumerate(plan.preparations):
        if shape is not None:
            values[i] = values[i].reshape(shape)
        if repeated is not None:
            values[i] = _diagonal(values[i], labels=repeated)
        if summed is not None:
            values[i] = values[i].sum(axis=summed)
    for first, second, labels in plan.pairs:
        values.append(_pair(values[first], values[second], **labels))
    return values[-1] if plan.axes is None else values[-1].transpose(plan.axes)


def _as_letters(labels: Sequence[Any]) -> str:
    letters = sorted(ascii_letters)  # in the order of their codes, as the numbers that they stand for
    return "".join("..." if label is Ellipsis else letters[label] for label in labels)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over the last `axes` axes of `a` and the first of `b`, or over a pair (of `a`, of `b`).

    Each of a pair is an axis or a sequence of them. Raises ShapeError if their lengths differ.
    """
    a, b = as_arrays(a, b)
    if isinstance(axes, (int, np.integer)):
        of_a, of_b = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        of_a, of_b = map(list, map(as_tuple, axes))
    fits = len(of_a) == len(of_b) and all(-n <= i < n for n, of in ((a.ndim, of_a), (b.ndim, of_b)) for i in of)
    if not fits or [a.shape[i] for i in of_a] != [b.shape[i] for i in of_b]:
        raise ShapeError(
            f"tensordot cannot sum over axes {of_a} of shape {a.shape} and axes {of_b} of shape {b.shape}: "
            "name as many of each, of equal lengths"
        )
    left, right = list(ascii_letters[: a.ndim]), list(ascii_letters[a.ndim : a.ndim + b.ndim])
    for i, j in zip(of_a, of_b):
        right[j] = left[i]
    made = [label for label in left if label not in right] + [label for label in right if label not in left]
    return _pair(a, b, left="".join(left), right="".join(right), made="".join(made))


def inner(a: Any, b: Any) -> Any:
    """The sum of products over the last axes of both: shape (*a.shape[:-1], *b.shape[:-1])."""
    a, b = as_arrays(a, b)
    if 0 in (a.ndim, b.ndim):
        return a * b
    if a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"inner takes last axes of one length, not those of {a.shape} and {b.shape}")
    return tensordot(a, b, (-1, -1))
