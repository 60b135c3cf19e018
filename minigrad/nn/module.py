"""Module: something with parameters, which may hold other modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from ..backend import backend_of, get_backend
from ..errors import CheckpointError
from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf Tensor that a Module trains. It takes the name of the attribute that holds it."""

    def __init__(self, data: Any, requires_grad: bool = True, name: str | None = None):
        super().__init__(data.data if isinstance(data, Tensor) else data, requires_grad, name)


class Module:
    """Base of models and their parts: attributes that are Parameters, Modules, or lists of Modules are found.

    A subclass sets them in `__init__` (calling `super().__init__()` is not needed) and writes `forward`.
    """

    training: bool = True

    def forward(self, *args: Any, **options: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no forward(): write it, or call the part that does the work")

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.forward(*args, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter) and value.name is None:
            value.name = name
        object.__setattr__(self, name, value)

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules held directly, by name; those in lists as `name.0`, `name.1` …"""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, (list, tuple)):
                yield from ((f"{name}.{i}", item) for i, item in enumerate(value) if isinstance(item, Module))

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        yield self
        for _, child in self.children():
            yield from child.modules()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Every parameter, here and below, by its dotted name; one that is held twice is given once."""
        seen: set[int] = set()
        for name, parameter in self._walk_parameters(prefix):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def _walk_parameters(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value
        for name, child in self.children():
            yield from child._walk_parameters(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter, here and below."""
        return (parameter for _, parameter in self.named_parameters())

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Switch on what happens in training only (dropout)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch off what happens in training only."""
        return self.train(False)

    def to(self, backend: str) -> Self:
        """Move every parameter and its gradient to the backend "numpy" or "cupy", in place."""
        target = get_backend(backend)
        for parameter in self.parameters():
            for tensor in (parameter, parameter.grad):
                if tensor is not None and tensor.backend is not target:
                    tensor.data = target.asarray(tensor.backend.to_numpy(tensor.data))
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of every parameter's values, by dotted name."""
        return {name: Tensor(parameter.data.copy(), name=name) for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take parameters' values from `state` (Tensors or arrays, by the names of `state_dict`), where they are now.

        Raises CheckpointError, and changes nothing, if a name is missing or unknown or a shape does not fit.
        """
        own = dict(self.named_parameters())
        missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or extra:
            raise CheckpointError(
                f"the state does not fit this {type(self).__name__}: missing {missing or 'nothing'}, "
                f"not expected {extra or 'nothing'}: load it into a model made with the same options"
            )
        for name, parameter in own.items():
            if tuple(state[name].shape) != parameter.shape:
                raise CheckpointError(
                    f"{name!r} has shape {tuple(state[name].shape)} in the state and {parameter.shape} in this "
                    f"{type(self).__name__}: load it into a model made with the same sizes"
                )
        for name, parameter in own.items():
            raw = state[name].data if isinstance(state[name], Tensor) else state[name]
            source = backend_of(raw)
            if source is not parameter.backend and source is not None:
                raw = parameter.backend.asarray(source.to_numpy(raw))
            parameter.data[...] = raw
            parameter.mark_written()

    def __repr__(self) -> str:
        rows = [(name, str(tuple(p.shape)), f"{p.size:,}") for name, p in self.named_parameters()]
        rows.append(("total", "", f"{sum(p.size for p in self.parameters()):,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([type(self).__name__, *lines])
