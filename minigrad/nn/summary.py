"""How a Module prints itself: a table of its parts."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

Row = tuple[str, str, str, str]  # name, kind, shape, how many numbers are trained


def summary(module: Module) -> str:
    """The table: a row for each parameter, buffer, function and part of `module`, those of a part set in below it.

    Parts show their options behind their kind. What is held a second time gets a row that names the first.
    """
    rows = list(_rows(module, "", "  ", {id(module): "the whole"}))
    parameters = list(module.parameters())
    rows.append(("  total", "", "", f"{sum(p.size for p in parameters):,}"))
    frozen = sum(p.size for p in parameters if not p.requires_grad)
    kept = sum(b.size for b in module.buffers())
    rows += [(f"  {what}", "", "", f"{n:,}") for what, n in (("frozen", frozen), ("buffers", kept)) if n]
    tensors = [row for row in rows if row[3]]  # only these have all columns: a long kind elsewhere runs on
    names = max(len(row[0]) for row in rows)
    kinds, shapes, counts = (max(len(row[i]) for row in tensors) for i in (1, 2, 3))
    form = f"{{:<{names}}}  {{:<{kinds}}}  {{:<{shapes}}}  {{:>{counts}}}"
    lines = [form.format(*row).rstrip() for row in rows]
    return "\n".join([_kind(module), *lines])


def _rows(module: Module, path: str, indent: str, seen: dict[int, str]) -> Iterator[Row]:
    from .module import Buffer, Module, Parameter

    held = sorted(module.held(), key=lambda item: not isinstance(item[1], Tensor))  # Tensors first, as in state_dict
    for name, value in held:
        if isinstance(value, (Parameter, Buffer, Module)):
            if id(value) in seen:
                yield indent + name, f"= {seen[id(value)]}", "", ""
                continue
            seen[id(value)] = path + name
        if isinstance(value, Module):
            yield indent + name, _kind(value), "", ""
            yield from _rows(value, f"{path}{name}.", indent + "  ", seen)
        elif isinstance(value, (Parameter, Buffer)):
            note = ", buffer" if isinstance(value, Buffer) else "" if value.requires_grad else ", frozen"
            yield indent + name, f"{value.dtype}{note}", str(value.shape), f"{value.size:,}"
        elif callable(value) and not isinstance(value, type) and hasattr(value, "__name__"):
            yield indent + name, value.__name__, "", ""


def _kind(module: Module) -> str:
    """The class, and those of its constructor's arguments that it keeps as plain attributes."""
    options = []
    for name, parameter in inspect.signature(type(module)).parameters.items():
        value = vars(module).get(name)
        is_default = isinstance(value, bool) and value == parameter.default
        if isinstance(value, (int, float, str, tuple)) and not is_default:
            options.append(f"{name}={value!r}")
    return type(module).__name__ + (f"({', '.join(options)})" if options else "")
