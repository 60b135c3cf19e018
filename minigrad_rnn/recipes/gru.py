"""gru: the gated recurrent unit, its reset gate before the product with W, or after it.

    z, r = σ(W_· [h_{t-1}, x_t] + b_·)    h_t = (1 - z) ∘ h_{t-1} + z ∘ h̃
    h̃ = tanh(U x_t + W (r ∘ h_{t-1}) + b)          reset_after=False (Cho et al. 2014, eq. 8)
    h̃ = tanh(U x_t + b + r ∘ (W h_{t-1} + b_h))    reset_after=True (cuDNN, PyTorch), the default

The library's z is the other share, 1 - z of these lines, as in the paper. The net reads the name of a country or of a
language, letter by letter, and says which of eight languages it is in; names that several share are left out.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells import GRUCell
from ..data import Vocabulary
from ..data.errors import package
from ..data.labelled import names_by_language, padded_codes
from ..data.splits import held_out
from ..layers import Recurrent
from ..metrics import accuracy, confusion
from ..models import SymbolModel
from ..pictures import unrolled
from ..plotting import axes, plot_confusion
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

FORMS = {"reset before the product": False, "reset after it": True}


@system(
    data="4,000 names of countries and languages, in eight languages (babel)",
    merit="accuracy on names held out",
    seconds=5,
    takes="lines of a text, a tab, and its class",
)
def run(lab: Lab) -> list[Figure]:
    names = names_by_language(lab.data)
    texts, kinds = [name.lower() for name, _ in names], sorted({kind for _, kind in names})
    classes = np.array([kinds.index(kind) for _, kind in names])
    vocabulary = Vocabulary("".join(texts))
    codes, lengths = padded_codes(texts, vocabulary)  # (time, N), (N,)
    train, test = held_out(classes, 0.2, lab.rng())
    known, unseen = ((codes[:, part], lengths[part], classes[part]) for part in (train, test))

    letters = np.stack([np.bincount(vocabulary.encode(text), minlength=len(vocabulary)) for text in texts])
    bayes = package("sklearn.naive_bayes").MultinomialNB().fit(letters[train], classes[train])
    by_counts = bayes.score(letters[test], classes[test])
    figures = []
    for form, after in FORMS.items():
        recurrent = Recurrent("gru", 32, 64, reset_after=after)
        model = SymbolModel(len(vocabulary), recurrent, len(kinds), last=True, dropout=0.5)
        task = Supervised(
            model, known, unseen, mg.nn.cross_entropy, accuracy, batch=64, seed=lab.seed, axis=(1, 0, 0), inputs=2
        )
        right = lab.train(task, form, steps=lab.pick(300, 3), lr=1e-2).figures["accuracy"]
        off = difference(after, lab.rng(1))
        figures += [
            Figure(f"accuracy, {form}", right, ">", by_counts, "its letters in any order (naive Bayes)"),
            Figure(f"largest difference of h, {form}", off, "<=", 1e-12, "NumPy", exact=True),
        ]
        picture = unrolled("gru", steps=2, level="gate", cell_options={"reset_after": after}, title=f"GRU, {form}")
        lab.save(f"{'after' if after else 'before'}.svg", picture, f"two steps, {form}")
    mistakes = confusion(task.predict().argmax(axis=1), classes[test], len(kinds))
    plot = plot_confusion(mistakes, kinds, axes(title=f"{right:.1%} right, {form}", size=(6, 6)))
    lab.save("confusion.png", plot, "which languages are taken for which")
    return figures


def difference(after: bool, rng: np.random.Generator) -> float:
    """The largest difference of h from the equations in NumPy, over 10 steps in float64."""
    cell = GRUCell(3, 5, reset_after=after, dtype="float64")
    p = {name: rng.normal(size=parameter.shape) for name, parameter in cell.named_parameters()}
    cell.load_state_dict({name: mg.tensor(value) for name, value in p.items()})
    xs = rng.normal(size=(10, 2, 3))
    U_r, U_z, U = np.split(p["weight_ih"], 3, axis=1)
    W_r, W_z, W = np.split(p["weight_hh"], 3, axis=1)
    b_r, b_z, b = np.split(p["bias"], 3)
    h, found = np.zeros((2, 5)), 0.0
    for x, ours in zip(xs, unroll(cell, xs)[0].numpy(), strict=True):
        r, other = (1 / (1 + np.exp(-a)) for a in (x @ U_r + h @ W_r + b_r, x @ U_z + h @ W_z + b_z))
        z = 1 - other
        reset = r * (h @ W + p["bias_hn"]) if after else (r * h) @ W
        h = (1 - z) * h + z * np.tanh(x @ U + b + reset)
        found = max(found, float(abs(ours - h).max()))
    return found
