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

# What to do, by words of what the kernel says.
ADVICE = {
    "Singular": "use pinv, or add a small multiple of eye to the matrix",
    "positive definite": "add a small multiple of eye to the matrix",
    "must be square": "the last two axes must be equally long",
    "Unsupported dtype": "make float32, and convert it with .astype()",
}


def refused(error: Exception, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> MinigradError:
    """The error to raise for one that a kernel raised, of the operation or function `name`."""
    if isinstance(error, MemoryError):
        return out_of_memory(error, _call(name, args, options))
    kinds = {np.linalg.LinAlgError: MatrixError, ValueError: ShapeError, TypeError: OperandError}
    kind = next(kind for raised, kind in kinds.items() if isinstance(error, raised))
    shapes = [_shape(arg) for arg in args]
    told = f"{_call(name, args, options)}: {str(error).strip()}"
    if isinstance(error, ValueError) and name == "matmul" and None not in shapes:
        told = _of_a_product(*shapes)
    elif "negative integer powers" in told:
        kind = OperandError
        told = f"{name!r} takes no integers to a power below 0: convert them with .astype('float32')"
    elif "not supported for the input types" in told:
        dtypes = " and ".join(str(getattr(arg, "dtype", type(arg).__name__)) for arg in args)
        told = f"{name!r} cannot take {dtypes}: convert with .astype(), or compare first (x > 0)"
    elif isinstance(error, ValueError) and "broadcast" in told and not _fit(shapes):
        told = (
            f"{name!r} cannot broadcast these shapes together:\n{_aligned(args, shapes)}\n"
            "lengths that stand below each other must be equal, or one of them 1: reshape or transpose an operand"
        )
    told += next((f": {advice}" for words, advice in ADVICE.items() if words in told), "")
    scope = MODE.get().scope
    told += f" (in {' / '.join(scope)})" if scope else ""
    return kind(told)


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


def _call(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> str:
    given = [str(arg.shape) if hasattr(arg, "shape") else repr(arg) for arg in args]
    given += [f"{key}={value!r}" for key, value in options.items()]
    return f"{name!r} cannot take {given[0] if len(given) == 1 else '(' + ', '.join(given) + ')'}"


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
