"""Random programs of the table's operations: plain data, which prints as the Python code that it stands for."""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import table
from table import ONE, TWO, Case, Row, listed
from table.row import In, anywhere

import minigrad as mg

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]

Shape = tuple[int, ...]
Choose = Callable[[int], int]  # choose(n) is one of 0 … n - 1

# These families hand numbers on as they are: no tanh is needed to keep them small, and no tie or zero does harm.
ARRANGING = ("shape", "indexing")

SHAPES: list[Shape] = [(2, 3), (3,), (), (2, 1), (2, 3, 2), (1,), (2, 2), (4, 2), (0, 3)]  # of leaves
LAYOUTS = ("", "F", "backwards", "gaps", "readonly")
ROLES = ("leaf", "leaf", "constant", "array")  # an "array" is no Tensor

LARGEST = 48  # numbers in a value

# How a value takes a shape that none has.
RESHAPE = Row(mg.reshape, np.reshape, lambda x, shape: x.reshape(shape), "0d")
TAKE = Row(mg.take, np.take, lambda x, indices: x.reshape(-1)[torch.tensor(indices)], "0d")


def told(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "0d"


@dataclass
class Leaf:
    shape: Shape
    layout: str
    role: str

    def array(self, rng: np.random.Generator) -> np.ndarray:
        values = rng.uniform(-1, 1, self.shape)
        if self.layout == "readonly":
            values.flags.writeable = False
            return values
        fits = len(self.shape) > (0 if self.layout == "gaps" else 1)
        return In(told(self.shape) + self.layout).make(values) if fits else values


@dataclass
class Operand:
    """The value `place`, scaled, and with an array added; the array alone where `place` is None (a mask, say)."""

    place: int | None
    array: np.ndarray | None = None
    scale: float = 1
    source: str = ""  # what the array is

    def __str__(self) -> str:
        value = [] if self.place is None else [f"v{self.place}" if self.scale == 1 else f"{self.scale} * v{self.place}"]
        return " + ".join(value + ([] if self.array is None else [f"{self.source}({told(self.array.shape)})"]))

    def of(self, values: list[Any], convert: Callable[[Any], Any]) -> Any:
        if self.place is None:
            return convert(self.array)
        value = values[self.place] if self.scale == 1 else values[self.place] * self.scale
        return value if self.array is None else value + convert(self.array)


@dataclass
class Step:
    """A call; where there is `noise`, each result is then tanh(result + noise)."""

    row: Row
    options: dict[str, Any]
    operands: list[Operand]
    shapes: list[Shape]  # of the results
    noise: list[np.ndarray]
    first: int  # the place of the first result among the values

    def __str__(self) -> str:
        options = [f"{key}={value!r}".replace("\n", "") for key, value in self.options.items()]
        call = f"{self.row.name}({', '.join([*map(str, self.operands), *options])})"
        names = ", ".join(f"v{self.first + i}" for i in range(len(self.shapes)))
        return f"{names} = {f'tanh({call} + noise)' if self.noise else call}  # {', '.join(map(told, self.shapes))}"


@dataclass
class Library:
    """Which function of a row a program calls, and what it takes arrays as."""

    function: str
    tanh: Callable[[Any], Any]
    convert: Callable[[np.ndarray], Any]


OURS = Library("ours", mg.tanh, lambda array: array)
TORCHS = Library("torchs", lambda x: torch.tanh(x), lambda array: torch.tensor(array))


@dataclass
class Call:
    """A row with one of its sets of options, and the shapes to call it with."""

    row: Row
    options: dict[str, Any]
    shapes: list[Shape]
    results: list[Shape]
    constants: list[np.ndarray | None]  # of each operand: what it is where it is no floats (a mask, say)
    of_any_shape: bool = False


@dataclass
class Program:
    """Leaves, then steps. Its numbers come from its seed."""

    seed: int
    leaves: list[Leaf] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)  # of all values, those of the leaves first
    generic: list[bool] = field(default_factory=list)  # of each value: it holds no ties and no zeros

    def __repr__(self) -> str:
        lines = [f"v{i} = {leaf.role}({leaf.shape}, {leaf.layout!r})" for i, leaf in enumerate(self.leaves)]
        return "\n    ".join([f"Program of seed {self.seed}:", *lines, *map(str, self.steps)]) + "\n"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # how Hypothesis prints it
        printer.text(repr(self))

    def rng(self, *what: Any) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{self.seed} {what}".encode()))

    def arrays(self) -> list[np.ndarray]:
        return [leaf.array(self.rng("leaf", i)) for i, leaf in enumerate(self.leaves)]

    def run(self, inputs: list[Any], library: Library = OURS, steps: slice = slice(None)) -> list[Any]:
        """`inputs`, which are all values before `steps`, and the values that these compute."""
        values = list(inputs)
        for step in self.steps[steps]:
            operands = [operand.of(values, library.convert) for operand in step.operands]
            # NumPy's reductions give scalars, whose power is not to the last bit that of arrays without an axis.
            operands = [np.asarray(operand) if isinstance(operand, np.generic) else operand for operand in operands]
            if library is TORCHS:  # some of whose functions take no other layout
                operands = [operand.contiguous() for operand in operands]
            results = listed(getattr(step.row, library.function)(*operands, **step.options))
            for i, (result, shape) in enumerate(zip(results, step.shapes, strict=True)):
                if library is TORCHS:  # and some drop or keep an axis
                    result = result.reshape(shape)
                if step.noise:
                    result = library.tanh(result + library.convert(step.noise[i]))
                values.append(result)
        return values

    def loss(self, values: list[Any], library: Library = OURS) -> Any:
        """A sum, weighted at random, of the first value, of those that no step uses, and of half of the others.

        Of several results some may go unused.
        """
        ends = {step.first for step in self.steps if len(step.shapes) == 1}
        ends -= {operand.place for step in self.steps for operand in step.operands}
        total: Any = 0
        for i, value in enumerate(values):
            rng = self.rng("weight", i)
            if i == 0 or i in ends or rng.random() < 0.5:
                total = total + (value * library.convert(rng.uniform(0.5, 1.5, self.shapes[i]))).sum()
        return total

    def add_leaf(self, leaf: Leaf) -> None:
        self.leaves.append(leaf)
        self.shapes.append(leaf.shape)
        self.generic.append(True)

    def add_step(self, call: Call, places: list[int | None], arranges: bool) -> None:
        number = len(self.steps)
        shapes = [call.shapes[i] if place is None else self.shapes[place] for i, place in enumerate(places)]
        operands = [self._operand(call, i, place, arranges) for i, place in enumerate(places)]
        results = [np.broadcast_shapes(*shapes)] if call.of_any_shape else call.results
        rng = self.rng("noise", number)
        noise = [] if arranges else [rng.uniform(-0.3, 0.3, shape) for shape in results]
        self.steps.append(Step(call.row, call.options, operands, results, noise, len(self.shapes)))
        self.shapes += results
        self.generic += [not arranges] * len(results)

    def _operand(self, call: Call, i: int, place: int | None, arranges: bool) -> Operand:
        domain = call.row.domain_of(i)
        if place is None:
            return Operand(None, call.constants[i], source=domain.__name__)
        rng, shape = self.rng("operand", len(self.steps), i), self.shapes[place]
        if domain is not anywhere:  # numbers of the domain, each moved a little by a value
            return Operand(place, domain(rng, shape, i), 0.05, domain.__name__)
        if arranges or self.generic[place]:
            return Operand(place)
        return Operand(place, rng.uniform(-0.3, 0.3, shape), source="noise")

    def place_of_shape(self, shape: Shape, choose: Choose) -> int:
        """A value of this shape, if need be another value brought to it by a step of its own."""
        found = [i for i, other in enumerate(self.shapes) if other == shape]
        if not found:
            size = int(np.prod(shape))
            same_size = [i for i, other in enumerate(self.shapes) if np.prod(other) == size]
            if same_size:
                call = Call(RESHAPE, {"shape": shape}, [()], [shape], [None])
                self.add_step(call, [same_size[choose(len(same_size))]], arranges=True)
            else:
                source = choose(len(self.shapes))
                count = int(np.prod(self.shapes[source]))
                if size and not count:
                    source, count = 0, int(np.prod(self.shapes[0]))
                indices = self.rng("indices", len(self.steps)).integers(0, max(count, 1), shape)
                self.add_step(Call(TAKE, {"indices": indices}, [()], [shape], [None]), [source], arranges=True)
            found = [len(self.shapes) - 1]
        return found[choose(len(found))]


