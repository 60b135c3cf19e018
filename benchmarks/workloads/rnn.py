"""One training step of RNN, LSTM and GRU layers: minigrad's, PyTorch's, and loops over time in eager PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..entries import Size
from ..libraries import Library
from ..probe import Probe, training_step

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def probes(contender: str, library: Library, size: Size) -> Iterator[Probe]:
    T, B, I, H = size
    xs = library.leaf(np.random.default_rng(1).standard_normal((T, B, I), np.float32), False)
    build = {"minigrad": _minigrad_layer, "torch": _torch_layer, "torch-eager": _torch_loop}[contender]
    for kind in GATES:
        run, leaves, gradients = build(kind, library, I, H, weights(kind, I, H))
        yield training_step(kind, lambda run=run: mean_square(run(xs)), leaves, gradients)


def mean_square(ys: Any) -> Any:
    return (ys * ys).mean()


def weights(kind: str, input_size: int, hidden_size: int) -> dict[str, np.ndarray]:
    """The same values for all contenders, by minigrad's names and in its layout: gates side by side in the columns."""
    width = GATES[kind] * hidden_size
    shapes = {"weight_ih": (input_size, width), "weight_hh": (hidden_size, width), "bias": (width,)}
    if kind == "GRU":
        shapes["bias_hn"] = (hidden_size,)
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape, np.float32) * hidden_size**-0.5 for name, shape in shapes.items()}


def _minigrad_layer(kind: str, library: Library, input_size: int, hidden_size: int, values: dict[str, Any]) -> Any:
    import minigrad_rnn as mr

    layer = getattr(mr, kind)(input_size, hidden_size)
    names = {full: full.rpartition(".")[2] for full, _ in layer.named_parameters()}
    layer.load_state_dict({full: values[name] for full, name in names.items()})
    gradients = lambda: {names[full]: parameter.grad for full, parameter in layer.named_parameters()}
    return (lambda xs: layer(xs)[0]), list(layer.parameters()), gradients


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


def _torch_loop(kind: str, library: Library, input_size: int, hidden_size: int, values: dict[str, Any]) -> Any:
    weights = {name: library.leaf(value, True) for name, value in values.items()}
    step, parts = {"RNN": (rnn_step, 1), "LSTM": (lstm_step, 2), "GRU": (gru_step, 1)}[kind]

    def run(xs: Any) -> Any:
        state: Any = (xs.new_zeros(xs.shape[1], hidden_size),) * parts
        outputs = []
        for x in xs:
            state = step(x, state, **weights)
            outputs.append(state[0])
        return library.module.stack(outputs)

    return run, list(weights.values()), lambda: {name: weight.grad for name, weight in weights.items()}


def rnn_step(x: Any, state: Any, weight_ih: Any, weight_hh: Any, bias: Any) -> Any:
    (h,) = state
    return ((x @ weight_ih + h @ weight_hh + bias).tanh(),)


def lstm_step(x: Any, state: Any, weight_ih: Any, weight_hh: Any, bias: Any) -> Any:
    h, c = state
    i, f, g, o = (x @ weight_ih + h @ weight_hh + bias).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(x: Any, state: Any, weight_ih: Any, weight_hh: Any, bias: Any, bias_hn: Any) -> Any:
    (h,) = state
    xr, xz, xn = (x @ weight_ih + bias).chunk(3, 1)
    hr, hz, hn = (h @ weight_hh).chunk(3, 1)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    n = (xn + r * (hn + bias_hn)).tanh()
    return (n + z * (h - n),)
