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

import numpy as np

import minigrad as mg
from minigrad.nn import init

from ..data.images import handwritten_digits
from ..plotting import panels
from ..systems import Figure, Lab, system

PHI = {"ELU": mg.elu, "ReLU": mg.relu, "logistic": mg.sigmoid, "tanh": mg.tanh}
SINGLE = 3  # examples looked at one by one


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="gradient at the bottom over that at the top, by activation",
    seconds=15,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    chosen = lab.rng().permutation(len(images))[:64]
    xs, targets = images[chosen].reshape(len(chosen), -1), classes[chosen]
    width, layers = lab.pick(1024, 64), 19

    def norms(phi: Callable[[mg.Tensor], mg.Tensor], examples: slice, spread: float) -> np.ndarray:
        """‖∂L/∂W‖ of every unit, (layers, width); biases have the standard deviation `spread`."""
        mg.seed(lab.seed)
        sizes = [xs.shape[1], *[width] * layers]
        weights = [init.glorot(*pair) for pair in pairwise(sizes)]
        h = mg.tensor(xs[examples])
        for W in weights:
            h = phi(h @ W + mg.randn(width) * spread)
        logits = h @ init.glorot(width, int(classes.max()) + 1)
        grads = mg.grad(mg.nn.cross_entropy(logits, targets[examples]), weights)
        return np.stack([np.linalg.norm(grad.numpy().astype("float64"), axis=0) for grad in grads])

    made = panels(4, "layer", "log10 ‖∂L/∂W‖ of a unit", list(PHI), size=(16, 5), share=True)
    layer = np.arange(1, layers + 1)
    lasting, alone, unbiased = {}, {}, {}
    for plot, (name, phi) in zip(made, PHI.items()):
        batch = norms(phi, slice(None), 1.0)
        singles = [norms(phi, slice(n, n + 1), 1.0) for n in range(SINGLE)]
        plot.plot(layer, decades(batch), ".", color="#9ecae1", markersize=1)
        plot.plot(layer, np.nanmedian(decades(batch), axis=1), linewidth=2.5, label="a batch of 64: the median unit")
        for n, single in enumerate(singles):
            plot.plot(
                layer,
                np.nanmedian(decades(single), axis=1),
                "--",
                color="#d94801",
                label="one digit" if not n else None,
            )
        lasting[name] = remains(batch)
        alone[name] = float(np.median([remains(single) for single in singles]))
        unbiased[name] = remains(norms(phi, slice(None), 0.0))
    made[0].set_xticks([1, 5, 10, 15, 19])
    made[0].legend(frameon=False, fontsize="small")
    made[0].figure.suptitle(f"gradients of {layers} layers of {width} units, before training: each dot is a unit")
    lab.save("gradients.png", made[0], "log ‖∂L/∂W‖ of every unit by layer, for four activations")

    others = {
        kept: max(found[name] for name in PHI if name != "ELU") for kept, found in (("batch", lasting), ("one", alone))
    }
    return [
        *(Figure(f"{name}: gradient at layer 2 over layer 19", lasting[name], "<", 0.1, "vanishes") for name in PHI),
        Figure("ELU lasts longest, a batch: layer 2 over 19", lasting["ELU"], ">", others["batch"], "the best other"),
        Figure("ELU lasts longest, one digit: layer 2 over 19", alone["ELU"], ">", others["one"], "the best other"),
        Figure("with biases of 0: ELU", unbiased["ELU"], "beside", unbiased["tanh"], "tanh"),
    ]


def decades(norms: np.ndarray) -> np.ndarray:
    """log10 of norms; those that are 0 (a ReLU that is off) are left out."""
    return np.log10(np.where(norms > 0, norms, np.nan))


def remains(norms: np.ndarray) -> float:
    """What is left of a gradient at layer 2, of that at the last: layers of one width."""
    return float(10 ** (np.nanmedian(decades(norms)[1]) - np.nanmedian(decades(norms)[-1])))
