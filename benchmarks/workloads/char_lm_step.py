"""One whole update of a character model: what `minigrad-rnn train` and `benchmarks.char_lm_torch` do again and again.

Embedding of E numbers, two layers of LSTM of H units with dropout between them, a linear layer to 65 characters;
cross-entropy, backward, the gradient's norm clipped to 1, Adam. The state goes on from update to update, without
gradient. The characters are random: which they are changes nothing about the work.

What is fair here:

- The models are those of the two programs, from the same weights. Of the two biases that PyTorch has in each layer the
  second stays 0: else Adam would move their sum twice as far as it moves our one.
- Adam is each library's, with its defaults but for the rate; PyTorch's could be had with `fused=True`.
- Dropout is each library's, with random numbers of its own. The first two updates are without, so that contenders can
  be compared by them; none of those is timed, since a worker warms up for at least two.
- minigrad computes under `mg.use_threads`, as its training command does: its compiled loops have the threads, BLAS one.
- With such characters the norm is below 1: minigrad leaves the gradients alone (on the CPU), PyTorch multiplies by 1.
- No number is read, neither loss nor norm: on a GPU that would be to wait for it.
"""

from __future__ import annotations

import contextlib
import itertools
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe

CHARACTERS, LAYERS, DROPOUT, RATE, CLIP = 65, 2, 0.2, 2e-3, 1.0
BATCHES = 8  # in turn, so that a long measurement does not come to the end of learning
WITHOUT_DROPOUT = 2  # updates: what is compared is the first, and the loss of the second


class Training(NamedTuple):
    """A model and what it is trained with; `parameters` are those that are trained."""

    model: Callable[[Any, Any], Any]  # codes and a state -> logits (T, B, characters) and the state after them
    parameters: list[Any]
    optimiser: Any
    cross_entropy: Callable[[Any, Any], Any]
    clip: Callable[[list[Any], float], Any]
    drop: Callable[[float], None]  # from now on with this probability
    gradients: Callable[[], list[Any]]  # in the layout of minigrad's parameters, and in their order


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    build, threads = (_minigrad, _threads) if contender == "minigrad" else (_torch, contextlib.nullcontext)
    with threads():  # until the next probe is asked for: while this one is measured
        yield _update(build, library, size)


def _update(build: Callable[[Library, int, int], Training], library: Library, size: Size) -> Probe:
    T, B, E, H = size
    training = build(library, E, H)
    rng = np.random.default_rng(1)
    codes = rng.integers(CHARACTERS, size=(BATCHES, T + 1, B))
    batches = itertools.cycle([(library.leaf(each[:-1], False), library.leaf(each[1:], False)) for each in codes])
    number = itertools.count()
    state: Any = None

    def forward(_: None) -> Any:
        nonlocal state
        training.drop(DROPOUT if next(number) >= WITHOUT_DROPOUT else 0.0)
        training.optimiser.zero_grad()
        inputs, targets = next(batches)
        logits, after = training.model(inputs, state)
        state = tuple(part.detach() for part in after)
        return training.cross_entropy(logits, targets)

    def clip_and_step(_: None) -> None:
        training.clip(training.parameters, CLIP)
        training.optimiser.step()

    phases: dict[str, Callable[[Any], Any]] = {
        "forward": forward,
        "backward": lambda loss: loss.backward(),
        "clipping and Adam": clip_and_step,
    }
    names = [name for name in weights(E, H) if "bias_hh" not in name]
    return Probe("update", phases, [], lambda: dict(zip(names, training.gradients(), strict=True)))


def weights(embedding: int, hidden: int) -> dict[str, np.ndarray]:
    """The same for both contenders, by PyTorch's names, in its layout and its order; the second biases are 0."""
    rows = 4 * hidden
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (CHARACTERS, embedding)}
    for n in range(LAYERS):
        shapes |= {
            f"recurrent.weight_ih_l{n}": (rows, hidden if n else embedding),
            f"recurrent.weight_hh_l{n}": (rows, hidden),
            f"recurrent.bias_ih_l{n}": (rows,),
            f"recurrent.bias_hh_l{n}": (rows,),
        }
    shapes |= {"head.weight": (CHARACTERS, hidden), "head.bias": (CHARACTERS,)}
    rng = np.random.default_rng(0)
    values = {name: rng.standard_normal(shape, np.float32) * hidden**-0.5 for name, shape in shapes.items()}
    return values | {name: np.zeros(shapes[name], np.float32) for name in shapes if "bias_hh" in name}


def _threads() -> contextlib.AbstractContextManager[None]:
    import minigrad as mg
    from minigrad.loop.threads import count

    return mg.use_threads(count())  # which a worker's OMP_NUM_THREADS says


def _minigrad(library: Library, embedding: int, hidden: int) -> Training:
    import minigrad_rnn as mr
    from minigrad_rnn.charmodel import CharModel
    from minigrad_rnn.data import Vocabulary

    mg = library.module
    vocabulary = Vocabulary("".join(map(chr, range(CHARACTERS))))
    model = CharModel(vocabulary, "lstm", embedding, hidden, LAYERS, DROPOUT)
    parameters = list(mr.load_torch(model, weights(embedding, hidden)).parameters())

    def drop(p: float) -> None:
        model.recurrent.dropout.p = p

    return Training(
        model,
        parameters,
        mg.optim.Adam(parameters, lr=RATE),
        mg.nn.cross_entropy,
        mg.optim.clip_grad_norm,
        drop,
        lambda: [parameter.grad for parameter in parameters],
    )


def _torch(library: Library, embedding: int, hidden: int) -> Training:
    from ..char_lm_torch import make_model

    torch = library.module
    options = {"embedding_dropout": 0.0, "dropout": DROPOUT, "output_dropout": 0.0}
    model = make_model(CHARACTERS, Namespace(embedding=embedding, hidden=hidden, layers=LAYERS, **options))
    values = weights(embedding, hidden)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
    model.to(library.device)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("bias_hh" not in name)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    parameters = list(trained.values())

    def drop(p: float) -> None:
        model.recurrent.dropout = p

    return Training(
        model,
        parameters,
        torch.optim.Adam(parameters, lr=RATE),
        lambda logits, targets: torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()),
        torch.nn.utils.clip_grad_norm_,
        drop,
        lambda: [p.grad.T if p.ndim == 2 and "embedding" not in name else p.grad for name, p in trained.items()],
    )
