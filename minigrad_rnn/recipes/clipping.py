"""clipping: gradients that explode at a cliff of the error, and what clipping them does.

One logistic unit runs 50 steps by itself, and should end at 0.7 (Pascanu, Mikolov and Bengio 2013, figure 6):

    h_t = σ(w h_{t-1} + b)    E(w, b) = (h_50 - 0.7)²    g = ∂E/∂(w, b)

Where the unit tips over from one attractor to the other the error is a cliff, and a step of plain descent that comes
upon it is thrown far away. By norm: g ← g θ/‖g‖ where ‖g‖ ≥ θ (section 3.2); by value: each number of g between -θ and
θ. The surface, and its gradient at every point, are those of one graph: the unit's, with a grid for w and for b.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad import optim

from ..plotting import panels, surface
from ..systems import Figure, Lab, system

STEPS, TARGET = 50, 0.7
START, LR, THETA, LAST = (4.8, -1.8), 0.3, 0.02, 30
W, B = (3.5, 5.8), (-3.0, -0.2)  # the part of the plane that is drawn


def error(w: mg.Tensor, b: mg.Tensor) -> mg.Tensor:
    """E at (w, b): Tensors of one shape, each of whose places is a network of its own."""
    h = mg.sigmoid(0.5 * mg.ones_like(w))
    for _ in range(STEPS):
        h = mg.sigmoid(w * h + b)
    return mg.square(h - TARGET)


def slope(point: list[mg.Tensor]) -> list[float]:
    return [number.grad.item() for number in point if number.grad is not None]


def descend(updates: int, clip: Callable[[list[mg.Tensor]], object]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plain descent from START: the points (updates + 1, 2), and the gradients before and after `clip` (updates, 2)."""
    point = [mg.tensor(number, dtype="float64", requires_grad=True) for number in START]
    optimizer = optim.SGD(point, lr=LR)
    path, before, after = [START], [], []
    for _ in range(updates):
        optimizer.zero_grad()
        error(*point).backward()
        before.append(slope(point))
        clip(point)
        after.append(slope(point))
        optimizer.step()
        path.append(tuple(number.item() for number in point))
    return np.array(path), np.array(before), np.array(after)


CLIPS: dict[str, Callable[[list[mg.Tensor]], object]] = {
    "not clipped": lambda point: None,
    "by norm": lambda point: optim.clip_grad_norm(point, THETA),
    "by value": lambda point: optim.clip_grad_value(point, THETA),
}


@system(data="one unit over 50 steps", merit="error that descent ends at, clipped and not", seconds=3)
def run(lab: Lab) -> list[Figure]:
    size = lab.pick(300, 60)
    w, b = np.meshgrid(np.linspace(*W, size), np.linspace(*B, size))
    grid = [mg.tensor(numbers, requires_grad=True) for numbers in (w, b)]
    errors = error(*grid)
    slopes = np.hypot(*(g.numpy() for g in mg.grad(errors.sum(), grid)))
    E = errors.numpy()

    titles = ["the error, and three ways down from one point", "how they get on"]
    plane, progress = panels(2, titles=titles, size=(13, 5.5))
    plane.figure.colorbar(plane.contourf(w, b, E, 40, cmap="Blues"), ax=plane, label="E")
    cliff = surface(w, b, E, ("w", "b", "E"), "a unit over 50 steps: the cliff, and three ways down")
    cliff.view_init(elev=28, azim=25)
    ends, met, taken = {}, {}, {}
    for color, (name, clip) in zip(("#a50f15", "#d94801", "#238b45"), CLIPS.items()):
        path, met[name], taken[name] = descend(lab.pick(300, 40), clip)
        values = error(*(mg.tensor(numbers) for numbers in path.T)).numpy()
        ends[name] = values[-LAST:].max()
        plane.plot(*path.T, ".-", label=name, color=color, linewidth=1, markersize=3)
        progress.plot(values, label=name, color=color)
        cliff.plot(*path.T, values, ".-", label=name, color=color, linewidth=1.5, markersize=4, zorder=10)
    plane.plot(*START, "k*", markersize=12)
    plane.set(xlabel="w", ylabel="b", xlim=W, ylim=B)
    progress.set(xlabel="updates", ylabel="E", yscale="log")
    progress.legend(frameon=False)
    cliff.legend(frameon=False, loc="upper left")
    lab.save("paths.png", plane, "the error's contours, and the paths of descent over them")
    lab.save("cliff.png", cliff, "the error as a landscape, with the paths")

    norms = np.hypot(*taken["by norm"].T)[np.hypot(*met["by norm"].T) >= THETA]
    value = np.abs(taken["by value"]).max()
    largest, tenth = np.hypot(*met["not clipped"].T).max(), 0.1 * ends["not clipped"]
    what = f"largest error of the last {LAST} updates, clipped by"
    return [
        Figure("steepest slope on the cliff", slopes.max(), ">", 100 * np.median(slopes), "100 × the median slope"),
        Figure("largest gradient met, not clipped", largest, ">", 100 * THETA, "100 θ"),
        Figure(f"{what} norm", ends["by norm"], "<", tenth, "1/10 of that not clipped"),
        Figure(f"{what} value", ends["by value"], "<", tenth, "1/10 of that not clipped"),
        Figure(
            "gradients clipped by norm: ‖g‖ from θ, at most", np.abs(norms - THETA).max(), "<=", 1e-6, "θ", exact=True
        ),
        Figure("gradients clipped by value: largest number", value, "<=", THETA, "θ", exact=True),
    ]
