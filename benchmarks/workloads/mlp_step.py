"""A whole training step of a relu network: forget the gradients, forward, cross-entropy, backward, optimiser.

Each library's code is what its users write: minigrad's `nn.Linear`, `relu`, `nn.cross_entropy` and `optim`; PyTorch's
`nn.Linear`, `nn.ReLU`, `F.cross_entropy` and `torch.optim`, whose `zero_grad` sets the gradients to None. Both
optimisers have their defaults but for the learning rate of SGD; PyTorch's Adam takes a fifth of the time with
`fused=True`, which one has to ask for.

Peak memory is what the peak of resident memory rises by over the first 20 steps, from what was resident just before.
What is fair here:

- Each library and optimiser has a process of its own. Both allocate by the same `malloc`, with the same arenas and the
  same threshold from which freed memory goes back to the system; nothing of that is set. Memory that was freed while
  the model was made goes back before the first step: else the steps would use it again unseen.
- The model, the optimiser and the data are there before (the optimiser's state is not: it is made in the first step).
- Both have run before: a product as large as the first layer's, because the BLAS keeps buffers for each thread, and
  three steps of a tiny model, because a page of code becomes resident when it first runs, and PyTorch imports more code
  in an optimiser's first step. That has nothing to do with the numbers; without it PyTorch's figure is larger.
- "Peak memory in all" is all that the process had: the interpreter, the libraries' code, model, data and buffers too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe

STEPS = 20  # over which the memory is looked at
BATCHES = 8  # in turn, so that a long measurement does not come to the end of learning
TINY: Size = (2, 8, 8, 4)
OPTIONS = {"SGD": {"lr": 0.1}, "Adam": {"lr": 1e-3}}


def probes(contender: str, library: Library, size: Size, part: str) -> Iterator[Probe]:
    probe = _training(contender, library, size, part)
    batch, inputs, width = size[:3]
    library.leaf(np.ones((batch, inputs), np.float32), False) @ library.leaf(
        np.ones((inputs, width), np.float32), False
    )
    for _ in range(3):
        state = None
        for phase in _training(contender, library, TINY, part).phases.values():
            state = phase(state)
    yield probe


def _training(contender: str, library: Library, size: Size, kind: str) -> Probe:
    batch, *widths = size
    rng = np.random.default_rng(0)
    shapes = list(itertools.pairwise(widths))
    values = [rng.standard_normal(shape, np.float32) * (2 / shape[0]) ** 0.5 for shape in shapes]
    data = [
        (
            library.leaf(rng.standard_normal((batch, widths[0]), np.float32), False),
            library.leaf(rng.integers(widths[-1], size=batch), False),
        )
        for _ in range(BATCHES)
    ]
    build = _minigrad if contender == "minigrad" else _torch
    model, optimiser, cross_entropy, gradients = build(library, shapes, values, kind)
    batches = itertools.cycle(data)

    def forward(_: None) -> Any:
        optimiser.zero_grad()
        x, targets = next(batches)
        return cross_entropy(model(x), targets)

    phases: dict[str, Callable[[Any], Any]] = {
        "forward": forward,
        "backward": lambda loss: loss.backward(),
        "optimiser": lambda _: optimiser.step(),
    }
    named = lambda: {f"{what}{i}": grad for i, pair in enumerate(gradients()) for what, grad in zip("Wb", pair)}
    return Probe(kind, phases, [], named, memory=STEPS)


def _minigrad(library: Library, shapes: Any, values: Any, kind: str) -> tuple[Any, ...]:
    mg = library.module
    linear = [mg.nn.Linear(*shape) for shape in shapes]
    for layer, value in zip(linear, values):
        layer.load_state_dict({"weight": value, "bias": np.zeros(value.shape[1], np.float32)})
    model = mg.nn.Sequential(*[part for layer in linear for part in (layer, mg.relu)][:-1])
    optimiser = getattr(mg.optim, kind)(model.parameters(), **OPTIONS[kind])
    return model, optimiser, mg.nn.cross_entropy, lambda: [(layer.weight.grad, layer.bias.grad) for layer in linear]


def _torch(library: Library, shapes: Any, values: Any, kind: str) -> tuple[Any, ...]:
    torch = library.module
    linear = [torch.nn.Linear(*shape) for shape in shapes]
    for layer, value in zip(linear, values):
        layer.load_state_dict({"weight": torch.tensor(value.T.copy()), "bias": torch.zeros(value.shape[1])})
    model = torch.nn.Sequential(*[part for layer in linear for part in (layer, torch.nn.ReLU())][:-1])
    model.to(library.device)
    optimiser = getattr(torch.optim, kind)(model.parameters(), **OPTIONS[kind])
    gradients = lambda: [(layer.weight.grad.T, layer.bias.grad) for layer in linear]
    return model, optimiser, torch.nn.functional.cross_entropy, gradients
