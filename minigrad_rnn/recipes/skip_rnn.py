"""skip-rnn: layers with connections past them: the input feeds every layer, and every layer feeds the output.

    h_t^1 = tanh(U^1 x_t + W^1 h_{t-1}^1 + b^1)          h_t^l = tanh(U^l [h_t^{l-1}, x_t] + W^l h_{t-1}^l + b^l)
    o_t = V [h_t^1, …, h_t^L] + c

(Graves 2013, section 2: from the loss to the bottom of the network there are fewer steps then.) Deep nets learn digits
by rows, with skip connections and without, of as many parameters: the deeper they are, the more it helps. And where the
upper layers put out nothing, as with weights of 0, the first layer still gets a gradient through the skip connections,
and without them none.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import minigrad as mg

from ..data.images import handwritten_digits, train_and_test
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel, as_large
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..training import Supervised

DEPTHS, WIDTH = (2, 5, 8), 24


def gradient_below_silence(skip: bool) -> float:
    """The largest gradient of layer 0's weights where the layers above have weights of 0."""
    layers = Recurrent("rnn", 2, 4, num_layers=3, skip=skip)
    for cell in layers.cells[1:]:
        for parameter in cell.parameters():
            parameter.data[...] = 0
    outputs, _ = layers(np.ones((5, 1, 2), "float32"))
    gradients = mg.grad(outputs.sum(), list(layers.cells[0].parameters()))
    return max(np.abs(gradient.numpy()).max() for gradient in gradients)


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="cross-entropy of held-out digits, with and without skip connections",
    seconds=14,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    size, kinds = images.shape[1], int(classes.max()) + 1
    train, test = ((np.moveaxis(part, 1, 0), own) for part, own in train_and_test(images, classes, lab.rng()))

    def model(depth: int, skip: bool, width: int) -> SequenceModel:
        return SequenceModel(Recurrent("rnn", size, width, depth, skip=skip), kinds, last=True)

    losses: dict[bool, list[float]] = {True: [], False: []}
    for depth in DEPTHS:
        with_skips = model(depth, True, WIDTH)
        width = as_large(partial(model, depth, False), with_skips)
        for skip in losses:
            made = with_skips if skip else model(depth, False, width)
            task = Supervised(made, train, test, mg.nn.cross_entropy, accuracy, 64, lab.seed, axis=(1, 0))
            name = f"{depth} layers{', with skips' * skip}"
            losses[skip].append(lab.train(task, name, steps=lab.pick(250, 3), lr=2e-3).figures["loss"])

    plot = axes("layers", "cross-entropy of held-out digits (nats)", "after the same number of updates")
    for skip, name in ((False, "without skip connections"), (True, "with skip connections")):
        plot.plot(DEPTHS, losses[skip], "o-", label=name)
    plot.set(xticks=DEPTHS, ylim=(0, None))
    lab.save("depth.png", plot, "what skip connections come to, by depth")
    outputs, _ = Recurrent("rnn", 2, 2, num_layers=2, skip=True)(np.ones((3, 1, 2), "float32"))
    title = "the input feeds layer 1 too, and layer 0 the output too"
    for level, name in (("layer", "layers.svg"), ("cell", "unrolled.svg")):
        lab.save(name, mg.draw(outputs.named("outputs"), level=level, title=title), f"the network, level {level!r}")
    return [
        Figure(f"cross-entropy of {DEPTHS[-1]} layers with skips", losses[True][-1], "<", losses[False][-1], "without"),
        Figure("gradient of layer 0 below silent layers", gradient_below_silence(True), ">", 0, "none", exact=True),
        Figure("the same without skips", gradient_below_silence(False), "=", 0, "none"),
    ]
