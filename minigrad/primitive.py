"""What an operation is: a name, a kernel over raw arrays, and one VJP rule per argument.

    tanh = primitive("tanh", lambda xp, x: xp.tanh(x), vjp=[lambda g, out: g * (1 - out * out)], doc="tanh(x).")

A rule says how the gradient `g` of the result becomes that of one argument. It is written in operators and other
operations, and an operation that is given no Tensor runs its kernel and returns a raw array. So the same rule serves
the fast backward walk (raw arrays in), the walk that records itself for higher derivatives (Tensors in), and the
drawing of either.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from .backend import BY_TYPE, SCALAR, Backend, backend_of, current_backend
from .explain import mismatch, no_array, one_device, refused
from .graph import SMALL, Node, new_node
from .mode import MODE, Mode
from .tensor import Tensor

ARRAY = inspect.Parameter.POSITIONAL_OR_KEYWORD
NUMBER, PYTHONS = SCALAR.array_type, (bool, int, float)
NO_OPTIONS: dict[str, Any] = {}

current_mode = MODE.get
new_tensor = Tensor.__new__


class Rule:
    """One VJP rule, and what it names: `picks` of the arrays (-1 is the result) and options by name."""

    def __init__(self, function: Callable[..., Any], op: Op):
        self.function = function
        named = list(inspect.signature(function).parameters)[1:]  # after g
        arrays = ["out", *op.arrays]
        known = {*arrays, *op.options, "in_shape", "i"}
        if not known.issuperset(named) and len(named) == len(arrays):
            named = arrays  # all of them, in order, under names of the rule's own
        if not known.issuperset(named):
            raise TypeError(
                f"a VJP rule of {op.name!r} takes {', '.join(named)} after g; it may take any of {', '.join(arrays)}, "
                f"then any of {', '.join(['in_shape', *op.options])}"
            )
        if any(name in arrays for name in named[sum(name in arrays for name in named) :]):
            raise TypeError(f"a VJP rule of {op.name!r} must take the result and arrays first, then options: {named}")
        self.picks = tuple(arrays.index(name) - 1 for name in named if name in arrays)
        self.names = tuple(name for name in named if name not in arrays)

    def options(self, node: Node, i: int) -> dict[str, Any]:
        """The options that the rule names, for argument `i` of `node`; `in_shape` is that argument's shape."""
        found: dict[str, Any] = {}
        for name in self.names:
            if name == "in_shape":
                found[name] = node.parents[i].shape  # type: ignore[union-attr]
            elif name in node.options:
                found[name] = node.options[name]
            else:
                found[name] = i if name == "i" else node.op.options.get(name)
        return found


class Plan:
    """What the backward walk will ask of a node, known from which of its arguments need a gradient.

    `rules` are pairs (argument, its rule); `keeps_out` says that one of them names the result; `pick` leaves of the
    arguments those that rules name, and is None where all are.
    """

    __slots__ = ("keeps_out", "pick", "rules")

    def __init__(self, rules: tuple[tuple[int, Rule], ...], count: int):
        named = {pick for _, rule in rules for pick in rule.picks}
        kept = [i in named for i in range(count)]
        self.rules = rules
        self.keeps_out = -1 in named
        self.pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None
        if not any(kept):
            self.pick = lambda args: ()
        elif not all(kept):
            self.pick = lambda args: tuple([arg if keep else None for arg, keep in zip(args, kept)])


