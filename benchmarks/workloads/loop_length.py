"""LSTMs and the memory that their training steps need.

Peak memory is what the peak of resident memory rises by over the first steps, as in `mlp_step`, and what is fair there
is done here: model and data are there before, and the BLAS has had a product as large as any. So that code and what
is compiled count for nobody, the same kind of layer has been trained on a few steps before, with all other sizes alike;
what a library keeps from one training step to the next counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe
from .recurrent import step_of

STEPS = 20  # of training, over which the memory is looked at
FEW = 4  # steps in time


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    T, B, I, H = size
    ones = [np.ones(shape, np.float32) for shape in ((T * B, I), (I, 4 * H), (T * B, H), (H, 4 * H))]
    inputs, to_gates, outputs, recurrent = (library.leaf(array, False) for array in ones)
    inputs @ to_gates, outputs @ recurrent
    del ones, inputs, to_gates, outputs, recurrent
    probe = replace(step_of("LSTM", contender, library, size), memory=STEPS)
    short = step_of("LSTM", contender, library, (FEW, B, I, H))
    for _ in range(3):
        state = None
        for phase in short.phases.values():
            state = phase(state)
    yield probe
