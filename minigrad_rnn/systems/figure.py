"""Figure: a number that says how well a system does, beside the one that it is measured against."""

from __future__ import annotations

import math
from dataclasses import dataclass

RELATIONS = {
    "<": lambda value, reference: value < reference,
    "<=": lambda value, reference: value <= reference,
    ">": lambda value, reference: value > reference,
    ">=": lambda value, reference: value >= reference,
    "=": lambda value, reference: value == reference,
}
SHOWN = {"<=": "≤", ">=": "≥", "beside": "beside"}


@dataclass(frozen=True)
class Figure:
    """`value` must stand in `relation` to `reference`: "<", "<=", ">", ">=" or "="; "beside" is shown, not asked.

        Figure("bits per character", 1.9, "<", 2.2, "the best n-gram model")
        Figure("largest difference", 3e-12, "<=", 1e-10, "the textbook's sums")

    `what` names the value with its unit, `against` what the reference is of. What is exact ("=", or `exact`) must hold
    also in a quick run, and on the user's own data.
    """

    what: str
    value: float
    relation: str
    reference: float
    against: str
    exact: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "reference", float(self.reference))
        if self.relation not in RELATIONS and self.relation != "beside":
            raise ValueError(f"relation must be one of {', '.join(RELATIONS)} or beside, not {self.relation!r}")

    @property
    def holds(self) -> bool:
        """Is the value as it must be; where nothing is asked, is it a number."""
        if self.relation == "beside":
            return math.isfinite(self.value)
        return bool(RELATIONS[self.relation](self.value, self.reference))

    @property
    def always(self) -> bool:
        """Must it hold also in a quick run, and on the user's own data."""
        return self.exact or self.relation == "="

    @property
    def asked(self) -> str:
        """The reference as a person reads it: "> 0.97, the goal"."""
        return f"{SHOWN.get(self.relation, self.relation)} {number(self.reference)}, {self.against}"


def number(value: float) -> str:
    """A number with four digits; a whole one in full."""
    return f"{value:,.0f}" if abs(value) < 1e6 and value == round(value) else f"{value:.4g}"
