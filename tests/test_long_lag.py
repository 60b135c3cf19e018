"""What networks learn to remember, and for how long; seeded, each with the settings that it was reached with.

The short forms run always; the long ones, `pytest -m slow tests/test_long_lag.py -s`, print their figures.
"""

import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import minigrad as mg
import minigrad_rnn as mr
from minigrad_rnn.data import synthetic


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


class Network(mg.nn.Module):
    """A recurrent layer and a linear one on all of its outputs, or with `last` on those of the last step."""

    def __init__(self, cell, inputs, hidden, outputs, last=False, chrono=None, forget_bias=None):
        mg.seed(0)
        self.layer = mr.Recurrent(cell, inputs, hidden)
        self.head = mg.nn.Linear(hidden, outputs)
        self.last = last
        gate = slice(hidden, 2 * hidden)  # the LSTM's forget gate, the GRU's z: what keeps the state
        if chrono is not None and cell != "rnn":  # Tallec and Ollivier 2018, eq. 16
            bias = self.layer.cells[0].bias.data
            bias[gate] = mg.nn.init.chrono(hidden, chrono).data
            if cell == "lstm":
                bias[:hidden] = -bias[gate]
        if forget_bias is not None:
            self.layer.cells[0].bias.data[gate] = forget_bias

    def forward(self, xs):
        outputs, _ = self.layer(mg.tensor(xs))
        return self.head(outputs[-1] if self.last else outputs)


def train(network, draw, loss_of, steps, lr, done, every=50, after=lambda outputs, targets: None):
    """Adam, the gradient's norm clipped to 1, until `done` says so every `every` steps; returns the steps taken.

    `draw(rng)` is a batch. `after` is shown what came out of it; an `lr` that is a function is asked at every step.
    """
    rng = np.random.default_rng(0)
    optimizer = mg.optim.Adam(network.parameters(), lr=1e-3)
    for step in range(1, steps + 1):
        optimizer.lr = lr() if callable(lr) else lr
        xs, targets = draw(rng)
        outputs = network(xs)
        loss = loss_of(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        mg.optim.clip_grad_norm(optimizer.parameters, 1.0)
        optimizer.step()
        after(outputs.numpy(), targets)
        if step % every == 0 and done():
            return step
    return steps


def show(what, figure, steps, started):
    print(f"\n{what}: {figure} after {steps} steps, {time.perf_counter() - started:.0f} s")


# The adding problem: guessing has a mean squared error of 0.167


def adding(cell, length, hidden, steps, enough=0.005):
    """Adam 0.01, batch 64, gates that keep the state for up to `length` steps (chrono initialisation)."""
    started = time.perf_counter()
    network = Network(cell, 2, hidden, 1, last=True, chrono=length)
    xs, targets = synthetic.adding_problem(length, 500, 1)

    @mg.no_grad()
    def error():
        return mg.nn.mse_loss(network(xs), targets).item()

    steps = train(
        network,
        lambda rng: synthetic.adding_problem(length, 64, rng),
        mg.nn.mse_loss,
        steps,
        1e-2,
        lambda: error() < enough,
    )
    show(f"adding problem, {length} steps, {cell}, mean squared error", f"{error():.4f}", steps, started)
    return error()


@pytest.mark.parametrize(("cell", "low", "high"), [("gru", 0, 0.02), ("lstm", 0, 0.02)])
def test_short_adding_problem(cell, low, high):
    assert low <= adding(cell, 20, 32, 400, 0.015) < high


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "low", "high"), [("gru", 0, 0.01), ("lstm", 0, 0.01), ("rnn", 0.1, 1)])
def test_adding_problem_over_200_steps(cell, low, high):
    assert low <= adding(cell, 200, 64, 600) < high


# The copy task


