"""What someone is doing, measured by what they wear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError, package
from .forecasting import Scale
from .labelled import Labelled
from .padding import padded
from .splits import held_out
from .synthetic import Random
from .table import numbers_of, read_rows

NAMES = ("sequence", "activity")  # columns of a file of the user's


def activities(path: str | Path | None = None, rng: Random = 0) -> tuple[Labelled, Labelled, list[str]]:
    """Sequences of sensor readings to train on and to test on, and the names of the activities.

    Both are (sequences (time, N, sensor) float32, lengths (N,), classes (N,) int64), scaled to a mean of 0 and a
    variance of 1 as they are in training, zeros after a sequence's end. Without a file they are 40 and 40 pieces of ten
    seconds, read ten times a second off the accelerometer and the gyroscope of a smart watch, of four students who
    play badminton, run, stand or walk ("BasicMotions" of the UEA archive, Bagnall et al. 2018, as aeon ships it).

    A CSV file has a row for each moment, in order of time: the readings, each a column of numbers, and the columns
    `sequence` (which recording the row is of) and `activity` (what is being done in all of it). Half of the recordings
    of each activity, drawn by `rng`, are to test on. Raises DataError where aeon or a column is missing, for a
    recording of two activities, less than two activities, or less than four recordings of one.
    """
    if path is None:
        load = package("aeon.datasets").load_basic_motions
        (train, known), (test, asked) = (load(split=split) for split in ("train", "test"))
        names, classes = np.unique(np.concatenate([known, asked]), return_inverse=True)
        recordings = [np.asarray(recording).T for recording in (*train, *test)]
        parts = tuple(np.split(np.arange(len(recordings)), [len(train)]))
    else:
        recordings, classes, names = _recordings(path)
        parts = held_out(classes, 0.5, rng)
    scale = Scale(np.concatenate([recordings[n] for n in parts[0]]))
    sequences, lengths = padded([scale(recording) for recording in recordings])
    train, test = ((sequences[:, part], lengths[part], classes[part].astype("int64")) for part in parts)
    return train, test, [str(name) for name in names]


def _recordings(path: str | Path) -> tuple[list[np.ndarray], np.ndarray, Any]:
    """The recordings (time, sensor) of a file, their classes, and the names of these."""
    header, rows = read_rows(path)
    missing = [name for name in NAMES if name not in header]
    if missing or len(header) < 3:
        raise DataError(
            f"{path} has no column {' or '.join(missing) or 'of readings'}: give a CSV file whose first line names its "
            f"columns, those of the readings and {' and '.join(NAMES)}"
        )
    sequence, activity = map(header.index, NAMES)
    readings = numbers_of(path, rows, [n for n in range(len(header)) if n not in (sequence, activity)], first=2)
    _, first, which = np.unique([row[sequence] for row in rows], return_index=True, return_inverse=True)
    done = np.array([row[activity] for row in rows])
    if (done != done[first][which]).any():
        number = int((done != done[first][which]).argmax())
        raise DataError(
            f"{path}, row {number + 2}: {done[number][:40]!r}, where sequence {rows[number][sequence][:40]!r} was "
            f"{done[first][which][number][:40]!r} before: give each stretch of an activity a sequence of its own"
        )
    names, classes, counts = np.unique(done[first], return_inverse=True, return_counts=True)
    if len(names) < 2 or counts.min() < 4:
        found = ", ".join(f"{count} of {name[:20]!r}" for name, count in zip(names[:5], counts[:5], strict=True))
        raise DataError(f"{path} has the sequences {found}: give at least two activities, and four sequences of each")
    return [readings[which == n] for n in range(len(first))], classes, names
