"""char-lm: a character language model and generator.

A recurrent network reads characters x_1 … x_t and gives p(x_{t+1} | x_1 … x_t) = softmax(V h_t + c); it is trained by
truncated backpropagation through time on the mean of -log2 p (bits per character), the state carried from one piece
of text to the next. A model that has learned nothing but which character follows which (a bigram model) is the figure
to beat (Mikolov et al. 2010; Karpathy 2015, "The unreasonable effectiveness of recurrent neural networks").
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from rich.console import Console
from rich.text import Text
from threadpoolctl import threadpool_limits

import minigrad as mg
from minigrad.backend import current_backend
from minigrad.errors import MinigradError
from minigrad.serialize import atomic_write

from ..charmodel import CharModel
from ..data import Vocabulary, bigram_bits, read_text, split, stdlib_text, streams
from ..training import Progress, fit, plot_losses


@dataclass
class Options:
    """What can be chosen; the defaults are the demo's."""

    text: str | None = None  # a UTF-8 file; None is the source of Python's standard library
    out: str = "minigrad-demo"
    cell: str = "lstm"
    hidden: int = 192
    embedding: int = 64
    layers: int = 1
    batch: int = 32
    length: int = 64
    lr: float = 5e-3
    steps: int = 700
    seed: int = 0
    threads: int = 1  # of BLAS; two that share one small product wait for each other longer than they compute


@dataclass
class Result:
    """The figures of a run, in bits per character on the held-out tenth of the text, and what was written."""

    bits: float
    bigram: float
    steps: int
    interrupted: bool
    folder: Path


def run(options: Options, console: Console) -> Result:
    """Train, show samples on the way, and leave model.safetensors, loss.png and sample.txt in the folder `out`.

    Ctrl-C ends the training early; what there is then is saved all the same.
    """
    with threadpool_limits(options.threads, user_api="blas"):
        return _run(options, console)


def _run(options: Options, console: Console) -> Result:
    text = read_text(options.text) if options.text else stdlib_text()
    vocabulary = Vocabulary(text)
    train, validation = split(vocabulary.encode(text))
    mg.seed(options.seed)
    model = CharModel(vocabulary, options.cell, options.embedding, options.hidden, options.layers)
    folder = writable_folder(options.out)
    bigram = bigram_bits(train, validation, len(vocabulary))
    source = options.text or "the source of Python's standard library"
    console.print(
        f"Text: {source}, {len(text):,} characters of {len(vocabulary)} kinds; the last tenth is kept for validation.\n"
        f"Model: {options.cell} with {options.hidden} units, {sum(p.size for p in model.parameters()):,} parameters, "
        f"on {current_backend().name}.\n"
        f"To beat: a bigram model has {bigram:.3f} bits per character on the validation text.",
    )
    optimizer = mg.optim.Adam(model.parameters(), lr=options.lr)
    losses = fit(model, streams(train, options.batch, options.length), optimizer, options.steps)
    shows = {max(1, round(options.steps * part)) for part in (0.04, 0.2, 0.5, 1.0)}
    points: list[tuple[int, float]] = []
    interrupted = False
    with Progress(console, options.steps, options.batch * options.length) as progress:
        try:
            for step in progress.watch(losses):
                if step in shows:
                    points.append((step, model.bits_per_character(validation)))
                    show_sample(console, model, step * options.batch * options.length, points[-1][1], options.seed)
        except KeyboardInterrupt:
            interrupted = True
    steps = len(progress.losses)
    if not points or points[-1][0] != steps:
        points.append((steps, model.bits_per_character(validation)))
    model.save(folder / "model.safetensors")
    if steps:
        plot_losses(folder / "loss.png", progress.losses, points, bigram, options.batch * options.length)
    write_samples(folder / "sample.txt", model, options.seed)
    return Result(points[-1][1], bigram, steps, interrupted, folder)


def writable_folder(path: str) -> Path:
    """The folder `path`, made if need be and tried. Raises MinigradError if nothing can be written there."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise MinigradError(
            f"cannot write to the folder {folder}: {error.strerror}; choose another with --out"
        ) from None
    return folder


def show_sample(console: Console, model: CharModel, seen: int, bits: float, seed: int) -> None:
    """Print what the model writes by itself at this point of its training."""
    sample = "".join(model.continue_text("", 200, 0.7, seed))
    console.rule(f"after {seen:,} characters: {bits:.3f} bits/char on the validation text", align="left")
    console.print(Text(sample.strip("\n")))
    console.print()


def write_samples(path: Path, model: CharModel, seed: int) -> None:
    """Texts by the model at three temperatures."""
    parts = []
    for temperature in (0.5, 0.8, 1.0):
        text = "".join(model.continue_text("", 1000, temperature, seed)).strip("\n")
        parts.append(f"=== temperature {temperature} ===\n{text}\n")
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))
