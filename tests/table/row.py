"""What a row of the table is: one operation, and what to call it with."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# What the numbers of an input are. `apart` keeps them, and those of a second input, away from each other and from 0,
# -0.5 and 0.7, where kinks and ties are.
Domain = Callable[[np.random.Generator, tuple[int, ...], int], np.ndarray]


def anywhere(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.uniform(-2, 2, shape)


def positive(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.uniform(0.3, 2, shape)


def apart(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    n = int(np.prod(shape))
    return ((rng.permutation(n) - n // 2) * 0.4 + 0.13 + 0.16 * place).reshape(shape)


def few(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.integers(0, 3, shape).astype(float)


def mask(rng: np.random.Generator, shape: tuple[int, ...], place: int) -> np.ndarray:
    return rng.integers(0, 2, shape).astype(bool)


@dataclass(frozen=True)
class In:
    """An input's shape, and how it lies in memory: row by row, column by column, backwards, or with gaps."""

    text: str  # "2x3", "2x3F", "2x3backwards", "2x3gaps"; "0d" has no axis

    @property
    def layout(self) -> str:
        return self.text.lstrip("0123456789x")

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.text == "0d" else tuple(map(int, self.text.removesuffix(self.layout).split("x")))

    def make(self, values: np.ndarray) -> np.ndarray:
        if self.layout == "F":
            return np.asfortranarray(values)
        if self.layout == "backwards":
            return values[::-1, ::-1].copy()[::-1, ::-1]
        if self.layout == "gaps":
            return np.repeat(values, 2, axis=-1)[..., ::2]
        return values


# The inputs of an example, side by side: a shape, and how it lies in memory (see `In`). Examples are parted by commas.
ONE = "0d, 1, 2x3, 2x1x2, 0x3, 2x3F, 2x3backwards, 2x3gaps"
TWO = "0d 0d, 2x3 2x3, 2x3 3, 3 2x1x3, 2x1 1x3, 1 2x2, 0d 3, 2x2 0d, 0x3 3, 2x3F 2x3backwards, 2x3gaps 1x3"
MATRIX = "2x3, 2x3F, 2x3backwards, 2x3gaps"
CUBE = "2x3x2, 2x3x2F, 2x3x2gaps"


def each(option: str, *values: Any) -> list[dict[str, Any]]:
    return [{option: value} for value in values]


def axes(*values: Any) -> list[dict[str, Any]]:
    """No option at all, then each of these axes."""
    return [{}, *each("axis", *values)]


@dataclass
class Row:
    """One operation: ours, NumPy's, PyTorch's, and what to call them with."""

    ours: Callable[..., Any]
    numpys: Callable[..., Any]
    torchs: Callable[..., Any]
    examples: str
    options: Iterable[dict[str, Any]] = ({},)
    domain: Domain | tuple[Domain, ...] = anywhere
    grad: bool = True
    keeps_dtype: bool = True
    dtypes: dict[str, str] = field(default_factory=dict)  # of the result, by that of the inputs, where not NumPy's
    name: str = ""  # of the operation, where `ours` wraps it

    def __post_init__(self) -> None:
        self.name = self.name or self.ours.__name__

    def cases(self) -> Iterator[Case]:
        for example, options in itertools.product(self.examples.split(","), self.options):
            yield Case(self, [In(text) for text in example.split()], options)

    def domain_of(self, place: int) -> Domain:
        return self.domain[place] if isinstance(self.domain, tuple) else self.domain


@dataclass
class Case:
    row: Row
    inputs: list[In]
    options: dict[str, Any]

    def __str__(self) -> str:
        told = [f"{key}={value}".replace("\n", "") for key, value in self.options.items()]
        return "-".join([self.row.name, *[spec.text for spec in self.inputs], *told])

    def arrays(self, dtype: Any = np.float64) -> list[np.ndarray]:
        made = []
        for place, spec in enumerate(self.inputs):
            rng = np.random.default_rng(zlib.crc32(f"{self}{place}".encode()))
            values = self.row.domain_of(place)(rng, spec.shape, place)
            made.append(spec.make(values.astype(dtype) if values.dtype == np.float64 else values))
        return made

    def run(self, *inputs: Any) -> list[Any]:
        """The results of ours, as a list."""
        return listed(self.row.ours(*inputs, **self.options))


def listed(results: Any) -> list[Any]:
    return list(results) if isinstance(results, (tuple, list)) else [results]


def sequence(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function([x, y])` as `function(x, y)`."""
    return lambda *arrays, **options: function(arrays, **options)
