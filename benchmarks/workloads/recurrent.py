"""Training steps of recurrent layers: minigrad's, PyTorch's, loops in eager PyTorch and scans in JAX; same weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe, training_step

Step = Callable[[Any, Any], Any]  # an input and the state before it -> the state after it, its first part the output
MOST_COMPILED = 32  # steps that PyTorch compiles at once: it unrolls them, and compiles for longer the more there are


def rnn(ops: Any, weight_ih: Any, weight_hh: Any, bias: Any) -> Step:
    def step(x: Any, state: Any) -> Any:
        (h,) = state
        return (ops.tanh(x @ weight_ih + h @ weight_hh + bias),)

    return step


def lstm(ops: Any, weight_ih: Any, weight_hh: Any, bias: Any) -> Step:
    def step(x: Any, state: Any) -> Any:
        h, c = state
        i, f, g, o = ops.chunk(x @ weight_ih + h @ weight_hh + bias, 4, 1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c

    return step


def gru(ops: Any, weight_ih: Any, weight_hh: Any, bias: Any, bias_hn: Any) -> Step:
    def step(x: Any, state: Any) -> Any:
        (h,) = state
        xr, xz, xn = ops.chunk(x @ weight_ih + bias, 3, 1)
        hr, hz, hn = ops.chunk(h @ weight_hh, 3, 1)
        r, z = ops.sigmoid(xr + hr), ops.sigmoid(xz + hz)
        n = ops.tanh(xn + r * (hn + bias_hn))
        return (n + z * (h - n),)

    return step


def lstm_naive(ops: Any, W_i: Any, W_f: Any, W_g: Any, W_o: Any, b_i: Any, b_f: Any, b_g: Any, b_o: Any) -> Step:
    def step(x: Any, state: Any) -> Any:
        h, c = state
        hx = ops.concatenate([h, x], 1)
        i = ops.sigmoid(hx @ W_i + b_i)
        f = ops.sigmoid(hx @ W_f + b_f)
        g = ops.tanh(hx @ W_g + b_g)
        o = ops.sigmoid(hx @ W_o + b_o)
        c = f * c + i * g
        return o * ops.tanh(c), c

    return step


def lstm_peephole(ops: Any, weight_ih: Any, weight_hh: Any, weight_ch: Any, bias: Any) -> Step:
    p_i, p_f, p_o = ops.chunk(weight_ch, 3, 0)

    def step(x: Any, state: Any) -> Any:
        h, c = state
        i, f, g, o = ops.chunk(x @ weight_ih + h @ weight_hh + bias, 4, 1)
        i, f = ops.sigmoid(i + c * p_i), ops.sigmoid(f + c * p_f)
        c = f * c + i * ops.tanh(g)
        return ops.sigmoid(o + c * p_o) * ops.tanh(c), c

    return step


def indrnn(ops: Any, weight_ih: Any, weight_hh: Any, bias: Any) -> Step:
    def step(x: Any, state: Any) -> Any:
        (h,) = state
        return (ops.relu(x @ weight_ih + h * weight_hh + bias),)

    return step


def mgu(ops: Any, weight_ih: Any, weight_hh: Any, bias: Any) -> Step:
    w_f, w_n = ops.chunk(weight_hh, 2, 1)

    def step(x: Any, state: Any) -> Any:
        (h,) = state
        xf, xn = ops.chunk(x @ weight_ih + bias, 2, 1)
        f = ops.sigmoid(xf + h @ w_f)
        n = ops.tanh(xn + (f * h) @ w_n)
        return ((1 - f) * h + f * n,)

    return step


@dataclass(frozen=True)
class Cell:
    """`name` is minigrad's; `step` is the same arithmetic for the others, what does not change with time done before.

    `shapes(I, H)` are those of its weights, by minigrad's names; `parts` is how many parts its state has.
    """

    name: str
    step: Callable[..., Step]
    shapes: Callable[[int, int], dict[str, tuple[int, ...]]]
    parts: int = 1


def _stacked(gates: int) -> Callable[[int, int], dict[str, tuple[int, ...]]]:
    """Gates side by side in the columns."""
    return lambda I, H: {"weight_ih": (I, gates * H), "weight_hh": (H, gates * H), "bias": (gates * H,)}


CELLS = {
    "RNN": Cell("rnn", rnn, _stacked(1)),
    "LSTM": Cell("lstm", lstm, _stacked(4), 2),
    "GRU": Cell("gru", gru, lambda I, H: _stacked(3)(I, H) | {"bias_hn": (H,)}),
    "LSTM naive": Cell(
        "lstm-separate",
        lstm_naive,
        lambda I, H: {f"W_{gate}": (H + I, H) for gate in "ifgo"} | {f"b_{gate}": (H,) for gate in "ifgo"},
        parts=2,
    ),
    "LSTM peephole": Cell("lstm-peephole", lstm_peephole, lambda I, H: _stacked(4)(I, H) | {"weight_ch": (3 * H,)}, 2),
    "IndRNN": Cell("indrnn", indrnn, lambda I, H: _stacked(1)(I, H) | {"weight_hh": (H,)}),
    "MGU": Cell("mgu", mgu, _stacked(2)),
}


def step_of(kind: str, contender: str, library: Library, size: Size) -> Probe:
    """A probe of one training step of the cell called `kind`: forward, mean square of the outputs, backward."""
    T, B, I, H = size
    xs = library.leaf(np.random.default_rng(1).standard_normal((T, B, I), np.float32), False)
    start = tuple(library.leaf(np.zeros((B, H), np.float32), False) for _ in range(CELLS[kind].parts))
    values = weights(kind, I, H)
    if contender == "jax":
        return _jax_scan(kind, library, xs, start, values)
    if contender == "torch":
        run, leaves, gradients = _torch_layer(kind, library, I, H, values)
    elif contender in ("torch-eager", "torch-compile"):
        run, leaves, gradients = _torch_loop(kind, library, start, values, contender == "torch-compile")
    else:
        run, leaves, gradients = _minigrad_layer(kind, contender, library, I, H, values)
    return training_step(kind, lambda: mean_square(run(xs)), leaves, gradients)


def mean_square(ys: Any) -> Any:
    return (ys * ys).mean()


def weights(kind: str, input_size: int, hidden_size: int) -> dict[str, np.ndarray]:
    """The same values for all contenders, by minigrad's names and in its layout."""
    rng = np.random.default_rng(0)
    shapes = CELLS[kind].shapes(input_size, hidden_size)
    return {name: rng.standard_normal(shape, np.float32) * hidden_size**-0.5 for name, shape in shapes.items()}


