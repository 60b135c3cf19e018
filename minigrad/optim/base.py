"""What all optimisers share: groups of parameters, the state, and the walk over the parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..tensor import Tensor

# Numbers updated at a time: a rule is a chain of NumPy passes, and what they touch should stay in the cache. Measured.
BLOCK = 1 << 18

# What an option may be: from the first bound on, and below the second.
RANGES = {
    "alpha": (0, 1),
    "betas": (0, 1),
    "dampening": (-math.inf, math.inf),
    "eps": (0, math.inf),
    "initial_accumulator_value": (0, math.inf),
    "lr": (0, math.inf),
    "lr_decay": (0, math.inf),
    "momentum": (0, math.inf),
    "weight_decay": (0, math.inf),
}


class Optimizer:
    """Base: `step()` updates each parameter that has a gradient; `zero_grad()` forgets the gradients.

    `parameters` are Tensors, or groups of them with options of their own: `[{"params": [W, b], "lr": 0.01}, …]`. The
    options of each group stand in `groups` and may be changed between steps; `lr` is the first group's, and setting it
    sets that of all. Gradients are never changed. Move a model to its backend before its optimiser is made.

    A rule of one's own is a class with `update`, and with `slots` if it remembers something:

        class SignSGD(Optimizer):
            def __init__(self, parameters, lr=1e-3):
                super().__init__(parameters, lr=lr)

            def update(self, xp, p, g, spare, step, *, lr):
                xp.sign(g, out=spare)
                spare *= lr
                p -= spare

    Raises ValueError for no parameters, one given twice, and an option out of its range.
    """

    decoupled = False  # is weight decay taken from the parameter itself, and not added to its gradient

    def __init__(self, parameters: Iterable[Tensor] | Iterable[dict[str, Any]], **options: Any):
        kind = type(self).__name__
        items = _listed(parameters)
        groups = items if items and isinstance(items[0], dict) else [{"params": items}]
        self.groups = [{**options, **group, "params": _listed(group["params"])} for group in groups]
        self.parameters: list[Tensor] = [p for group in self.groups for p in group["params"]]
        if not self.parameters:
            raise ValueError(f"{kind} was given no parameters: pass model.parameters()")
        for p in self.parameters:
            if not isinstance(p, Tensor):
                raise TypeError(f"{kind} updates Tensors, and was given a {type(p).__name__}: pass model.parameters()")
            if p.node is not None:
                raise ValueError(f"{kind} updates leaves, and was given a result of {p.node.op.name!r}: pass its leaf")
        if len({id(p) for p in self.parameters}) < len(self.parameters):
            raise ValueError(f"{kind} was given a parameter twice, and would update it twice a step: give it once")
        for group in self.groups:
            if unknown := sorted(group.keys() - options.keys() - {"params"}):
                raise ValueError(f"{kind} has no option {', '.join(unknown)}: choose from {', '.join(options)}")
            _check_ranges(kind, group)
        self.state: list[dict[str, Any]] = [{} for _ in self.parameters]  # a parameter's slots and how often it moved
        self._scratch: dict[Any, Any] = {}

    @property
    def lr(self) -> float:
        """The learning rate of the first group; setting it sets that of all."""
        return self.groups[0]["lr"]

    @lr.setter
    def lr(self, lr: float) -> None:
        for group in self.groups:
            group["lr"] = lr

    def slots(self, options: Mapping[str, Any]) -> dict[str, float]:
        """What is remembered of each parameter: arrays of its shape, by name, and the number that they start from."""
        return {}

    def update(self, *args: Any, **options: Any) -> None:
        """`update(xp, p, g, spare, step, *, SLOTS, OPTIONS)`: change `p` and its slots in place by the gradient `g`.

        All are raw arrays of one shape, a parameter's or a part of it, and `xp` is their library. `spare` is one to
        write to; `step` counts the parameter's updates from 1; weight decay has been seen to.
        """
        raise TypeError(f"{type(self).__name__} has no update(): write it")

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        state = iter(self.state)
        for group in self.groups:
            options = {name: value for name, value in group.items() if name not in ("params", "weight_decay")}
            slots = self.slots(group)
            for parameter, own in zip(group["params"], state):  # all groups draw from one iterator
                if parameter.grad is not None:
                    own["step"] = own.get("step", 0) + 1
                    for name, start in slots.items():
                        if name not in own:
                            own[name] = parameter.backend.xp.full(parameter.shape, start, parameter.dtype)
                    with parameter.backend.here:
                        self._update(parameter, own, group.get("weight_decay", 0), options)
                    parameter.mark_written()

    def _update(self, parameter: Any, own: dict[str, Any], decay: float, options: dict[str, Any]) -> None:
        xp = parameter.backend.xp
        names = [name for name in own if name != "step"]
        for p, g, *slots in _blocks(parameter.data, parameter.grad.data, *[own[name] for name in names]):
            if decay and self.decoupled:
                p *= 1 - options["lr"] * decay
            elif decay:
                decayed = self._like(p, xp, "decayed")
                xp.multiply(p, decay, out=decayed)
                decayed += g
                g = decayed
            self.update(xp, p, g, self._like(p, xp, "spare"), own["step"], **dict(zip(names, slots)), **options)

    def _like(self, p: Any, xp: Any, use: str) -> Any:
        """An array like `p` to write to, the same one at every step."""
        key = (use, type(p), p.shape, p.dtype)
        if key not in self._scratch:
            self._scratch[key] = xp.empty(p.shape, p.dtype)
        return self._scratch[key]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that goes on changing, flat, as `mg.save` takes it.

        The options are there as "groups.0.lr" …, a parameter's state as "state.0.step", "state.0.mean" …
        """
        state: dict[str, Any] = {}
        for i, group in enumerate(self.groups):
            state |= {f"groups.{i}.{name}": value for name, value in group.items() if name != "params"}
        for i, own in enumerate(self.state):
            copy = self.parameters[i].backend.copy
            for name, value in own.items():
                state[f"state.{i}.{name}"] = value if name == "step" else Tensor(copy(value))
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state` (of `state_dict`, or of `mg.load`) exactly as the optimiser that it came from would.

        Raises CheckpointError, and changes nothing, if it is not that of an optimiser of this class for parameters of
        these shapes in these groups, or an option or a count of updates cannot be one.
        """
        left = dict(state)
        try:
            options = [
                {name: _option(f"groups.{i}.{name}", left, own) for name, own in group.items() if name != "params"}
                for i, group in enumerate(self.groups)
            ]
            for option in options:
                _check_ranges(type(self).__name__, option)
            owners = [option for option, group in zip(options, self.groups) for _ in group["params"]]
            new: list[dict[str, Any]] = []
            for i, (p, option) in enumerate(zip(self.parameters, owners)):
                own: dict[str, Any] = {}
                if f"state.{i}.step" in left:
                    own["step"] = _count(f"state.{i}.step", left)
                    own |= {name: _fitting(f"state.{i}.{name}", left, p) for name in self.slots(option)}
                new.append(own)
        except KeyError as error:
            raise self._misfit(f"missing {error.args[0]}") from None
        except (ValueError, TypeError) as error:
            raise self._misfit(error.args[0]) from None
        if left:
            raise self._misfit(f"unexpected {', '.join(sorted(left))}")
        for group, option in zip(self.groups, options):
            group |= option
        self.state = new

    def _misfit(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"the state does not fit this {type(self).__name__} ({what}): load it into an optimiser of the same class, "
            "made with the same parameters and groups"
        )


def _blocks(*arrays: Any) -> Iterator[Any]:
    """The arrays, of one shape, BLOCK numbers at a time; whole where the first is not one piece of NumPy's memory."""
    first = arrays[0]
    if not isinstance(first, np.ndarray) or first.size <= BLOCK or not first.flags.c_contiguous:
        yield arrays
        return
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, first.size, BLOCK):
        yield [array[start : start + BLOCK] for array in flat]


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, Tensor) or not isinstance(given, Iterable) else list(given)


def _check_ranges(kind: str, options: Mapping[str, Any]) -> None:
    for name, (low, high) in RANGES.items():
        value = options.get(name, 0)
        if not all(low <= number < high for number in (value if isinstance(value, tuple) else (value,))):
            raise ValueError(f"{kind}: {name} must be in [{low}, {high}), not {value}")


def _taken(name: str, left: dict[str, Any]) -> Any:
    """What goes by `name`, taken out of `left`; of the array that a file made of a number or a tuple, that."""
    value = left.pop(name)
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(value) if isinstance(value, list) else value


def _option(name: str, left: dict[str, Any], own: Any) -> Any:
    """An option out of `left`; ValueError if it is not a number, a bool, or a tuple as long, as the optimiser's own."""
    value = _taken(name, left)
    if _form(value) != _form(own):
        raise ValueError(f"{name} is {value}, and {own} here")
    return value


def _form(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return tuple(map(_form, value))
    return Real if isinstance(value, Real) and not isinstance(value, bool) else type(value)


def _count(name: str, left: dict[str, Any]) -> int:
    """A count of updates out of `left`; ValueError if it is none."""
    value = _taken(name, left)
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} is {value}, and counts updates from 1")
    return value


def _fitting(name: str, left: dict[str, Any], p: Tensor) -> Any:
    """A copy of an array out of `left` in the dtype of the parameter and where it is; ValueError if it does not fit."""
    value = left.pop(name)
    host = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    if host.shape != p.shape:
        raise ValueError(f"{name} has shape {host.shape} for a parameter of shape {p.shape}")
    if host.dtype.kind != p.dtype.kind:
        raise ValueError(f"{name} has dtype {host.dtype} for a parameter of dtype {p.dtype}")
    return p.backend.asarray(host.astype(p.dtype))
