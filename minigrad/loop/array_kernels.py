"""A loop in array code: one line of NumPy (or CuPy) an operation, results put where they belong without a copy.

It needs no compiler, and takes any operation. The code is text, written once for a loop and run as such; what it names
(the arrays of the run, step by step) is looked up for each run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops import pointwise, special
from .arrays import Arrays
from .form import Expr
from .loops import Gemm, Loop, Place
from .siblings import Siblings, families
from .threads import blas_threads_for
from .trace import Value

SIGMOID, RELU = (vars(special)[name].op for name in ("sigmoid", "relu"))
# Of an operation's several names the first lasts.
NAMES: dict[Any, str] = {getattr(vars(pointwise)[name], "op", None): name for name in reversed(pointwise.__all__)}
UFUNCS = {op: name for op, name in NAMES.items() if op and isinstance(getattr(np, name, None), np.ufunc)}
Recipe = Callable[[Arrays], Any]  # what a name of the code stands for in a run


def _can_join(expr: Expr) -> bool:
    op = expr.what[0] if expr.kind == "map" else None
    full = any(arg.shape == expr.shape for arg in expr.args)
    return expr.width is not None and (op in UFUNCS or (op in (SIGMOID, RELU) and full))


class Code:
    """The code of a loop, and how what it names is had in a run."""

    def __init__(self, loop: Loop):
        self.loop = loop
        self.steps, self.homes = families(loop, _can_join)
        self.lines: list[str] = []
        self.recipes: dict[str, Recipe] = {}
        self.name_of: dict[Any, str] = {}  # of expressions, of siblings, and of views at this step
        self.free: dict[Any, list[str]] = {}
        self.buffer_of: dict[Any, str] = {}
        self.last_use: dict[Any, int] = {}
        self.in_turn = {
            f"{loop.carried}{i}" for i in range(len(loop.carry)) if loop.back and i not in loop.stacked
        }  # fmt: skip
        self._write()
        turn = ["k = 1 - k"] if self.in_turn else []
        body = "\n        ".join([*self.lines, *turn] or ["pass"])
        self.source = f"def loop(steps):\n    k = 0\n    for t in steps:\n        {body}\n"
        self.code = compile(self.source, "<a scan's loop>", "exec")

    def run(self, arrays: Arrays, order: range) -> None:
        """Run the loop over the steps in `order`."""
        names = {name: recipe(arrays) for name, recipe in self.recipes.items()}
        names["xp"] = arrays.xp
        exec(self.code, names)
        names["loop"](order)
        names.clear()  # the code names itself: nothing else would free the arrays at once

    # Names

    def name(self, recipe: Recipe) -> str:
        name = f"c{len(self.recipes)}"
        self.recipes[name] = recipe
        return name

    def view(self, place: Place, width: int | None) -> str:
        """What lies at a place at this step; all of it where `width` is None."""
        key = place, width
        if key in self.name_of:
            return self.name_of[key]
        listed = self.name(lambda arrays: _items(arrays.named[place.array], place.low, width))
        name = self.name_of[key] = f"v{len(self.name_of)}"
        if place.array in self.in_turn:
            index = "k" if place.when == "before" else "1 - k"
        elif place.when == "now":
            index = "t"
        else:
            index = f"t + {self.name(lambda arrays: arrays.shift(place))}"
        self.lines.append(f"{name} = {listed}[{index}]")
        return name

    def value(self, expr: Expr) -> str:
        """The code for an expression that is there."""
        if expr in self.name_of:
            return self.name_of[expr]
        if expr.kind == "number":
            return self._number(expr)
        if expr.kind == "fixed":
            name = self.name(lambda arrays: arrays.fixed(expr.what))
        else:
            home = self.homes.home(expr)
            if home is not None and not isinstance(home[0], Place):
                return self.columns(home[0], home[1], expr.shape[1])
            name = self.view(self.loop.places[expr], expr.width)
        self.name_of[expr] = name
        return name

    def _number(self, expr: Expr) -> str:
        if expr.shape:
            return self.name(lambda arrays: arrays.xp.full(expr.shape, expr.what, expr.dtype))
        plain = type(expr.what) in (int, float, bool) and np.isfinite(expr.what)
        return repr(expr.what) if plain else self.name(lambda arrays: expr.what)

    def columns(self, home: Any, low: int, width: int) -> str:
        """The code for columns of a product, of siblings, of an array at this step, or of something fixed."""
        if isinstance(home, Place):
            return self.view(Place(home.array, low, home.when), width)
        if isinstance(home, Value):
            high = low + width
            return self.name(lambda arrays: arrays.fixed(home)[..., low:high])
        whole, total = self.name_of[home], home.width
        if (low, width) == (0, total):
            return whole
        key = home, low, width
        if key not in self.name_of:
            name = self.name_of[key] = f"v{len(self.name_of)}"
            self.lines.append(f"{name} = {whole}[:, {low}:{low + width}]")
        return self.name_of[key]

    def scratch(self, owner: Any, shape: tuple[int, ...], dtype: Any) -> str:
        """An array to be filled on the way through a step, free again after its owner's last use."""
        free = self.free.setdefault((shape, np.dtype(dtype)), [])
        name = free.pop() if free else self.name(lambda arrays: arrays.xp.empty(shape, dtype))
        self.buffer_of[owner] = name
        return name

    # Lines

    def _write(self) -> None:
        loop, end = self.loop, len(self.steps)
        self.gemm_of: dict[Expr, Gemm] = {expr: gemm for gemm in loop.gemms for expr, _ in gemm.members}
        for n, step in enumerate(self.steps):
            for arg in self._needs(step):
                self.last_use[self._owner(arg)] = n
        for expr in [*(expr for expr, _ in loop.stores), *(arg for total in loop.sums for arg in total.args)]:
            for piece in expr.args if expr.kind == "join" else (expr,):
                self.last_use[self._owner(piece)] = end
            self.last_use[self._owner(expr)] = end
        computed = set(loop.steps)
        put: dict[Expr, Place] = {}
        for expr, place in loop.stores:
            if expr in computed and loop.arrays[place.array][1] == expr.dtype:
                put.setdefault(expr, place)
        done: set[tuple[Expr, Place]] = set()
        for n, step in enumerate(self.steps):
            members = step.members if isinstance(step, Siblings) else [step]
            target = _together(members, put) if members[0].kind in ("map", "join", "reduce") else None
            self._step(step, members, target)
            if target is not None:
                done |= {(expr, put[expr]) for expr in members}
            for arg in dict.fromkeys(map(self._owner, self._needs(step))):
                if members[0].kind == "call":  # its result may be a view of this one
                    self.buffer_of.pop(arg, None)
                if self.last_use.get(arg) == n and arg in self.buffer_of:
                    self._release(arg)
        for expr, place in loop.stores:
            if (expr, place) not in done:
                self.lines.append(f"{self.view(place, expr.width)}[...] = {self.value(expr)}")
        for n, total in enumerate(loop.sums):
            into = self.name(lambda arrays, n=n: arrays.named[f"sum{n}"])  # type: ignore[misc]
            value = self.value(total.args[0])
            self.lines.append(f"{into}[...] += {value}" + (".sum(0)" if total.kind == "rows" else ""))

    def _needs(self, step: Expr | Siblings) -> list[Expr]:
        if isinstance(step, Siblings):
            return [arg for expr in step.members for arg in expr.args]
        return list(self.gemm_of[step].lefts if step in self.gemm_of else step.args)

    def _owner(self, expr: Expr) -> Any:
        """What the memory of an expression belongs to."""
        home = self.homes.home(expr)
        return home[0] if home is not None and isinstance(home[0], (Siblings, Gemm)) else expr

    def _release(self, owner: Any) -> None:
        shape = (self.loop.form.batch, owner.width) if isinstance(owner, (Siblings, Gemm)) else owner.shape
        dtype = owner.members[0].dtype if isinstance(owner, Siblings) else owner.dtype
        self.free.setdefault((shape, np.dtype(dtype)), []).append(self.buffer_of.pop(owner))

    def _step(self, step: Expr | Siblings, members: list[Expr], target: Place | None) -> None:
        if isinstance(step, Siblings):
            self._siblings(step, target)
            return
        if step.kind == "product":
            if self.gemm_of[step] not in self.name_of:
                self._gemm(self.gemm_of[step])
            return
        args = [self.value(arg) for arg in step.args]
        name = f"v{len(self.name_of)}"
        self.name_of[step] = name
        out = None if target is None else self.view(target, step.width)
        if step.kind == "call":
            self._call(step, name, args)
        elif step.kind == "item":
            self.lines.append(f"{name} = {args[0]}[{step.what}]")
        elif step.kind == "part":
            self.lines.append(f"{name} = {args[0]}[:, {step.what[0]}:{step.what[1]}]")
        elif step.kind == "join":
            joined = out or self.scratch(step, step.shape, step.dtype)
            self.lines.append(f"{name} = xp.concatenate(({', '.join(args)},), 1, out={joined})")
        else:
            if step.kind == "reduce":
                made = f"{args[0]}.{step.what}(1, keepdims=True)"
            else:
                op, options = step.what
                given = ["xp", *args, *([f"**{self.name(lambda arrays: options)}"] if options else [])]
                made = f"{self.name(lambda arrays: op.kernel)}({', '.join(given)})"
                if not any(arg.shape == step.shape for arg in step.args):
                    made = f"xp.broadcast_to({made}, {step.shape})"
            self.lines.append(f"{name} = {made}")
            if out is not None:
                self.lines.append(f"{out}[...] = {name}")

    def _call(self, step: Expr, name: str, args: list[str]) -> None:
        given, varying, form = [], iter(args), self.loop.form
        for arg in step.what.args:
            if not isinstance(arg, Value):
                given.append(self.name(lambda arrays, arg=arg: arg))  # type: ignore[misc]
            elif form.is_fixed(arg):
                given.append(self.name(lambda arrays, arg=arg: arrays.fixed(arg)))  # type: ignore[misc]
            else:
                given.append(next(varying))
        kernel, options = self.name(lambda arrays: step.what.op.kernel), self.name(lambda arrays: step.what.options)
        self.lines.append(f"{name} = {kernel}({', '.join(['xp', *given])}, **{options})")

    def _gemm(self, gemm: Gemm) -> None:
        shape, dtype = (self.loop.form.batch, gemm.width), gemm.members[0][0].dtype
        name = self.name_of[gemm] = self.name(lambda arrays: arrays.xp.empty(shape, dtype))
        for n, (left, matrix) in enumerate(zip(gemm.lefts, gemm.matrices, strict=True)):
            right = self.name(lambda arrays, matrix=matrix: arrays.fixed(matrix))  # type: ignore[misc]
            if n:
                self.lines.append(f"xp.add({name}, {self.value(left)} @ {right}, out={name})")
            else:
                self.lines.append(f"xp.matmul({self.value(left)}, {right}, out={name})")

    def _siblings(self, family: Siblings, target: Place | None) -> None:
        first, width = family.members[0], family.width
        args = []
        for n, arg in enumerate(first.args):
            shared = all(expr.args[n] is arg for expr in family.members)
            home = None if shared else self.homes.home(arg)
            args.append(self.columns(*home, width) if home else self.value(arg))
        shape = self.loop.form.batch, width
        out = self.scratch(family, shape, first.dtype) if target is None else self.view(target, width)
        self.name_of[family] = out
        op = first.what[0]
        if op is SIGMOID:
            self.lines += [f"xp.negative({args[0]}, out={out})", f"xp.exp({out}, out={out})"]
            self.lines += [f"xp.add({out}, 1, out={out})", f"xp.divide(1, {out}, out={out})"]
        elif op is RELU:
            self.lines.append(f"xp.maximum({args[0]}, 0, out={out})")
        else:
            self.lines.append(f"xp.{UFUNCS[op]}({', '.join(args)}, out={out})")


def _items(array: Any, low: int, width: int | None) -> list[Any]:
    """An array's entries at each step, or `width` columns of them."""
    if width is not None and width != array.shape[-1]:
        array = array[..., low : low + width]
    return list(array) if array.ndim > 1 else [array[t : t + 1].reshape(()) for t in range(len(array))]


def _together(members: list[Expr], put: dict[Expr, Place]) -> Place | None:
    """Where all members are to be put, if that is side by side."""
    places = [put.get(expr) for expr in members]
    first = places[0]
    if first is None:
        return None
    at = first.low
    for expr, place in zip(members, places, strict=True):
        if place != Place(first.array, at, first.when):
            return None
        at += expr.shape[1]
    return first


def run(loop: Loop, arrays: Arrays, order: range) -> None:
    """Run the loop over the steps in `order`."""
    if loop.code is None:
        loop.code = Code(loop)
    largest = max([gemm.width * matrix.shape[0] for gemm in loop.gemms for matrix in gemm.matrices], default=0)
    on_host = contextlib.nullcontext() if arrays.xp is not np else blas_threads_for(largest * loop.form.batch)
    with on_host, np.errstate(over="ignore"):  # of exp far below 0, where a sigmoid is 1 / inf
        loop.code.run(arrays, order)
