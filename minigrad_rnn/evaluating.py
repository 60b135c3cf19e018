"""A model that is looked at while it is being trained."""

from __future__ import annotations

import minigrad as mg
from minigrad.nn import Module


class evaluating:  # noqa: N801 (read as a statement)
    """`with evaluating(model):` nothing is recorded, and dropout is off; afterwards each part trains on, if it did."""

    def __init__(self, model: Module):
        self.model, self.recording = model, mg.no_grad()
        self.training = [(module, module.training) for module in model.modules()]

    def __enter__(self) -> None:
        self.recording.__enter__()
        self.model.eval()

    def __exit__(self, *exc_info: object) -> None:
        for module, training in self.training:
            module.training = training
        self.recording.__exit__(*exc_info)
