"""Module: something with parameters, which may hold other modules."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..backend import backend_of, get_backend, several_devices
from ..errors import CheckpointError
from ..tensor import Tensor
from .summary import summary


class _Held(Tensor):
    """A leaf Tensor that belongs to a Module. It takes the name of the attribute that holds it."""

    def __init__(self, data: Any, requires_grad: bool, name: str | None = None):
        super().__init__(data.data if isinstance(data, Tensor) else data, requires_grad, name)


class Parameter(_Held):
    """A leaf Tensor that a Module trains: a copy of nothing, on the memory of `data`, an array or Tensor.

    It takes the name of the attribute that holds it, unless it has a `name`. Without `requires_grad` it is frozen.
    """

    def __init__(self, data: Any, requires_grad: bool = True, name: str | None = None):
        super().__init__(data, requires_grad, name)


class Buffer(_Held):
    """A leaf Tensor that a Module keeps and does not train: running statistics, a fixed table.

    It is saved, restored and moved with the parameters. A plain Tensor as an attribute is none of this. `data`,
    `requires_grad` and `name` are as for `Parameter`, but gradients come to it only if asked for.
    """

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None):
        super().__init__(data, requires_grad, name)


class Module:
    """Base of models and their parts: attributes that are Parameters, Buffers or Modules are found.

    So are those in lists, tuples and dicts, under names such as `layers.0.weight`. A subclass sets them in `__init__`
    (calling `super().__init__()` is not needed) and writes `forward`. What is held twice is found once.
    """

    training: bool = True

    def forward(self, *args: Any, **options: Any) -> Any:
        """What the module computes when it is called, `module(…)`: see the class."""
        raise TypeError(f"{type(self).__name__} has no forward(): write it, or call the part that does the work")

    def __call__(self, *args: Any, **options: Any) -> Any:
        if several_devices():
            given = next((arg for arg in args if isinstance(arg, Tensor)), None)
            with contextlib.nullcontext() if given is None else given.backend.here:
                return self.forward(*args, **options)
        return self.forward(*args, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) is Tensor and isinstance(vars(self).get(name), Buffer):
            value = Buffer(value.data)  # self.mean = 0.9 * self.mean + 0.1 * x.mean() stays a buffer
        if isinstance(value, _Held) and value.name is None:
            value.name = name
        object.__setattr__(self, name, value)

    def held(self) -> Iterator[tuple[str, Any]]:
        """Every attribute by name, and in place of a list, tuple or dict what is in it: `name.0`, `name.key` …"""
        for name, value in vars(self).items():
            if isinstance(value, (list, tuple, dict)):
                yield from _inside(name, value)
            else:
                yield name, value

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules held directly, by name."""
        return ((name, value) for name, value in self.held() if isinstance(value, Module))

    def children(self) -> Iterator[Module]:
        """The modules held directly."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module, by the name `prefix`, and all below it by their dotted names, each once."""
        return ((path, module) for path, module, _ in self._walk(prefix))

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module, list[tuple[str, Any]]]]:
        """This module and all below it, by dotted name, with what each holds."""
        seen = {id(self)}
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            held = list(module.held())
            yield path, module, held
            found = []
            for name, child in held:
                if isinstance(child, Module) and id(child) not in seen:
                    seen.add(id(child))
                    found.append((f"{path}.{name}" if path else name, child))
            stack += reversed(found)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _named(self, kind: type, prefix: str) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, _, held in self._walk(prefix):
            for name, value in held:
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Every parameter, here and below, by its dotted name."""
        return self._named(Parameter, prefix)

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter, here and below."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Buffer]]:
        """Every buffer, here and below, by its dotted name."""
        return self._named(Buffer, prefix)

    def buffers(self) -> Iterator[Buffer]:
        """Every buffer, here and below."""
        return (buffer for _, buffer in self.named_buffers())

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` with this module and each one below it."""
        for module in self.modules():
            function(module)
        return self

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, on: bool = True) -> Self:
        """Have the parameters trained, or with False frozen: they get no gradient, and optimisers leave them alone."""
        for parameter in self.parameters():
            parameter.requires_grad = on
            if not on:
                parameter.grad = None
        return self

    def train(self, mode: bool = True) -> Self:
        """Switch on what happens in training only (dropout, statistics of the batch)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch off what happens in training only."""
        return self.train(False)

    def to(self, backend: str) -> Self:
        """Move every parameter, its gradient, and every buffer to the backend "numpy" or "cupy", in place."""
        target = get_backend(backend)
        for _, held in self._named(_Held, ""):
            for tensor in (held, held.grad):
                if tensor is not None and tensor.backend is not target:
                    tensor.data = target.asarray(tensor.backend.to_numpy(tensor.data))
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of the values of every parameter and buffer, by dotted name."""
        return {name: Tensor(held.backend.copy(held.data), name=name) for name, held in self._named(_Held, "")}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take values from `state` (Tensors, arrays or lists of numbers, by the names of `state_dict`), each to where
        its parameter is now.

        Raises CheckpointError, and changes nothing, if a shape does not fit, a dtype is of another kind (floats of
        another width are taken), or a name is missing or unknown; without `strict`, what goes by a name that both have
        is taken, and the rest left.
        """
        own = dict(self._named(_Held, ""))
        missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if strict and (missing or extra):
            raise CheckpointError(
                f"the state does not fit this {type(self).__name__}: missing {missing or 'nothing'}, "
                f"not expected {extra or 'nothing'}: load it into a model made with the same options"
            )
        values = {name: _array(state[name], own[name], name) for name in own if name in state}
        for name, value in values.items():
            shape = tuple(getattr(value, "shape", ()))
            if shape != own[name].shape:
                raise CheckpointError(
                    f"{name!r} has shape {shape} in the state and {own[name].shape} in this "
                    f"{type(self).__name__}: load it into a model made with the same sizes"
                )
            dtype = getattr(value, "dtype", own[name].dtype)
            if backend_of(value) is not None and dtype.kind != own[name].dtype.kind:
                raise CheckpointError(
                    f"{name!r} has dtype {dtype} in the state and {own[name].dtype} in this {type(self).__name__}: "
                    "load the state of such a model, or convert it with astype first"
                )
        for name, value in values.items():
            held, source = own[name], backend_of(value)
            if source is not held.backend and source is not None:
                value = held.backend.asarray(source.to_numpy(value))
            with held.backend.here:
                held.data[...] = value
            held.mark_written()

    def __repr__(self) -> str:
        return summary(self)


def _array(given: Any, held: _Held, name: str) -> Any:
    """What a state holds, as an array: NumPy's, and lists of numbers, where `held` is; what is none as it is."""
    if isinstance(given, Tensor):
        given = given.data
    if isinstance(given, (list, tuple)):
        try:
            given = np.array(given, held.dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(f"{name!r} is a list that makes no array ({error}): give rows of numbers") from None
    return held.backend.asarray(given) if isinstance(given, np.ndarray) else given


def _inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _inside(f"{name}.{key}", item)
    else:
        yield name, value
