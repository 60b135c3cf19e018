"""Checkpoint: the same numbers, less memory, and what may not change before the walk."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors


@pytest.fixture
def weights():
    rng = np.random.default_rng(0)
    return [mg.tensor(rng.standard_normal((3, 3)), requires_grad=True, name=f"w{i}") for i in range(3)]


@pytest.fixture
def x():
    return mg.tensor(np.random.default_rng(1).standard_normal((400, 3)), requires_grad=True, name="x")


def run(x: Any, weights: list[Any], call: Any, dropout: float = 0.0) -> Any:
    drop = mg.nn.Dropout(dropout)
    for w in weights:
        x = call(lambda h, w=w: drop(mg.tanh(h @ w) * mg.sigmoid(h)), x)
    return mg.square(x).sum()


def plainly(f: Any, *args: Any) -> Any:
    return f(*args)


def twice_deep(f: Any, *args: Any) -> Any:
    return mg.checkpoint(lambda *args: mg.checkpoint(f, *args) * 1, *args)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("call", [mg.checkpoint, twice_deep])
def test_first_and_second_derivatives_are_those_of_the_function(x, weights, call, dropout):
    found = []
    for how in (plainly, call):
        mg.seed(3)
        loss = run(x, weights, how, dropout)
        gradients = mg.grad(loss, [x, *weights], create_graph=True)
        second = mg.grad(sum(mg.square(g).sum() for g in gradients), [x, *weights])
        found.append([loss.item(), mg.rand(2).numpy(), *[g.numpy() for g in (*gradients, *second)]])
    for ours, expected in zip(found[1][:6], found[0][:6]):
        np.testing.assert_array_equal(ours, expected)
    for ours, expected in zip(found[1][6:], found[0][6:]):  # the same sums in another order
        np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-10)


def test_backward_brings_gradients_to_what_the_function_closes_over(x, weights):
    run(x, weights, plainly).backward()
    expected = [t.grad.numpy() for t in (x, *weights)]
    x.grad = None
    for w in weights:
        w.grad = None
    run(x, weights, mg.checkpoint).backward()
    for t, g in zip((x, *weights), expected):
        np.testing.assert_array_equal(t.grad.numpy(), g)


def test_nothing_is_kept_until_the_walk(x, weights):
    loss = run(x, weights, mg.checkpoint)
    inside = [node for node in mg.graph.ancestors([loss.node]) if node.op.name in ("tanh", "sigmoid", "matmul")]
    assert len(inside) == 9
    assert all(node.out is None and node.saved.__class__ is not tuple for node in inside)


def test_the_function_runs_once_more_however_many_nodes_it_made(x, weights):
    calls = []

    def block(h):
        calls.append(1)
        return mg.tanh(mg.tanh(h @ weights[0]) @ weights[1])

    loss = mg.checkpoint(block, x).sum()
    assert len(calls) == 1
    loss.backward(retain_graph=True)
    assert len(calls) == 2
    loss.backward()
    assert len(calls) == 2, "what a retained graph recomputed, it keeps"
    with pytest.raises(errors.GraphFreedError):
        loss.backward()


def test_memory_is_that_of_one_part():
    w = mg.tensor(np.eye(100), requires_grad=True)
    x = mg.tensor(np.full((500, 100), 0.1), requires_grad=True)

    def block(h):
        for _ in range(10):
            h = mg.tanh(h @ w)
        return h

    def peak(call):
        tracemalloc.start()
        h = x
        for _ in range(10):
            h = call(block, h)
        h.sum().backward()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found / x.data.nbytes

    assert peak(plainly) > 100
    assert peak(mg.checkpoint) < 30  # ten results of blocks, one block's ten, and what the walk holds


def test_several_results_and_options():
    def split(x, *, parts):
        return {"halves": mg.split(mg.exp(x), parts), "sum": mg.exp(x).sum()}

    x = mg.tensor(np.arange(400.0) / 400, requires_grad=True)
    found = mg.checkpoint(split, x, parts=2)
    gradient = mg.grad(found["halves"][1].sum() + found["sum"], x)
    np.testing.assert_allclose(gradient.numpy(), np.exp(x.numpy()) * np.repeat([1, 2], 200), rtol=1e-12)


def test_no_graph_no_checkpoint(x, weights):
    with mg.no_grad():
        assert run(x, weights, mg.checkpoint).node is None


def test_checkpointed_graphs_die_by_reference_counting(x, weights):
    gc.collect()
    gc.disable()
    try:
        for create_graph in (False, True):
            loss = run(x, weights, twice_deep)
            node = weakref.ref(loss.node)
            gradients = mg.grad(loss, [x, *weights], create_graph=create_graph)
            del loss
            del gradients
            assert node() is None
    finally:
        gc.enable()


def test_nodes_keep_their_scope_and_can_be_drawn(x, weights):
    with mg.scope("t=0"):
        y = mg.checkpoint(lambda h: mg.tanh(h @ weights[0]), x)
    assert y.node.scope == ("t=0",)
    assert "tanh" in mg.draw(y.sum()).svg()


def test_an_argument_that_was_overwritten(x, weights):
    loss = mg.checkpoint(lambda h: mg.tanh(h @ weights[0]), x).sum()
    with mg.no_grad():
        x[0] = 1.0
    with pytest.raises(errors.InplaceError, match=r"x of shape \(400, 3\) of a checkpointed function was overwritten"):
        loss.backward()


def test_a_parameter_that_was_overwritten(x, weights):
    loss = mg.checkpoint(lambda h: mg.tanh(h @ weights[0]), x).sum()
    with mg.no_grad():
        weights[0][...] = 1.0
    with pytest.raises(errors.InplaceError, match=r"w0 of shape \(3, 3\), needed to walk back through 'matmul'"):
        loss.backward()


def test_a_function_that_computes_something_else_the_second_time(x):
    which = iter([mg.tanh, mg.sigmoid])
    loss = mg.checkpoint(lambda h: next(which)(h), x).sum()
    with pytest.raises(errors.MinigradError, match="computed something else the second time"):
        loss.backward()
