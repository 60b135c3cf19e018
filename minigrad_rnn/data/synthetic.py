"""Tasks whose data are made exactly, to measure how far back a network remembers.

A function that takes `rng` draws one batch: (inputs, targets), time first. `rng` is a NumPy generator, from which the
next batch goes on, or a seed, which gives the same batch again. Inputs are float32 (time, batch, feature), targets
float32 too; classes, the targets of the copy task and of recall and the inputs of the cylinder, bell and funnel, are
int64. Raises ValueError for sizes that make no task.
"""

from __future__ import annotations

import numpy as np

Random = np.random.Generator | int
Batch = tuple[np.ndarray, np.ndarray]

SYMBOLS = 8  # of the copy task; then come the blank and the delimiter
BLANK, DELIMITER = SYMBOLS, SYMBOLS + 1


def adding_problem(length: int, batch: int, rng: Random = 0) -> Batch:
    """Numbers uniform in [0, 1), of which a second input marks two; the target is the sum of these two.

    (length, batch, 2) -> (batch, 1). (Hochreiter and Schmidhuber 1997, experiment 4, in the form of Le, Jaitly and
    Hinton 2015, section 4.1: always to answer 1 has a mean squared error of 1/6 = 0.167, the variance of the sum.) One
    mark lies in each half of the sequence (Arjovsky, Shah and Bengio 2016, section 4.2).
    """
    _at_least(2, length=length)
    _at_least(1, batch=batch)
    rng = np.random.default_rng(rng)
    values = rng.random((length, batch), dtype="float32")
    marks = np.zeros_like(values)
    half, rows = length // 2, np.arange(batch)
    marks[rng.integers(half, size=batch), rows] = 1
    marks[rng.integers(half, length, size=batch), rows] = 1
    return np.stack([values, marks], axis=2), (values * marks).sum(axis=0)[:, None]


def copy_task(lag: int, batch: int, rng: Random = 0, count: int = 10) -> Batch:
    """`count` symbols to be remembered over `lag` steps and put out, in their order, after a delimiter.

    (lag + 2 count, batch, 10) one-hot -> classes (lag + 2 count, batch), int64: 0 to 7 are symbols, 8 is the blank, 9
    the delimiter. (Hochreiter and Schmidhuber 1997; Arjovsky, Shah and Bengio 2016, section 4.1.) The inputs are the
    symbols, lag - 1 blanks, the delimiter and `count` blanks, the targets lag + count blanks and the symbols. Without
    memory the best cross-entropy is count log 8 / (lag + 2 count).
    """
    _at_least(1, lag=lag, batch=batch, count=count)
    symbols = np.random.default_rng(rng).integers(SYMBOLS, size=(count, batch))
    inputs = np.full((lag + 2 * count, batch), BLANK)
    inputs[:count] = symbols
    inputs[lag + count - 1] = DELIMITER
    targets = np.full_like(inputs, BLANK)
    targets[-count:] = symbols
    return np.eye(SYMBOLS + 2, dtype="float32")[inputs], targets


def recall(lag: int, batch: int, rng: Random = 0, symbols: int = SYMBOLS) -> Batch:
    """One of `symbols`, to be told after `lag` distractors, each one of 8 others: (lag + 1, batch, symbols + 8).

    Inputs are one-hot, targets classes, int64 (batch,); chance is right in 1 of `symbols`. (In the manner of Hochreiter
    and Schmidhuber 1997, experiment 2, where the first of two symbols is to be told.)
    """
    _at_least(1, lag=lag, batch=batch)
    _at_least(2, symbols=symbols)
    rng = np.random.default_rng(rng)
    told = rng.integers(symbols, symbols + SYMBOLS, size=(lag + 1, batch))
    told[0] = rng.integers(symbols, size=batch)
    return np.eye(symbols + SYMBOLS, dtype="float32")[told], told[0]


def parity(length: int, batch: int, rng: Random = 0, every_step: bool = True) -> Batch:
    """Random bits (length, batch, 1) -> is the number of ones so far odd? (length, batch, 1), 1 for yes.

    Without `every_step` only the answer for the whole sequence, (batch, 1). (Minsky and Papert 1969.)
    """
    _at_least(1, length=length, batch=batch)
    bits = np.random.default_rng(rng).integers(2, size=(length, batch, 1))
    odd = (bits.cumsum(axis=0) % 2).astype("float32")
    return bits.astype("float32"), odd if every_step else odd[-1]


def binary_addition(bits: int, batch: int, rng: Random = 0) -> Batch:
    """Two numbers of `bits` random bits, read side by side, least significant first -> the bits of their sum.

    (bits + 1, batch, 2) -> (bits + 1, batch, 1); the numbers' last bit is 0, so that the last carry has its place.
    """
    _at_least(1, bits=bits, batch=batch)
    inputs = np.random.default_rng(rng).integers(2, size=(bits + 1, batch, 2))
    inputs[-1] = 0
    total = np.empty((bits + 1, batch, 1), "float32")
    carry = np.zeros(batch, inputs.dtype)
    for t, column in enumerate(inputs.sum(axis=2)):
        carry, total[t, :, 0] = np.divmod(column + carry, 2)
    return inputs.astype("float32"), total


