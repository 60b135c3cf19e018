"""The rules by which optimisers change parameters; each is PyTorch's, with its names and defaults.

`parameters` are Tensors, `model.parameters()` say, or groups of them, dicts that hold `params` and options of their
own. `lr` is the learning rate, g a parameter's gradient, `eps` keeps from a division by 0, and `weight_decay` λ adds
λ p to g, unless said otherwise. Raises ValueError for an option out of its range.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..tensor import Tensor
from .base import Optimizer

Parameters = Iterable[Tensor] | Iterable[dict[str, Any]]


class SGD(Optimizer):
    """p -= lr g, with momentum v = momentum v + (1 - dampening) g (Polyak 1964), or in Nesterov's form.

    (`nesterov`: Nesterov 1983, as Sutskever et al. 2013 have it.) The first v is g itself. Weight decay is added to the
    gradient.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
    ):
        super().__init__(
            parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, dampening=dampening
        )
        for group in self.groups:
            if group["nesterov"] and (not group["momentum"] or group["dampening"]):
                raise ValueError("SGD: Nesterov's form wants a momentum above 0 and no dampening")

    def slots(self, options: Mapping[str, Any]) -> dict[str, float]:
        return {"velocity": 0} if options["momentum"] else {}

    def update(self, xp, p, g, spare, step, *, lr, momentum, nesterov, dampening, velocity=None):
        if velocity is not None:
            velocity *= momentum
            velocity += g if step == 1 or not dampening else xp.multiply(g, 1 - dampening, out=spare)
            if nesterov:
                xp.multiply(velocity, momentum, out=spare)
                spare += g
                g = spare
            else:
                g = velocity
        p -= xp.multiply(g, lr, out=spare)


class Adagrad(Optimizer):
    """s += g²; p -= lr / (1 + (t - 1) lr_decay) · g / (√s + eps) (Duchi, Hazan and Singer 2011, algorithm 1).

    s starts at `initial_accumulator_value`, t counts the steps from 1.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ):
        start = initial_accumulator_value
        super().__init__(
            parameters, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=start, eps=eps
        )

    def slots(self, options: Mapping[str, Any]) -> dict[str, float]:
        return {"total": options["initial_accumulator_value"]}

    def update(self, xp, p, g, spare, step, *, lr, lr_decay, initial_accumulator_value, eps, total):
        total += xp.multiply(g, g, out=spare)
        xp.sqrt(total, out=spare)
        spare += eps
        xp.divide(g, spare, out=spare)
        spare *= lr / (1 + (step - 1) * lr_decay)
        p -= spare


class RMSprop(Optimizer):
    """s = alpha s + (1 - alpha) g²; p -= lr g / (√s + eps) (Tieleman and Hinton 2012, lecture 6.5).

    `centered` takes the square of g's running mean from s (Graves 2013, eq. 38 to 41); `momentum` is that of the
    quotients.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        super().__init__(
            parameters, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )

    def slots(self, options: Mapping[str, Any]) -> dict[str, float]:
        names = ["square"] + ["mean"] * options["centered"] + ["velocity"] * (options["momentum"] > 0)
        return dict.fromkeys(names, 0)

    def update(
        self, xp, p, g, spare, step, *, lr, alpha, eps, momentum, centered, square, mean=None, velocity=None
    ):  # fmt: skip
        _blend(xp, square, xp.multiply(g, g, out=spare), alpha)
        if mean is None:
            xp.sqrt(square, out=spare)
        else:
            _blend(xp, mean, g, alpha, spare)
            xp.multiply(mean, mean, out=spare)
            xp.subtract(square, spare, out=spare)
            xp.sqrt(spare, out=spare)
        spare += eps
        xp.divide(g, spare, out=spare)
        if velocity is not None:
            velocity *= momentum
            velocity += spare
            xp.multiply(velocity, lr, out=spare)
        else:
            spare *= lr
        p -= spare


class Adam(Optimizer):
    """p -= lr m̂ / (√v̂ + eps), m and v the running means of g and g² (Kingma and Ba 2015, algorithm 1).

    `betas` are the shares of the old in m and in v; the hats correct for their start at 0. `amsgrad` takes the largest
    v so far (Reddi, Kale and Kumar 2018, algorithm 2, with the correction). Weight decay is added to the gradient.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ):
        betas = tuple(betas)  # type: ignore[assignment]
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)

    def slots(self, options: Mapping[str, Any]) -> dict[str, float]:
        return dict.fromkeys(["mean", "square"] + ["largest"] * options["amsgrad"], 0)

    def update(self, xp, p, g, spare, step, *, lr, betas, eps, amsgrad, mean, square, largest=None):
        _blend(xp, mean, g, betas[0], spare)
        _blend(xp, square, xp.multiply(g, g, out=spare), betas[1])
        if largest is not None:
            square = xp.maximum(largest, square, out=largest)
        # lr m̂ / (√v̂ + eps) with both corrections taken out of the arrays
        correction = (1 - betas[1] ** step) ** 0.5
        xp.sqrt(square, out=spare)
        spare += eps * correction
        xp.divide(mean, spare, out=spare)
        spare *= lr * correction / (1 - betas[0] ** step)
        p -= spare


class AdamW(Adam):
    """`Adam` with weight decay taken from the parameter itself (Loshchilov and Hutter 2019, algorithm 2)."""

    decoupled = True

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ):
        super().__init__(parameters, lr, betas, eps, weight_decay, amsgrad)


def _blend(xp: Any, running: Any, new: Any, keep: float, spare: Any = None) -> None:
    """running = keep running + (1 - keep) new, in place; by way of `spare`, or of `new` itself."""
    spare = xp.subtract(new, running, out=new if spare is None else spare)
    spare *= 1 - keep
    running += spare
