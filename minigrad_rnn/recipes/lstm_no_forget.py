"""lstm-no-forget: the first LSTM, a constant error carousel.

    i, o = σ(W_· [h_{t-1}, x_t] + b_·)    g = tanh(W_g [h_{t-1}, x_t] + b_g)
    c_t = c_{t-1} + i ∘ g                 h_t = o ∘ tanh(c_t)

(Hochreiter and Schmidhuber 1997, section 4.) Nothing stands between c_{t-1} and c_t, so that ∂c_T/∂c_k = 1, however
long ago k was: an error rides on c as on a carousel. Beside it there is the way through h and the gates, along which
their learning rule took no error back in time; it is cut here too, to see the carousel alone. The task is their
experiment 3: which of two classes a sequence is of, its first three numbers say, and then there is noise.
"""

from __future__ import annotations

from typing import Any

import minigrad as mg

from ..cells import LSTMNoForgetCell
from ..data.synthetic import two_sequences
from ..gradflow import gradflow, plot_gradflow
from ..layers import Recurrent
from ..metrics import accuracy
from ..models import SequenceModel
from ..pictures import unrolled
from ..systems import Figure, Lab, system
from ..training import Supervised

HIDDEN = 8
NETS = {"LSTM of 1997": "lstm-no-forget", "plain RNN": "rnn"}


class Carousel(LSTMNoForgetCell):
    """The cell with the way through h cut."""

    def step(self, x: mg.Tensor, state: Any) -> Any:
        h, c = state
        return super().step(x, (h.detach(), c))


@system(
    data="two kinds of sequences, 100 steps long, made exactly",
    merit="∂c_T/∂c_k, and accuracy",
    seconds=4,
)
def run(lab: Lab) -> list[Figure]:
    length = lab.pick(100, 30)
    test, make = two_sequences(length, 500, lab.rng(1)), lambda count, rng: two_sequences(length, count, rng)
    found, cells = {}, {}
    for name, cell in NETS.items():
        recurrent = Recurrent(cell, 1, HIDDEN)
        model = SequenceModel(recurrent, 1, last=True)
        task = Supervised(model, make, test, mg.nn.bce_with_logits, accuracy, seed=lab.seed, axis=(1, 0))
        found[name] = lab.train(task, name, steps=lab.pick(300, 3), lr=1e-2).figures["accuracy"]
        cells[name] = recurrent.cells[0]

    xs = test[0][:, :4]
    trained = cells["LSTM of 1997"]
    carousel = Carousel(1, HIDDEN)
    carousel.load_state_dict(trained.state_dict())
    flows = {"∂c_T/∂c_k, through c alone": gradflow(carousel, xs, part="c")}
    flows["∂c_T/∂c_k, through the gates too"] = gradflow(trained, xs, part="c")
    flows["∂h_T/∂h_k, plain RNN"] = gradflow(cells["plain RNN"], xs)
    plot = plot_gradflow(flows)
    plot.set(title="what is left of an error, so many steps back", ylabel="norm")
    lab.save("gradients.png", plot, "an error on the carousel, and in a plain net, by how far back it goes")
    lab.save(
        "unrolled.svg", unrolled("lstm-no-forget", steps=3, level="gate"), "c runs through all steps, only added to"
    )
    alone = flows["∂c_T/∂c_k, through c alone"]
    return [
        Figure(f"largest |∂c_T/∂c_k - 1| over {length - 1} steps", abs(alone - 1).max(), "<=", 1e-12, "rounding", True),
        Figure("accuracy", found["LSTM of 1997"], ">", 0.95, "the goal; to guess has 0.5"),
        Figure("accuracy, again", found["LSTM of 1997"], "beside", found["plain RNN"], "a plain RNN"),
    ]
