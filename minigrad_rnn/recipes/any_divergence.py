"""any-divergence: losses of a whole output sequence that are no sum over its steps.

Backpropagation needs one number L and ∂L/∂y_t for each output; nothing says that L = Σ_t L_t. Here a net is told a
class, and draws a sequence of it: a plateau, a rise or a fall, whose time is up to chance. It is trained on

    the mean squared error        Σ_t (y_t - d_t)² / T, a sum over steps
    soft dynamic time warping     the soft minimum of the costs of all alignments of y with d (Cuturi and Blondel 2017)
    the largest error             max_t |y_t - d_t|

and each net draws what its loss asks for: the mean of all sequences, blurred; a sharp one at some time; half of all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

from ..data import DataError
from ..data.labelled import labelled_rows
from ..data.synthetic import cylinder_bell_funnel
from ..evaluating import evaluating
from ..layers import Recurrent
from ..losses import max_error, soft_dtw
from ..models import SequenceModel
from ..plotting import legend_beside, panels
from ..systems import Figure, Lab, system
from ..training import Supervised

LONGEST = 100  # soft-DTW takes time and memory as the square of it


def warped(outputs: mg.Tensor, targets: Any, gamma: float = 0.1) -> mg.Tensor:
    return soft_dtw(outputs, targets, gamma) / len(outputs)


LOSSES: dict[str, Callable[..., mg.Tensor]] = {
    "squared error": mg.nn.mse_loss,
    "soft-DTW": warped,
    "largest error": max_error,
}


def told(classes: np.ndarray, kinds: int, length: int) -> np.ndarray:
    """The class, one-hot, at every step: (time, N, kinds)."""
    return np.tile(np.eye(kinds, dtype="float32")[classes], (length, 1, 1))


@system(
    data="three shapes at chance times, made",
    merit="soft-DTW and largest error, each trained on itself and on squared error",
    seconds=20,
    takes="CSV rows of a sequence's numbers, then its class",
)
def run(lab: Lab) -> list[Figure]:
    if lab.data is None:
        count = lab.pick((512, 256), (16, 8))
        (learnt, train), (classes, test) = (cylinder_bell_funnel(30, n, lab.rng(n)) for n in count)
    else:
        (train, _, learnt), (test, _, classes) = labelled_rows(lab.data)
        if len(train) > LONGEST:
            raise DataError(f"{lab.data} has {len(train)} numbers in a row before the class: give at most {LONGEST}")
    kinds = int(max(learnt.max(), classes.max())) + 1
    halves = (told(learnt, kinds, len(train)), train), (told(classes, kinds, len(test)), test)

    def held_out(model: SequenceModel) -> tuple[float, float]:
        """Its warping distance a step (γ near 0), and its largest error."""
        with evaluating(model):
            outputs = model(mg.tensor(halves[1][0]))
            return warped(outputs, test, 1e-4).item(), max_error(outputs, test).item()

    before, after, drawn = {}, {}, {}
    for name, loss in LOSSES.items():
        mg.seed(lab.seed)  # the same weights to begin with
        model = SequenceModel(Recurrent("lstm", kinds, 32), 1)
        before[name] = held_out(model)
        task = Supervised(model, *halves, loss, batch=32, seed=lab.seed, axis=1)
        lab.train(task, name, steps=lab.pick(500, 3), lr=1e-2)
        after[name] = held_out(model)
        drawn[name] = task.predict((told(np.arange(kinds), kinds, len(train)), train[:, :kinds]))

    shown = min(kinds, 3)
    plots = panels(
        shown, "step", "output", [f"class {kind}" for kind in range(shown)], size=(5 * shown + 2, 4.5), share=True
    )
    for kind, plot in enumerate(plots):
        examples = train[:, learnt == kind][:, :12, 0]
        plot.plot(examples, color="#bbbbbb", linewidth=0.8)
        for name, outputs in drawn.items():
            plot.plot(outputs[:, kind, 0], linewidth=2.2, label=f"trained on {name}")
    legend_beside(plots[-1])
    lab.save("drawn.png", plots[0], "what each net draws of a class (grey: what it was shown)")
    warping, error = (dict(zip(after, numbers)) for numbers in zip(*after.values(), strict=True))
    of_dtw, of_error, of_squares = "soft-DTW", "largest error", "squared error"
    what, other = "held-out warping distance a step, trained on soft-DTW", "held-out largest error, trained on it"
    return [
        Figure(what, warping[of_dtw], "<", before[of_dtw][0], "before training"),
        Figure(what, warping[of_dtw], "<", warping[of_squares], "trained on squared error"),
        Figure(other, error[of_error], "<", before[of_error][1], "before training"),
        Figure(other, error[of_error], "<", error[of_squares], "trained on squared error"),
    ]
