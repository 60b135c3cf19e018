"""teacher-forcing: in training the decoder reads the truth, in use what it wrote itself.

    s_t = GRU(y'_{t-1}, s_{t-1})      y_t = V s_t + c      y' = the truth (teacher forcing) or the y before

Fed with the truth a network learns to go on from right values; left alone it goes on from its own, which it has never
seen, and errors grow. Scheduled sampling (Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4) tosses a coin for each
step: the truth with probability ε_i at update i, which falls from 1 to 0. Here outputs are numbers, so gradients pass
through them. The task: to read ten values of a noisy sine of unknown frequency and phase, and write the next thirty.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad.nn import Linear

from ..data import read_numbers
from ..data.forecasting import Scale, sliding_windows
from ..evaluating import evaluating
from ..metrics import squared_error
from ..plotting import panels
from ..seq2seq import ScheduledSampling, Seq2Seq, inverse_sigmoid_decay, linear_decay
from ..systems import Figure, Lab, system
from ..training import Supervised

READ, WRITE, HELD = 10, 30, 300  # steps, and sequences held out
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def parted(values: np.ndarray) -> Arrays:
    """What is read (10, N, 1), and twice what comes after (30, N, 1): the model reads the truth, and the loss does."""
    values = values.astype("float32")
    return values[:READ], values[READ:], values[READ:]


def sines(count: int, rng: np.random.Generator) -> Arrays:
    """Noisy sines of any frequency and phase, `parted`."""
    angles = rng.uniform(0.2, 0.6, count) * np.arange(READ + WRITE)[:, None] + rng.uniform(0, 2 * np.pi, count)
    return parted((np.sin(angles) + rng.normal(0, 0.05, angles.shape))[..., None])


@system(
    data="noisy sines, made",
    merit="squared error of thirty values written without the truth, for each way of training",
    seconds=15,
    takes="a CSV file with a column of numbers: a series, of which pieces are gone on with",
)
def run(lab: Lab) -> list[Figure]:
    train: Callable[[int, np.random.Generator], Arrays] | Arrays = sines
    held = sines(lab.pick(HELD, 20), lab.rng(1))
    if lab.data is not None:
        series = read_numbers(lab.data, columns=1, least=10 * (READ + WRITE))
        known, new = np.split(series, [len(series) * 4 // 5])
        scaled = Scale(known)
        train = parted(sliding_windows(scaled(known), READ + WRITE))
        held = parted(sliding_windows(scaled(new), READ + WRITE)[:, :HELD])

    steps, hidden = lab.pick(300, 3), lab.pick(32, 8)
    ways: dict[str, Callable[[int], float]] = {
        "the truth": lambda i: 1.0,
        "linear decay": lambda i: linear_decay(i, c=1 / steps),
        "inverse sigmoid decay": lambda i: inverse_sigmoid_decay(i, max(1.0, steps / 10)),
        "its own output": lambda i: 0.0,
    }
    titles = ["probability of the truth, by update", "one sequence (grey), left alone", "squared error, left alone"]
    schedules, one, errors = panels(3, "step", titles=titles, size=(16, 4.5))
    schedules.set_xlabel("update")
    one.plot(held[1][:, 0, 0], color="black", linewidth=4, alpha=0.3)
    alone = {}
    for name, schedule in ways.items():
        mg.seed(lab.seed)
        embeddings, output = (Linear(1, 16), Linear(1, 16)), Linear(hidden, 1)
        seq2seq = Seq2Seq("gru", *embeddings, 16, hidden, feed_context=False, output=output)
        model = ScheduledSampling(seq2seq, schedule)
        task = Supervised(
            model, train, held, mg.nn.mse_loss, squared_error, 32, lab.seed, axis=1, inputs=2, maximise=False
        )
        alone[name] = lab.train(task, name, steps=steps, lr=5e-3).figures["squared_error"]
        if name == "the truth":
            with evaluating(model):
                ahead = np.mean((seq2seq(*map(mg.tensor, held[:2])).numpy() - held[1]) ** 2)
        written = task.predict()
        schedules.plot([schedule(i) for i in range(steps)])
        one.plot(written[:, 0, 0])
        errors.plot(np.mean((written - held[1]) ** 2, axis=(1, 2)), label=name)
    lab.save("free.png", schedules, "the schedules, one sequence written without the truth, and the error by step")
    asked = "<" if lab.data is None else "beside"
    worst, against = alone.pop("the truth"), "trained on the truth"
    return [
        *[Figure(f"error left alone, {name}", error, asked, worst, against) for name, error in alone.items()],
        Figure("error one step ahead, trained on the truth", ahead, asked, worst, "the same left alone"),
    ]
