"""cldnn: convolution, then LSTM, then dense layers: each does what it is good at.

    u_t = W max-pool(relu(conv(x_{t-2} … x_{t+2})))        over frequency: a pattern is the same, high or low
    h_t = LSTM(u_t, h_{t-1})                               over time: what came before
    p(class | t) = softmax(V relu(U h_t + b) + c)          dense layers: classes that are easy to tell apart

(Sainath et al. 2015, section 2, there with two LSTM layers, and for speech.) Which sound came last is asked of each
frame of a spectrogram: sounds come at any time and height, in noise, and the pauses between must be remembered over.
Beside it stand an LSTM alone and an MLP alone, which see the same frames and have as many parameters.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import Conv1d, Flatten, Linear, MaxPool1d, Module, Sequential

from ..data.labelled import labelled_frames
from ..data.sounds import NAMES, sounds_in_noise
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import PerStep, SequenceModel, as_large, parameter_count
from ..plotting import axes, plot_bars, plot_spectrogram
from ..systems import Figure, Lab, system
from ..training import Supervised

CHANNELS, POOL, HIDDEN = 16, 4, 48
REACH, FRAMES = 2, 40  # frames to each side that a step sees; of a sequence


class CLDNN(Module):
    """Frames with their neighbours (time, N, 2 REACH + 1, bands) -> scores (time, N, classes)."""

    def __init__(self, bands: int, classes: int):
        pool = min(POOL, bands)
        features = CHANNELS * (bands // pool)
        self.convolution = PerStep(
            Conv1d(2 * REACH + 1, CHANNELS, 5, padding=2), mg.relu, MaxPool1d(pool), Flatten(), Linear(features, HIDDEN)
        )
        self.lstm = Recurrent("lstm", HIDDEN, HIDDEN)
        self.dense = Sequential(Linear(HIDDEN, HIDDEN), mg.relu, Linear(HIDDEN, classes))

    def forward(self, xs: mg.Tensor) -> mg.Tensor:
        return self.dense(self.lstm(self.convolution(xs))[0])


def in_context(frames: np.ndarray) -> np.ndarray:
    """Frames (time, N, bands), each with its neighbours, zeros beyond the ends: (time, N, 2 REACH + 1, bands)."""
    padded = np.pad(frames, ((REACH, REACH), (0, 0), (0, 0)))
    return np.stack([padded[n : n + len(frames)] for n in range(2 * REACH + 1)], axis=2)


@system(
    data="made spectrograms: sounds in noise",
    merit="frame accuracy beside an LSTM and an MLP alone",
    seconds=25,
    takes="a CSV file, a row for each moment: numbers (bands of a spectrogram, sensors), then its class as a number",
)
def run(lab: Lab) -> list[Figure]:
    if lab.data is None:
        counts, names = lab.pick((2000, 500), (32, 8)), list(NAMES)
        train, test = (sounds_in_noise(count, lab.rng(n), FRAMES) for n, count in enumerate(counts))
    else:
        train, test, names = labelled_frames(lab.data, FRAMES)
    known, unseen = ((in_context(frames), classes) for frames, classes in (train, test))
    frames, classes = test
    bands = frames.shape[2]
    width = (2 * REACH + 1) * bands

    def lstm(hidden: int) -> Module:
        return Sequential(PerStep(Flatten()), SequenceModel(Recurrent("lstm", width, hidden), len(names)))

    def mlp(hidden: int) -> Module:
        dense = Linear(width, hidden), mg.relu, Linear(hidden, HIDDEN), mg.relu, Linear(HIDDEN, len(names))
        return PerStep(Flatten(), *dense)

    cldnn = CLDNN(bands, len(names))
    models = {"CLDNN": cldnn, "LSTM alone": lstm(as_large(lstm, cldnn)), "MLP alone": mlp(as_large(mlp, cldnn))}
    right, heard = {}, {}
    for name, model in models.items():
        lab.say(f"{name}: {parameter_count(model):,} parameters")
        task = Supervised(model, known, unseen, mg.nn.cross_entropy, accuracy, seed=lab.seed, axis=(1, 1))
        right[name] = lab.train(task, name, steps=lab.pick(1000, 3), lr=5e-3).figures["accuracy"]
        heard[name] = [names[kind] for kind in task.predict()[:, 0].argmax(axis=1)]
    rows = {"is": [names[kind] for kind in classes[:, 0]], **heard}
    plot = axes(title="a sequence of the test: what came last, and what each network says", size=(12, 5))
    plot_spectrogram(frames[:, 0], 1, rows, plot).set_xlabel("frames")
    lab.save("frames.png", plot, "a spectrogram, and what each network says of every frame")
    commonest = float(np.bincount(classes.ravel()).max() / classes.size)
    plot = axes(ylabel="share of frames that are right", title="frames of the test")
    lab.save("accuracy.png", plot_bars(right, plot, ("the commonest class", commonest)), "how often each is right")
    return [
        Figure("frame accuracy", right["CLDNN"], ">", right["LSTM alone"], "an LSTM alone"),
        Figure("frame accuracy", right["CLDNN"], ">", right["MLP alone"], "an MLP alone"),
    ]
