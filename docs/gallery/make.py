"""Make the gallery anew: `python docs/gallery/make.py`. A test holds the files against what this makes."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

import minigrad as mg
import minigrad_rnn as mr

HERE = Path(__file__).parent


def numbers(*shape: int) -> np.ndarray:
    """The same numbers each time, with one digit after the point."""
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).round(1)


def parameter(*shape: int, name: str) -> mg.Tensor:
    drawn = np.random.default_rng(crc32(name.encode())).normal(0, 0.7, shape).round(2)
    return mg.tensor(drawn, requires_grad=True, name=name)


def summed(errors: list[mg.Tensor]) -> mg.Tensor:
    return mg.stack(errors).sum().named("loss")


def network(cell: str, T: int = 3, **options: Any) -> mg.Tensor:
    mg.seed(1)
    layer = mr.Recurrent(cell, 2, 2, dtype="float64", **options)
    outputs, _ = layer(mg.tensor(numbers(T, 1, 2)))
    return mg.square(outputs - mg.tensor(numbers(*outputs.shape), name="target")).mean().named("loss")


def expression() -> mg.Tensor:
    a, b = mg.tensor(-4.0, requires_grad=True, name="a"), mg.tensor(2.0, requires_grad=True, name="b")
    c = (a + b).named("c")
    d = (a * b + b**3).named("d")
    return ((c - d) ** 2 / 2).named("L")


def mlp() -> mg.Tensor:
    h: Any = mg.tensor(numbers(1, 3), name="x")
    for n, (rows, columns) in enumerate([(3, 3), (3, 3), (3, 1)], 1):
        h = mg.tanh(h @ parameter(rows, columns, name=f"W_{n}") + parameter(columns, name=f"b_{n}")).named(f"h_{n}")
    return mg.square(h - 1).sum().named("loss")


def truncated(T: int = 5, k: int = 2) -> mg.Tensor:
    U, W = parameter(2, 2, name="U"), parameter(2, 2, name="W")
    h: Any = mg.tensor(np.zeros((1, 2)), name="h_-1")
    errors = []
    for t in range(T):
        if t and t % k == 0:
            h = h.detach()
        x = mg.tensor(numbers(1, 2 + t)[:, :2], name=f"x_{t}")
        with mg.scope(f"t={t}", "RNN"):
            h = mg.tanh(x @ U + h @ W).named(f"h_{t}")
            errors.append(mg.square(h).sum().named(f"L_{t}"))
    return summed(errors)


def attention(T: int = 3) -> mg.Tensor:
    mg.seed(1)
    encoder, decoder = mr.RNNCell(2, 2, dtype="float64"), mr.RNNCell(2, 2, dtype="float64")
    W_a, V = parameter(2, 2, name="W_a"), parameter(4, 2, name="V")
    h: Any = mg.tensor(np.zeros((1, 2)), name="h_-1")
    hs = []
    for t in range(T):
        x = mg.tensor(numbers(1, 2 + t)[:, :2], name=f"x_{t}")
        with mg.scope(f"t={t}", "encoder"):
            h, _ = encoder.step(x, h)
            hs.append(h.named(f"h_{t}"))
    memory = mg.concatenate(hs, axis=0).named("H")
    s, y, errors = h, mg.tensor(np.zeros((1, 2)), name="y_-1"), []
    for t in range(T):
        with mg.scope(f"t={t}", "decoder"):
            s, _ = decoder.step(y, s)
            s.name = f"s_{t}"
            alpha = mg.softmax(s @ W_a @ memory.T, axis=1).named(f"α_{t}")
            context = (alpha @ memory).named(f"ctx_{t}")
            y = (mg.concatenate([s, context], axis=1) @ V).named(f"y_{t}")
            errors.append(mg.square(y - mg.tensor(numbers(1, 2), name=f"d_{t}")).sum().named(f"L_{t}"))
    return summed(errors)


def tdnn(T: int = 5, taps: int = 3) -> mg.Tensor:
    W, errors = parameter(2 * taps, 2, name="W"), []
    # Asking for their gradients records what is made of them, the windows.
    xs = [mg.tensor(numbers(1, 2 + t)[:, :2], requires_grad=True, name=f"x_{t}") for t in range(T)]
    for t in range(taps - 1, T):
        with mg.scope(f"t={t}", "TDNN"):
            y = mg.tanh(mg.concatenate(xs[t - taps + 1 : t + 1], axis=1) @ W).named(f"y_{t}")
            errors.append(mg.square(y).sum().named(f"L_{t}"))
    return summed(errors)


def narx(T: int = 5) -> mg.Tensor:
    U, A, B, errors = parameter(2, 2, name="U"), parameter(2, 2, name="A"), parameter(2, 2, name="B"), []
    ys: list[Any] = [mg.tensor(np.zeros((1, 2)), name="y_-2"), mg.tensor(np.zeros((1, 2)), name="y_-1")]
    for t in range(T):
        x = mg.tensor(numbers(1, 2 + t)[:, :2], name=f"x_{t}")
        with mg.scope(f"t={t}", "NARX"):
            ys.append(mg.tanh(x @ U + ys[-1] @ A + ys[-2] @ B).named(f"y_{t}"))
            errors.append(mg.square(ys[-1]).sum().named(f"L_{t}"))
    return summed(errors)


def vanishing(T: int = 6) -> mg.Tensor:
    """Small recurrent weights, and an error at the last step alone."""
    U, W, h = parameter(2, 2, name="U"), parameter(2, 2, name="W"), mg.tensor(np.zeros((1, 2)), name="h_-1")
    W.data *= 0.3 / np.linalg.norm(W.data, 2)
    for t in range(T):
        with mg.scope(f"t={t}", "RNN"):
            h = mg.tanh(mg.tensor(numbers(1, 2 + t)[:, :2], name=f"x_{t}") @ U + h @ W).named(f"h_{t}")
    return mg.square(h).sum().named("loss")


class Picture(NamedTuple):
    """What is drawn into a file, and how."""

    name: str
    title: str
    graph: Callable[[], mg.Tensor]
    options: dict[str, Any]


def picture(name: str, title: str, graph: Callable[[], mg.Tensor], **options: Any) -> Picture:
    return Picture(name, title, graph, options)


NUMBERS = {"values": True, "backward": True}
FLOW = {"backward": "only", "flow": True, "formulas": False}
PICTURES: list[Picture] = [
    picture("rnn-rolled", "The vanilla cell, rolled", lambda: network("rnn"), level="rolled"),
    picture(
        "rnn",
        "The vanilla cell, unrolled, and where each gradient comes from",
        lambda: network("rnn"),
        level="gate",
        **NUMBERS,
    ),
    picture(
        "rnn-operations",
        "The same, operation by operation, with local derivatives",
        lambda: network("rnn"),
        **NUMBERS,
        locals=True,
    ),
    picture("lstm", "The LSTM: quantities and their formulas", lambda: network("lstm", T=2), level="gate", **NUMBERS),
    picture("lstm-cells", "The LSTM, a box a step", lambda: network("lstm", T=5), level="cell"),
    picture("lstm-one-open", "One step opened, the others closed", lambda: network("lstm"), level="cell", open="t=1"),
    picture("gru", "The GRU", lambda: network("gru"), level="gate"),
    picture("stacked", "Two layers", lambda: network("rnn", num_layers=2), level="gate"),
    picture("bidirectional", "Both directions", lambda: network("lstm", bidirectional=True), level="cell"),
    picture(
        "layers",
        "Two layers in both directions",
        lambda: network("lstm", num_layers=2, bidirectional=True),
        level="layer",
        shapes=True,
    ),
    picture("attention", "Sequence to sequence, with attention", attention, level="gate"),
    picture("tdnn", "A time-delay network: no recurrence", tdnn, level="gate"),
    picture("narx", "NARX: outputs fed back over two taps", narx, level="gate"),
    picture(
        "vanishing",
        "The way back alone, wide where gradients are large: the error of the last step hardly reaches the first",
        vanishing,
        **FLOW,
        level="gate",
    ),
    picture("truncated", "Truncated backpropagation through time", truncated, level="gate", backward=True),
    picture("mlp", "A network without time", mlp, level="gate", **NUMBERS),
    picture("expression", "An expression, operation by operation", expression, **NUMBERS, locals=True),
    picture("lstm-dark", "The dark theme", lambda: network("lstm", T=2), level="gate", **NUMBERS, theme="dark"),
    picture(
        "lstm-print",
        "The theme for print, in greys",
        lambda: network("lstm", T=2),
        level="gate",
        **NUMBERS,
        theme="print",
    ),
]


def loop(cell: str = "lstm") -> Any:
    """What the loop compiler makes of a cell, explained."""
    layer = mr.Recurrent(cell, 128, 256, compiled=True)
    layer(mg.zeros((64, 32, 128)))
    with contextlib.redirect_stdout(io.StringIO()):
        return mg.scan.explain()


def make(folder: Path) -> None:
    """Write all files of the gallery into `folder`."""
    lines = [
        "# Gallery",
        "",
        "Made by `python docs/gallery/make.py`, whose source shows how. The page "
        "[`lstm.html`](lstm.html) plays the forward pass and the backward walk of an LSTM, rule by rule: open it in a "
        "browser.",
        "",
    ]
    for name, title, graph, options in PICTURES:
        output = graph()
        output.backward()
        mg.draw(output, title=title, **options).save(folder / f"{name}.svg")
        lines += [f"## {title}", "", f"![{title}]({name}.svg)", ""]
    output = network("lstm")
    output.backward()
    mg.draw(output, level="gate", values=True, backward=True, title="An LSTM over three steps").save(
        folder / "lstm.html"
    )
    loop().save(folder / "loop-lstm.svg")
    title = "What the loop compiler makes of an LSTM"
    lines += [f"## {title}", "", f"![{title}](loop-lstm.svg)", "", "## Equations, from the graph", ""]
    for cell in ("rnn", "lstm", "gru"):
        lines += [f"`{cell}`:", "", "```text", mg.draw(network(cell)).equations().text().strip(), "```", ""]
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
