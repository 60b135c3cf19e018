"""truncated-bptt: backpropagation through time that is cut after k2 steps, every k1 steps.

A long sequence is read k1 steps at a time; then the loss of these goes back through the last k2 steps, and no further
(Williams and Peng 1990, BPTT(h; h'); Sutskever 2013, section 2.8). The state is carried over the cut, the gradient is
not. What that costs is seen where the answer lies further back than k2: random bits are to be repeated LAG steps later.
Where k2 > LAG gradients reach the bit that is asked for. Where it is not, nothing ever tells the net to keep that bit,
though its state comes all the way: what it gets right beyond guessing is what it happens to remember unasked.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg

from ..cells import RNNCell
from ..layers import Recurrent
from ..models import SequenceModel
from ..plotting import axes
from ..systems import Figure, Lab, system
from ..truncated import truncated_bptt

LAG, K1, BATCH, HIDDEN = 10, 5, 32, 24


def exactly(lab: Lab) -> list[Figure]:
    """What holds of any net: of a little one over 12 steps, cut every 4."""
    T, cut, squares = 12, 4, lambda outputs, steps: mg.square(outputs).sum()
    layer = Recurrent("rnn", 2, 3, dtype="float64")
    xs = mg.tensor(lab.rng(2).normal(size=(T, 1, 2)), requires_grad=True)
    crossed, carried = 0.0, np.zeros(0)
    for stretch, (_, state) in enumerate(truncated_bptt(layer, xs, squares, cut)):
        assert xs.grad is not None
        crossed = max(crossed, float(np.abs(xs.grad.numpy()[: stretch * cut]).sum()))
        xs.grad, carried = None, state.numpy()

    layer.zero_grad()
    for _ in truncated_bptt(layer, xs, squares, cut, k2=T):
        pass
    outputs, end = layer(xs)
    whole = mg.grad(squares(outputs, slice(T)), list(layer.parameters()))
    apart = max(float(abs(p.grad - g).max().item()) for p, g in zip(layer.parameters(), whole) if p.grad is not None)
    missed = np.abs(carried - end.numpy()).max()
    return [
        Figure("gradient beyond the cut", crossed, "=", 0, "no gradient crosses it"),
        Figure("state carried over, largest difference", missed, "<=", 1e-12, "read at once", True),
        Figure("gradient with k2 = T, largest difference", apart, "<=", 1e-12, "the whole one", True),
    ]


@system(data="random bits, to be repeated 10 steps later", merit="bits right, by k2", seconds=7)
def run(lab: Lab) -> list[Figure]:
    bits, new = (
        lab.rng(n).integers(2, size=(length + LAG, BATCH, 1)).astype("float32")
        for n, length in enumerate((K1 * lab.pick(600, 6), lab.pick(500, 30)))
    )

    def learn(k2: int) -> float:
        """The share of new bits that are repeated rightly by a net whose gradients go back k2 steps."""
        mg.seed(lab.seed)
        model = SequenceModel(Recurrent("rnn", 1, HIDDEN), 1)
        optimizer = mg.optim.Adam(model.parameters(), lr=1e-2)

        # What comes at xs[steps] is bits[LAG:][steps], and what is asked for came LAG steps before.
        loss = lambda outputs, steps: mg.nn.bce_with_logits(model.head(outputs), mg.tensor(bits[steps]))
        for _ in truncated_bptt(model.recurrent, bits[LAG:], loss, K1, k2):
            mg.optim.clip_grad_norm(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        with mg.no_grad():
            answers = model(mg.tensor(new)).numpy() > 0
        return float((answers[LAG:] == new[:-LAG]).mean())

    right = {k2: learn(k2) for k2 in lab.progress((2, 5, 8, LAG, LAG + 1, 12, 15, 20), "k2")}
    plot = axes("k2, steps that gradients go back", "share of bits repeated rightly", f"a bit, {LAG} steps later")
    plot.plot(list(right), list(right.values()), "o-")
    plot.axvline(LAG + 0.5, color="#a50f15", linestyle="--", label="the bit asked for is within reach: k2 > lag")
    plot.axhline(0.5, color="#555555", linestyle=":", label="guessing")
    plot.set(ylim=(0.4, 1.03), xticks=list(right))
    lab.save("k2.png", plot, "how much is learnt, by how far back the gradients go")
    cell, losses = RNNCell(1, 2), []
    h = cell.initial_state(1).named("h_-1")
    for t in range(6):
        with mg.scope(f"t={t}", "RNNCell"):
            h, _ = cell(mg.tensor([[0.5]], name=f"x_{t}"), h.detach() if t % 2 == 0 else h)
            losses.append(mg.square(h.named(f"h_{t}")).sum())
    loss = mg.stack(losses).sum().named("loss")
    loss.backward()
    cut = mg.draw(loss, level="gate", backward=True, title="cut every two steps: k1 = k2 = 2")
    lab.save("cut.svg", cut, "a graph that is cut every two steps: the state goes on, the gradient does not")
    return [
        *exactly(lab),
        Figure("bits repeated rightly, k2 = 15", right[15], ">", 0.95, "the goal"),
        Figure(f"bits repeated rightly, k2 = {LAG + 1}", right[LAG + 1], ">", 0.95, "the goal"),
        Figure(f"bits repeated rightly, k2 = {LAG}", right[LAG], "<", 0.75, "half-way from guessing"),
    ]
