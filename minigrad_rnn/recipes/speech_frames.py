"""speech-frames: sound to a phoneme for each hundredth of a second, and by CTC to the string of phonemes.

    h_t = [LSTM forward (x_1 … x_t), LSTM backward (x_T … x_t)]        p(k | t) = softmax(V h_t + b)

x_t are the log energies of frame t in 26 mel bands. Where the times of the phonemes are known, -log p of each frame's
own is the loss (Graves and Schmidhuber 2005). Where only their order is known, there is one class more, the blank, and
the loss is -log of the sum over all paths that read as the string (CTC: Graves et al. 2006, who measure it by the same
error rate). Judged on other voices than those in training, and on words that are in none of its phrases.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

import minigrad as mg
from minigrad.nn import Dropout, Linear, Sequential

from ..ctc import ctc_prefix_beam
from ..data import speech
from ..data.padding import padded
from ..layers import Recurrent
from ..losses import sequence_loss
from ..metrics import accuracy, confusion, error_rate, step_accuracy
from ..models import SequenceModel, as_large
from ..plotting import axes, plot_confusion, plot_spectrogram
from ..systems import Figure, Lab, system
from ..training import Supervised

REACH, HIDDEN = 5, 80  # frames to each side of the MLP's; units in each direction


@system(
    data="phrases spoken by eSpeak NG, whose phoneme times are exact",
    merit="frame accuracy, phoneme error rate",
    seconds=90,
    takes="a folder of WAV files, each with a .lab (lines: start end phoneme) or a .txt (what is said) beside it",
)
def run(lab: Lab) -> list[Figure]:
    said = speech.recordings(lab.data, lab.pick(1000, 12), lab.pick(120, 4), lab.rng())
    heard = {label for half in said for one in half for label in one.labels}
    names = [speech.SILENCE, *sorted(heard - {speech.SILENCE})]
    train, test = (speech.as_numbers(half, names) for half in said)
    xs, lengths = padded(test.frames)

    def blstm() -> SequenceModel:
        return SequenceModel(Recurrent("lstm", xs.shape[2], HIDDEN, bidirectional=True), len(names), dropout=0.3)

    def ctc(outputs: mg.Tensor, labels: np.ndarray, times: np.ndarray, counts: np.ndarray) -> mg.Tensor:
        return mg.nn.ctc_loss(mg.log_softmax(outputs), labels, times, counts, zero_infinity=True)

    halves, axes_of = (train.with_labels(), test.with_labels()), (1, 0, 0, 0, 0)
    task = Supervised(blstm(), *halves, ctc, seed=lab.seed, axis=axes_of, inputs=2, outputs_axis=1)
    lab.train(task, "CTC", steps=lab.pick(700, 2), lr=1e-2)
    log_p = mg.log_softmax(mg.tensor(task.predict())).numpy()
    read = [best[0].labels for best in ctc_prefix_beam(log_p, lengths, width=lab.pick(8, 2))]
    by_ctc = error_rate(read, test.labels)
    shown = int(lengths.argsort()[len(lengths) // 2])
    rows = {"CTC": ["" if k == 0 else names[k] for k in log_p[: lengths[shown], shown].argmax(axis=1)]}
    figures = [Figure("label error rate by CTC", by_ctc, "<", 1, "to write nothing")]

    if train.of_frames and test.of_frames:
        kept, held_out = ((*padded(half.frames), *padded(half.of_frames or [])) for half in (train, test))
        axis = (1, 0, 1, 0)
        task = Supervised(blstm(), kept, held_out, sequence_loss, step_accuracy, seed=lab.seed, axis=axis, inputs=2)
        by_blstm = lab.train(task, "frames", steps=lab.pick(700, 2), lr=1e-2).figures["step_accuracy"]
        found = [frames[:length] for frames, length in zip(task.predict().argmax(axis=2).T, lengths, strict=True)]
        framewise = error_rate([[k for k, _ in groupby(frames.tolist()) if k] for frames in found], test.labels)

        wide = [np.concatenate([speech.in_context(frames, REACH) for frames in half.frames]) for half in (train, test)]

        def mlp(width: int) -> Sequential:
            return Sequential(Linear(wide[0].shape[1], width), mg.relu, Dropout(0.3), Linear(width, len(names)))

        before, actual = np.concatenate(train.of_frames), np.concatenate(test.of_frames)
        halves = (wide[0], before), (wide[1], actual)
        task = Supervised(
            mlp(as_large(mlp, task.model)), *halves, mg.nn.cross_entropy, accuracy, batch=512, seed=lab.seed
        )
        by_mlp = lab.train(task, "MLP", steps=lab.pick(2000, 2), lr=3e-3).figures["accuracy"]

        common = np.bincount(actual).argsort()[::-1][:20]
        mistakes = confusion(np.concatenate(found), actual, len(names))[np.ix_(common, common)]
        plot = axes(title=f"frames of the commonest phonemes; of all {by_blstm:.1%} are right", size=(9, 9))
        plot_confusion(mistakes, [names[k] for k in common], plot)
        lab.save("confusion.png", plot, "which phonemes are taken for which")
        majority = (actual == np.bincount(before).argmax()).mean()
        rows = {"true": [names[k] for k in test.of_frames[shown]], "frames": [names[k] for k in found[shown]], **rows}
        figures = [
            Figure("frame accuracy", by_blstm, ">", majority, "the commonest label"),
            Figure("frame accuracy", by_blstm, ">", by_mlp, f"an MLP over {2 * REACH + 1} frames, as many parameters"),
            Figure("phoneme error rate by CTC", by_ctc, "<", framewise, "of the frames' labels"),
        ]
    plot = axes(title="a phrase of the test, and what is heard", size=(13, 5))
    plot_spectrogram(test.frames[shown], speech.HOP, rows, plot)
    lab.save("spectrogram.png", plot, "a phrase in mel bands, its true phonemes, and those that are heard")
    lab.write("phrase.wav", speech.wav(said[1][shown].samples, said[1][shown].rate), "the phrase of the picture")
    return figures
