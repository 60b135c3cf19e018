"""Training without gradients: a loss of a vector of numbers is made small by trying.

    search = Genetic(loss, start=numbers_of(model))
    for _ in range(100):
        search.step()
    set_numbers(model, search.best)

`loss` takes a vector (n,), float64, and gives a number, which need not have a derivative. `best` is the best vector
that was tried, `best_loss` its loss, `evaluations` how often a loss was asked; one that is no number is the worst.
`rng` is a NumPy generator, or a seed for one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.nn import Module

from .data.synthetic import Random

Loss = Callable[[np.ndarray], float]


def numbers_of(model: Module) -> np.ndarray:
    """All parameters of a model, one after the other: (n,) float64. Raises ValueError for a model that has none."""
    found = [parameter.numpy().ravel() for parameter in model.parameters()]
    if not found:
        raise ValueError(f"{type(model).__name__} has no parameters: there is nothing to search for")
    return np.concatenate(found).astype("float64")


def set_numbers(model: Module, numbers: np.ndarray) -> None:
    """Set the parameters to what `numbers_of` gave of such a model. Raises ValueError for more or fewer numbers."""
    parameters = list(model.parameters())
    ends = np.cumsum([0, *(parameter.size for parameter in parameters)])
    if np.shape(numbers) != (ends[-1],):
        raise ValueError(f"the parameters are {ends[-1]} numbers, and {np.shape(numbers)} were given")
    for parameter, part in zip(parameters, np.split(np.asarray(numbers), ends[1:-1])):
        parameter.data[...] = parameter.backend.asarray(part.reshape(parameter.shape).astype(parameter.dtype))
        parameter.mark_written()


class Search:
    """Base: what has been tried, and the best of it. A subclass writes `step`."""

    def __init__(self, loss: Loss, start: Any, rng: Random = 0):
        self.loss, self.rng = loss, np.random.default_rng(rng)
        self.best = np.array(start, "float64")
        self.best_loss, self.evaluations = math.inf, 0
        if self.best.ndim != 1 or not len(self.best):
            raise ValueError(f"a search starts from a vector of at least one number, not from shape {self.best.shape}")

    def step(self) -> None:
        """Try some more vectors."""
        raise TypeError(f"{type(self).__name__} has no step(): write it")

    def ask(self, numbers: np.ndarray) -> float:
        """The loss there, and keep it if it is the best."""
        self.evaluations += 1
        loss = float(self.loss(numbers))
        loss = loss if math.isfinite(loss) else math.inf
        if loss < self.best_loss:
            self.best, self.best_loss = numbers.copy(), loss
        return loss


class Genetic(Search):
    """A genetic algorithm on real numbers; a `step` is a generation.

    The first population is `start` and others normal around it, with deviation `spread`. Of each generation the `elite`
    best live on; the other places go to children. A child's parents are the best of three drawn at random each; every
    number of it is drawn between those of its parents, and up to `blend` of their distance beyond (BLX-α, Eshelman and
    Schaffer 1993), and then with probability `mutation` moved by a normal number of deviation `spread`, which shrinks
    by `decay` from one generation to the next. Raises ValueError for a population of less than 3 or no more than its
    elite, and for numbers that are no spread, probability, decay or blend.
    """

    def __init__(
        self,
        loss: Loss,
        start: Any,
        population: int = 60,
        elite: int = 2,
        spread: float = 0.5,
        mutation: float = 0.1,
        decay: float = 0.99,
        blend: float = 0.5,
        rng: Random = 0,
    ):
        super().__init__(loss, start, rng)
        if not 0 <= elite < population or population < 3:
            raise ValueError(f"a population is at least 3, and more than its elite, not {population} with {elite}")
        if spread < 0 or not 0 <= mutation <= 1 or not 0 < decay <= 1 or blend < 0:
            raise ValueError(
                "spread and blend must be at least 0, mutation from 0 to 1, and decay above 0 and at most 1, not "
                f"{spread}, {blend}, {mutation} and {decay}"
            )
        self.elite, self.spread, self.mutation, self.decay, self.blend = elite, spread, mutation, decay, blend
        self.population = self.best + self.rng.normal(0, spread, (population, len(self.best)))
        self.population[0] = self.best
        self.losses = np.array([self.ask(one) for one in self.population])

    def step(self) -> None:
        """Make the next generation."""
        size, count = self.population.shape
        children = size - self.elite
        rivals = self.rng.integers(size, size=(2, children, 3))
        chosen = np.take_along_axis(rivals, self.losses[rivals].argmin(axis=2)[..., None], axis=2)[..., 0]
        mothers, fathers = self.population[chosen]
        share = self.rng.uniform(-self.blend, 1 + self.blend, (children, count))
        born = mothers + share * (fathers - mothers)
        born += (self.rng.random(born.shape) < self.mutation) * self.rng.normal(0, self.spread, born.shape)
        kept = self.losses.argsort()[: self.elite]
        losses = [self.ask(one) for one in born]
        self.population = np.concatenate([self.population[kept], born])
        self.losses = np.concatenate([self.losses[kept], losses])
        self.spread *= self.decay


class Annealing(Search):
    """Simulated annealing; a `step` is one temperature, at which every number is moved `moves` times, one at a time.

    A move for the worse by Δ is made with probability exp(-Δ / T) (Kirkpatrick, Gelatt and Vecchi 1983); then T is
    multiplied by `cooling`. How far each number is moved, at first up to `reach`, is set so that about half of its
    moves are made (Corana, Marchesi, Martini and Ridella 1987). `temperature`, the first T, is in units of the loss.
    Raises ValueError unless temperature and `reach` are above 0, `cooling` is above 0 and at most 1, and there is a
    move, and if the loss at the start is no number.
    """

    def __init__(
        self,
        loss: Loss,
        start: Any,
        temperature: float = 1.0,
        cooling: float = 0.9,
        moves: int = 10,
        reach: float = 0.5,
        rng: Random = 0,
    ):
        super().__init__(loss, start, rng)
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be above 0, not {temperature}")
        if not 0 < cooling <= 1:
            raise ValueError(f"cooling must be above 0 and at most 1, not {cooling}")
        if moves < 1:
            raise ValueError(f"moves must be at least 1, not {moves}")
        if not 0 < reach < math.inf:
            raise ValueError(f"reach must be above 0, not {reach}")
        self.here = self.best.copy()
        self.loss_here = self.ask(self.here)
        if not math.isfinite(self.loss_here):
            raise ValueError("the loss at the start is no number: start from elsewhere")
        self.temperature, self.cooling, self.moves = temperature, cooling, moves
        self.reach = np.full(len(self.here), float(reach))

    def step(self) -> None:
        """Move about at this temperature, and cool."""
        made = np.zeros(len(self.here))
        for _ in range(self.moves):
            for n in self.rng.permutation(len(self.here)):
                there = self.here.copy()
                there[n] += self.rng.uniform(-self.reach[n], self.reach[n])
                loss = self.ask(there)
                worse = loss - self.loss_here
                if worse <= 0 or self.rng.random() < math.exp(-worse / self.temperature):
                    self.here, self.loss_here = there, loss
                    made[n] += 1
        share = made / self.moves
        wider, narrower = np.maximum(0, share - 0.6) / 0.4, np.maximum(0, 0.4 - share) / 0.4
        self.reach *= (1 + 2 * wider) / (1 + 2 * narrower)
        self.temperature *= self.cooling
