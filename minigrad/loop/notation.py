"""The compiler's expressions as a blackboard has them: symbols for what comes in, gates, products and gradients."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from ..draw.maths import algebra as al
from ..draw.maths.expression import Expression, Time
from ..draw.maths.formulas import Call as Written
from ..draw.maths.formulas import express
from ..draw.maths.symbols import named
from .form import ADD, CONCATENATE, GETITEM, MULTIPLY, TRANSPOSE, Expr, Summed, is_leaf, ordered, pieces
from .loops import Loop, Total, all_of
from .plan import Plan
from .trace import Trace, Value

NEXT = "next"  # what marks a gradient that comes from the step after this one
SMALL = 4  # parts of an expression that is written out wherever it is needed
Range = tuple[int, int]


def assigned(trace: Trace) -> dict[Value, str]:
    """Names of variables, `i = sigmoid(a)`, for the results of the lines that say so."""
    last: dict[str, Value] = {}
    for call in trace.calls:
        if call.line and len(call.results) == 1:
            last[call.line] = call.results[0]
    if len(last) < 2:
        return {}  # all of it is one line of the user's, and names no part of it
    found = {}
    for line, value in last.items():
        try:
            statement = ast.parse(line.split(": ", 1)[-1]).body[0]
        except (SyntaxError, IndexError):
            continue
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[value] = statement.targets[0].id
    return found


class Cut(NamedTuple):
    """What a matrix (or a vector: one row) was cut out of, its rows and columns there, and whether it is transposed."""

    root: Value
    rows: Range
    columns: Range
    turned: bool


def cut(value: Value) -> Cut:
    """Where a Value was cut out."""
    rows, columns, turned = (0, value.shape[0] if len(value.shape) == 2 else 1), (0, (1, *value.shape)[-1]), False
    while (call := value.call) is not None and 0 < len(value.shape) <= 2:
        source, index = call.args[0], call.options.get("index")
        if call.op is TRANSPOSE and len(value.shape) == 2:
            rows, columns, turned, value = columns, rows, not turned, source
            continue
        if call.op.name == "split":
            axis, low = call.options["axis"] % len(value.shape), call.options["bounds"][value.place]
        elif call.op is GETITEM and isinstance(index, tuple) and all(isinstance(part, slice) for part in index):
            moved = [(n, part.start) for n, part in enumerate(index) if part != slice(None)]
            if len(moved) != 1 or moved[0][1] is None or len(source.shape) != len(value.shape):
                break
            axis, low = moved[0]
        else:
            break
        if axis == len(value.shape) - 1:
            columns = columns[0] + low, columns[1] + low
        else:
            rows = rows[0] + low, rows[1] + low
        value = source
    return Cut(value, rows, columns, turned)


class Notation:
    """Symbols for the expressions of one loop. `symbols` has those with a symbol; `of` writes all others out."""

    def __init__(self, plan: Plan, loop: Loop, forward: Notation | None = None, reverse: bool = False):
        self.plan, self.loop, self.form, self.trace = plan, loop, plan.form, plan.trace
        self.forward = forward or self
        self.now, self.before = Time(True, 0), Time(True, 1 if reverse else -1)
        self.symbols: dict[Expr, Expression] = {}
        self.users: dict[Expr, list[Expr]] = {}
        everything = all_of(loop)
        for expr in everything:
            for arg in dict.fromkeys(expr.args):
                self.users.setdefault(arg, []).append(expr)
        self.blocks: dict[tuple[Value, int, Range], str] = {}  # of a parameter, an axis and a range of it
        self._find_names()
        if forward is None:
            self._name_forward()
        else:
            self.blocks = forward.blocks
            self._name_backward(everything)
        self._name_products()
        self._name_shared(everything)

    # What is called how

    def _find_names(self) -> None:
        """The user's names, of Tensors or of variables, and letters for what has none."""
        trace = self.trace
        given = assigned(trace)
        outgoing = [_stem(value.name or given.get(value)) for value in trace.carry_out]
        self.carry = _different([_stem(v.name) or out for v, out in zip(trace.carry, outgoing, strict=True)], "h")
        self.xs = _different([_stem(value.name) for value in trace.xs], "x")
        self.ys = _different([None] * len(trace.ys), "y")
        self.named: dict[Expr, str] = {}  # the form's expressions by the user's names
        for value in [value for call in trace.calls for value in call.results]:
            expr, name = self.form.known(value), value.name or given.get(value)
            if name and expr is not None and not is_leaf(expr) and expr.kind != "join":
                self.named.setdefault(expr, name)

    def _name_forward(self) -> None:
        loop = self.loop
        self._name_incoming()
        for expr, name in zip(loop.carry, self.carry, strict=True):
            self._give(expr, named(name, time=self.now))
        for k, name in enumerate(self.ys):
            self._give(loop.results[f"y{k}"], named(name, time=self.now))
        for original, name in self.named.items():
            if (found := loop.became.get(original)) is not None:
                self._give(found, named(name))

    def _name_incoming(self) -> None:
        names = {"carry": self.carry, "x": self.xs, "dy": self.ys, "dcarry": self.carry}
        for expr in all_of(self.loop):
            if expr.kind == "in":
                role, place = expr.what
                name = named(names[role][place], time=self.before if role == "carry" else self.now)
                self.symbols[expr] = _nabla(name, *([NEXT] if role == "dcarry" else [])) if role[0] == "d" else name

    def _name_backward(self, everything: list[Expr]) -> None:
        loop, ahead = self.loop, self.forward
        self._name_incoming()
        for expr in everything:
            if expr.kind == "saved":
                self.symbols[expr] = ahead.of(ahead.loop.became[self.plan.saved[expr.what]])
        for expr, name in zip(loop.carry, self.carry, strict=True):
            self._give(expr, _nabla(named(name, time=self.before), NEXT))
        for k, name in enumerate(self.xs):
            if f"dx{k}" in loop.results:
                self._give(loop.results[f"dx{k}"], _nabla(named(name, time=self.now)))
        pairs = [pair for g, value in self.trace.gradients for pair in self._aligned(g, value)]
        after = dict(zip(ahead.loop.carry, self.carry, strict=True))
        for g, of in pairs:
            if of in after:
                self._give(g, _nabla(named(after[of], time=self.now)))
        for g, of in pairs:
            if self._is_wanted(g) and (tag := ahead.activated(of)):
                self._give(g, al.symbol("δ", tag))
        for g, of in pairs:
            if self._is_wanted(g) and of in ahead.symbols:
                self._give(g, _nabla(ahead.symbols[of]))

    def _aligned(self, gradient: Value, value: Value) -> list[tuple[Expr, Expr]]:
        """A gradient and what it is of, piece by piece: an expression of this loop, and one of the forward loop."""
        g, of = self.form.known(gradient), self.form.known(value)
        if g is None or of is None or g.shape != of.shape or g.width is None:
            return []
        found, at = [], 0
        for piece in pieces(g):
            part = self.form.part(of, at, at + piece.shape[1])
            found.append((self.loop.became.get(piece), self.forward.loop.became.get(part)))
            at += piece.shape[1]
        return [(g, of) for g, of in found if g is not None and of is not None]

    def _is_wanted(self, expr: Expr) -> bool:
        """Is it needed by something else than one formula?"""
        users = self.users.get(expr, [])
        totals = [arg for total in [*self.loop.sums, *self.loop.outers] for arg in total.args]
        summed = any(expr in pieces(arg) for arg in totals)
        return len(users) != 1 or summed or any(user.kind in ("product", "join") for user in users)

    def _name_products(self) -> None:
        """Letters for products: one for the blocks of a product, with what each is for; one for all without blocks."""
        loop, taken = self.loop, {symbol.name for symbol in self.symbols.values()}
        letters = iter([letter for letter in ("pqsabde" if loop.back else "uvwpqsabde") if letter not in taken])
        early, inside = ([[expr for expr, _ in gemm.members] for gemm in gemms] for gemms in (loop.early, loop.gemms))
        known = {expr for members in early for expr in members}
        late = [[expr] for expr in loop.lifted if expr.kind == "product" and expr not in known]
        for products in (early, inside, late):
            groups = [members for members in products if len(members) > 1]
            for group in [*groups, [expr for members in products if len(members) == 1 for expr in members]]:
                tags = {expr: self.tag(expr) for expr in group}
                for expr, tag in tags.items():
                    self._name_blocks(expr, tag)
                unnamed = [expr for expr in group if expr not in self.symbols]
                clear = len(set(tags.values())) == len(group) and not loop.back
                letter = next(letters, "m") if unnamed else ""
                for n, expr in enumerate(unnamed):
                    sub = tags[expr] if clear else str(n + 1)
                    self.symbols[expr] = al.symbol(letter, *([sub] if sub and len(group) > 1 else []))
        for expr in all_of(loop):
            if expr.kind == "fixed" and len(expr.shape) == 1 and (tag := self.tag(expr)):
                root, _, columns, _ = cut(expr.what)
                self.blocks.setdefault((root, 1, columns), tag)

    def _name_blocks(self, product: Expr, tag: str) -> None:
        """Columns of a matrix are called as what they are for, rows as what they are multiplied with."""
        for left, matrix in zip(product.args, product.what, strict=True):
            root, rows, columns, turned = cut(matrix)
            if not turned and tag:
                self.blocks.setdefault((root, 1, columns), tag)
            name = self.symbols[left].name if left in self.symbols else ""
            taken = {found for (one, axis, _), found in self.blocks.items() if one is root and axis == 0}
            if not turned and name and name not in taken:
                self.blocks.setdefault((root, 0, rows), name)

    def _name_shared(self, everything: list[Expr]) -> None:
        """Symbols for what is used several times, and too long to be written out each time."""
        taken, count = {symbol.name for symbol in self.symbols.values()}, 0
        letter = "j" if self.loop.back else "k"
        while letter in taken:
            letter += "′"
        for expr in everything:
            shared = len(self.users.get(expr, [])) > 1 and not is_leaf(expr) and expr.kind not in ("part", "join")
            if expr not in self.symbols and shared and _size(self.of(expr)) > SMALL:
                count += 1
                self.symbols[expr] = al.symbol(letter, str(count))

    def _give(self, expr: Expr, symbol: Expression) -> None:
        if not is_leaf(expr) and symbol not in self.symbols.values():
            self.symbols.setdefault(expr, symbol)

    def tag(self, expr: Expr) -> str:
        """What the one quantity with a name is called that `expr` is a part of; "" if there is none, or several."""
        found: dict[str, None] = {}
        stack, seen = [expr], {expr}
        while stack:
            here = stack.pop()
            symbol = self.symbols.get(here)
            if symbol is not None and not is_leaf(here) and not (here is expr and here.kind == "product"):
                found[_spelt(symbol)] = None
                continue
            later = [user for user in self.users.get(here, []) if user not in seen]
            seen.update(later)
            stack += later
        return next(iter(found)) if len(found) == 1 else ""

    def activated(self, expr: Expr) -> str:
        """The name of the nonlinearity that `expr`, with other terms added, goes into; "" if it goes elsewhere."""
        while (users := self.users.get(expr, [])) and expr.kind in ("map", "product") and len(users) == 1:
            (expr,) = users
            if expr.kind == "map" and len(expr.args) == 1 and expr in self.symbols:
                return _spelt(self.symbols[expr])
            if expr.kind != "map" or expr.what[0] is not ADD:
                break
        return ""

    # Writing

    def of(self, expr: Expr) -> Expression:
        """The symbol of `expr`, or the expression that it is."""
        return self.symbols[expr] if expr in self.symbols else self.formula(expr)

    def formula(self, expr: Expr) -> Expression:
        """What `expr` is computed as."""
        made: dict[Expr, Expression] = {}
        for part in ordered([expr], lambda e: e in self.symbols and e is not expr):
            made[part] = self._write(part, made) if part is expr or part not in self.symbols else self.symbols[part]
        return made[expr]

    def _write(self, expr: Expr, made: dict[Expr, Expression]) -> Expression:
        args = [made[arg] for arg in expr.args]
        if expr.kind == "number":
            return al.number(expr.what)
        if expr.kind == "fixed":
            return self.matrix(expr.what)
        if expr.kind == "product":
            return al.total(*(al.matmul(left, self.matrix(m)) for left, m in zip(args, expr.what, strict=True)))
        if expr.kind == "reduce":
            return al.apply("Σ" if expr.what == "sum" else expr.what, *args)
        if expr.kind == "part":
            return al.item(args[0], f"{expr.what[0]}:{expr.what[1]}")
        if expr.kind == "join":
            return al.blocks(args, "beside")
        if expr.kind == "item":
            return al.item(args[0], str(expr.what))
        if expr.kind == "map" and (mean := _mean_of(expr)) is not None:
            return al.apply("mean", made[mean] if mean in made else self.of(mean))
        if expr.kind == "map":
            name, options, shapes = expr.what[0].name, expr.what[1], [arg.shape for arg in expr.args]
        elif expr.kind == "call":
            name, options, given = expr.what.op.name, expr.what.options, iter(args)
            args = [self._argument(arg, given) for arg in expr.what.args]
            shapes = [getattr(arg, "shape", ()) for arg in expr.what.args]
        else:
            return al.symbol("κ")
        # A number for each row, (batch, 1), times a row is written as the product that it is.
        return express(Written(name, args, shapes, expr.shape, options))

    def _argument(self, arg: Any, given: Any) -> Expression:
        if isinstance(arg, Value) and self.form.is_fixed(arg):
            return self.matrix(arg)
        return next(given) if isinstance(arg, (Value, Expr)) else al.symbol(str(arg))

    def matrix(self, value: Value) -> Expression:
        """Something that is the same at every step: a parameter, columns or rows of one, or several together."""
        if value.call is not None and value.call.op is CONCATENATE:
            whole = self.whole(value.call.args, value.call.options["axis"] % len(value.shape))
            if whole is not None:
                return whole
            side = "beside" if value.call.options["axis"] % len(value.shape) == len(value.shape) - 1 else "below"
            return al.blocks([self.matrix(part) for part in value.call.args], side)
        root, rows, columns, turned = cut(value)
        made = self._root(root)
        if len(root.shape) in (1, 2):
            if columns != (0, root.shape[-1]):
                made = _with(made, sub=self.blocks.get((root, 1, columns)) or f"{columns[0]}:{columns[1]}")
            if len(root.shape) == 2 and rows != (0, root.shape[0]):
                made = _with(made, sup=self.blocks.get((root, 0, rows)) or f"{rows[0]}:{rows[1]}")
        return al.transpose(made) if turned else made

    def stacked(self, matrices: Sequence[Value]) -> Expression:
        """Matrices on top of each other; what they were cut from, if they are all of it."""
        if len(matrices) == 1:
            return self.matrix(matrices[0])
        whole = self.whole(matrices, 0)
        return whole if whole is not None else al.blocks(map(self.matrix, matrices), "below")

    def whole(self, values: Iterable[Value], axis: int) -> Expression | None:
        """The matrix of which `values` are all the parts, in whatever order; None if they are not."""
        cuts = [cut(value) for value in values]
        root, turned = cuts[0].root, cuts[0].turned
        if any(one.root is not root or one.turned != turned for one in cuts) or len(root.shape) not in (1, 2):
            return None
        by_rows = len(root.shape) == 2 and axis == (1 if turned else 0)
        along = [one.rows if by_rows else one.columns for one in cuts]
        across = {one.columns if by_rows else one.rows for one in cuts}
        sizes = (root.shape[0] if len(root.shape) == 2 else 1, root.shape[-1])
        whole = sum(high - low for low, high in along) == sizes[0 if by_rows else 1] and len(set(along)) == len(along)
        if not whole or across != {(0, sizes[1 if by_rows else 0])}:
            return None
        return al.transpose(self._root(root)) if turned else self._root(root)

    def _root(self, value: Value) -> Expression:
        if value.name:
            alike = [other for other in self.trace.closed if other.name == value.name]
            return named(value.name, (f"({alike.index(value) + 1})",) if len(alike) > 1 and value in alike else ())
        if value.role == "constant" and value.shape == ():
            return al.number(float(value.held))
        if value.call is not None:
            args = [self.matrix(arg) if isinstance(arg, Value) else al.symbol(str(arg)) for arg in value.call.args]
            shapes = [getattr(arg, "shape", ()) for arg in value.call.args]
            return express(Written(value.call.op.name, args, shapes, value.shape, value.call.options, matrix=True))
        return al.symbol("θ" if value.role == "closed" else "κ", str(value.place + 1))

    # Gradients of parameters

    def gradients(self, total: Total, rows: Range | None = None) -> Expression:
        """The symbol of a sum over all steps, or of some rows of it."""
        value, partial = self.parameters.get(total.source, (None, False))
        made = _nabla(self._root(value)) if value is not None else al.symbol("∇")
        if partial and (tag := label(self.of(total.args[-1]))):
            made = _with(made, sub=tag)
        if rows is None or value is None or rows == (0, total.source.shape[0]):
            return made
        return _with(made, sup=self.blocks.get((value, 0, rows)) or f"{rows[0]}:{rows[1]}")

    @cached_property
    def parameters(self) -> dict[Summed, tuple[Value, bool]]:
        """Which parameter a sum is the gradient of, and is it a part of that only?"""
        makers = {value: call for call in self.form.later for value in call.results}
        found: dict[Summed, tuple[Value, bool]] = {}
        for closed, gradient in zip(self.trace.closed, self.form.dclosed, strict=True):
            stack: list[tuple[Any, bool]] = [(gradient, False)]
            while stack:
                value, partial = stack.pop()
                total = self.form.summed(value) if isinstance(value, Value) else value
                if total is not None:
                    found.setdefault(total, (closed, partial))
                elif value in makers:
                    partial = partial or makers[value].op.name not in ("reshape", "transpose")
                    stack += [(arg, partial) for arg in makers[value].args]
        return found