def side_by_side(a: int, b: int) -> np.ndarray:
    """The digits of two numbers a and b from 0 up, as `binary_addition` has them: (bits of the larger + 1, 1, 2)."""
    _at_least(0, a=a, b=b)
    length = max(a, b).bit_length() + 1
    return np.array([[digits] for digits in zip(f"{a:0{length}b}"[::-1], f"{b:0{length}b}"[::-1])], "float32")


def as_number(bits: np.ndarray) -> int:
    """The number whose binary digits, least significant first, are in an array of any shape.

    Raises ValueError for none, and for others than 0 and 1: outputs of a network are rounded first.
    """
    if not bits.size or not np.isin(bits, (0, 1)).all():
        raise ValueError("binary digits are 0 and 1, at least one: round what is between")
    return int("".join(str(int(bit)) for bit in bits.ravel()[::-1]), 2)


def running_sum(length: int, batch: int, rng: Random = 0) -> Batch:
    """Numbers uniform in [-1, 1), (length, batch, 1) -> the sum of all so far, (length, batch, 1)."""
    _at_least(1, length=length, batch=batch)
    values = np.random.default_rng(rng).uniform(-1, 1, (length, batch, 1))
    return values.astype("float32"), values.cumsum(axis=0).astype("float32")


def which_is_larger(length: int, batch: int, rng: Random = 0) -> Batch:
    """Two inputs uniform in [-1, 1), (length, batch, 2) -> is the first one's total so far the larger? (…, 1)."""
    _at_least(1, length=length, batch=batch)
    values = np.random.default_rng(rng).uniform(-1, 1, (length, batch, 2)).astype("float32")
    totals = values.astype("float64").cumsum(axis=0)
    return values, (totals[..., :1] > totals[..., 1:]).astype("float32")


def two_sequences(length: int, batch: int, rng: Random = 0, told: int = 3) -> Batch:
    """Sequences whose first `told` numbers are all 1 or all -1, and the rest noise: were they 1? (length, batch, 1).

    The target is (batch, 1), 1 for yes. The noise is normal with a variance of 0.2. (The two-sequence problem of
    Bengio, Simard and Frasconi 1994, in the form of Hochreiter and Schmidhuber 1997, experiment 3a.)
    """
    _at_least(1, told=told, batch=batch)
    _at_least(told, length=length)
    rng = np.random.default_rng(rng)
    answers = rng.integers(2, size=(batch, 1))
    values = rng.normal(0, 0.2**0.5, (length, batch, 1))
    values[:told] = 2 * answers - 1
    return values.astype("float32"), answers.astype("float32")


def timed_spikes(length: int, batch: int, rng: Random = 0, delay: int = 10) -> Batch:
    """A spike that comes in, to be answered by one exactly `delay` steps later: (length, batch, 1) twice.

    It is 1 at one step, at random, such that the answer still has its place; all else is 0. (Of the kind of Gers,
    Schraudolph and Schmidhuber 2002, "generating timed spikes".)
    """
    _at_least(1, batch=batch, delay=delay)
    _at_least(delay + 1, length=length)
    starts, rows = np.random.default_rng(rng).integers(length - delay, size=batch), np.arange(batch)
    inputs, targets = np.zeros((2, length, batch, 1), "float32")
    inputs[starts, rows] = 1
    targets[starts + delay, rows] = 1
    return inputs, targets


def cylinder_bell_funnel(length: int, batch: int, rng: Random = 0) -> Batch:
    """Classes 0, 1, 2 -> a plateau, a rise and a fall between 0 and 1, whose time the class does not tell.

    (batch,) int64 -> (length, batch, 1); 0 outside. (Saito 1994, the three shapes alone: without noise, and of one
    height.) A shape begins in the first half, and takes a fifth to two fifths of the sequence.
    """
    _at_least(10, length=length)
    _at_least(1, batch=batch)
    rng = np.random.default_rng(rng)
    classes, starts = rng.integers(3, size=batch), rng.integers(length // 10, length // 2, size=batch)
    steps = rng.integers(length // 5, 2 * length // 5 + 1, size=batch)
    done = (np.arange(length)[:, None] - starts) / steps  # of the shape, from 0 to 1
    heights = np.choose(classes, [np.ones_like(done), done, 1 - done])
    return classes, np.where((done >= 0) & (done < 1), heights, 0.0)[..., None].astype("float32")


def _at_least(least: int, **sizes: int) -> None:
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"{name} must be at least {least}, not {size}")
