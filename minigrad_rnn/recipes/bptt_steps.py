"""bptt-steps: what each time step contributes to a weight's gradient: the sum of it all is the gradient.

The same W is used in every step, so ∂L/∂W = Σ_k ∂L/∂W^(k), where W^(k) is W as step k alone uses it (Goodfellow, Bengio
and Courville 2016, section 10.2.2; Werbos 1990). The walk back through the unrolled graph adds these parts up, and
`per_step_grads` gives them one by one. Here they are those of a vanilla net and an LSTM that have read a digit pixel by
pixel and answer once, at the end: the parts of early steps must come back through all later ones. How much of the
gradient the last k steps make up alone is what backpropagation that is cut after k steps would have of it.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..data.images import handwritten_digits, pixel_by_pixel, train_and_test
from ..gradflow import per_step_grads, plot_per_step_grads
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..pictures import unrolled
from ..plotting import panels
from ..systems import Figure, Lab, system
from ..training import Supervised

HIDDEN, EXAMPLES, W = 32, 32, "cells.0.weight_hh"


@system(
    data="1,797 handwritten digits (scikit-learn)",
    merit="largest difference between the steps' sum and the gradient",
    seconds=7,
    takes="CSV rows of a square image's pixels, then its class",
)
def run(lab: Lab) -> list[Figure]:
    images, classes = handwritten_digits(lab.data)
    splits = train_and_test(images, classes, lab.rng())
    learnt, held_out = [(pixel_by_pixel(part, lab.pick(64, 11)).astype("float64"), kinds) for part, kinds in splits]
    xs, targets = held_out[0][:, :EXAMPLES], held_out[1][:EXAMPLES]
    parts, last = panels(2, titles=["each step's contribution to ∂L/∂W", "of the last k steps alone"], size=(12, 4.8))

    apart, early = {}, {}
    for cell in ("rnn", "lstm"):
        recurrent = Recurrent(cell, xs.shape[2], HIDDEN, dtype="float64")
        model = SequenceModel(recurrent, int(classes.max()) + 1, last=True)
        task = Supervised(model, learnt, held_out, mg.nn.cross_entropy, accuracy, batch=64, seed=lab.seed, axis=(1, 0))
        lab.train(task, cell, steps=lab.pick(300, 3), lr=5e-3)

        model.zero_grad()
        parameters = dict(recurrent.named_parameters())
        loss = mg.nn.cross_entropy(model(mg.tensor(xs)), mg.tensor(targets))
        steps = {name: per_step_grads(loss, parameter) for name, parameter in parameters.items()}
        plot_per_step_grads(loss, {cell.upper(): parameters[W]}, parts)
        loss.backward()
        grads = {name: parameter.grad.numpy() for name, parameter in parameters.items() if parameter.grad is not None}
        apart[cell] = max(float(np.abs(steps[name].sum(axis=0) - grads[name]).max()) for name in parameters)

        own, whole = steps[W], grads[W]
        missing = np.linalg.norm(own[::-1].cumsum(axis=0) - whole, axis=(1, 2)) / np.linalg.norm(whole)
        last.plot(np.arange(1, len(missing) + 1), missing, label=cell.upper())
        norms = np.linalg.norm(own, axis=(1, 2))
        early[cell] = norms[: len(norms) // 2].sum() / norms.sum()
    last.set(xlabel="k, steps", ylabel="share of the gradient that is missing", ylim=(0, None))
    lab.save("steps.png", parts, "each step's contribution to the gradient of W, and what the last k steps come to")
    way_back = unrolled("rnn", steps=6, backward="only", flow=True, formulas=False, level="gate")
    lab.save("way-back.svg", way_back, "the way back to W: one branch a step, wide where the gradient is large")
    return [
        Figure(
            f"{cell}: largest |Σ of the steps - .grad|, of all weights", apart[cell], "<=", 1e-12, ".grad", exact=True
        )
        for cell in apart
    ] + [Figure("share of the first half of the steps in ∂L/∂W: lstm", early["lstm"], "beside", early["rnn"], "rnn")]
