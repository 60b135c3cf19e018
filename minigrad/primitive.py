"""What an operation is: a name, a kernel over raw arrays, and one VJP rule per argument.

    tanh = primitive("tanh", lambda xp, x: xp.tanh(x), vjp=[lambda g, out: g * (1 - out * out)])

A rule says how the gradient `g` of the result becomes that of one argument. It is written in operators and other
operations, and an operation that is given no Tensor runs its kernel and returns a raw array. So the same rule serves
the fast backward walk (raw arrays in), the walk that records itself for higher derivatives (Tensors in), and the
drawing of either.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .backend import BY_TYPE, SCALAR, Backend, backend_of, current_backend
from .errors import BackendMismatchError, ShapeError
from .graph import MODE, SMALL, Mode, Node
from .tensor import Tensor

ARRAY = inspect.Parameter.POSITIONAL_OR_KEYWORD
NUMBER = SCALAR.array_type
UNKNOWN = object()  # the backend until an array tells


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
            else:
                found[name] = i if name == "i" else node.options.get(name, node.op.options.get(name))
        return found


class Plan(NamedTuple):
    """What the backward walk will ask of a node, known from which of its arguments need a gradient."""

    rules: tuple[tuple[int, Rule], ...]  # (argument, its rule)
    dropped: tuple[int, ...]  # arguments that none of these rules names: not saved
    keeps_out: bool  # one of them names the result


class Op:
    """The record of one operation, to which every node that ran it points."""

    def __init__(self, name: str, kernel: Callable[..., Any], vjp: Sequence[Any] | Callable[..., Any]):
        self.name = name
        self.kernel = kernel
        parameters = list(inspect.signature(kernel).parameters.values())[1:]  # after xp
        self.arrays = [p.name for p in parameters if p.kind is ARRAY and p.default is p.empty]
        self.options = {
            p.name: p.default for p in parameters if p.kind is not p.VAR_POSITIONAL and p.name not in self.arrays
        }
        self.variadic = callable(vjp)  # any number of arrays, one rule that is told which (`i`) and saves none
        if callable(vjp):
            self.rules: list[Any] = [Rule(vjp, self)]
            self.differentiable = -1
        else:
            if vjp and len(vjp) != len(self.arrays):
                raise TypeError(
                    f"{name!r} takes {len(self.arrays)} arrays ({', '.join(self.arrays)}) and has {len(vjp)} VJP "
                    "rules: give one for each, None where there is no gradient"
                )
            self.rules = [rule and Rule(rule, self) for rule in vjp]
            self.differentiable = sum(1 << i for i, rule in enumerate(self.rules) if rule)
        self.plans: dict[int, Plan] = {0: Plan((), (), False)}

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

    def plan(self, needs: int) -> Plan:
        """The plan for the arguments that the bits `needs` name; made once, then looked up in `plans`."""
        rules = [self.rules[0]] * needs.bit_length() if self.variadic else self.rules
        asked = tuple((i, rule) for i, rule in enumerate(rules) if needs >> i & 1)
        picks = {pick for _, rule in asked for pick in rule.picks}
        self.plans[needs] = Plan(asked, tuple(i for i in range(len(self.arrays)) if i not in picks), -1 in picks)
        return self.plans[needs]


def primitive(
    name: str, kernel: Callable[..., Any], vjp: Sequence[Any] | Callable[..., Any] = (), view: bool = False
) -> Callable[..., Any]:
    """Define an operation, for Tensors and raw arrays alike.

    `kernel(xp, *arrays, **options)` computes it with `xp`, the array library of its inputs. `vjp` has one rule per
    array argument, None where there is no gradient; without any the operation is not differentiable. A rule takes `g`
    and then, by the names that the kernel gives them, only what it uses (this alone is kept for the backward walk):
    the result as `out`, arrays, `in_shape`, options. It returns a new array, or `g` or a view of it; the engine sums
    it over broadcast axes and casts it. A kernel with `*arrays` has a single rule, which takes `i`, the argument's
    place. A kernel that returns a tuple has several results; then `g` is a list, with zeros for unused ones, and no
    rule may take `out`. `view` says that the result may share memory with the first argument.

    Raises TypeError here for a rule that names what there is not; ShapeError and BackendMismatchError when called.
    """
    op = Op(name, kernel, vjp)
    count = -1 if op.variadic else len(op.arrays)

    def apply(*args: Any, **options: Any) -> Any:
        if len(args) != count and count >= 0:
            args, options = op.bind(args, options)
        values: list[Any] = []
        parents: list[Any] = []
        backend: Any = UNKNOWN
        needs, bit, any_tensor, any_other = 0, 1, False, False
        for arg in args:
            if isinstance(arg, Tensor):
                any_tensor = True
                value = arg.data
                node = arg.node
                parents.append(arg if node is None else node)
                if arg.requires_grad:
                    needs |= bit
            else:
                value = arg
                parents.append(None)
            values.append(value)
            bit += bit
            found = BY_TYPE[type(value)]
            if found is not backend:
                if found is SCALAR:
                    parents[-1] = value
                elif found is None:
                    any_other = True  # a list, say
                elif backend is UNKNOWN:
                    backend = found
                else:
                    raise _mismatch(op, args)
        if backend is UNKNOWN:
            backend = current_backend()
        if any_other:
            args, values = _lists_as_arrays(args, values, backend)
        try:
            out = kernel(backend.xp, *values, **options) if options else kernel(backend.xp, *values)
        except (ValueError, TypeError) as error:
            raise _explain(error, op, values, options) from error
        if not any_tensor:
            return out
        needs &= op.differentiable
        mode = MODE.get()
        if isinstance(out, tuple):
            outs = tuple([backend.xp.asarray(part) if isinstance(part, NUMBER) else part for part in out])
            results = _several(op, args, parents, needs if mode.recording else 0, options, outs, mode)
            for result in results if view else ():
                _share_memory(result, args[0])
            return results
        if isinstance(out, NUMBER):
            out = backend.xp.asarray(out)  # NumPy reduces to a scalar, which is no array
        result = Tensor(out)
        if needs and mode.recording:
            plan = op.plans.get(needs) or op.plan(needs)
            saved = [] if op.variadic else list(args)
            for i in plan.dropped:
                saved[i] = None
            kept = out if plan.keeps_out or out.size <= SMALL else None
            result.node = Node(op, parents, plan, saved, options, kept, out.shape, out.dtype, mode)
            result.requires_grad = True
        if view:
            _share_memory(result, args[0])
        return result

    apply.__name__ = apply.__qualname__ = name
    apply.op = op  # type: ignore[attr-defined]
    return apply


ITEM = Op("item", lambda xp, x: x, [])  # one of an operation's several results: the walk knows what to do with it


def _several(
    op: Op, args: Any, parents: list[Any], needs: int, options: Any, outs: tuple[Any, ...], mode: Mode
) -> tuple[Tensor, ...]:
    """The results of an operation that has several: it gets a node, and each of them one."""
    results = tuple([Tensor(out) for out in outs])
    if needs:
        plan = op.plans.get(needs) or op.plan(needs)
        if plan.keeps_out:
            raise TypeError(f"{op.name!r} has several results, so its VJP rules cannot name `out`: name its arguments")
        saved = [] if op.variadic else [None if i in plan.dropped else arg for i, arg in enumerate(args)]
        shapes: Any = tuple([out.shape for out in outs])
        whole = Node(op, parents, plan, saved, options, None, shapes, outs[0].dtype, mode)
        for i, (result, out) in enumerate(zip(results, outs, strict=True)):
            kept = out if out.size <= SMALL else None
            result.node = Node(ITEM, [whole], ITEM.plans[0], [], {"index": i}, kept, out.shape, out.dtype, mode)
            result.requires_grad = True
    return results


def _share_memory(result: Tensor, source: Tensor) -> None:
    """Let a view know whose memory it lies in."""
    base = result.data.base
    if base is not None and (base is source.data or base is source.data.base):  # else a copy, seen in another shape
        result.view_of = source if source.view_of is None else source.view_of
        result._memory = source._memory or source.memory


def _lists_as_arrays(args: tuple[Any, ...], values: list[Any], backend: Backend) -> tuple[tuple[Any, ...], list[Any]]:
    """Arguments and values with arrays for lists: of float32, or of float64 where an array beside them has that."""
    wide = any(getattr(value, "dtype", None) == "float64" for value in values)
    make = backend.xp.asarray if wide else backend.asarray
    lists = [BY_TYPE[type(value)] is None for value in values]
    values = [make(value) if is_list else value for is_list, value in zip(lists, values, strict=True)]
    return tuple([value if is_list else arg for is_list, arg, value in zip(lists, args, values, strict=True)]), values


def _mismatch(op: Op, args: tuple[Any, ...]) -> BackendMismatchError:
    told = []
    for i, arg in enumerate(args):
        backend = backend_of(arg.data if isinstance(arg, Tensor) else arg)
        if backend is not None and backend is not SCALAR:
            name = f" ({arg.name})" if isinstance(arg, Tensor) and arg.name else ""
            told.append((f"operand {i}{name} of shape {arg.shape} is on {backend.name}", backend.name))
    return BackendMismatchError(
        f"{op.name!r} was given arrays of two libraries: {', '.join(text for text, _ in told)}; "
        f"move one, with .to({told[-1][1]!r}) say"
    )


def _explain(error: Exception, op: Op, values: list[Any], options: dict[str, Any]) -> Exception:
    shapes = ", ".join(str(value.shape) if hasattr(value, "shape") else repr(value) for value in values)
    told = "".join(f", {key}={value!r}" for key, value in options.items())
    kind = ShapeError if isinstance(error, ValueError) else TypeError
    return kind(f"{op.name!r} cannot take ({shapes}{told}): {error}")
