"""Layers run as compiled loops: outputs, states and gradients of the unrolled graph, for every cell of the library."""

import warnings

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.loop import kernels, machine
from minigrad.loop.unrolled import flatten

CELLS = mr.cells.names()  # the library's own, before other tests register theirs
T, B, I, H = 7, 4, 3, 5
NOISE = {"zoneout": 0.3, "input_dropout": 0.3, "state_dropout": 0.4, "weight_drop": 0.5}
STACK = {"num_layers": 2, "bidirectional": True, "dropout": 0.2}


def run(name, compiled, lengths, **options):
    """Outputs, the parts of the state, and all gradients."""
    mg.seed(0)
    more = {"size": (4, 4)} if name == "convlstm" else {}
    layer = mr.Recurrent(name, I, H, dtype="float64", compiled=compiled, **options, **more)
    xs = mg.tensor(np.random.default_rng(0).normal(size=(T, B, I, *more.get("size", ()))), requires_grad=True)
    mg.seed(5)
    outputs, state = layer(xs, lengths=lengths)
    numbers = np.random.default_rng(1)
    results = [outputs, *flatten(state)[0]]  # of a stack whose states differ in shape, a list
    loss = sum((part * numbers.normal(size=part.shape)).sum() for part in results)
    leaves = [xs, *layer.parameters()]
    grads = mg.grad(loss, leaves, allow_unused=True)
    zeros = [np.zeros(leaf.shape) if g is None else g.numpy() for leaf, g in zip(leaves, grads, strict=True)]
    return [*(part.numpy() for part in results), *zeros]


@pytest.mark.parametrize("choice", ["llvm", "numpy"])
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_equals_its_unrolled_graph(name, choice, monkeypatch):
    if choice == "llvm" and not machine.available():
        pytest.skip("llvmlite is not installed: pip install 'minigrad[jit]'")
    monkeypatch.setattr(kernels, "choice", lambda: choice)
    options = {} if name == "convlstm" else STACK | NOISE | {"learned_state": name != "narx"}
    for lengths, chosen in (([T, 3, 1, 5], options), (None, {})):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # that a step could not be compiled
            found = run(name, True, lengths, **chosen)
        for a, b in zip(found, run(name, False, lengths, **chosen), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_auto_compiles_what_is_large_enough():
    layer = mr.GRU(I, 64)
    assert layer(mg.randn(2, 2, I))[0].node.op.name == "stack"
    assert layer(mg.randn(64, 4, I))[0].node.parents[0].op.name == "scan"
    with pytest.raises(ValueError, match="compiled must be True, False or 'auto'"):
        mr.GRU(I, H, compiled="yes")(mg.randn(2, 2, I))
