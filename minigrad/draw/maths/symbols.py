"""How quantities are called: symbols from names, and symbols for what has no name."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ...tensor import Tensor
from ..collect import STEP
from ..text import ACTIVATIONS, several
from . import algebra as al
from .expression import Expression, Time
from .fold import Folded, Key, Part
from .styles import GREEK, clean

OF_LAYER = re.compile(r"(.+)_l(\d+)(_reverse)?")
LETTERS = {"weight": "W", "bias": "b"} | {name: letter for letter, name in GREEK.items()}


def named(name: str, sup: tuple[str, ...] = (), time: Time | None = None) -> Expression:
    """The symbol for a name: a stem and, after "_", subscripts; "weight_hh" is W_{hh}, "bias" b, "alpha" α."""
    stem, *sub = [part for part in clean(name).split("_") if part] or ["x"]
    return al.symbol(LETTERS.get(stem, stem), *sub, sup=sup, time=time)


def _numbered(name: str | None) -> tuple[str, int] | None:
    """The stem and the number of a name such as h_3."""
    match = re.fullmatch(r"(.+)_(-?\d+)", name or "")
    return (match[1], int(match[2])) if match else None


class Symbols:
    """A symbol for each part that needs one; no two have the same. `notes` say what the invented ones stand for."""

    def __init__(self, folded: Folded, shown: Iterable[Key], pre_activations: set[Key], loss: Key | None):
        self.folded = folded
        self.notes: list[str] = []
        self._of: dict[Key, Expression] = {}
        self._taken: set[tuple[Any, ...]] = set()
        self._layers, self._directions = _tags(folded.parts)
        unnamed: dict[tuple[str, tuple[str, ...]], list[Key]] = {}
        starts: dict[Key, tuple[str, int]] = {}  # a state that has no name takes that of the one before the first step
        for key, step, given in folded.initial():
            if (pair := _numbered(given.name)) is not None:
                starts[key] = pair[0], pair[1] - step
        keys = [key for key in folded.keys if folded.members[key][0].is_leaf] + [
            key for key in shown if not folded.members[key][0].is_leaf
        ]
        for key in dict.fromkeys(keys):
            members = folded.members[key]
            sup = self._superscript(members)
            name, shift = _common_name(members)
            if name is None and key in starts:
                name, shift = starts[key]
            if name is not None and clean(name).strip("_"):
                time = None if members[0].step is None else Time(True, shift)
                self._give(key, named(self._without_layer(name, sup), sup, time))
            elif key != loss:
                unnamed.setdefault((self._stem(members, key in pre_activations), sup), []).append(key)
        for (stem, sup), alike in unnamed.items():
            for i, key in enumerate(alike):
                time = None if folded.members[key][0].step is None else Time(True, 0)
                free = [al.symbol(stem, sup=sup, time=time)] if len(alike) == 1 else []
                free += [al.symbol(stem, str(i + 1 + more), sup=sup, time=time) for more in range(len(self._taken) + 2)]
                chosen = next(one for one in free if _identity(one) not in self._taken)
                self._give(key, chosen)
                first = folded.members[key][0]
                if stem in "θκ" and first.is_leaf:
                    what = "parameter" if first.source.requires_grad else "array"
                    self.notes.append(f"{chosen} is the {what} of shape {tuple(first.source.shape)} without a name")
        if loss is not None and loss not in self._of:
            self._give(loss, self.free("L", "J"))

    def of(self, key: Key, step: int | Time | None = None) -> Expression:
        """The symbol of the part, in that step if it is one of a step."""
        found = self._of[key]
        if found.time is None or step is None:
            return found
        at = step if isinstance(step, Time) else Time(False, step)
        return found.with_times(lambda own: Time(at.relative, own.n + at.n))

    def raw(self, key: Any, step: bool) -> Expression:
        """The symbol of an array, no Tensor, that an operation was given."""
        if key not in self._of:
            count = sum(1 for known in self._of if known[0] == "raw")
            self._of[key] = al.symbol("κ", str(count + 1), time=Time(True, 0) if step else None)
            self.notes.append(f"{self._of[key]} is an array, no Tensor")
        return self._of[key]

    def free(self, *letters: str) -> Expression:
        """The first of these letters that is no symbol yet."""
        free = [letter for letter in letters if (letter, (), (), False) not in self._taken]
        return al.symbol(free[0] if free else letters[-1] + "′")

    def _give(self, key: Key, chosen: Expression) -> None:
        while _identity(chosen) in self._taken:
            chosen = al.symbol(chosen.name + "′", *chosen.sub, sup=chosen.sup, time=chosen.time)
        self._taken.add(_identity(chosen))
        self._of[key] = chosen

    def _superscript(self, members: Sequence[Part]) -> tuple[str, ...]:
        """The layer and the direction, where there are several, of a part or of all that uses it."""
        inside = [part for member in members for part in ([member] if not member.is_leaf else _users(member))]
        layers, directions = _tags(inside)
        sup: tuple[str, ...] = ()
        if len(self._layers) > 1 and len(layers) == 1:
            sup = (f"({next(iter(layers))})",)
        if len(self._directions) > 1 and len(directions) == 1:
            sup = (*sup, "→" if directions == {"forward"} else "←")
        return sup if len(inside) and not (members[0].is_leaf and members[0].step is not None) else ()

    def _without_layer(self, name: str, sup: tuple[str, ...]) -> str:
        match = OF_LAYER.fullmatch(name)
        alone = match is not None and len(self._layers) < 2 and match[2] == "0"
        return match[1] if match and (f"({match[2]})" in sup or alone) else name

    def _stem(self, members: Sequence[Part], pre_activation: bool) -> str:
        part = members[0]
        if isinstance(part.source, Tensor):
            if part.source.requires_grad or part.source.dtype.kind == "b":
                return "θ" if part.source.requires_grad else "m"
            beside = part.step is None and bool(self.folded.steps)
            return "y" if beside else "x" if len(part.source.shape) > 0 else "κ"
        if part.op == "item":
            return "x" if part.step is not None else "u"
        if part.op in ACTIVATIONS:
            return "s" if part.step is not None else "h"
        shape = part.source.shape
        if part.step is not None and not several(shape) and math.prod(shape) == 1:
            return "ℓ"
        return "a" if pre_activation else "u"


def _identity(e: Expression) -> tuple[Any, ...]:
    return e.name, e.sub, e.sup, e.time is not None


def _users(leaf: Part) -> list[Part]:
    """What uses a leaf, seen through the pieces that it is split into."""
    found: list[Part] = []
    stack = [leaf]
    while stack:
        for user, _ in stack.pop().outputs:
            (stack if user.op in ("split", "unstack", "item") and user.step is None else found).append(user)
    return found


def _tags(parts: Iterable[Part]) -> tuple[set[str], set[str]]:
    """The layers and the directions in which the steps' parts were made."""
    layers: set[str] = set()
    directions: set[str] = set()
    for part in parts:
        if not part.is_leaf and any(STEP.fullmatch(tag) for tag in part.source.scope):
            layers.update(tag[6:] for tag in part.source.scope if re.fullmatch(r"layer \d+", tag))
            directions.update(tag for tag in part.source.scope if tag in ("forward", "backward"))
    return layers, directions


def _common_name(members: Sequence[Part]) -> tuple[str | None, int]:
    """What the same part of all steps is called, without the number of the step, and how far that number is off."""
    if members[0].step is None:
        return members[0].name, 0
    found = [(member.step or 0, member.name) for member in members if member.name]
    if not found:
        return None, 0
    split = [(step, _numbered(name)) for step, name in found]
    stems = {(pair[0], pair[1] - step) if pair else None for step, pair in split}
    if len(stems) == 1 and None not in stems:
        (stem,) = stems
        return stem  # type: ignore[return-value]
    return found[len(found) // 2][1], 0
