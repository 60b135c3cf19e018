"""The character model of `minigrad-rnn train` in PyTorch: embedding, LSTM, softmax; truncated backpropagation, Adam.

`python -m benchmarks.char_lm_torch --text FILE --epochs 5 --out result.jsonl` prints what it reaches after each epoch,
and writes it as one line of JSON. Text, streams, pieces, state, clipping and schedule are those of minigrad_rnn.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.optim import cosine


def read(path: str) -> tuple[np.ndarray, int]:
    """The text of a UTF-8 file as numbers, a character's being its place among all in order; and how many there are."""
    points = np.frombuffer(Path(path).read_text(encoding="utf-8").encode("utf-32-le"), "<u4")
    characters, codes = np.unique(points, return_inverse=True)
    return codes.astype(np.int64), len(characters)


def pieces(codes: np.ndarray, batch: int, length: int) -> Iterator[tuple[Any, Any]]:
    """One pass over `batch` parallel streams: inputs and targets (time, batch), the last ones maybe shorter."""
    import torch

    width = (len(codes) - 1) // batch
    inputs = torch.from_numpy(codes[: batch * width].reshape(batch, width).T.copy())
    targets = torch.from_numpy(codes[1 : batch * width + 1].reshape(batch, width).T.copy())
    for start in range(0, width, length):
        yield inputs[start : start + length], targets[start : start + length]


def make_model(count: int, options: argparse.Namespace) -> Any:
    """A module (codes, state) -> (logits, state)."""
    from torch import nn

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(count, options.embedding)
            self.embedding_dropout = nn.Dropout(options.embedding_dropout)
            self.recurrent = nn.LSTM(options.embedding, options.hidden, options.layers, dropout=options.dropout)
            self.output_dropout = nn.Dropout(options.output_dropout)
            self.head = nn.Linear(options.hidden, count)

        def forward(self, codes: Any, state: Any) -> Any:
            hidden, state = self.recurrent(self.embedding_dropout(self.embedding(codes)), state)
            return self.head(self.output_dropout(hidden)), state

    return Model()


class Training:
    """A model, its optimiser, and the state that goes on from piece to piece."""

    def __init__(self, count: int, steps: int, options: argparse.Namespace):
        import torch

        self.model = make_model(count, options)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=options.lr)
        self.options, self.steps, self.done, self.state = options, steps, 0, None

    def step(self, inputs: Any, targets: Any) -> Any:
        """One update; returns the loss, in nats, as a tensor."""
        from torch.nn import functional, utils

        options = self.options
        warmup = min(options.warmup, self.steps // 10)
        factor = cosine(self.done, self.steps, warmup, options.floor if options.schedule == "cosine" else 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = options.lr * factor
        self.state = self.state and tuple(part.detach() for part in self.state)
        logits, self.state = self.model(inputs, self.state)
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad()
        loss.backward()
        if options.clip:
            utils.clip_grad_norm_(self.model.parameters(), options.clip)
        self.optimizer.step()
        self.done += 1
        return loss.detach()


def validate(model: Any, codes: np.ndarray, batch: int, length: int) -> float:
    """Mean -log p(next character), in nats, the state carried along each of `batch` streams."""
    import torch
    from torch.nn import functional

    model.eval()
    total, count, state = 0.0, 0, None
    with torch.no_grad():
        for inputs, targets in pieces(codes, batch, length):
            logits, state = model(inputs, state)
            total += functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
            count += targets.numel()
    model.train()
    return total / count


def epochs(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Train, and yield what each epoch came to."""
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    codes, count = read(options.text)
    cut = len(codes) - kept_for_validation(len(codes), options.validation)
    width = (cut - 1) // options.batch
    training = Training(count, options.epochs * math.ceil(width / options.length), options)
    seconds = 0.0
    for epoch in range(1, options.epochs + 1):
        start = time.perf_counter()
        training.state = None
        losses = [training.step(*piece) for piece in pieces(codes[:cut], options.batch, options.length)]
        training_loss = torch.stack(losses).mean().item()
        took = time.perf_counter() - start
        seconds += took
        start = time.perf_counter()
        validation = {
            batch: validate(training.model, codes[cut:], batch, options.length) for batch in options.validation_streams
        }
        found = validation[options.validation_streams[0]]
        yield {
            "step": training.done,
            "epoch": epoch,
            "loss": training_loss,
            "validation": found,
            "bits": found / math.log(2),
            "validation by streams": validation,
            "seconds": seconds,
            "epoch seconds": took,
            "validation seconds": time.perf_counter() - start,
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    """What this training and that of `minigrad-rnn train` have in common."""
    add = parser.add_argument
    add("--text", required=True, metavar="FILE", help="a UTF-8 file")
    add("--epochs", type=int, default=5, help="passes over the training text")
    add("--threads", type=int, default=2)
    add("--seed", type=int, default=0)
    add("--validation", type=float, default=0.1, help="what is kept to validate on: a share, or so many characters")
    add("--batch", type=int, default=64, help="parallel streams to train on")
    add("--length", type=int, default=100, help="characters of each stream in one step")
    add("--embedding", type=int, default=128)
    add("--hidden", type=int, default=256)
    add("--layers", type=int, default=2)
    add("--dropout", type=float, default=0.2, help="between the layers")
    add("--output-dropout", type=float, default=0.0, help="on what comes out of the last")
    add("--lr", type=float, default=2e-3)
    add("--schedule", choices=("constant", "cosine"), default="constant")
    add("--warmup", type=int, default=0, help="steps in which the rate rises, at most a tenth of all")
    add("--floor", type=float, default=0.0, help="the last rate, as a part of the first (cosine)")
    add("--clip", type=float, default=1.0, help="the largest norm of the gradient; 0 leaves it as it is")


def kept_for_validation(count: int, validation: float) -> int:
    """How many of the text's `count` characters are kept to validate on."""
    return max(2, int(count * validation)) if validation < 1 else int(validation)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.char_lm_torch", description=__doc__)
    add_options(parser)
    parser.add_argument("--embedding-dropout", type=float, default=0.0, help="on what goes into the first layer")
    parser.add_argument(
        "--validation-streams", type=int, nargs="+", default=[32], metavar="N", help="to validate on; the first counts"
    )
    parser.add_argument("--out", metavar="FILE", help="one line of JSON an epoch")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        print("skipped: PyTorch is not installed: pip install torch")
        return 0
    lines = []
    for found in epochs(options):
        print(
            f"epoch {found['epoch']}, step {found['step']}: {found['validation']:.4f} nats ({found['bits']:.4f} bits) "
            f"per character; {found['epoch seconds']:.1f} s of training, {found['validation seconds']:.1f} s of "
            "validation",
            flush=True,
        )
        lines.append(json.dumps(found))
        if options.out:
            Path(options.out).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