def label(e: Expression) -> str:
    """What tells a block from the others: its last subscript, or its name."""
    while e.kind != "symbol" and e.parts:
        e = e.parts[0]
    return e.sub[-1] if e.sub and not e.sub[-1].isdigit() else _spelt(e)


def _stem(name: str | None) -> str | None:
    """A name without the number of a step: h for h_-1."""
    return None if name is None else re.sub(r"_-?\d+$", "", name)


def _different(names: list[str | None], letter: str) -> list[str]:
    """Names for all: the letter for those that have none, numbers where two are the same."""
    found = [name or letter for name in names]
    counts = Counter(found)
    return [name if counts[name] == 1 else f"{name}_{found[:n].count(name) + 1}" for n, name in enumerate(found)]


def _nabla(of: Expression, *sup: str) -> Expression:
    """The gradient of the loss for a symbol, as a symbol."""
    return al.symbol("∇" + of.name, *of.sub, sup=(*of.sup, *sup), time=of.time)


def _with(symbol: Expression, sub: str = "", sup: str = "") -> Expression:
    """A parameter's symbol with the block named that is meant."""
    if symbol.kind != "symbol":
        return al.item(symbol, sub or sup)
    return al.symbol(symbol.name, *symbol.sub, *([sub] if sub else []), sup=(*symbol.sup, *([sup] if sup else [])))


def _mean_of(expr: Expr) -> Expr | None:
    """What `expr` is the mean of along the row, if it is one: a sum, times a number."""
    if expr.what[0] is not MULTIPLY or [arg.kind for arg in expr.args] != ["reduce", "number"]:
        return None
    total, number = expr.args
    return total.args[0] if total.what == "sum" and abs(number.what * total.args[0].shape[1] - 1) < 1e-6 else None


def _spelt(symbol: Expression) -> str:
    return "_".join((symbol.name, *symbol.sub))


def _size(e: Expression) -> int:
    return 1 + sum(map(_size, e.parts))
