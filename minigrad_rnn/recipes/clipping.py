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
W, B = (4.0, 5.7), (-2.7, -0.2)  # the part of the plane that is drawn
CLIPS: dict[str, Callable[[mg.Tensor], object]] = {
    "not clipped": lambda point: None,
    "by norm": lambda point: optim.clip_grad_norm(point, THETA),
    "by value": lambda point: optim.clip_grad_value(point, THETA),
}
STYLES = (("#a50f15", 1), ("#fd8d3c", 6), ("#00441b", 1.5))  # colour and width: where paths meet all are seen


def error(w: mg.Tensor, b: mg.Tensor) -> mg.Tensor:
    """E at (w, b): Tensors of one shape, each of whose places is a network of its own."""
    h = mg.sigmoid(0.5 * mg.ones_like(w))
    for _ in range(STEPS):
        h = mg.sigmoid(w * h + b)
    return mg.square(h - TARGET)


def descend(updates: int, clip: Callable[[mg.Tensor], object]) -> tuple[np.ndarray, np.ndarray]:
    """Plain descent from START: the points (updates, 2), and the gradients there before and after `clip` (…, 2, 2)."""
    point = mg.tensor(START, dtype="float64", requires_grad=True)
    optimizer = optim.SGD([point], lr=LR)
    path, slopes = [], []
    for _ in range(updates):
        point.grad = mg.grad(error(*mg.unstack(point)), point)
        path.append(point.numpy().copy())
        slopes.append([point.grad.numpy().copy()])
        clip(point)
        slopes[-1].append(point.grad.numpy().copy())
        optimizer.step()
    return np.array(path), np.array(slopes)


@system(data="one unit over 50 steps", merit="error that descent ends at, clipped and not", seconds=3)
def run(lab: Lab) -> list[Figure]:
    size = lab.pick(200, 60)
    w, b = np.meshgrid(np.linspace(*W, size), np.linspace(*B, size))
    grid = [mg.tensor(numbers, requires_grad=True) for numbers in (w, b)]
    E = error(*grid)
    steepness = np.hypot(*(g.numpy() for g in mg.grad(E.sum(), grid)))

    plane, progress = panels(2, titles=["the error, and three ways down", "how they get on"], size=(13, 5.5))
    plane.figure.colorbar(plane.contourf(w, b, E.numpy(), 40, cmap="Blues"), ax=plane, label="E")
    cliff = surface(w, b, E.numpy(), ("w", "b", "E"), "a unit over 50 steps: the cliff, and three ways down")
    cliff.view_init(elev=28, azim=25)
    ends, norms, largest = {}, {}, 0.0
    for (color, width), (name, clip) in zip(STYLES, CLIPS.items()):
        path, slopes = descend(lab.pick(300, 40), clip)
        values = error(*map(mg.tensor, path.T)).numpy()
        ends[name], norms[name], largest = values[-LAST:].max(), np.linalg.norm(slopes, axis=2), abs(slopes[:, 1]).max()
        style = {"label": name, "color": color, "linewidth": width}
        plane.plot(*path.T, ".-", markersize=3 * width, **style)
        progress.plot(np.maximum(values[1:], values[:-1]), **style)
        cliff.plot(*path.T, values, zorder=10, **style)
    plane.plot(*START, "k*", markersize=12)
    plane.set(xlabel="w", ylabel="b", xlim=W, ylim=B)
    progress.set(xlabel="updates", ylabel="E, the larger of two in succession", yscale="log")
    lab.save("paths.png", plane, "the error's contours, and the paths of descent over them")
    cliff.legend(loc="upper right")  # to find the best place takes long over so many tiles
    lab.save("cliff.png", cliff, "the error as a landscape, with the paths")

    met, taken = norms["by norm"].T
    off = np.abs(taken - np.minimum(met, THETA)).max()
    what, tenth = f"largest error of the last {LAST} updates, clipped by", 0.1 * ends["not clipped"]
    return [
        Figure("steepest slope on the cliff", steepness.max(), ">", 100 * np.median(steepness), "100 × the median"),
        Figure("largest gradient met, not clipped", norms["not clipped"].max(), ">", 100 * THETA, "100 θ"),
        Figure(f"{what} norm", ends["by norm"], "<", tenth, "1/10 of that not clipped"),
        Figure(f"{what} value", ends["by value"], "<", tenth, "1/10 of that not clipped"),
        Figure("clipped by norm: ‖g‖ from the smaller of ‖g‖ and θ", off, "<=", 1e-6, "rounding", exact=True),
        Figure("clipped by value: largest number", largest, "<=", THETA, "θ", exact=True),
    ]