def copying(lag, count, hidden, steps, enough):
    """An LSTM, forget bias 3, Adam 0.01 (0.003 once the whole lag is reached), batch 64, the loss on the copy alone.

    Lags are drawn from the upper half of [1, longest]; longest grows by 30 % whenever the last ten batches were 90 %
    right.
    """
    started = time.perf_counter()
    network = Network("lstm", 10, hidden, 10, forget_bias=3.0)
    xs, targets = synthetic.copy_task(lag, 200, 1, count)
    longest, right = 1, []

    def draw(rng):
        return synthetic.copy_task(int(rng.integers(max(1, longest // 2), longest + 1)), 64, rng, count)

    def grow(outputs, targets):
        nonlocal longest
        right.append((outputs[-count:].argmax(axis=2) == targets[-count:]).mean())
        if np.mean(right[-10:]) > 0.9:
            longest = min(lag, max(longest + 1, int(longest * 1.3)))

    @mg.no_grad()
    def accuracy():
        return float((network(xs).numpy()[-count:].argmax(axis=2) == targets[-count:]).mean())

    steps = train(
        network,
        draw,
        lambda outputs, targets: mg.nn.cross_entropy(outputs[-count:], targets[-count:]),
        steps,
        lambda: 1e-2 if longest < lag else 3e-3,
        lambda: longest == lag and accuracy() > enough,
        after=grow,
    )
    show(f"copy task, {count} symbols over a lag of {lag}, accuracy", f"{accuracy():.4f}", steps, started)
    return accuracy()


def test_short_copy_task():
    assert copying(20, 2, 32, 800, 0.995) > 0.99


@pytest.mark.slow
def test_copy_task_over_a_lag_of_100():
    assert copying(100, 10, 128, 3000, 0.993) > 0.99


# What was learned on short sequences holds on long ones


def bits_right(network, xs, targets):
    with mg.no_grad():
        return (network(xs).numpy() > 0) == targets


def parity(cell, short, long, hidden, steps):
    """Adam 0.01, batch 64; lengths are drawn up to a longest one, which grows by one with ten batches 99 % right.

    Trained on up to `short` steps until the loss is below 0.001; returns the share right of all answers up to `long`.
    """
    started = time.perf_counter()
    network = Network(cell, 1, hidden, 1)
    longest, right, losses = 2, [], []

    def draw(rng):
        return synthetic.parity(int(rng.integers(1, longest + 1)), 64, rng)

    def loss_of(outputs, targets):
        loss = mg.nn.bce_with_logits(outputs, targets)
        losses.append(loss.item())
        return loss

    def grow(outputs, targets):
        nonlocal longest
        right.append(((outputs > 0) == targets).mean())
        if np.mean(right[-10:]) > 0.99:
            longest = min(short, longest + 1)

    steps = train(
        network, draw, loss_of, steps, 1e-2, lambda: longest == short and np.mean(losses[-20:]) < 1e-3, after=grow
    )
    share = bits_right(network, *synthetic.parity(long, 500, 1)).mean()
    show(f"parity, {cell}, trained on up to {short} steps, right over {long}", f"{share:.4f}", steps, started)
    return share


def test_short_parity():
    assert parity("lstm", 10, 100, 16, 2000) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_parity_learned_on_40_steps_holds_over_400(cell):
    assert parity(cell, 40, 400, 16, 5000) >= 0.99


def addition(cell, short, long, hidden, steps):
    """Adam 0.01, batch 64, on numbers of `short` bits until the loss is below 0.001.

    Returns the share of numbers of `long` bits whose sum is right to the last bit.
    """
    started = time.perf_counter()
    network = Network(cell, 2, hidden, 1)
    losses = []

    def loss_of(outputs, targets):
        loss = mg.nn.bce_with_logits(outputs, targets)
        losses.append(loss.item())
        return loss

    steps = train(
        network,
        lambda rng: synthetic.binary_addition(short, 64, rng),
        loss_of,
        steps,
        1e-2,
        lambda: np.mean(losses[-20:]) < 1e-3,
    )
    share = bits_right(network, *synthetic.binary_addition(long, 1000, 1)).all(axis=(0, 2)).mean()
    show(f"addition, {cell}, trained on {short} bits, sums right of {long} bits", f"{share:.4f}", steps, started)
    return share


def test_short_binary_addition():
    assert addition("gru", 8, 80, 16, 2000) >= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_addition_learned_on_8_bits_holds_on_80(cell):
    assert addition(cell, 8, 80, 16, 5000) >= 0.99
