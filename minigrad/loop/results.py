"""What the results of a scan are in the graph: what they would be had all its steps been recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor
from .trace import Trace, Value


class Results:
    """What each result of a scan of so many steps is, where those given `required` gradients.

    `sources` says of each part of the carry where it comes from in the end: the place, among all that was given, of
    the Tensor that it is, or what computed it; parts with the same source are one Tensor. `needs` says of each result
    whether it depends on what requires a gradient.
    """

    def __init__(self, trace: Trace, steps: int, required: Sequence[bool]):
        self.sources = [_source(trace, i, steps) for i in range(len(trace.carry))]
        held = dict(zip([*trace.carry, *trace.xs, *trace.closed], required, strict=True))
        for _ in range(steps):
            needs = _needs(trace, held)
            self.needs = [n and d is not None for n, d in zip(needs, [*trace.dcarry_out, *trace.dys], strict=True)]
            after = dict(zip(trace.carry, self.needs, strict=False))
            if held == held | after:
                break
            held |= after

    def place(self, made: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
        """The results `made`, each a Tensor with a node, as they would be after all steps."""
        for t, needed in zip(made, self.needs, strict=True):
            if not needed:
                t.node, t.requires_grad = None, False
        found: dict[Any, Tensor] = dict(enumerate(given))
        carry = [found.setdefault(source, t) for source, t in zip(self.sources, made, strict=False)]
        return [*carry, *made[len(carry) :]]


def _source(trace: Trace, i: int, steps: int) -> Any:
    """Where part `i` of the carry comes from in the end."""
    for t in range(steps):
        value = trace.carry_out[i]
        if trace.dcarry_out[i] is None:  # it may have been detached
            return value, t, i
        if value.role == "closed":
            return len(trace.carry) + len(trace.xs) + value.place
        if value.role != "carry":
            return value, t
        if value.place == i:
            return i
        i = value.place
    return i


def _needs(trace: Trace, held: dict[Value, bool]) -> list[bool]:
    """Which of a step's results depend on what requires a gradient, where `held` says it of what comes in."""
    known = dict(held)
    for call in trace.calls:
        found = any(
            live and call.op.differentiable >> i & 1 and known.get(arg, False)
            for i, (arg, live) in enumerate(zip(call.args, call.live, strict=True))
        )
        known.update(dict.fromkeys(call.results, found))
    return [known.get(value, False) for value in [*trace.carry_out, *trace.ys]]