def _minigrad_layer(
    kind: str, contender: str, library: Library, input_size: int, hidden_size: int, values: dict[str, Any]
) -> Any:
    import minigrad_rnn as mr

    layer = mr.Recurrent(CELLS[kind].name, input_size, hidden_size, compiled=contender != "minigrad-graph")
    names = {full: full.rpartition(".")[2] for full, _ in layer.named_parameters()}
    layer.load_state_dict({full: values[name] for full, name in names.items()})
    run = lambda xs: layer(xs)[0]
    if contender == "minigrad-chunk":
        run = lambda xs: _scan_in_chunks(library.module, layer.cells[0], xs)
    return run, list(layer.parameters()), lambda: {names[full]: leaf.grad for full, leaf in layer.named_parameters()}


def _scan_in_chunks(mg: Any, cell: Any, xs: Any) -> Any:
    """The outputs of `cell`; about √T states are kept, and what lies between them is computed again."""

    def step(state: Any, x: Any) -> Any:
        y, state = cell.step(x, state)
        return state, y

    return mg.scan(step, cell.initial_state(xs.shape[1]), xs, chunk=math.isqrt(len(xs)))[1]


def _torch_layer(kind: str, library: Library, input_size: int, hidden_size: int, values: dict[str, Any]) -> Any:
    torch = library.module
    layer = getattr(torch.nn, kind)(input_size, hidden_size)
    hidden_bias = np.zeros_like(values["bias"])  # PyTorch has two biases everywhere, minigrad where it matters
    if kind == "GRU":
        hidden_bias[2 * hidden_size :] = values["bias_hn"]
    arrays = (values["weight_ih"].T, values["weight_hh"].T, values["bias"], hidden_bias)
    layer.load_state_dict(dict(zip(layer.state_dict(), map(torch.tensor, arrays))))
    layer.to(library.device)

    def gradients() -> dict[str, Any]:
        weight_ih, weight_hh, bias, bias_hh = (parameter.grad for parameter in layer.parameters())
        found = {"weight_ih": weight_ih.T, "weight_hh": weight_hh.T, "bias": bias}
        return found | ({"bias_hn": bias_hh[2 * hidden_size :]} if kind == "GRU" else {})

    return (lambda xs: layer(xs)[0]), list(layer.parameters()), gradients


def _torch_loop(kind: str, library: Library, start: Any, values: dict[str, Any], compiled: bool) -> Any:
    torch = library.module
    leaves = {name: library.leaf(value, True) for name, value in values.items()}

    def loop(xs: Any, state: Any, leaves: dict[str, Any]) -> Any:
        step = CELLS[kind].step(torch, **leaves)
        outputs = []
        for x in xs:
            state = step(x, state)
            outputs.append(state[0])
        return torch.stack(outputs), state

    part = torch.compile(loop, dynamic=False) if compiled else loop

    def run(xs: Any) -> Any:
        state, outputs = start, []
        for some in xs.split(_at_once(len(xs)) if compiled else len(xs)):
            ys, state = part(some, state, leaves)
            outputs.append(ys)
        return torch.cat(outputs) if len(outputs) > 1 else outputs[0]

    return run, list(leaves.values()), lambda: {name: leaf.grad for name, leaf in leaves.items()}


def _at_once(T: int) -> int:
    """Into parts of how many steps T steps are cut, all of one length, so that one compiled function does."""
    return max(n for n in range(1, MOST_COMPILED + 1) if T % n == 0)


def _jax_scan(kind: str, library: Library, xs: Any, start: Any, values: dict[str, Any]) -> Probe:
    import jax

    def loss(leaves: dict[str, Any], xs: Any) -> Any:
        step = CELLS[kind].step(library.module, **leaves)

        def scanned(state: Any, x: Any) -> Any:
            state = step(x, state)
            return state, state[0]

        return mean_square(jax.lax.scan(scanned, start, xs)[1])

    both = jax.jit(jax.value_and_grad(loss))  # compiled when first called: while the worker warms up
    leaves = {name: library.leaf(value, True) for name, value in values.items()}
    gradients: dict[str, Any] = {}

    def forward_and_backward(_: None) -> Any:
        value, found = jax.block_until_ready(both(leaves, xs))
        gradients.update(found)
        return value

    return Probe(kind, {"forward and backward": forward_and_backward}, [], lambda: gradients)
