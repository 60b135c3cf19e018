"""Optimisers: rules that change parameters in place by their gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..tensor import Tensor


class Optimizer:
    """Base: `step()` updates each parameter that has a gradient; `zero_grad()` forgets the gradients.

    A rule is one method, `update(p, g, state)`, on raw arrays; `state` is a dict of the parameter's own.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float):
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("the optimiser was given no parameters")
        self.lr = lr
        self.steps = 0
        self.state: list[dict[str, Any]] = [{} for _ in self.parameters]

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        self.steps += 1
        for parameter, state in zip(self.parameters, self.state, strict=True):
            if parameter.grad is not None:
                self.update(parameter.data, parameter.grad.data, state)
                parameter.mark_written()

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def update(self, p: Any, g: Any, state: dict[str, Any]) -> None:
        """Change the array `p` in place by its gradient `g`."""
        raise TypeError(f"{type(self).__name__} has no update(): write it")


class SGD(Optimizer):
    """p -= lr g, with momentum v = momentum v + g (Polyak 1964), Nesterov's form, and weight decay g += decay p."""

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr)
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay

    def update(self, p: Any, g: Any, state: dict[str, Any]) -> None:
        if self.weight_decay:
            g = g + self.weight_decay * p
        if self.momentum:
            v = state["velocity"] = self.momentum * state["velocity"] + g if state else g.copy()
            g = g + self.momentum * v if self.nesterov else v
        p -= self.lr * g


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1), with bias correction; weight decay, if any, is added to the gradient."""

    decoupled = False

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    def update(self, p: Any, g: Any, state: dict[str, Any]) -> None:
        if self.weight_decay:
            if self.decoupled:
                p *= 1 - self.lr * self.weight_decay
            else:
                g = g + self.weight_decay * p
        beta1, beta2 = self.betas
        if not state:
            state["mean"], state["square"] = g * 0, g * 0
        mean, square = state["mean"], state["square"]
        mean *= beta1
        mean += (1 - beta1) * g
        square *= beta2
        square += (1 - beta2) * (g * g)
        spread = square**0.5
        spread /= (1 - beta2**self.steps) ** 0.5
        spread += self.eps
        p -= (self.lr / (1 - beta1**self.steps)) * mean / spread


class AdamW(Adam):
    """Adam with weight decay taken from the parameter itself (Loshchilov and Hutter 2019, algorithm 2)."""

    decoupled = True