@functools.cache
def calls() -> dict[str, dict[str, list[Call]]]:
    """By family and operation, the table's calls with a gradient, once for all memory layouts."""
    found: dict[str, dict[str, list[Call]]] = {}
    for family, module in vars(table).items():
        for row in module.ROWS if isinstance(module, ModuleType) and hasattr(module, "ROWS") else ():
            if row.grad:
                found.setdefault(family, {}).setdefault(row.name, []).extend(_calls_of(row))
    return found


def _calls_of(row: Row) -> list[Call]:
    once = {str(Case(row, [In(told(spec.shape)) for spec in case.inputs], case.options)): case for case in row.cases()}
    made = []
    for case in once.values():
        arrays = case.arrays()
        results = [np.shape(result) for result in listed(row.numpys(*arrays, **case.options))]
        constants = [None if array.dtype.kind == "f" else array for array in arrays]
        made.append(Call(row, case.options, [array.shape for array in arrays], results, constants))
    any_shape = row.examples in (ONE, TWO) and all(c.results == [np.broadcast_shapes(*c.shapes)] for c in made)
    return [dataclasses.replace(call, of_any_shape=any_shape) for call in made]


def random_program(choose: Choose, longest: int = 30) -> Program:
    """A program of 1 to `longest` operations: of each a family, an operation, a call, then values that fit it."""
    program = Program(choose(10**6))
    program.add_leaf(Leaf((2, 3), LAYOUTS[choose(len(LAYOUTS))], "leaf"))
    for _ in range(choose(4)):
        program.add_leaf(Leaf(SHAPES[choose(len(SHAPES))], LAYOUTS[choose(len(LAYOUTS))], ROLES[choose(len(ROLES))]))
    while len(program.steps) < longest:
        family = _one(list(calls().items()), choose)
        call = _one(_one(list(family[1].values()), choose), choose)
        if call.of_any_shape:
            places = _broadcasting(program, len(call.shapes), choose)
        else:
            places = [
                program.place_of_shape(shape, choose) if constant is None else None
                for shape, constant in zip(call.shapes, call.constants)
            ]
        program.add_step(call, places, family[0] in ARRANGING)
        if choose(24) == 0:  # not a length drawn ahead: so Hypothesis can leave out any step of a program that fails
            break
    return program


def _one(things: list[Any], choose: Choose) -> Any:
    return things[choose(len(things))]


def _broadcasting(program: Program, arity: int, choose: Choose) -> list[int | None]:
    """Values, the second of a shape that broadcasts with the first's to no more than LARGEST numbers."""
    shapes = program.shapes
    small = [place for place, shape in enumerate(shapes) if np.prod(shape) <= LARGEST]
    first = _one(small, choose)
    fitting = [place for place in small if _broadcast_size(shapes[first], shapes[place]) <= LARGEST]
    return [first] if arity == 1 else [first, _one(fitting, choose)]


def _broadcast_size(x: Shape, y: Shape) -> float:
    fit = all(n == m or 1 in (n, m) for n, m in zip(x[::-1], y[::-1]))
    return np.prod(np.broadcast_shapes(x, y)) if fit else np.inf
