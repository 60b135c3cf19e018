"""gru: the gated recurrent unit, its reset gate before the product with W, or after it.

    z, r = σ(W_· [h_{t-1}, x_t] + b_·)    h_t = (1 - z) ∘ h_{t-1} + z ∘ h̃
    h̃ = tanh(U x_t + W (r ∘ h_{t-1}) + b)          reset_after=False (Cho et al. 2014, eq. 8)
    h̃ = tanh(U x_t + b + r ∘ (W h_{t-1} + b_h))    reset_after=True (cuDNN, PyTorch), the default

The library's z is the other share, 1 - z of these lines, as in the paper. The net reads the name of a country or of a
language, letter by letter, and says which of eight languages it is in; names that several share are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.nn import Embedding, Module

from ..cells import GRUCell
from ..data import Vocabulary
from ..data.labelled import names_by_language, padded_codes
from ..layers import Recurrent
from ..metrics import accuracy, confusion
from ..models import SequenceModel
from ..pictures import unrolled
from ..plotting import axes, plot_confusion
from ..systems import Figure, Lab, system
from ..training import Supervised
from ..unroll import unroll

FORMS = {"reset before the product": False, "reset after it": True}


class Reader(Module):
    """Characters (time, batch), of texts of these lengths (batch,) -> scores (batch, classes)."""

    def __init__(self, characters: int, recurrent: Recurrent, classes: int):
        self.embedding = Embedding(characters, recurrent.input_size)
        self.model = SequenceModel(recurrent, classes, last=True, dropout=0.5)

    def forward(self, codes: Any, lengths: Any) -> mg.Tensor:
        return self.model(self.embedding(codes), lengths)


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
    test, train = np.split(lab.rng().permutation(len(texts)), [len(texts) // 5])
    known, unseen = ((codes[:, part], lengths[part], classes[part]) for part in (train, test))

    letters = np.stack([np.bincount(vocabulary.encode(text), minlength=len(vocabulary)) for text in texts])
    of_kind = np.array([1 + letters[train][classes[train] == kind].sum(axis=0) for kind in range(len(kinds))])
    likely = letters[test] @ np.log(of_kind / of_kind.sum(axis=1, keepdims=True)).T
    likely += np.log(1 + np.bincount(classes[train], minlength=len(kinds)))
    bayes = float((likely.argmax(axis=1) == classes[test]).mean())

    figures = []
    for form, after in FORMS.items():
        model = Reader(len(vocabulary), Recurrent("gru", 32, 64, reset_after=after), len(kinds))
        task = Supervised(
            model, known, unseen, mg.nn.cross_entropy, accuracy, batch=64, seed=lab.seed, axis=(1, 0, 0), inputs=2
        )
        right = lab.train(task, form, steps=lab.pick(300, 3), lr=1e-2).figures["accuracy"]
        figures.append(Figure(f"accuracy, {form}", right, ">", bayes, "its letters in any order (naive Bayes)"))
        picture = unrolled("gru", steps=2, level="gate", cell_options={"reset_after": after}, title=f"GRU, {form}")
        lab.save(f"{'after' if after else 'before'}.svg", picture, f"two steps, {form}")
    mistakes = confusion(task.predict().argmax(axis=1), classes[test], len(kinds))
    plot = plot_confusion(mistakes, kinds, axes(title=f"{right:.1%} right, {form}", size=(6, 6)))
    lab.save("confusion.png", plot, "which languages are taken for which")
    for form, after in FORMS.items():
        found = difference(after, lab.rng(1))
        figures.append(Figure(f"largest difference of h, {form}", found, "<=", 1e-12, "NumPy", exact=True))
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
        r, z = logistic(x @ U_r + h @ W_r + b_r), 1 - logistic(x @ U_z + h @ W_z + b_z)
        reset = r * (h @ W + p["bias_hn"]) if after else (r * h) @ W
        h = (1 - z) * h + z * np.tanh(x @ U + b + reset)
        found = max(found, float(abs(ours - h).max()))
    return found


def logistic(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))
