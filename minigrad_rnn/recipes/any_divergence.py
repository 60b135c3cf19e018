"""any-divergence: losses of a whole output sequence that are no sum over its steps.

Backpropagation needs one number L and ∂L/∂y_t for each output; nothing says that L = Σ_t L_t. Here a net is told a
class, and draws a sequence of it: a plateau, a rise or a fall, whose time is up to chance. It is trained on

    the mean squared error        Σ_t (y_t - d_t)² / T, a sum over steps
    soft dynamic time warping     the soft minimum of the costs of all alignments of y with d (Cuturi and Blondel 2017)
    the largest error             max_t |y_t - d_t|

and each net draws what its loss asks for: the mean of all sequences, blurred; a sharp one at some time; half of all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..data import DataError
from ..data.labelled import labelled_rows
from ..data.synthetic import cylinder_bell_funnel
from ..layers import Recurrent
from ..losses import max_error, soft_dtw
from ..models import SequenceModel
from ..plotting import legend_beside, panels
from ..systems import Figure, Lab, system
from ..training import Supervised

LONGEST = 100  # soft-DTW takes time and memory as the square of it


def warped(outputs: mg.Tensor, targets: Any, gamma: float = 0.1) -> mg.Tensor:
    """Soft-DTW a step; with γ near 0 the warping distance."""
    return soft_dtw(outputs, targets, gamma) / len(outputs)


@system(
    data="three shapes at chance times, made",
    merit="soft-DTW and largest error, each trained on itself and on squared error",
    seconds=10,
    takes="CSV rows of a sequence's numbers, then its class",
)
def run(lab: Lab) -> list[Figure]:
    if lab.data is None:
        count = lab.pick((512, 256), (16, 8))
        (learnt, train), (classes, test) = (cylinder_bell_funnel(30, n, lab.rng(n)) for n in count)
    else:
        (train, _, learnt), (test, _, classes) = labelled_rows(lab.data, lab.rng())
        if len(train) > LONGEST:
            raise DataError(f"{lab.data} has {len(train)} numbers in a row before the class: give at most {LONGEST}")
    length, kinds = len(train), int(max(learnt.max(), classes.max())) + 1
    told = lambda own: np.tile(np.eye(kinds, dtype="float32")[own], (length, 1, 1))  # at every step

    shown = range(min(kinds, 3))
    titles, size = [f"class {kind}" for kind in shown], (5 * len(shown) + 2, 4.5)
    plots = panels(len(shown), "step", "output", titles, size, share=True)
    for kind, plot in zip(shown, plots):
        plot.plot(train[:, learnt == kind][:, :12, 0], color="#bbbbbb", linewidth=0.8)
    of_dtw, of_error, of_squares, untrained = "soft-DTW", "largest error", "squared error", "before training"
    warping, error = {}, {}
    for name, loss in ((untrained, None), (of_squares, mg.nn.mse_loss), (of_dtw, warped), (of_error, max_error)):
        mg.seed(lab.seed)  # the same weights to begin with
        model = SequenceModel(Recurrent("lstm", kinds, 32), 1)
        task = Supervised(model, (told(learnt), train), (told(classes), test), loss or warped, seed=lab.seed, axis=1)
        if loss is not None:
            lab.train(task, name, steps=lab.pick(500, 3), lr=1e-2)
            drawn = task.predict((told(np.arange(kinds)), train[:, :kinds]))
            for kind, plot in zip(shown, plots):
                plot.plot(drawn[:, kind, 0], linewidth=2.2, label=f"trained on {name}")
        outputs = mg.tensor(task.predict())
        warping[name], error[name] = warped(outputs, test, 1e-4).item(), max_error(outputs, test).item()
    legend_beside(plots[-1])
    lab.save("drawn.png", plots[0], "what each net draws of a class (grey: what it was shown)")
    return [
        Figure(f"held-out {what}, trained on {own}", found[own], "<", found[other], beside)
        for what, own, found in (("warping distance a step", of_dtw, warping), ("largest error", of_error, error))
        for other, beside in ((untrained, untrained), (of_squares, f"trained on {of_squares}"))
    ]