class Op:
    """The record of one operation, to which every node that ran it points."""

    def __init__(self, name: str, kernel: Callable[..., Any], vjp: Sequence[Any] | Callable[..., Any]):
        self.name = name
        self.kernel = kernel
        self.parameters = list(inspect.signature(kernel).parameters.values())[1:]  # after xp
        self.arrays = [p.name for p in self.parameters if p.kind is ARRAY and p.default is p.empty]
        self.options = {
            p.name: p.default for p in self.parameters if p.kind is not p.VAR_POSITIONAL and p.name not in self.arrays
        }
        self.variadic = callable(vjp)  # any number of arrays, one rule that is told which (`i`) and saves none
        if callable(vjp):
            self.rules: list[Any] = [Rule(vjp, self)]
            self.differentiable = -1
        else:
            if vjp and len(vjp) != len(self.arrays):
                raise TypeError(
                    f"{name!r} takes {len(self.arrays)} arrays ({', '.join(self.arrays)}) and has {len(vjp)} "
                    "rules in `vjp`: give one for each, None where there is no gradient"
                )
            self.rules = [rule and Rule(rule, self) for rule in vjp]
            self.differentiable = sum(1 << i for i, rule in enumerate(self.rules) if rule)
        self.plans: dict[int, Plan] = {0: Plan((), 0)}

    def bind(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arrays by position and options by name, however the caller gave them; TypeError for too few or too many."""
        given = dict(zip([*self.arrays, *self.options], args, strict=False)) | options
        missing = [name for name in self.arrays if name not in given]
        if missing or len(given) < len(args) + len(options) or not given.keys() <= {*self.arrays, *self.options}:
            raise TypeError(
                f"{self.name!r} takes ({', '.join([*self.arrays, *self.options])}), "
                f"and was given {len(args)} by position and {list(options)} by name"
            )
        return tuple(given.pop(name) for name in self.arrays), given

    def documented(self, doc: str | None) -> str | None:
        """A docstring: `doc`, and what the record tells."""
        if doc and not self.rules:
            doc += " Has no gradient."
        if doc and len(self.arrays) > 1:
            doc += "\n\nRaises ShapeError for shapes that do not fit, BackendMismatchError for arrays of two libraries."
        return doc or self.kernel.__doc__

    def plan(self, needs: int) -> Plan:
        """The plan for the arguments that the bits `needs` name; made once, then looked up in `plans`."""
        rules = [self.rules[0]] * needs.bit_length() if self.variadic else self.rules
        self.plans[needs] = Plan(tuple((i, rule) for i, rule in enumerate(rules) if needs >> i & 1), len(self.arrays))
        return self.plans[needs]


def primitive(
    name: str,
    kernel: Callable[..., Any],
    vjp: Sequence[Any] | Callable[..., Any] = (),
    view: bool = False,
    doc: str | None = None,
) -> Callable[..., Any]:
    """Define an operation, for Tensors and raw arrays alike.

    `kernel(xp, *arrays, **options)` computes it with `xp`, the array library of its inputs. `vjp` has one rule per
    array argument, None where there is no gradient; without any the operation is not differentiable. A rule takes `g`
    and then, by the names that the kernel gives them, only what it uses (this alone is kept for the backward walk):
    the result as `out`, arrays, `in_shape`, options. It returns a new array, or one that it was given, or a view; the
    engine sums it over broadcast axes, casts it and may add to it in place, so it must not be kept elsewhere. A kernel
    with `*arrays` has a single rule, which takes `i`, the argument's place. A kernel that returns a tuple has several
    results; then `g` is a list, with zeros for unused ones, and no rule may take `out`. `view` says that the result may
    share memory with the first argument. Arrays are given by position. `doc` says what the
    operation does, for `help`; by default the kernel's docstring.

    A Tensor that is overwritten in place before the backward walk is noticed; a raw array is not.

    Raises TypeError here for a rule that names what there is not; ShapeError and BackendMismatchError when called.
    """
    op = Op(name, kernel, vjp)
    plans, differentiable = op.plans, op.differentiable
    count = -1 if op.variadic else len(op.arrays)

    def apply(*args: Any, **options: Any) -> Any:
        if len(args) != count and count >= 0:
            args, options = op.bind(args, options)
        values: list[Any] = []
        parents: list[Any] = []
        backend: Any = SCALAR  # until an array tells
        needs, bit, any_tensor = 0, 1, False
        for arg in args:
            if isinstance(arg, Tensor):
                any_tensor = True
                value = arg.data
                found = BY_TYPE[value.__class__]
                parents.append(arg.node or arg)
                if arg.requires_grad:
                    needs |= bit
            else:
                value = arg
                found = BY_TYPE[value.__class__]
                parents.append(value if found is SCALAR else _constant(value))
            values.append(value)
            bit += bit
            if found is not backend and found is not SCALAR:
                if found is None:
                    return apply(*_lists_as_arrays(op, args), **options)
                if backend is not SCALAR:
                    raise mismatch(op, args)
                backend = found
        if backend is SCALAR:
            backend = current_backend()
        device = backend.devices and one_device(op, args)
        try:
            if device:
                with device.here:
                    out = kernel(backend.xp, *values, **options)
                backend = device
            else:
                out = kernel(backend.xp, *values, **options) if options else kernel(backend.xp, *values)
        except AttributeError:  # of a number, which has not an array's methods
            numbers = [arg.__class__ in PYTHONS for arg in args]
            if not any(numbers):
                raise
            array = functools.partial((device or backend).asarray, dtype=backend.xp.result_type(*values))
            return apply(*[array(arg) if number else arg for arg, number in zip(args, numbers)], **options)
        except (ValueError, TypeError, MemoryError) as error:
            raise refused(error, op.name, args, options) from error
        return finish(args, parents, needs, options, out, backend, current_mode()) if any_tensor else out

    def apply_to_one(*args: Any, **options: Any) -> Any:
        """The same without a loop, for what is most common: it takes a quarter less time."""
        if len(args) != 1 or not isinstance(args[0], Tensor):
            return apply(*args, **options)
        x = args[0]
        backend: Any = BY_TYPE[x.data.__class__]
        if backend.devices:
            return apply(*args, **options)
        try:
            out = kernel(backend.xp, x.data, **options) if options else kernel(backend.xp, x.data)
        except (ValueError, TypeError, MemoryError) as error:
            raise refused(error, op.name, args, options) from error
        mode = current_mode()
        if mode.idle and out.__class__ is backend.array_type and not view:
            result = new_tensor(Tensor)
            result.data = out
            return result
        return finish(args, (x.node or x,), x.requires_grad, options, out, backend, mode)

    def apply_to_two(x: Any, y: Any, /) -> Any:
        """The same for two Tensors on one backend."""
        if not (isinstance(x, Tensor) and isinstance(y, Tensor)) or x.data.__class__ is not y.data.__class__:
            return apply(x, y)
        backend: Any = BY_TYPE[x.data.__class__]
        if backend.devices:
            return apply(x, y)
        try:
            out = kernel(backend.xp, x.data, y.data)
        except (ValueError, TypeError, MemoryError) as error:
            raise refused(error, op.name, (x, y), {}) from error
        mode = current_mode()
        if mode.idle and out.__class__ is backend.array_type and not view:
            result = new_tensor(Tensor)
            result.data = out
            return result
        needs = (1 if x.requires_grad else 0) + (2 if y.requires_grad else 0)
        return finish((x, y), (x.node or x, y.node or y), needs, NO_OPTIONS, out, backend, mode)

    def finish(args: Any, parents: Any, needs: int, options: Any, out: Any, backend: Any, mode: Mode) -> Any:
        """`out` as a Tensor, with the node that remembers how it was made where a gradient may be wanted."""
        if mode.watching:
            from .anomaly import check_result

            check_result(op, args, out)
        needs &= differentiable
        if out.__class__ is not backend.array_type:
            if out.__class__ is tuple:
                results = _several(op, args, parents, needs if mode.recording else 0, options, out, mode, backend)
                for result in results if view else ():
                    _share_memory(result, args[0])
                if mode.tape:
                    mode.tape.note(op, args, options, results)
                return results
            if isinstance(out, NUMBER):
                out = backend.xp.asarray(out)  # NumPy reduces to a scalar, which is no array
        result = new_tensor(Tensor)
        result.data = out
        if needs and mode.recording:
            plan = plans.get(needs) or op.plan(needs)
            saved = args if plan.pick is None else plan.pick(args)
            result.node = new_node(op, parents, plan, saved, options, out, mode)
            result.requires_grad = True
        if view:
            _share_memory(result, args[0])
        if mode.tape:
            mode.tape.note(op, args, options, (result,))
        return result

    chosen = apply_to_one if count == 1 else apply_to_two if count == 2 and not op.options else apply
    chosen.__name__ = chosen.__qualname__ = name
    chosen.__module__ = getattr(kernel, "__module__", __name__)
    chosen.__doc__ = op.documented(doc)
    shown = [p.replace(kind=p.POSITIONAL_ONLY) if chosen is apply_to_two else p for p in op.parameters]
    chosen.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    chosen.op = op  # type: ignore[attr-defined]
    return chosen


def _constant(array: Any) -> Tensor | None:
    """A raw array as a leaf of the graph, so that drawings show it; of a large one the graph keeps nothing."""
    return Tensor(array) if getattr(array, "size", SMALL + 1) <= SMALL else None


ITEM = Op("item", lambda xp, x: x, [])  # one of an operation's several results: the walk knows what to do with it


def _several(
    op: Op, args: Any, parents: Any, needs: int, options: Any, outs: tuple[Any, ...], mode: Mode, backend: Backend
) -> tuple[Tensor, ...]:
    """The results of an operation that has several: it gets a node, and each of them one."""
    outs = tuple([backend.xp.asarray(out) if isinstance(out, NUMBER) else out for out in outs])
    results = tuple([Tensor(out) for out in outs])
    if needs:
        plan = op.plans.get(needs) or op.plan(needs)
        if plan.keeps_out:
            raise TypeError(f"{op.name!r} has several results, so its VJP rules cannot name `out`: name its arguments")
        saved = args if plan.pick is None else plan.pick(args)
        whole = new_node(op, parents, plan, saved, options, outs[0], mode)
        whole.out, whole.shape = None, tuple([out.shape for out in outs])
        for i, (result, out) in enumerate(zip(results, outs, strict=True)):
            result.node = new_node(ITEM, (whole,), ITEM.plans[0], (), {"index": i}, out, mode)
            result.requires_grad = True
    return results


def _share_memory(result: Tensor, source: Tensor) -> None:
    """Let a view know whose memory it lies in."""
    base = result.data.base
    if base is not None and (base is source.data or base is source.data.base):  # else a copy, seen in another shape
        result.view_of = source if source.view_of is None else source.view_of


def _lists_as_arrays(op: Op, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments with arrays for lists: of float32, or of float64 where an array beside them has that."""
    from .ops import stack

    found = [backend_of(arg.data if isinstance(arg, Tensor) else arg) for arg in args]
    backend = next((record for record in found if record not in (None, SCALAR)), None) or current_backend()
    wide = any(getattr(arg, "dtype", None) == "float64" for arg in args)

    def array(data: Any) -> Any:
        if isinstance(data, (list, tuple)) and _holds_a_tensor(data):
            return stack([part if isinstance(part, Tensor) else array(part) for part in data])
        made = backend.xp.asarray(data) if wide else backend.asarray(data)
        if made.dtype.kind not in "fiubc":
            raise no_array(op, data)
        return made

    return tuple([array(arg) if record is None else arg for arg, record in zip(args, found, strict=True)])


def _holds_a_tensor(data: Any) -> bool:
    return isinstance(data, Tensor) or (isinstance(data, (list, tuple)) and any(map(_holds_a_tensor, data)))
