"""How good answers are. Each takes outputs and targets and gives a number for each answer; their mean is the figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import ShapeError

from .lengths import check_lengths

Labels = Sequence[int] | np.ndarray


def predictions(outputs: mg.Tensor, targets: Any) -> mg.Tensor:
    """The classes that scores stand for, in the shape of `targets`.

    The likeliest of several (an axis more than `targets`), or of one logit each (alike) whether it is above 0. Raises
    ShapeError for other shapes, and for one score on an axis of its own: is it of one class, or a logit?
    """
    if outputs.shape == np.shape(targets):
        return outputs > 0
    if outputs.shape[:-1] != np.shape(targets) or outputs.shape[-1] == 1:
        raise ShapeError(
            f"scores {outputs.shape} do not go with targets {np.shape(targets)}: give targets of the same shape for "
            "one logit each, and of the same without the last axis for scores of several classes"
        )
    return mg.argmax(outputs, axis=-1)


def accuracy(outputs: mg.Tensor, targets: Any) -> mg.Tensor:
    """1 for a right class, 0 for a wrong one; the shape is that of `targets`. ShapeError as for `predictions`."""
    return (predictions(outputs, targets) == targets).astype(outputs.dtype)


def step_accuracy(outputs: mg.Tensor, targets: Any, lengths: Any) -> mg.Tensor:
    """1 for a right class, 0 for a wrong one, of the real steps of sequences alone: (steps,).

    `outputs` (time, batch, classes), `targets` (time, batch), `lengths` (batch). All first steps come first, then all
    second ones, and so on.
    """
    inside = np.arange(len(outputs))[:, None] < check_lengths(lengths, *outputs.shape[:2])
    xp = outputs.backend.xp
    return accuracy(outputs, targets)[tuple(map(xp.asarray, np.nonzero(inside)))]


def squared_error(outputs: mg.Tensor, targets: Any) -> mg.Tensor:
    """(output - target)² of each number; shapes must be equal."""
    return mg.nn.mse_loss(outputs, targets, reduction="none")


def confusion(predicted: Any, actual: Any, classes: int) -> np.ndarray:
    """How often class i (row) was taken for class j (column): counts (classes, classes) of `predicted` and `actual`.

    Raises ValueError for others than 0 to `classes` - 1, and unless there are as many of both.
    """
    both = np.stack([np.asarray(given).ravel().astype(np.int64) for given in (actual, predicted)])
    if both.size and not 0 <= both.min() <= both.max() < classes:
        raise ValueError(f"classes are 0 to {classes - 1}, and are {both.min()} to {both.max()}: leave others out")
    return np.bincount(both[0] * classes + both[1], minlength=classes * classes).reshape(classes, classes)


def edit_distances(text: str, texts: Sequence[str]) -> np.ndarray:
    """How many characters must be put in, left out or replaced to make `text` of each of `texts`: (texts).

    (Levenshtein 1966; all of them at once, with a row of Wagner and Fischer's table (1974) for each character.)
    """
    lengths = np.array([len(other) for other in texts], np.int64)
    columns = np.arange(max(map(len, texts), default=0) + 1, dtype=np.int32)
    codes = np.full((len(texts), len(columns) - 1), -1, np.int32)
    for own, other in zip(codes, texts):
        own[: len(other)] = np.frombuffer(other.encode("utf-32-le", "surrogatepass"), "<u4")
    row: np.ndarray = np.broadcast_to(columns, (len(texts), len(columns)))
    for number, character in enumerate(text, 1):
        best = row + 1  # leave the character out
        np.minimum(best[:, 1:], row[:, :-1] + (codes != ord(character)), out=best[:, 1:])
        best[:, 0] = number
        row = np.minimum.accumulate(best - columns, axis=1) + columns  # or put others in before it
    return row[np.arange(len(texts)), lengths]


def error_rate(written: Sequence[Labels], references: Sequence[Labels]) -> float:
    """How many labels must be put in, left out or replaced, for each label of the references, in all.

    (The label error rate: Graves et al. 2006, section 2.1, here over all sequences together; of phonemes the phoneme
    error rate.) Labels are numbers from 0 to 32,767. Raises ValueError for others, and unless there is a reference for
    each sequence, and a label in one.
    """
    if len(written) != len(references) or not any(map(len, references)):
        raise ValueError(f"give a reference for each sequence: {len(written)} written, {len(references)} references")
    try:
        texts = [["".join(map(chr, labels)) for labels in sequences] for sequences in (written, references)]
    except (TypeError, ValueError, OverflowError):
        raise ValueError("labels are numbers from 0 to 32,767: leave out what only fills up, -1 say") from None
    return sum(int(edit_distances(b, [a])[0]) for a, b in zip(*texts)) / sum(map(len, references))


def chrf(written: Sequence[str], references: Sequence[str], longest: int = 6, beta: float = 2.0) -> float:
    """The character n-gram F-score chrF of what was written, with `references`, from 0 to 1 (Popović 2015, eq. 1).

    Precision and recall of the n-grams of all texts together, without spaces, each a mean over n = 1 to `longest`;
    recall counts `beta` times as much. Raises ValueError unless there is a reference for each text.
    """
    if len(written) != len(references) or not written:
        raise ValueError(f"give a reference for each text: {len(written)} texts, {len(references)} references")
    precisions, recalls = [], []
    for n in range(1, longest + 1):
        shared = ours = theirs = 0
        for pair in zip(written, references):
            counts = [_grams("".join(text.split()), n) for text in pair]
            shared += (counts[0] & counts[1]).total()
            ours += counts[0].total()
            theirs += counts[1].total()
        if ours and theirs:
            precisions.append(shared / ours)
            recalls.append(shared / theirs)
    precision, recall = (float(np.mean(found)) if found else 0.0 for found in (precisions, recalls))
    weighed = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / weighed if weighed else 0.0


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def matching(found: Iterable[Any], right: Iterable[Any]) -> float:
    """The share of `found` that equal what is `right`, one by one. ValueError unless they are as many, at least one."""
    same = [one == other for one, other in zip(found, right, strict=True)]
    if not same:
        raise ValueError("matching takes what was found and what is right, at least one of each")
    return float(np.mean(same))


def majority(known: Iterable[Any], right: Iterable[Any]) -> tuple[Any, float]:
    """The commonest of `known`, and the share of what is `right` that it equals: a figure that must be beaten.

    Raises ValueError where there is none of either.
    """
    known, right = Counter(known), list(right)
    if not known or not right:
        raise ValueError("majority takes what is known and what is right, at least one of each")
    ((commonest, _),) = known.most_common(1)
    return commonest, float(np.mean([one == commonest for one in right]))
