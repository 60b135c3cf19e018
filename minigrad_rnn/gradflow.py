"""Where gradients go in time: what each step contributes to the gradient of a weight."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import NoGradientError

STEP = re.compile(r"t=(-?\d+)")


def per_step_grads(loss: mg.Tensor, parameter: mg.Tensor) -> np.ndarray:
    """Each time step's own contribution to the gradient of `loss` with respect to `parameter`: ∂L/∂W = Σ_t of them.

    An array (T, *parameter.shape) with the steps in order of time; its sum over the first axis is the gradient. Steps
    are what `unroll` tags ("t=3"); a weight that several layers share has the contributions of all layers in each. The
    graph is kept; after `loss.backward()` it works for graphs of small arrays (up to 256 elements each), and for others
    with `retain_graph=True`. Raises NoGradientError where the loss does not depend on the parameter, or uses it
    outside the time steps.
    """
    parts = mg.contributions(loss, parameter, _step)
    if None in parts:
        raise NoGradientError(
            f"{parameter.name or 'this parameter'} is used outside of the time steps, where its gradient is not a sum "
            'over them: apply it inside of each step, or tag its uses with mg.scope("t=0") …'
        )
    first, last = min(parts), max(parts)
    grads = np.zeros((last - first + 1, *parameter.shape), parameter.dtype)
    for step, part in parts.items():
        grads[step - first] = part.numpy()
    return grads


def _step(scope: tuple[str, ...]) -> int | None:
    return next((int(match[1]) for match in map(STEP.fullmatch, reversed(scope)) if match), None)


def plot_per_step_grads(loss: mg.Tensor, parameters: dict[str, mg.Tensor], axes: Any = None) -> Any:
    """Draw the norm of each step's contribution to the gradient of each of `parameters` (name -> parameter).

    One line a parameter over time, on a logarithmic scale; on matplotlib `axes` if given. Returns the axes:
    `plot_per_step_grads(loss, dict(model.named_parameters())).figure.savefig("steps.png")`.
    """
    if axes is None:
        from matplotlib.figure import Figure

        axes = Figure(figsize=(8, 4.5), layout="constrained").add_subplot()
    for name, parameter in parameters.items():
        grads = per_step_grads(loss, parameter)
        norms = np.sqrt(np.square(grads.reshape(len(grads), -1), dtype="float64").sum(axis=1))
        axes.plot(np.arange(len(grads)), norms, marker=".", label=name)
    axes.set(xlabel="time step t", ylabel="‖contribution of step t‖", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    return axes
