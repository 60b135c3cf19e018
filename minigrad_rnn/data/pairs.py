"""Pairs of texts, to translate one into the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..metrics import edit_distances
from .text import TextError, read_text


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """The lines "source TAB target" of a UTF-8 file; empty lines are left out.

    Raises TextError for a file that cannot be read, a line that is no pair, and fewer than four pairs.
    """
    pairs = []
    for number, line in enumerate(read_text(path, least=1).split("\n"), 1):
        if line.strip():
            source, tab, target = line.removesuffix("\r").partition("\t")
            if not tab or "\t" in target or not source or not target:
                raise TextError(f"{path}, line {number}: give two texts with one tab between them, not {line[:60]!r}")
            pairs.append((source, target))
    if len(pairs) < 4:
        raise TextError(f"{path} has {len(pairs)} pairs: give at least 4")
    return pairs


def nearest_targets(sources: Iterable[str], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """For each of `sources` the target of that pair whose source the fewest edits make of it: what must be beaten.

    Raises ValueError for no pairs.
    """
    if not pairs:
        raise ValueError("nearest_targets takes the targets of pairs, and was given none")
    known = [source for source, _ in pairs]
    return [pairs[int(edit_distances(source, known).argmin())][1] for source in sources]
