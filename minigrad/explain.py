"""What to say when an operation cannot take what it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .backend import SCALAR, Backend, backend_of, memory
from .errors import BackendMismatchError, MatrixError, MinigradError, OperandError, OutOfMemoryError, ShapeError
from .mode import MODE
from .tensor import Tensor

if TYPE_CHECKING:
    from .primitive import Op

# What to do about a matrix, by a word of what the kernel says.
OF_MATRICES = {
    "Singular": "use pinv, or add a small multiple of eye to the matrix",
    "positive definite": "add a small multiple of eye to the matrix",
    "square": "the last two axes must be equally long",
}


def refused(error: Exception, op: Op, args: tuple[Any, ...], options: dict[str, Any]) -> MinigradError:
    """The error to raise for one that a kernel raised."""
    if isinstance(error, MemoryError):
        return out_of_memory(error, f"{_call(op, args, options)}")
    shapes = [_shape(arg) for arg in args]
    told = f"{_call(op, args, options)}: {str(error).strip()}"
    if isinstance(error, ValueError) and op.name == "matmul" and None not in shapes:
        told = _of_a_product(*shapes)
    elif isinstance(error, ValueError) and "broadcast" in str(error) and not _fit(shapes):
        told = (
            f"{op.name!r} cannot broadcast these shapes together:\n{_aligned(args, shapes)}\n"
            "lengths that stand below each other must be equal, or one of them 1: reshape or transpose an operand"
        )
    elif isinstance(error, np.linalg.LinAlgError):
        told += next((f": {advice}" for word, advice in OF_MATRICES.items() if word in str(error)), "")
    scope = MODE.get().scope
    told += f" (in {' / '.join(scope)})" if scope else ""
    kinds = {np.linalg.LinAlgError: MatrixError, ValueError: ShapeError, TypeError: OperandError}
    return next(kind for raised, kind in kinds.items() if isinstance(error, raised))(told)


def out_of_memory(error: MemoryError, doing: str) -> OutOfMemoryError:
    """The error for a device, or the host, that has not the memory for `doing`."""
    return OutOfMemoryError(
        f"{doing}: {str(error).strip()} (memory: {memory()}); try a smaller batch, shorter sequences (truncated "
        "backpropagation through time), or checkpoint(), which computes again instead of keeping"
    )


def one_device(op: Op, args: tuple[Any, ...]) -> Backend:
    """The record of the device that all arrays are on; BackendMismatchError if there are two."""
    records = [backend_of(arg.data if isinstance(arg, Tensor) else arg) for arg in args]
    found = {record for record in records if record is not None and record is not SCALAR}
    if len(found) > 1:
        raise mismatch(op, args)
    return found.pop()


def mismatch(op: Op, args: tuple[Any, ...]) -> BackendMismatchError:
    """The error for arrays on two backends, with the call that moves one."""
    told = []
    for i, arg in enumerate(args):
        backend = backend_of(arg.data if isinstance(arg, Tensor) else arg)
        if backend is not None and backend is not SCALAR:
            told.append((f"{_operand(i, arg)} of shape {arg.shape} is on {backend.name}", backend.name))
    return BackendMismatchError(
        f"{op.name!r} was given arrays on two backends: {', '.join(text for text, _ in told)}; "
        f"move one, with .to({told[-1][1]!r}) say"
    )


def no_array(op: Op, arg: Any) -> OperandError:
    """The error for an operand that is no array, number, or list of them."""
    return OperandError(f"{op.name!r} takes Tensors, arrays, numbers and lists of them, not {type(arg).__name__}")


def _shape(arg: Any) -> tuple[int, ...] | None:
    return () if isinstance(arg, (bool, int, float)) else tuple(arg.shape) if hasattr(arg, "shape") else None


def _fit(shapes: list[tuple[int, ...] | None]) -> bool:
    try:
        np.broadcast_shapes(*[shape for shape in shapes if shape is not None])
    except ValueError:
        return False
    return True


def _operand(i: int, arg: Any) -> str:
    return f"operand {i} ({arg.name})" if isinstance(arg, Tensor) and arg.name else f"operand {i}"


def _call(op: Op, args: tuple[Any, ...], options: dict[str, Any]) -> str:
    shapes = ", ".join(str(arg.shape) if hasattr(arg, "shape") else repr(arg) for arg in args)
    return f"{op.name!r} cannot take ({shapes}{''.join(f', {key}={value!r}' for key, value in options.items())})"


def _of_a_product(x: Any, y: Any) -> str:
    if not x or not y:
        return f"'matmul' multiplies matrices and vectors, not {x} by {y}: a single number is multiplied by *"
    inner, place = (y[-2], "last but one") if len(y) > 1 else (y[-1], "only")
    if x[-1] != inner:
        return (
            f"'matmul' cannot multiply {x} by {y}: the last axis of the left ({x[-1]}) must be as long as the {place} "
            f"axis of the right ({inner}); transpose one (.mT) or reshape it"
        )
    return (
        f"'matmul' cannot broadcast the leading axes of {x} and {y}, {x[:-2]} against {y[:-2]}: lengths must be equal, "
        "or one of them 1; reshape an operand"
    )


def _aligned(args: tuple[Any, ...], shapes: list[tuple[int, ...] | None]) -> str:
    """The shapes below each other, last axes in one column, and a mark below those that do not fit."""
    shaped = [(_operand(i, arg), shape) for i, (arg, shape) in enumerate(zip(args, shapes)) if shape]
    depth = max(len(shape) for _, shape in shaped)
    columns = [[shape[d - depth] for _, shape in shaped if len(shape) >= depth - d] for d in range(depth)]
    widths = [max(len(str(n)) for n in column) for column in columns]
    names = max(len(name) for name, _ in shaped)
    lines = []
    for name, shape in shaped:
        cells = [""] * (depth - len(shape)) + [str(n) for n in shape]
        lines.append(f"  {name:<{names}}  {'  '.join(f'{cell:>{width}}' for cell, width in zip(cells, widths))}")
    marks = ["^" * width if len({*column} - {1}) > 1 else " " * width for column, width in zip(columns, widths)]
    return "\n".join([*lines, f"  {'':<{names}}  {'  '.join(marks)}".rstrip()])
