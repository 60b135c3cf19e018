"""A model that is looked at while it is being trained."""

from __future__ import annotations

import minigrad as mg
from minigrad.nn import Module


class evaluating:  # noqa: N801 (read as a statement)
    """`with evaluating(model):` nothing is recorded, and dropout is off; afterwards the model trains on."""

    def __init__(self, model: Module):
        self.model, self.training, self.recording = model, model.training, mg.no_grad()

    def __enter__(self) -> None:
        self.recording.__enter__()
        self.model.eval()

    def __exit__(self, *exc_info: object) -> None:
        self.model.train(self.training)
        self.recording.__exit__(*exc_info)
