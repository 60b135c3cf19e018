"""An ONNX graph being written: nodes, constants, and lengths that are known only when it runs."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.tensor import on_host

from .onnx_trace import ExportError, Length, Var

INT64 = np.dtype("int64")


class Graph:
    """Nodes in order, and the names of the Vars they compute; the body of a loop is a graph in another, `around` it.

    A node that reads nothing of the body goes to the graph around it, where it is run once. `sources` says for each
    axis which input has it, and where; `known` are parameters' names, by the ids of their Tensors.
    """

    def __init__(
        self,
        sources: Mapping[str, tuple[str, int]] | None = None,
        known: Mapping[int, str] | None = None,
        around: Graph | None = None,
    ):
        self.nodes: list[Any] = []
        self.around = around
        self._own: set[str] = set()
        self._names: dict[Var, str] = {}
        if around is None:
            self.constants: dict[str, Any] = {}
            self._sources, self.known = dict(sources or {}), dict(known or {})
            self._taken = {source for source, _ in self._sources.values()}
            self._made: dict[Any, str] = {}  # constants by value, lengths by what they are
            self._count = 0

    @property
    def root(self) -> Graph:
        """The graph that is in no other: it holds all constants."""
        return self if self.around is None else self.around.root

    def name(self, wanted: str) -> str:
        """`wanted`, or with a number to it if another has that name."""
        root, name = self.root, wanted
        while name in root._taken:
            root._count += 1
            name = f"{wanted}_{root._count}"
        root._taken.add(name)
        return name

    def bring_in(self, var: Var, name: str) -> str:
        """Say that `var` is an input of this graph."""
        self._names[var] = name
        self._own.add(name)
        self.root._taken.add(name)
        return name

    def node(
        self, kind: str, inputs: Sequence[str], outputs: int | Sequence[str] = 1, here: bool = False, **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node, and return the names of its outputs; "" is an optional input that is left out.

        `here` keeps it in this graph whatever it reads.
        """
        if self.around is not None and not here and not any(name in self._own for name in inputs):
            return self.around.node(kind, inputs, outputs, **attributes)
        from onnx import helper

        made = [self.name(kind.lower()) for _ in range(outputs)] if isinstance(outputs, int) else outputs
        self._own.update(made)
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=self.name(kind), **attributes))
        return tuple(made)

    def constant(self, array: Any, name: str | None = None) -> str:
        """The name of a constant, of the same one if it is asked for again; `name` is what it is to be called."""
        root, array = self.root, np.ascontiguousarray(array).reshape(np.shape(array))
        key = name, array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest()
        if key not in root._made:
            root._made[key] = made = self.name(name or "constant")
            root.constants[made] = array
        return root._made[key]

    def length(self, length: int | Length) -> str:
        """A length as an array (1) of int64."""
        if not isinstance(length, Length):
            return self.constant(np.array([length], INT64))
        root = self.root
        if not length.terms:
            raise ExportError("a length here is no sum of products of batch size and steps: pool or cut in other steps")
        if length not in root._made:
            root._made[length] = root._compute(length)
        return root._made[length]

    def _compute(self, length: Length) -> str:
        terms = []
        for factor, axes in length.terms:
            factors = [self.length(factor)] if factor != 1 or not axes else []
            terms.append(self._folded("Mul", factors + [self._axis(axis) for axis in axes]))
        return self._folded("Add", terms)

    def _folded(self, kind: str, names: Sequence[str]) -> str:
        return functools.reduce(lambda one, other: self.node(kind, [one, other])[0], names)

    def _axis(self, axis: str) -> str:
        """The length of an axis, read off the input that has it."""
        if axis not in self._made:
            source, place = self._sources[axis]
            (self._made[axis],) = self.node("Shape", [source], start=place, end=place + 1)
        return self._made[axis]

    def lengths(self, lengths: Sequence[int | Length]) -> str:
        """Lengths as one array of int64."""
        if not any(isinstance(length, Length) for length in lengths):
            return self.constant(np.array(lengths, INT64))
        return self.node("Concat", [self.length(length) for length in lengths], axis=0)[0]

    def value(self, arg: Any, dtype: Any) -> str:
        """A Var, a number or a Length as an array of `dtype`."""
        if isinstance(arg, Var):
            return self.cast(self.var(arg), arg.dtype, dtype)
        if isinstance(arg, Length):
            return self.cast(self.node("Squeeze", [self.length(arg)])[0], INT64, dtype)
        return self.constant(np.asarray(arg, dtype))

    def cast(self, name: str, given: Any, wanted: Any) -> str:
        from onnx import helper

        if given == wanted:
            return name
        return self.node("Cast", [name], to=helper.np_dtype_to_tensor_dtype(np.dtype(wanted)))[0]

    def var(self, var: Var) -> str:
        """The name of a Var: computed or brought in before, of the graph around, or a constant."""
        if var in self._names:
            return self._names[var]
        if self.around is not None:
            return self.around.var(var)
        if var.varies:
            raise ExportError(
                "the model computes with an array that is another one for another batch size or number of steps, or at "
                "random: make it of the inputs, in Tensors' operations"
            )
        name = self.constant(on_host(var.held), self.known.get(id(var.held)))
        if any(isinstance(n, Length) for n in var.shape):
            (name,) = self.node("Expand", [name, self.lengths(var.shape)])
        self._names[var] = name
        return name

    def computed(self, var: Var, name: str) -> None:
        """Say that `name` is what `var` is."""
        self._names[var] = name


class Writer:
    """Writes nodes by their names: `w.Mul(x, 0.5)` adds a node "Mul" and returns its result's name.

    Names are arrays; numbers become constants of `dtype`; None is left out. Attributes go by name, and `outputs` says
    how many results there are, if not one.
    """

    def __init__(self, graph: Graph, dtype: Any):
        self.graph, self.dtype = graph, np.dtype(dtype)

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        def write(*args: Any, outputs: int | None = None, **attributes: Any) -> Any:
            inputs = [self._input(arg) for arg in args]
            made = self.graph.node(kind, inputs, outputs or 1, **attributes)
            return made[0] if outputs is None else made

        return write

    def _input(self, arg: Any) -> str:
        if arg is None:
            return ""
        return arg if isinstance(arg, str) else self.graph.value(arg, self.dtype)

    def ints(self, *numbers: int | Length) -> str:
        """Whole numbers as an array of int64."""
        return self.graph.lengths(numbers)

    def index(self, number: int) -> str:
        """A number as an int64 array without axes."""
        return self.graph.constant(np.array(number, INT64))

    def cast(self, arg: Any, dtype: Any) -> str:
        """A Var, a number or a Length in another dtype."""
        return self.graph.value(arg, np.dtype(dtype))
