"""Are the gradients right? The analytic ones are held against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import GradcheckError
from .graph import grad
from .mode import enable_grad
from .tensor import Tensor


def gradcheck(f: Callable[..., Any], inputs: Any, eps: float = 1e-6, atol: float = 1e-6, rtol: float = 1e-5) -> bool:
    """Compare the gradients of `f(*inputs)` with central differences, (f(x + eps) - f(x - eps)) / 2 eps, item by item.

    `inputs` is a Tensor or array, or a sequence of them. Each float64 one is checked; integers and booleans (indices,
    masks) are handed on as they are. `f` returns a Tensor or a tuple of them, which are summed with fixed random
    weights; it may compute gradients itself (with `create_graph=True`), which checks second derivatives.
    Returns True. Raises GradcheckError, naming the input, the index and both values (of that sum), where they differ by
    more than atol + rtol * |numerical|; and for inputs of less precision than float64, of which finite differences tell
    nothing.
    """
    given = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    arrays = [x.data if isinstance(x, Tensor) else x for x in given]
    names = [f" ({x.name})" if isinstance(x, Tensor) and x.name else "" for x in given]
    checked = [i for i, array in enumerate(arrays) if _has_gradient(array, i, names[i])]
    if not checked:
        raise GradcheckError("gradcheck was given no float64 input, so there is nothing to check")

    def run(raw: list[Any]) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [Tensor(raw[i], True, names[i][2:-1] or None) for i in checked]
        arguments = list(given)
        for i, leaf in zip(checked, leaves):
            arguments[i] = leaf
        with enable_grad():
            outputs = f(*arguments)
        outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        return leaves, [out for out in outputs if isinstance(out, Tensor) and out.dtype.kind == "f"]

    leaves, outputs = run(arrays)
    random = np.random.default_rng(0)
    weights = [random.uniform(0.5, 1.5, out.shape) for out in outputs]
    recorded = [n for n, out in enumerate(outputs) if out.requires_grad]
    analytic: Any = [None] * len(leaves)
    if recorded:
        seeds = [outputs[n].backend.asarray(weights[n]) for n in recorded]
        analytic = grad([outputs[n] for n in recorded], leaves, seeds, allow_unused=True)

    for i, gradient in zip(checked, analytic):
        values = np.zeros(arrays[i].shape) if gradient is None else gradient.numpy()
        for index in np.ndindex(arrays[i].shape):
            sides = []
            for step in (eps, -eps):
                moved = list(arrays)
                moved[i] = arrays[i].copy()
                moved[i][index] += step
                sides.append([out.numpy().copy() for out in run(moved)[1]])
            # Differences first, then the sum: large outputs would drown small changes.
            numerical = float(sum(((up - down) * w).sum() for up, down, w in zip(*sides, weights))) / (2 * eps)
            if not abs(values[index] - numerical) <= atol + rtol * abs(numerical):  # so that a NaN fails
                raise GradcheckError(
                    f"input {i}{names[i]} of shape {arrays[i].shape}, index {index}: the analytic gradient is "
                    f"{values[index]:.9g}, the numerical one {numerical:.9g}, of the outputs' randomly weighted "
                    f"sum ({eps=:g}, {atol=:g}, {rtol=:g})"
                )
    return True


def _has_gradient(array: Any, i: int, name: str) -> bool:
    kind = getattr(getattr(array, "dtype", None), "kind", None)
    if kind is None or (kind == "f" and array.dtype != np.float64) or kind not in "fiub":
        what = type(array).__name__ if kind is None else array.dtype
        raise GradcheckError(
            f"gradcheck needs float64 inputs, and input {i}{name} is {what}: convert it, with "
            ".astype('float64') or mg.tensor(data, dtype='float64')"
        )
    return kind == "f"
