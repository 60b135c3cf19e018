"""Which quantities of a graph get an equation, and what each is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...tensor import Tensor
from ..text import ACTIVATIONS, several
from . import algebra as al
from .expression import Expression, Time
from .fold import Folded, Key, Part
from .formulas import call_of, constant, express, is_matrix, native_columns
from .symbols import Symbols

DEEPEST = 8  # operations within each other in one equation
SPLITS = ("split", "unstack")
NOW = Time(True, 0)


class Forward:
    """The equations of the forward pass, in the order of computation: `shown` are the keys of those that have one."""

    def __init__(self, folded: Folded):
        self.folded = folded
        self.columns = native_columns([part.source for part in folded.parts if not part.is_leaf])
        self.matrices = _matrices(folded.parts)
        pre_activations: set[Key] = set()
        self.shown = _shown(folded, pre_activations)
        only = folded.roots[0]
        self.own_loss = len(folded.roots) > 1 or only.step is not None or only.source.shape != () or only.is_leaf
        if not self.own_loss:
            self.shown.setdefault(only.key)
        self.symbols = Symbols(folded, self.shown, pre_activations, None if self.own_loss else only.key)
        self.loss = self.symbols.free("L", "J") if self.own_loss else self.symbols.of(only.key)
        self._inline: dict[Part, Expression] = {}

    def own(self, part: Part) -> Expression:
        """How a part is written in its own step: its symbol, or what it is computed from."""
        if part.is_leaf or part.key in self.shown:
            return self.symbols.of(part.key)
        if part not in self._inline:
            self._inline[part] = self.formula(part)
        return self._inline[part]

    def argument(self, part: Part, i: int) -> Expression:
        """How argument `i` of a part is written in the part's step."""
        given = next((source for source, k in part.inputs if k == i), None)
        if given is None:
            value = part.source.parents[i]
            if value is not None:
                return constant(value)
            return self.symbols.raw(("raw", part.key, i), part.step is not None)
        carried = self.folded.reference(part, i)
        if carried is not None:
            return self.symbols.of(carried[0], Time(True, carried[1]))
        if part.step is None and given.step is not None:
            return self.outside(given)
        return self.own(given)

    def outside(self, part: Part) -> Expression:
        """How a part of a step is written where there is no step t."""
        step = part.step
        return self.own(part).with_times(lambda own: Time(False, own.n + step) if own.relative else own)  # type: ignore[operator]

    def formula(self, part: Part) -> Expression:
        """What a part is computed from."""
        if part.terms is not None:
            return self._running_sum(part)
        if part.op == "item":
            (whole, _) = part.inputs[0]
            base = self.own(whole)
            if part.step is not None and whole.step is None:
                return self._of_step(base, part)
            return al.item(base, str(part.source.options["index"]))
        if (stacked := self.stacked(part)) is not None:
            return al.apply(part.op, self.symbols.of(stacked, NOW), sub=("t",))
        args = [self.argument(part, i) for i in range(len(part.source.parents))]
        if part.op == "getitem" and part.key in self.folded.shifts:
            return self._of_step(args[0], part)
        return express(call_of(part.source, args, self.columns, part in self.matrices))

    def _of_step(self, whole: Expression, part: Part) -> Expression:
        """What a part takes of `whole` in its step: x_t of x."""
        time = Time(True, self.folded.shifts.get(part.key, 0))
        return replace(whole, time=time) if whole.kind == "symbol" else Expression("item", (whole,), time=time)

    def stacked(self, part: Part) -> Key | None:
        """The key of which `part` joins that of all steps, in their order."""
        steps = [given.step for given, _ in part.inputs]
        keys = {given.key for given, _ in part.inputs}
        if part.op not in ("stack", "concatenate") or len(keys) != 1 or len(steps) < 2 or None in steps:
            return None
        every = [member.step for member in self.folded.members[next(iter(keys))]]
        return next(iter(keys)) if steps == sorted(set(every)) else None  # type: ignore[type-var]

    def _running_sum(self, part: Part) -> Expression:
        terms: list[Expression] = []
        groups: dict[Key, list[Part]] = {}
        for given, _ in part.inputs:
            groups.setdefault(given.key, []).append(given)
        for found in groups.values():
            if found[0].step is None:
                terms += map(self.own, found)
            else:
                terms.append(over_steps(self.own(found[0]), [given.step for given in found], self.folded.steps))  # type: ignore[misc]
        return al.total(*terms, al.number(part.terms))


def over_steps(e: Expression, steps: Sequence[int], every: Sequence[int]) -> Expression:
    """The sum of `e`, an expression in step t, over `steps`, of `every` step that there is."""
    if len(set(steps)) < len(steps):
        counts = {step: list(steps).count(step) for step in steps}
        once = [over_steps(e, [s for s in counts if counts[s] > n], every) for n in range(max(counts.values()))]
        return al.total(*once)
    found = sorted(steps)
    if len(found) == 1:
        return in_step(e, found[0])
    if found == list(every):
        return al.big_sum(e)
    if found == list(range(found[0], found[-1] + 1)):
        return al.big_sum(e, f"t={found[0]}", str(found[-1]))
    return al.total(*(in_step(e, step) for step in found))


def in_step(e: Expression, step: int) -> Expression:
    """`e`, an expression in step t, in that very step."""
    return e.with_times(lambda own: Time(False, own.n + step) if own.relative else own)


def _matrices(parts: Sequence[Part]) -> set[Part]:
    """Parameter matrices, and what is computed element by element from them, or is a piece of them."""
    found: set[Part] = set()
    for part in parts:
        shape: Any = part.source.shape
        if is_matrix(part.source) or (
            not part.is_leaf
            and (several(shape) or (len(shape) >= 2 and min(shape) > 1))
            and part.op != "matmul"
            and any(given in found for given, _ in part.inputs)
        ):
            found.add(part)
    return found


def _shown(folded: Folded, pre_activations: set[Key]) -> dict[Key, None]:
    """The keys of parts with an equation of their own, in order; of `pre_activations` those that hold a parameter."""
    shown: set[Key] = {root.key for root in folded.roots if not root.is_leaf}
    depth: dict[Part, int] = {}
    holding: set[Part] = set()
    for part in folded.parts:
        if part.is_leaf:
            if isinstance(part.source, Tensor) and part.source.requires_grad and not part.start:
                holding.add(part)
            continue
        if part.op not in ACTIVATIONS and any(given in holding for given, _ in part.inputs):
            holding.add(part)
            if part.op in ("add", "matmul"):
                pre_activations.add(part.key)
        if _needs_equation(part, holding):
            shown.add(part.key)
        inner = [depth.get(given, 0) for given, _ in part.inputs if given.key not in shown]
        depth[part] = 1 + max(inner, default=0)
        if depth[part] > DEEPEST and part.op not in (*SPLITS, "item"):
            shown.add(part.key)
    return {key: None for key in folded.keys if key in shown}


def _needs_equation(part: Part, holding: set[Part]) -> bool:
    users = {user for user, _ in part.outputs}
    leaves = any(user.step != part.step for user in users)
    if part.op in SPLITS:
        return False
    if part.op == "item":
        return bool(part.name)
    pieces = several(part.source.shape)
    activation = part.op in ACTIVATIONS and any(given in holding for given, _ in part.inputs)
    is_split = any(user.op in SPLITS for user in users)
    return bool(part.name) or len(users) > 1 or leaves or activation or is_split or pieces or part.terms is not None
