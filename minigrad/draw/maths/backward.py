"""The equations of the backward pass, from the VJP rules of the recorded operations."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from ..text import several
from . import algebra as al
from .algebra import ONE, ONES, ZERO
from .expression import Expression, Time
from .fold import Key, Part
from .forward import NOW, Forward, over_steps
from .rules import message

Terms = tuple[tuple[int | None, Expression], ...]  # how many steps later it is used (None: outside them), what comes


class Backward:
    """The gradients of `forward.loss`, each as the sum of what comes from its uses."""

    def __init__(self, forward: Forward):
        self.forward = forward
        self.folded = forward.folded
        self.seeds = {root: ONES if root.source.shape else ONE for root in self.folded.roots}
        self._own: dict[Part, Expression] = {}
        self._messages: dict[tuple[Part, int], Expression | None] = {}
        self._constants: dict[Key, Expression] = {}
        for key in reversed(self.folded.keys):
            members = self.folded.members[key]
            outside = all(user.step is None for member in members for user, _ in member.outputs)
            if self.has_symbol(members[0]) and outside:
                found = {al.total(*(e for _, e in self.terms(member))) for member in members}
                if len(found) == 1 and next(iter(found)).kind == "number":
                    self._constants[key] = found.pop()

    def has_symbol(self, part: Part) -> bool:
        """Whether the gradient of the part is written as ∇ of its symbol."""
        if part.is_leaf or part.key in self.forward.shown:
            return True
        return part.op == "item" and any(user.step != part.step for user, _ in part.outputs)

    def own(self, part: Part) -> Expression:
        """The gradient of a part, in its own step."""
        if part.key in self._constants:
            return self._constants[part.key]
        if self.has_symbol(part):
            return al.gradient(self.forward.own(part), self.forward.loss)
        if part not in self._own:
            found = [self.message(user, i) for user, i in part.outputs]
            self._own[part] = al.total(*(e for e in found if e is not None))
        return self._own[part]

    def message(self, user: Part, i: int) -> Expression | None:
        """What `user`, in its own step, sends to its argument `i`; None where there is no gradient."""
        if (user, i) not in self._messages:
            self._messages[user, i] = self._message(user, i)
        return self._messages[user, i]

    def _message(self, user: Part, i: int) -> Expression | None:
        node = user.source
        rules = dict(node.plan.rules)
        if user.terms is not None:
            i = min(rules)
        if user.op == "item" or i not in rules:
            return None
        shape: Any = node.shape
        if several(shape):
            g: Any = [ZERO] * len(shape)
            for result, _ in user.outputs:
                g[result.source.options["index"]] = self.own(result)
            if user.op == "unstack" and any(result.step is not None for result, _ in user.outputs):
                return self._over_time(user)
        else:
            g = self.own(user)
        if self.forward.stacked(user) is not None:
            return al.at_step(g, NOW, self._is_sequence(shape))
        args = [self.forward.argument(user, k) for k in range(len(node.parents))]
        matrix = user in self.forward.matrices
        columns = self.forward.columns
        return message(node, i, rules[i], g, args, self.forward.own(user), columns, matrix)

    def _over_time(self, user: Part) -> Expression:
        """The gradient of a sequence, from those of its items."""
        first = user.outputs[0][0]
        return al.apply("stack", self.own(first), sub=("t",))

    def _is_sequence(self, shape: tuple[int, ...]) -> Any:
        symbols = {
            self.forward.symbols.of(part.key)
            for part in self.folded.parts
            if part.step is None and (part.is_leaf or part.key in self.forward.shown)
            if len(part.source.shape) == len(shape) and part.source.shape[:1] == shape[:1]
        }

        def found(e: Expression) -> bool:
            whole = replace(e, sup=tuple([s for s in e.sup if not s.startswith("[")]))
            return whole in symbols or e == al.symbol("1", "y")

        return found

    def terms(self, part: Part) -> Terms:
        """What comes to a part from each of its uses; of a part in a step, written in that step."""
        found: list[tuple[int | None, Expression]] = []
        if part in self.seeds:
            found.append((None, self.seeds[part]))
        inside: dict[Expression, list[int]] = {}
        for user, i in part.outputs:
            sent = self.message(self.folded.representative(user), i)
            if sent is None or sent == ZERO:
                continue
            if user.step is None:
                found.append((None, sent if part.step is None else _relative(sent, part.step)))
            elif part.step is None:
                inside.setdefault(sent, []).append(user.step)
            else:
                later = user.step - part.step
                found.append((later, _later(sent, later)))
        groups: dict[tuple[int, ...], list[Expression]] = {}
        for e, steps in inside.items():
            groups.setdefault(tuple(steps), []).append(e)
        found += [(None, over_steps(al.total(*es), steps, self.folded.steps)) for steps, es in groups.items()]
        return tuple(sorted(found, key=lambda term: term[0] is not None and term[0] != 0))

    def gradients(self, key: Key) -> list[tuple[Expression, list[int] | None]]:
        """The gradient of a quantity, and for which steps it is that: None for what is in no step."""
        members = self.folded.members[key]
        if members[0].step is None:
            return [(al.total(*(e for _, e in self.terms(members[0]))), None)]
        of_step = {member.step: self.terms(member) for member in members}
        counts = Counter(of_step.values())
        usual = max(counts, key=lambda terms: (counts[terms], len(terms)))
        groups: dict[Terms, list[int]] = {usual: []}
        for step, terms in of_step.items():
            ends = tuple([term for term in usual if term[0] is None or step + term[0] in self.folded.steps])  # type: ignore[operator]
            groups.setdefault(usual if terms == ends else terms, []).append(step)  # type: ignore[arg-type]
        return [(al.total(*(e for _, e in terms)), steps) for terms, steps in groups.items()]


def _later(e: Expression, n: int) -> Expression:
    """`e`, an expression in step t + n, as one in step t."""
    return e.with_times(lambda own: Time(True, own.n + n) if own.relative else own)


def _relative(e: Expression, step: int) -> Expression:
    """`e`, which names steps by their numbers, as an expression in step t, which is `step`."""
    return e.with_times(lambda own: own if own.relative else Time(True, own.n - step))
