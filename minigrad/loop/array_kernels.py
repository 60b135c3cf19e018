"""A loop in array code: one line of NumPy (or CuPy) an expression, results put where they belong without a copy.

It needs no compiler, and takes any operation. The code is written as text and run as such; `Loop`s that are alike in
form are not shared, since their code names the operations' kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops import pointwise, special
from ..primitive import Op
from .arrays import Arrays
from .form import Expr
from .plan import Gemm, Loop, Place, is_leaf
from .trace import Value

SIGMOID, RELU, POWER = special.sigmoid.op, special.relu.op, pointwise._power_of_number.op
UFUNCS = {
    getattr(pointwise, name).op: name
    for name in pointwise.__all__
    if isinstance(getattr(np, name, None), np.ufunc) and hasattr(getattr(pointwise, name), "op")
}


class _Writer:
    """Writes the loop's code, and gathers what the code names."""

    def __init__(self, loop: Loop, arrays: Arrays):
        self.loop, self.arrays, self.xp = loop, arrays, arrays.xp
        self.before: list[str] = []
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"xp": arrays.xp}
        self.name_of: dict[Expr, str] = {}
        self.free: dict[Any, list[str]] = {}
        self.last_use: dict[Expr, int] = {}
        self.buffer_of: dict[Expr, str] = {}
        self.in_gemm: dict[Expr, tuple[Gemm, int]] = {
            expr: (gemm, low) for gemm in loop.gemms for expr, low in gemm.members
        }
        self.gemm_name: dict[int, str] = {}

    def constant(self, thing: Any) -> str:
        name = f"c{len(self.names)}"
        self.names[name] = thing
        return name

    def view(self, place: Place, width: int | None) -> str:
        """The code for what lies at a place at this step."""
        array = self.arrays.named[place.array]
        if width is not None and width != array.shape[-1]:
            array = array[..., place.low : place.low + width]
        items = list(array) if array.ndim > 1 else [array[t : t + 1].reshape(()) for t in range(len(array))]
        listed = self.constant(items)
        if place.array in self.arrays.in_turn:
            return f"{listed}[{'k' if place.when == 'before' else '1 - k'}]"
        shift = self.arrays.shift(place)
        return f"{listed}[t + {shift}]" if shift else f"{listed}[t]"

    def value(self, expr: Expr) -> str:
        """The code for the value of an expression that is there."""
        if expr in self.name_of:
            return self.name_of[expr]
        if expr.kind == "number":
            if expr.shape:
                return self.constant(self.xp.full(expr.shape, expr.what, expr.dtype))
            return repr(expr.what) if np.isfinite(expr.what) else self.constant(expr.what)
        if expr.kind == "fixed":
            return self.constant(self.arrays.fixed(expr.what))
        name = f"v{len(self.name_of)}"
        self.lines.append(f"{name} = {self.view(self.loop.places[expr], expr.width)}")
        self.name_of[expr] = name
        return name

    def scratch(self, shape: tuple[int, ...], dtype: Any) -> str:
        free = self.free.setdefault((shape, np.dtype(dtype)), [])
        return free.pop() if free else self.constant(self.xp.empty(shape, dtype))

    def write(self) -> Callable[[Any], None]:
        loop = self.loop
        for n, expr in enumerate(loop.steps):
            for arg in expr.args:
                self.last_use[arg] = n
        end = len(loop.steps)
        for expr in [*(expr for expr, _ in loop.stores), *(arg for total in loop.sums for arg in total.args)]:
            self.last_use[expr] = end
        put: dict[Expr, Place] = {}
        for expr, place in loop.stores:
            if expr in set(loop.steps) and expr.kind in ("map", "reduce", "join"):
                put.setdefault(expr, place)
        for n, expr in enumerate(loop.steps):
            target = put.get(expr)
            out = None
            if target is not None and self.arrays.named[target.array].dtype == expr.dtype:
                out = f"v{len(self.name_of)}_"
                self.lines.append(f"{out} = {self.view(target, expr.width)}")
            self._step(expr, out)
            for arg in dict.fromkeys(expr.args):
                if expr.kind == "call":  # its result may be a view of this one
                    self.buffer_of.pop(arg, None)
                if self.last_use.get(arg) == n and arg in self.buffer_of:
                    self.free[(arg.shape, np.dtype(arg.dtype))].append(self.buffer_of.pop(arg))
        for expr, place in loop.stores:
            if put.get(expr) != place or self.arrays.named[place.array].dtype != expr.dtype:
                self.lines.append(f"{self.view(place, expr.width)}[...] = {self.value(expr)}")
        for total in loop.sums:
            array = self.arrays.named[f"sum{loop.sums.index(total)}"]
            value = self.value(total.args[0])
            self.lines.append(f"{self.constant(array)}[...] += {value}" + (".sum(0)" if total.kind == "rows" else ""))
        turn = ["k = 1 - k"] if self.arrays.in_turn else []
        body = "\n        ".join([*self.lines, *turn] or ["pass"])
        source = f"def loop(steps):\n    k = 0\n    for t in steps:\n        {body}\n"
        exec(compile(source, "<a scan's loop>", "exec"), self.names)
        return self.names["loop"]  # type: ignore[no-any-return]

    def _step(self, expr: Expr, out: str | None) -> None:
        if expr.kind == "product":
            gemm, low = self.in_gemm[expr]
            if id(gemm) not in self.gemm_name:
                self._gemm(gemm)
            name = f"{self.gemm_name[id(gemm)]}_{low}"
            self.name_of[expr] = name
            self.names[name] = self.names[self.gemm_name[id(gemm)]][:, low : low + expr.shape[1]]
            return
        args = [self.value(arg) for arg in expr.args]
        name = f"v{len(self.name_of)}"
        if expr.kind == "call":
            given, at = [], iter(args)
            for arg in expr.what.args:
                varies = isinstance(arg, Expr) or (isinstance(arg, Value) and not self.loop.form.is_fixed(arg))
                fixed = self.constant(self.arrays.fixed(arg)) if isinstance(arg, Value) and not varies else repr(arg)
                given.append(next(at) if varies else fixed)
            kernel, options = self.constant(expr.what.op.kernel), self.constant(expr.what.options)
            self.lines.append(f"{name} = {kernel}({', '.join(['xp', *given])}, **{options})")
        elif expr.kind == "item":
            self.lines.append(f"{name} = {args[0]}[{expr.what}]")
        elif expr.kind == "part":
            self.lines.append(f"{name} = {args[0]}[:, {expr.what[0]}:{expr.what[1]}]")
        elif expr.kind == "join":
            joined = self.scratch(expr.shape, expr.dtype) if out is None else out
            self.lines.append(f"{name} = xp.concatenate(({', '.join(args)},), 1, out={joined})")
            if out is None:
                self.buffer_of[expr] = joined
        elif expr.kind == "reduce":
            self.lines.append(f"{name} = {args[0]}.{expr.what}(1, keepdims=True)")
            if out is not None:
                self.lines.append(f"{out}[...] = {name}")
        else:
            self._map(expr, name, args, out)
        self.name_of[expr] = name

    def _gemm(self, gemm: Gemm) -> None:
        dtype = gemm.members[0][0].dtype
        name = self.constant(self.xp.empty((self.loop.form.batch, gemm.width), dtype))
        self.gemm_name[id(gemm)] = name
        for n, (left, matrix) in enumerate(zip(gemm.lefts, gemm.matrices, strict=True)):
            right = self.constant(self.arrays.fixed(matrix))
            if n:
                self.lines.append(f"xp.add({name}, {self.value(left)} @ {right}, out={name})")
            else:
                self.lines.append(f"xp.matmul({self.value(left)}, {right}, out={name})")

    def _map(self, expr: Expr, name: str, args: list[str], out: str | None) -> None:
        op: Op = expr.what[0]
        options = expr.what[1]
        full = any(arg.shape == expr.shape for arg in expr.args)
        simple = op in UFUNCS or (op in (SIGMOID, RELU) and full)
        if not simple:
            given = ", ".join(["xp", *args, *([f"**{self.constant(options)}"] if options else [])])
            made = f"{self.constant(op.kernel)}({given})"
            if not full:
                made = f"xp.broadcast_to({made}, {expr.shape})"
            self.lines.append(f"{name} = {made}")
            if out is not None:
                self.lines.append(f"{out}[...] = {name}")
            return
        if out is None:
            out = self.buffer_of[expr] = self.scratch(expr.shape, expr.dtype)
        if op is SIGMOID:
            self.lines += [f"xp.negative({args[0]}, out={out})", f"xp.exp({out}, out={out})", f"xp.add({out}, 1, out={out})"]
            self.lines.append(f"{name} = xp.divide(1, {out}, out={out})")
        elif op is RELU:
            self.lines.append(f"{name} = xp.maximum({args[0]}, 0, out={out})")
        else:
            self.lines.append(f"{name} = xp.{UFUNCS[op]}({', '.join(args)}, out={out})")


def run(loop: Loop, arrays: Arrays, order: range) -> None:
    """Run the loop over the steps in `order`."""
    with np.errstate(over="ignore"):  # of exp far below 0, where a sigmoid is 1 / inf
        code = _Writer(loop, arrays).write()
        code(order)
    code.__globals__.clear()  # which name the code itself: nothing else would free the arrays at once
