"""vanishing-19: how small a gradient gets on its way back through 19 layers, for four activations.

    h_l = φ(h_{l-1} W_l + b_l), l = 1 … 19, each 1024 units wide        ŷ = softmax(h_19 V)

A digit goes in, and before any training log10 ‖∂L/∂W_l‖ is taken of every unit (its column of W_l). On its way through
a layer the gradient's mean square is multiplied by χ = σ_w² E[φ'(a)²] (Schoenholz et al. 2017, eq. 5), which is below 1
for all four: at most 1/16 for the logistic function, a half for ReLU, more for ELU (Clevert, Unterthiner and Hochreiter
2016), whose slope is 1 above 0 and fades below. The weights' variance is 1/1024, after Glorot and Bengio (2010), which
makes σ_w = 1; the biases' is 1, so that units work over all of their range. With biases of 0 activations are so small
that tanh is nearly linear there, and neither it nor ELU loses anything to speak of: figures of both.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import init

from ..data.images import handwritten_digits
from ..plotting import COLORS, panels
from ..systems import Figure, Lab, system

PHI = {"ELU": mg.elu, "ReLU": mg.relu, "logistic": mg.sigmoid, "tanh": mg.tanh}
BATCH, SINGLE, LAYERS = 64, 3, 19  # digits looked at together, and one by one


def remains(norms: np.ndarray) -> float:
    """What is left of the median unit's gradient at layer 2, of that at the last: layers of one width."""
    return float(np.nanmedian(norms[1]) / np.nanmedian(norms[-1]))


def draw_units(plot: Any, norms: dict[str, np.ndarray]) -> None:
    """A dot for every unit of (layers, width), beside each other by name, and the median unit's line."""
    layers = np.arange(1, LAYERS + 1)
    for n, (what, own) in enumerate(norms.items()):
        plot.plot(layers + 0.25 * (n - len(norms) // 2), np.log10(own), ".", color=COLORS[n], markersize=1, alpha=0.4)
        plot.plot(layers, np.log10(np.nanmedian(own, axis=1)), color=COLORS[n], label=f"{what}: the median unit")


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="gradient at the bottom over that at the top, by activation",
    seconds=15,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    chosen = lab.rng().permutation(len(images))[:BATCH]
    xs, targets = images[chosen].reshape(len(chosen), -1), classes[chosen]
    width = lab.pick(1024, 64)

    def norms(phi: Callable[[mg.Tensor], mg.Tensor], examples: slice, spread: float = 1.0) -> np.ndarray:
        """‖∂L/∂W‖ of every unit, (layers, width), NaN where it is 0; `spread` is the biases' standard deviation."""
        mg.seed(lab.seed)
        weights = [init.glorot(*pair) for pair in pairwise([xs.shape[1], *[width] * LAYERS])]
        h = mg.tensor(xs[examples])
        for W in weights:
            h = phi(h @ W + mg.randn(width) * spread)
        logits = h @ init.glorot(width, int(classes.max()) + 1)
        grads = mg.grad(mg.nn.cross_entropy(logits, mg.tensor(targets[examples])), weights)
        found = np.stack([np.linalg.norm(grad.numpy().astype("float64"), axis=0) for grad in grads])
        return np.where(found > 0, found, np.nan)

    plots = panels(8, "layer", "log10 ‖∂L/∂W‖ of a unit", list(PHI), size=(16, 9), share=True, rows=2)
    lasting, alone, unbiased, off = {}, {}, {}, {}
    for column, (name, phi) in enumerate(PHI.items()):
        batch, singles = norms(phi, slice(None)), [norms(phi, slice(n, n + 1)) for n in range(SINGLE)]
        draw_units(plots[column], {f"a batch of {BATCH}": batch})
        draw_units(plots[4 + column], {f"digit {n + 1} alone": single for n, single in enumerate(singles)})
        lasting[name], alone[name] = remains(batch), float(np.median([remains(single) for single in singles]))
        unbiased[name], off[name] = remains(norms(phi, slice(None), 0.0)), float(np.isnan(singles).mean())
    plots[0].set_xticks([1, 5, 10, 15, LAYERS])
    plots[0].figure.suptitle(f"gradients of {LAYERS} layers of {width} units, before training: each dot is a unit")
    lab.save("gradients.png", plots[0], "log ‖∂L/∂W‖ of every unit by layer, of a batch and of single digits")

    vanish = [Figure(f"{name}: gradient at layer 2 over layer 19", lasting[name], "<", 0.1, "vanishes") for name in PHI]
    longest = [
        Figure(
            f"ELU lasts longest, {what}: layer 2 over 19", found.pop("ELU"), ">", max(found.values()), "the best other"
        )
        for what, found in (("a batch", lasting), ("one digit", alone))
    ]
    return [
        *vanish,
        *longest,
        Figure("with biases of 0: ELU", unbiased["ELU"], "beside", unbiased["tanh"], "tanh"),
        Figure("one digit: share of units without a gradient, ReLU", off["ReLU"], "beside", off["ELU"], "ELU"),
    ]
