"""lstm: the long short-term memory, with biases and without, its matrices in one piece and apart.

    f, i, o = σ(W_· [h_{t-1}, x_t] + b_·)    c̃ = tanh(W_c [h_{t-1}, x_t] + b_c), or σ(…)
    c_t = f ∘ c_{t-1} + i ∘ c̃                h_t = o ∘ tanh(c_t)

(Hochreiter and Schmidhuber 1997; the forget gate f by Gers, Schmidhuber and Cummins 2000.) It reads a text, and says
before each character what it will be. The library keeps the four matrices side by side in one, which is faster: the
same trained weights taken apart, as the equations stand here, must come to the same states.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..cells import LSTMCell, LSTMSeparateCell
from ..pictures import unrolled
from ..plotting import axes, plot_bars
from ..systems import Figure, Lab, system
from ..training import Config, make_task
from ..training.tasks.language import Language
from ..unroll import unroll

FORMS: dict[str, dict[str, Any]] = {"": {}, ", no biases": {"bias": False}, ", logistic c̃": {"candidate": "sigmoid"}}
READ = 2000  # characters that both forms of the trained cell read


@system(
    data="the source of Python's standard library, 1,000,000 characters",
    merit="bits per character on text held out",
    seconds=12,
    takes="a text in UTF-8",
)
def run(lab: Lab) -> list[Figure]:
    found, differences, bigram = {}, [], 0.0
    for form, options in FORMS.items():
        config = Config(text=str(lab.data or ""), hidden=96, embedding=32, length=32, options=options, seed=lab.seed)
        task = make_task(config)
        assert isinstance(task, Language)
        steps = lab.pick(300, 3)
        result = lab.train(task, f"LSTM{form}", config, steps=steps, validate_every=steps, lr=1e-2)
        found[form], bigram = result.figures["bits_per_character"], task.bigram_bits()
        if "candidate" not in options:
            xs = task.model.embedding.weight.numpy()[task.validation[:READ, None]]
            differences.append(difference(task.model.recurrent.cells[0], xs))

    bars = {f"LSTM{form}": bits for form, bits in found.items()}
    plot = plot_bars(bars, axes(ylabel="bits per character", title="text held out"), ("bigram model", bigram))
    lab.save("bits.png", plot, "the three forms beside the bigram model")
    for name, what in {"lstm": "one matrix for all gates", "lstm-separate": "a matrix for each gate"}.items():
        lab.save(f"{name}.svg", unrolled(name, steps=2, level="gate", backward=False, title=what), f"two steps, {what}")
    return [
        *[Figure(f"bits per character{form}", bits, "<", bigram, "the bigram model") for form, bits in found.items()],
        Figure("largest difference of h, matrices apart", max(differences), "<=", 1e-12, "in one", exact=True),
    ]


def difference(trained: Any, xs: np.ndarray) -> float:
    """The largest difference that it makes to h, in float64, to take the matrices of `trained` apart."""
    cell = LSTMCell(trained.input_size, trained.hidden_size, bias=trained.bias is not None, dtype="float64")
    cell.load_state_dict({name: value.astype("float64") for name, value in trained.state_dict().items()})
    with mg.no_grad():
        stacked, apart = (
            unroll(made, xs.astype("float64"))[0].numpy() for made in (cell, LSTMSeparateCell.from_stacked(cell))
        )
    return float(abs(stacked - apart).max())
