"""vanishing: what is left of a state's gradient after many steps, and the bound on it.

    ∂h_t/∂h_k = Π_{i=k+1..t} W diag(φ'(a_i))        ‖∂h_t/∂h_k‖ ≤ (γ λ)^(t-k)

λ is the largest singular value of W, γ the steepest slope of φ: 1 for tanh, 1/4 for the logistic function (Pascanu,
Mikolov and Bengio 2013, section 2.1, eq. 5 to 7; rows, as in the code). Vanilla nets, a GRU and an LSTM read digits
pixel by pixel, and each is looked at before and after it has learnt them: an LSTM by its cell, whose own way back is
Π f_i (Hochreiter and Schmidhuber 1997), which no bound of this kind is known for. The vanilla nets' singular values,
and their W's spectral radius, go with the bound: training must raise λ for anything to come back over many steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..cells import Cell, GRUCell, LSTMCell, RNNCell
from ..data.images import handwritten_digits, pixel_by_pixel, train_and_test
from ..gradflow import gradflow, jacobian_bound, plot_gradflow, singular_values, spectral_radius
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..plotting import COLORS, panels
from ..systems import Figure, Lab, system
from ..training import Supervised

HIDDEN, LOOKED_AT = 32, 2


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="largest ‖∂h_t/∂h_k‖ over its bound",
    seconds=13,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    splits = train_and_test(images, classes, lab.rng())
    learnt, held_out = [(pixel_by_pixel(part, lab.pick(64, 11)).astype("float64"), kinds) for part, kinds in splits]
    xs = held_out[0][:, :LOOKED_AT]
    T, _, pixels = xs.shape
    lags = np.subtract.outer(np.arange(T), np.arange(T))  # t - k at [t, k]
    cells: dict[str, Cell] = {
        "RNN, tanh": RNNCell(pixels, HIDDEN, dtype="float64"),
        "RNN, logistic": RNNCell(pixels, HIDDEN, nonlinearity="sigmoid", dtype="float64"),
        "GRU": GRUCell(pixels, HIDDEN, dtype="float64"),
        "LSTM": LSTMCell(pixels, HIDDEN, dtype="float64"),
    }
    titles = ["before training (dashed: the bound)", "after training", "singular values of W (dashed: before)"]
    *flows, values = panels(3, titles=titles, size=(17, 5.5))
    figures: list[Figure] = []
    radii: dict[str, list[float]] = {}

    def look(plot: Any, when: str) -> None:
        norms = {name: gradflow(cell, xs, all_pairs=True, part=cell.state_names[-1]) for name, cell in cells.items()}
        plot_gradflow({name: pairs[-1] for name, pairs in norms.items()}, plot).set(ylim=(1e-20, 1e8))
        for color, (name, cell) in zip(COLORS, cells.items()):
            if isinstance(cell, RNNCell):
                bounds = jacobian_bound(cell.weight_hh, lags, cell.nonlinearity)
                stretch = singular_values(cell.weight_hh)
                plot.plot(lags[-1], bounds[-1], "--", color=color, linewidth=1)
                values.plot(np.arange(1, HIDDEN + 1), stretch, "--" if when == "before" else "-", color=color)
                radii.setdefault(name, []).extend([stretch[0], spectral_radius(cell.weight_hh)])
                ratio = (norms[name] / bounds)[lags > 0].max()
                what = f"{name}, {when} training: largest ‖∂h_t/∂h_k‖ over (γλ)^(t-k)"
                figures.append(Figure(what, ratio, "<=", 1 + 1e-12, "the bound, and rounding", exact=True))
        left = {name: pairs[-1, 0] for name, pairs in norms.items()}
        what = f"‖∂h_t/∂h_k‖ at a lag of {T - 1}, {when} training"
        figures.append(Figure(f"{what}: logistic", left["RNN, logistic"], "<", left["RNN, tanh"], "tanh"))
        figures.append(Figure(f"{what}: LSTM, its c", left["LSTM"], "beside", left["GRU"], "GRU"))

    look(flows[0], "before")
    for name, cell in cells.items():
        model = SequenceModel(Recurrent(cell), int(classes.max()) + 1, last=True)
        task = Supervised(model, learnt, held_out, mg.nn.cross_entropy, accuracy, batch=64, seed=lab.seed, axis=(1, 0))
        lab.train(task, name, steps=lab.pick(300, 2), lr=5e-3)
    look(flows[1], "after")
    values.set(xlabel="which, the largest first", ylabel="singular value", ylim=(0, None))
    lab.save("gradients.png", values, "what is left of a gradient after so many steps, with its bound; singular values")
    for name, (stretch, radius, later_stretch, later_radius) in radii.items():
        figures.append(Figure(f"{name}: λ after training", later_stretch, ">", stretch, "λ before"))
        figures.append(Figure(f"{name}: spectral radius of W after training", later_radius, "beside", radius, "before"))
    return figures
