"""birnn: two nets over one sequence, one forward from t = 0, one backward from t = T, and their outputs joined.

    h_t = tanh(U x_t + W h_{t-1} + b)    g_t = tanh(U' x_t + W' g_{t+1} + b')    o_t = V [h_t, g_t] + c

(Schuster and Paliwal 1997.) So o_t depends on all of the sequence: h_t on x_0 … x_t, g_t on x_t … x_T, which the
gradients of every output by every input show. The task needs what is yet to come: at each letter of a text, say with
which letter its word will end. A net in one direction has to guess.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
from minigrad.nn import Embedding, Sequential

from ..data.letters import Tagged, lines_of, words_of
from ..data.text import text_of
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import panels
from ..systems import Figure, Lab, system
from ..training import Supervised

EMBEDDING, LENGTH, SHOWN = 24, 40, 8


@system(
    data="words of Python's standard library",
    merit="last letters right, both directions beside one",
    seconds=11,
    takes="a text",
)
def run(lab: Lab) -> list[Figure]:
    lines = lines_of(words_of(text_of(lab.data))[: lab.pick(30_000, 1_000)], LENGTH)
    last_letters = [" ".join(word[-1] * len(word) for word in line) for line in lines]
    data = Tagged.of([" ".join(line) for line in lines], last_letters, LENGTH)

    def learn(name: str, hidden: int, bidirectional: bool) -> tuple[Recurrent, float]:
        recurrent = Recurrent("rnn", EMBEDDING, hidden, bidirectional=bidirectional)
        model = Sequential(Embedding(len(data.characters), EMBEDDING), SequenceModel(recurrent, len(data.tags)))
        task = Supervised(model, data.train, data.test, mg.nn.cross_entropy, data.letters_right, 64, lab.seed, axis=1)
        return recurrent, lab.train(task, name, steps=lab.pick(600, 5), lr=5e-3).figures["letters_right"]

    _, one = learn("one direction", 128, False)
    both_nets, both = learn("both directions", 64, True)

    xs = mg.tensor(lab.rng().normal(size=(SHOWN, 1, EMBEDDING)), dtype="float32", requires_grad=True)
    outputs, _ = both_nets(xs)
    halves = mg.split(outputs, 2, axis=2)
    reach = np.zeros((2, SHOWN, SHOWN))  # ‖∂output_t/∂x_k‖ of either direction
    for (direction, t), _ in np.ndenumerate(reach[..., 0]):
        (gradient,) = mg.grad(halves[direction][t].sum(), [xs], retain_graph=True)
        reach[direction, t] = np.linalg.norm(gradient.numpy()[:, 0], axis=1)
    made = panels(2, "input x_k", "output at t", ["forward", "backward"], share=True)
    for axes, norms in zip(made, reach):
        axes.imshow(norms > 0, cmap="Blues", vmax=1.4)
        axes.grid(False)
    made[0].figure.suptitle("which inputs each output depends on (blue: a gradient that is not 0)")
    lab.save("reach.png", made[0], "which inputs each output depends on")
    outputs, _ = both_nets(xs.numpy()[:4])
    picture = mg.draw(outputs.named("outputs"), level="cell", title="two nets, one from either end")
    lab.save("unrolled.svg", picture, "the unrolled network, forward and backward")
    forward_future, backward_past = np.abs(np.triu(reach[0], 1)).max(), np.abs(np.tril(reach[1], -1)).max()
    return [
        Figure("last letters right, both directions", both, ">", one, "one direction of as many units"),
        Figure("last letters right, both directions", both, ">=", 0.97, "the goal"),
        Figure("largest gradient of the forward net by a later input", forward_future, "=", 0, "none"),
        Figure("largest gradient of the backward net by an earlier input", backward_past, "=", 0, "none"),
        Figure("inputs that the backward net's output at t = 0 depends on", (reach[1, 0] > 0).sum(), "=", SHOWN, "all"),
    ]
