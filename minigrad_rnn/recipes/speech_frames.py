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
from ..data.padding import stacked
from ..layers import Recurrent
from ..losses import sequence_loss
from ..metrics import accuracy, confusion, error_rate, step_accuracy
from ..models import SequenceModel
from ..plotting import axes, plot_confusion, plot_spectrogram
from ..systems import Figure, Lab, system
from ..training import Supervised

REACH, HIDDEN, WINDOWED = 5, 80, 220  # frames to each side of the MLP's; units that give both nets as many parameters


@system(
    data="phrases spoken by eSpeak NG, whose phoneme times are exact",
    merit="frame accuracy, phoneme error rate",
    seconds=90,
    takes="a folder of WAV files, each with a .lab (lines: start end phoneme) or a .txt (what is said) beside it",
)
def run(lab: Lab) -> list[Figure]:
    if lab.data is None:
        said = speech.spoken_phrases(lab.pick(1000, 12), lab.pick(120, 4), lab.rng())
    else:
        every = speech.read_recordings(lab.data)
        order = lab.rng().permutation(len(every))
        said = [every[n] for n in order[len(every) // 5 :]], [every[n] for n in order[: len(every) // 5]]
    heard = {label for half in said for one in half for label in one.labels}
    names = [speech.SILENCE, *sorted(heard - {speech.SILENCE})]
    train, test = (speech.as_numbers(half, names) for half in said)
    xs, lengths = stacked(test.frames)

    def blstm() -> SequenceModel:
        return SequenceModel(Recurrent("lstm", xs.shape[2], HIDDEN, bidirectional=True), len(names), dropout=0.3)

    def ctc(outputs: mg.Tensor, labels: np.ndarray, times: np.ndarray, counts: np.ndarray) -> mg.Tensor:
        return mg.nn.ctc_loss(mg.log_softmax(outputs), labels, times, counts, zero_infinity=True)

    def with_strings(half: speech.Spoken) -> tuple[np.ndarray, ...]:
        (frames, times), (labels, counts) = stacked(half.frames), stacked(half.labels)
        return frames, times, labels.T, times, counts

    axis = (1, 0, 0, 0, 0)
    task = Supervised(
        blstm(), with_strings(train), with_strings(test), ctc, seed=lab.seed, axis=axis, inputs=2, outputs_axis=1
    )
    lab.train(task, "CTC", steps=lab.pick(700, 2), lr=1e-2)
    log_p = mg.log_softmax(mg.tensor(task.predict())).numpy()
    read = [best[0].labels for best in ctc_prefix_beam(log_p, lengths, width=lab.pick(8, 2))]
    by_ctc = error_rate(read, test.labels)
    shown = int(lengths.argsort()[len(lengths) // 2])
    rows = {"CTC": ["" if k == 0 else names[k] for k in log_p[: lengths[shown], shown].argmax(axis=1)]}
    figures = [Figure("label error rate by CTC", by_ctc, "<", 1, "to write nothing")]

    if train.of_frames and test.of_frames:
        kept, held_out = ((*stacked(half.frames), *stacked(half.of_frames or [])) for half in (train, test))
        task = Supervised(
            blstm(), kept, held_out, sequence_loss, step_accuracy, seed=lab.seed, axis=(1, 0, 1, 0), inputs=2
        )
        by_blstm = lab.train(task, "frames", steps=lab.pick(700, 2), lr=1e-2).figures["step_accuracy"]
        found = [frames[:length] for frames, length in zip(task.predict().argmax(axis=2).T, lengths, strict=True)]
        repeated = [[k for k, _ in groupby(frames.tolist()) if k] for frames in found]

        wide = [np.concatenate([speech.in_context(frames, REACH) for frames in half.frames]) for half in (train, test)]
        before, is_ = np.concatenate(train.of_frames), np.concatenate(test.of_frames)
        layers = Linear(wide[0].shape[1], WINDOWED), mg.relu, Dropout(0.3), Linear(WINDOWED, len(names))
        halves = (wide[0], before), (wide[1], is_)
        task = Supervised(Sequential(*layers), *halves, mg.nn.cross_entropy, accuracy, batch=512, seed=lab.seed)
        by_mlp = lab.train(task, "MLP", steps=lab.pick(2000, 2), lr=3e-3).figures["accuracy"]

        rows = {"true": [names[k] for k in test.of_frames[shown]], "frames": [names[k] for k in found[shown]], **rows}
        common = np.bincount(is_, minlength=len(names)).argsort()[::-1][:20]
        mistakes = confusion(np.concatenate(found), is_, len(names))[np.ix_(common, common)]
        plot = axes(title=f"frames of the commonest phonemes; of all {by_blstm:.1%} are right", size=(9, 9))
        plot_confusion(mistakes, [names[k] for k in common], plot)
        lab.save("confusion.png", plot, "which phonemes are taken for which")
        majority = float((is_ == np.bincount(before).argmax()).mean())
        figures = [
            Figure("frame accuracy", by_blstm, ">", by_mlp, f"an MLP over {2 * REACH + 1} frames, as many parameters"),
            Figure("frame accuracy", by_blstm, ">", majority, "the commonest label"),
            Figure(
                "phoneme error rate by CTC", by_ctc, "<", error_rate(repeated, test.labels), "of the frames' labels"
            ),
        ]
    plot = axes(title="a phrase of the test, and what is heard", size=(13, 5))
    plot_spectrogram(test.frames[shown], speech.HOP, rows, plot)
    lab.save("spectrogram.png", plot, "a phrase in mel bands, its true phonemes, and those that are heard")
    lab.write("phrase.wav", speech.wav(said[1][shown].samples, said[1][shown].rate), "the phrase of the picture")
    return figures
