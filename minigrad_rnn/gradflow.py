"""Where gradients go in time: what each step contributes to a weight's, and what is left of a state's further back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import NoGradientError, ShapeError
from minigrad.nn import Module

from . import plotting
from .cells import Cell, State, parts_of
from .layers import Recurrent
from .unroll import unroll

STEP = re.compile(r"t=(-?\d+)")
SLOPES = {"tanh": 1.0, "sigmoid": 0.25, "relu": 1.0, "identity": 1.0}  # the steepest that each nonlinearity gets
NORMS = {"spectral": 2, "frobenius": "fro"}


def per_step_grads(loss: mg.Tensor, parameter: mg.Tensor) -> np.ndarray:
    """Each time step's own contribution to the gradient of `loss` with respect to `parameter`: ∂L/∂W = Σ_t of them.

    An array (T, *parameter.shape) with the steps in order of time; its sum over the first axis is the gradient. Steps
    are what `unroll` tags ("t=3"); a weight that several layers share has the contributions of all layers in each. The
    graph is kept; after `loss.backward()` it works for graphs of small arrays (up to 256 elements each), and for others
    with `retain_graph=True`. Raises NoGradientError where the loss does not depend on the parameter, or uses it
    outside the time steps.
    """
    parts = _by_step(loss, parameter)
    first, last = min(parts), max(parts)
    grads = np.zeros((last - first + 1, *parameter.shape), parameter.dtype)
    for step, part in parts.items():
        grads[step - first] = part
    return grads


def _by_step(loss: mg.Tensor, parameter: mg.Tensor) -> dict[int, np.ndarray]:
    parts = mg.contributions(loss, parameter, _step)
    if None in parts:
        raise NoGradientError(
            f"{parameter.name or 'this parameter'} is used outside of the time steps, where its gradient is not a sum "
            'over them: apply it inside of each step, or tag its uses with mg.scope("t=0") …'
        )
    return {step: part.numpy() for step, part in parts.items()}


def _step(scope: tuple[str, ...]) -> int | None:
    return next((int(match[1]) for match in map(STEP.fullmatch, reversed(scope)) if match), None)


def grad_norms(loss: mg.Tensor, model: Module) -> dict[str, np.ndarray]:
    """For each cell in `model`, by its dotted name: the norm of what each step contributes to its gradient, (T,).

    A cell that is the model itself goes by ""; of a model without cells there are none. The norm is that of all of the
    cell's parameters together. The graph is kept; raises what `per_step_grads` raises.
    """
    squares: dict[str, dict[int, float]] = {}
    for name, cell in _cells(model):
        own = squares[name] = {}
        for parameter in cell.parameters():
            if parameter.requires_grad:
                for step, part in _by_step(loss, parameter).items():
                    own[step] = own.get(step, 0.0) + float(np.square(part, dtype="float64").sum())
    steps = sorted(set().union(*squares.values()))
    return {name: np.sqrt([own.get(step, 0.0) for step in steps]) for name, own in squares.items()}


def _cells(model: Module) -> Iterator[tuple[str, Cell]]:
    """The cells in `model` by name; not those that are parts of another cell."""
    found: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, Cell) and not any(f"{name}.".startswith(f"{outer}.") or not outer for outer in found):
            found.append(name)
            yield name, module


def gradflow(
    model: Cell | Recurrent, xs: Any, all_pairs: bool = False, norm: str = "spectral", part: str | None = None
) -> np.ndarray:
    """‖∂h_T/∂h_k‖ for every step k: what a change of the state after step k does to the state after the last step T.

    `xs` is what the model takes, (time, batch, feature). The result is (T,), its last number the norm of the identity;
    with `all_pairs` it is (T, T), ‖∂h_t/∂h_k‖ at [t, k]. Of a layer it has one more axis, the first, for its cells, in
    the order of the state: layer 0 forward, layer 0 backward … (where the last step is step 0). `norm` is "spectral",
    the largest singular value, or "frobenius". `part` names the part of the state that is looked at (the first if
    None), the others held as they are. Norms are averaged over the batch, whose sequences must not touch each other.

    Each step's Jacobian comes from the graph, and ∂h_t/∂h_k is the product of those between (Pascanu, Mikolov and
    Bengio 2013, eq. 5); what regularises a layer's recurrence is left out. Raises ValueError for an unknown norm or
    part.
    """
    if norm not in NORMS:
        raise ValueError(f"unknown norm {norm!r}: choose {' or '.join(NORMS)}")
    if isinstance(model, Cell):
        return _flow(model, _steps([model], lambda: unroll(model, xs))[0], all_pairs, norm, part)
    compiled, model.compiled = model.compiled, False  # each step is to be seen
    try:
        every = _steps(model.cells, lambda: model(xs))
    finally:
        model.compiled = compiled
    found = []
    for n, steps in enumerate(every):
        norms = _flow(model.cells[n], steps, all_pairs, norm, part)
        found.append(np.flip(norms) if n % model.directions else norms)
    return np.stack(found)


def _steps(cells: Sequence[Cell], run: Callable[[], Any]) -> list[list[tuple[mg.Tensor, State]]]:
    """The input and the state before it of every step that each of `cells` makes while `run` runs."""
    seen: list[list[tuple[mg.Tensor, State]]] = [[] for _ in cells]

    def watched(cell: Cell, own: list[tuple[mg.Tensor, State]]) -> Callable[..., Any]:
        step = cell.step

        def watch(x: mg.Tensor, state: State) -> Any:
            own.append((x, state))
            return step(x, state)

        return watch

    with mg.no_grad():
        try:
            for cell, own in zip(cells, seen, strict=True):
                vars(cell)["step"] = watched(cell, own)
            run()
        finally:
            for cell in cells:
                vars(cell).pop("step", None)
    return seen


def _flow(cell: Cell, steps: list[tuple[mg.Tensor, State]], all_pairs: bool, norm: str, part: str | None) -> np.ndarray:
    if part is not None and part not in cell.state_names:
        raise ValueError(f"{type(cell).__name__} has no {part!r} in its state: choose {' or '.join(cell.state_names)}")
    jacobians = [_step_jacobian(cell, x, state) for x, state in steps]
    sizes = [p.size // len(p) for p in parts_of(steps[0][1])]
    n = 0 if part is None else cell.state_names.index(part)
    own = slice(sum(sizes[:n]), sum(sizes[: n + 1]))  # the place of the part that is asked for
    T, S = len(jacobians), sum(sizes)
    norms = np.zeros((T, T))
    for t in range(T) if all_pairs else [T - 1]:
        product = np.eye(S)[None]
        for k in range(t, -1, -1):
            norms[t, k] = _norm(product[:, own, own], norm)
            product = product @ jacobians[k]
    return norms if all_pairs else norms[-1]


def _step_jacobian(cell: Cell, x: mg.Tensor, state: State) -> np.ndarray:
    """∂(all parts of the state after a step)/∂(all parts before it), (batch, S, S)."""
    parts = parts_of(state)
    ends = np.cumsum([p.size // len(p) for p in parts])[:-1].tolist()

    def step(flat: mg.Tensor) -> mg.Tensor:
        pieces = [piece.reshape(p.shape) for piece, p in zip(mg.split(flat, ends, axis=1), parts, strict=True)]
        _, after = cell.step(x, tuple(pieces) if isinstance(state, tuple) else pieces[0])
        return _flat(parts_of(after)).sum(axis=0)  # a sequence's own numbers are all that its row depends on

    return np.swapaxes(mg.jacobian(step, _flat(parts)).numpy().astype("float64"), 0, 1)


def _flat(parts: tuple[mg.Tensor, ...]) -> mg.Tensor:
    return mg.concatenate([p.reshape(len(p), -1) for p in parts], axis=1)


def _norm(matrices: np.ndarray, norm: str) -> float:
    """The norm of each matrix, averaged over them."""
    return np.linalg.norm(matrices, NORMS[norm], axis=(1, 2)).mean()  # type: ignore[call-overload]


def singular_values(W: Any) -> np.ndarray:
    """The singular values of the matrix `W`, the largest first: how much it stretches in each of its directions."""
    return np.linalg.svd(_matrix(W), compute_uv=False)


def spectral_radius(W: Any) -> float:
    """The largest magnitude of an eigenvalue of `W`: what its powers grow (above 1) or shrink (below 1) by, in the end.

    Raises ShapeError unless `W` is a square matrix.
    """
    matrix = _matrix(W)
    if matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"only a square matrix has eigenvalues, and this one has shape {matrix.shape}")
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def _matrix(W: Any) -> np.ndarray:
    matrix = (W if isinstance(W, mg.Tensor) else mg.tensor(W)).numpy().astype("float64")
    if matrix.ndim != 2:
        raise ShapeError(f"a matrix has two axes, and this array has shape {matrix.shape}: give one matrix")
    return matrix


def jacobian_bound(W: Any, lags: Any, nonlinearity: str = "tanh") -> np.ndarray:
    """(γ λ)^lag for each of `lags`: what ‖∂h_t/∂h_k‖ of h_t = φ(x_t U + h_{t-1} W + b) cannot exceed at lag t - k.

    λ is the largest singular value of W, γ the steepest slope of φ: 1 for "tanh", "relu" and "identity", 1/4 for
    "sigmoid" (Pascanu, Mikolov and Bengio 2013, section 2.1, eq. 6 and 7). It bounds the spectral norm. Raises
    ValueError for another nonlinearity.
    """
    if nonlinearity not in SLOPES:
        raise ValueError(f"unknown nonlinearity {nonlinearity!r}: choose one of {', '.join(SLOPES)}")
    return (SLOPES[nonlinearity] * singular_values(W)[0]) ** np.asarray(lags, "float64")


def plot_per_step_grads(loss: mg.Tensor, parameters: dict[str, mg.Tensor], axes: Any = None) -> Any:
    """Draw the norm of each step's contribution to the gradient of each of `parameters` (name -> parameter).

    One line a parameter over time, on a logarithmic scale; on matplotlib `axes` if given. Returns the axes:
    `plot_per_step_grads(loss, dict(model.named_parameters())).figure.savefig("steps.png")`.
    """
    grads = {name: per_step_grads(loss, parameter) for name, parameter in parameters.items()}
    norms = {name: np.sqrt(np.square(g.reshape(len(g), -1), dtype="float64").sum(axis=1)) for name, g in grads.items()}
    return _lines(norms, "time step t", "‖contribution of step t‖", axes)


def plot_grad_norms(loss: mg.Tensor, model: Module, axes: Any = None) -> Any:
    """Draw `grad_norms`: one line a cell over time, on a logarithmic scale. Returns the matplotlib axes.

    Raises PlotError for a model without cells.
    """
    norms = {name or type(model).__name__: norm for name, norm in grad_norms(loss, model).items()}
    return _lines(norms, "time step t", "‖contribution of step t‖ to the cell", axes)


def plot_gradflow(norms: dict[str, np.ndarray], axes: Any = None) -> Any:
    """Draw results of `gradflow`, (T,) each, by the name of what they are of: one line each over the lag T - k.

    On a logarithmic scale; on matplotlib `axes` if given. Returns the axes. A bound is drawn like all others:
    `plot_gradflow({"tanh": gradflow(cell, xs), "bound": jacobian_bound(cell.weight_hh, range(T))[::-1]})`.
    """
    return _lines({name: row[::-1] for name, row in norms.items()}, "lag T - k", "‖∂h_T/∂h_k‖", axes)


def plot_gradflow_pairs(norms: np.ndarray, axes: Any = None) -> Any:
    """Draw a result of `gradflow` with `all_pairs`, (T, T), as an image, dark where gradients have vanished.

    Colours are logarithmic. Returns the matplotlib axes. Raises PlotError where no norm is above 0.
    """
    from matplotlib.colors import LogNorm

    known = np.ma.masked_less_equal(norms, 0)
    if not known.count():
        raise plotting.PlotError("no norm is above 0, and the scale is logarithmic: give a result of gradflow")
    axes = axes or plotting.axes()
    image = axes.imshow(known, norm=LogNorm(known.min(), max(known.max(), known.min() * 10)), origin="lower")
    axes.set(xlabel="step k", ylabel="step t")
    axes.figure.colorbar(image, ax=axes, label="‖∂h_t/∂h_k‖")
    return axes


def _lines(lines: dict[str, np.ndarray], xlabel: str, ylabel: str, axes: Any) -> Any:
    if not lines:
        raise plotting.PlotError("there is no line to draw: give at least one by name, or a model with cells")
    axes = axes or plotting.axes()
    for name, values in lines.items():
        axes.plot(np.arange(len(values)), np.ma.masked_less_equal(values, 0), marker=".", label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    axes.legend()
    return axes
