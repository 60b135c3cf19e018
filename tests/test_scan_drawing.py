"""A compiled scan is drawn, taken apart and replayed as the graph of all its steps."""

import gc
import re
import weakref

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad.draw import LEVELS
from minigrad.errors import GraphFreedError, InplaceError, MinigradError
from minigrad.graph import ancestors
from minigrad.loop.unrolled import flatten, unroll
from minigrad.replay import replay

T, B = 5, 2


def compiled(step, init, xs, reverse=False, named=None):
    return mg.scan(step, init, xs, reverse=reverse, named=named)


def unrolled(step, init, xs, reverse=False, named=None):
    parts, structure = flatten(xs)
    return unroll(step, init, parts, structure, len(parts[0]), reverse, named)


RUNS = (unrolled, compiled)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def step_of(cell):
    """What `mg.scan` is given of a cell: its step and its initial state, and the names of the states."""

    def step(state, x):
        with mg.scope(type(cell).__name__):
            y, state = cell.step(x, state)
        return state, y

    def named(state, t):
        for name, part in zip(cell.state_names, flatten(state)[0], strict=True):
            part.name = f"{name}_{t}"

    return step, cell.initial_state(B), named


def make(kind, inputs=2, hidden=3):
    cell = mr.cells.get(kind)(inputs, hidden, dtype="float64")
    for name, parameter in cell.named_parameters():
        parameter.name = name
    return cell


def network(run, kind="lstm", reverse=False, hidden=3):
    mg.seed(0)
    cell = make(kind, hidden=hidden)
    step, init, named = step_of(cell)
    state, ys = run(step, init, mg.tensor(numbers(T, B, 2), name="x"), reverse=reverse, named=named)
    return cell, mg.square(ys - 0.5).sum().named("L"), state, ys


def stacked(run, kind="gru"):
    """Two layers of both directions, the second one's with weights that are shared."""
    mg.seed(0)
    cells = [make(kind), make(kind), make(kind, 6)]
    ys = mg.tensor(numbers(T, B, 2), name="x")
    for layer in ((cells[0], cells[1]), (cells[2], cells[2])):
        found = []
        for cell, reverse in zip(layer, (False, True), strict=True):
            step, init, named = step_of(cell)
            found.append(run(step, init, ys, reverse=reverse, named=named)[1])
        ys = mg.concatenate(found, axis=2)
    return cells, mg.square(ys - 0.5).sum().named("L")


def has_scan(*tensors):
    return any(node.op.name == "scan" for node in ancestors(t.node for t in tensors if t.node is not None))


def texts(x, **options):
    drawn = mg.draw(x, **options)
    return drawn.svg(), drawn.dot(), drawn.mermaid()


def page(x, **options):
    """The page that plays the graph, its numbers to the 8th digit: the compiled loop rounds otherwise."""
    html = mg.draw(x, **options).html()
    return re.sub(r"-?\d+\.\d{8,}(e-?\d+)?", lambda match: f"{float(match[0]):.8f}".replace("-0.00000000", "0"), html)


def same_pictures(losses, **options):
    options = {"values": True, "backward": True, **options}
    pair = [texts(loss, **options) for loss in losses]
    assert pair[0] == pair[1]


# Pictures


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_pictures_equal_those_of_the_unrolled_loop(kind, reverse):
    losses = [network(run, kind, reverse)[1] for run in RUNS]
    assert has_scan(losses[1])
    for level in LEVELS:
        same_pictures(losses, level=level)
    assert not has_scan(losses[1])
    for loss in losses:
        loss.backward()
    for level in LEVELS:
        same_pictures(losses, level=level, locals=True)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("level", LEVELS)
def test_pictures_after_the_backward_walk_freed_the_scan(kind, level):
    losses = [network(run, kind)[1] for run in RUNS]
    for loss in losses:
        loss.backward()
    assert has_scan(losses[1])
    same_pictures(losses, level=level, locals=True)
    norms = [[edge.norm for edge in mg.draw(loss, level=level, backward=True).picture.edges] for loss in losses]
    for one, other in zip(*norms, strict=True):
        assert one == pytest.approx(other, abs=1e-12)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_pages_and_equations(kind):
    losses = [network(run, kind)[1] for run in RUNS]
    for loss in losses:
        loss.backward()
    pages = [page(loss) for loss in losses]
    assert pages[0] == pages[1]
    equations = [mg.draw(network(run, kind)[1]).equations() for run in RUNS]
    assert equations[0].text() == equations[1].text()
    assert equations[0].latex() == equations[1].latex()


def test_the_scopes_and_names_are_those_of_the_loop():
    loss = network(compiled)[1]
    mg.draw(loss)
    states = {node.name: node.scope for node in ancestors([loss.node]) if node.name in ("h_0", "c_3", "h_4")}
    assert states == {"h_0": ("t=0", "LSTMCell"), "c_3": ("t=3", "LSTMCell"), "h_4": ("t=4", "LSTMCell")}
    with mg.scope("layer 0"):
        _, loss, state, _ = network(compiled)
    assert [part.name for part in state] == ["h_4", "c_4"]
    mg.draw(loss)
    assert {node.scope[0] for node in ancestors([loss.node])} == {"layer 0"}


@pytest.mark.parametrize("backward", [False, True])
def test_layers_directions_and_shared_weights(backward):
    found = [stacked(run) for run in RUNS]
    losses = [loss for _, loss in found]
    if backward:
        for loss in losses:
            loss.backward()
    same_pictures(losses)
    same_pictures(losses, level="cell")
    grads = [[mr.per_step_grads(loss, p) for cell in cells for p in cell.parameters()] for cells, loss in found]
    for one, other in zip(*grads, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_scans_within_a_scan():
    def build(run):
        W = mg.tensor(numbers(2, 2) / 2, requires_grad=True, name="W")

        def inner(h, x):
            h = mg.tanh(x + h @ W).named("h")
            return h, h

        def outer(h, xs):
            h, ys = run(inner, h, xs)
            return h, ys.sum(axis=0)

        _, ys = run(outer, mg.tensor(np.zeros((B, 2)), name="h0"), mg.tensor(numbers(3, 4, B, 2), name="x"))
        return W, mg.square(ys).sum().named("L")

    found = [build(run) for run in RUNS]
    losses = [loss for _, loss in found]
    same_pictures(losses)
    for loss in losses:
        loss.backward()
    same_pictures(losses)
    np.testing.assert_allclose(found[0][0].grad.numpy(), found[1][0].grad.numpy(), rtol=0, atol=1e-12)
    indices = [node.index for node in ancestors([losses[1].node])]
    assert len(set(indices)) == len(indices) == len(ancestors([losses[0].node]))


def test_chunks():
    def build(inner):
        mg.seed(0)
        step, init, named = step_of(make("gru"))
        options = {"chunk": 2, "named": named}
        xs = mg.tensor(numbers(T, B, 2))
        if inner is compiled:
            return mg.square(mg.scan(step, init, xs, **options)[1]).sum()
        state, parts = init, []
        for start in range(0, T, 2):
            part = mg.getitem(xs, slice(start, start + 2))
            state, ys = mg.checkpoint(unrolled, step, state, part, named=named)
            parts.append(ys)
        return mg.square(mg.concatenate(parts)).sum()

    for drawn_before in (False, True):
        losses = [build(run) for run in RUNS]
        if drawn_before:
            same_pictures(losses, values=False)
        for loss in losses:
            loss.backward()
        same_pictures(losses)


def test_windows_that_were_detached_from_each_other():
    def build(run):
        mg.seed(0)
        step, state, named = step_of(make("lstm"))
        loss = 0
        for window in range(2):
            state, ys = run(step, state, mg.tensor(numbers(3, B, 2, seed=window), name=f"x{window}"), named=named)
            state = tuple([part.detach() for part in state])
            loss = loss + ys.sum()
        return loss

    losses = [build(run) for run in RUNS]
    same_pictures(losses)
    assert all(sum(edge.kind == "cut" for edge in mg.draw(loss).picture.edges) > 0 for loss in losses)


# Results that are not computed by the last step


def odd_step(W):
    def step(carry, x):
        h, kept, _, late, later, decay, _ = carry
        new = mg.tanh(x + h @ W) * kept
        return (new, kept, new, h, late, 0.9 * decay, W), (new.detach() * 2, new + later)

    return step


def odd(run, steps):
    W = mg.tensor(numbers(2, 2) / 2, requires_grad=True, name="W")
    init = [mg.tensor(numbers(B, 2, seed=n), requires_grad=n in (1, 4), name=f"s{n}") for n in range(6)]
    carry, ys = run(odd_step(W), (*init, W), mg.tensor(numbers(steps, B, 2), name="x"))
    return W, init, carry, ys


@pytest.mark.parametrize("steps", [2, 3, 5])
def test_what_passes_through_and_what_needs_no_gradient(steps):
    found = [odd(run, steps) for run in RUNS]
    needs = [[t.requires_grad for t in (*carry, *ys)] for _, _, carry, ys in found]
    assert needs[0] == needs[1]
    for W, init, carry, _ in found:
        assert carry[1] is init[1]
        assert carry[6] is W
        assert carry[0] is carry[2]
        assert (carry[4] is init[0]) == (steps == 2)
    losses = [(sum(part.sum() * k for k, part in enumerate(carry)) + ys[1].sum()) for *_, carry, ys in found]
    same_pictures(losses)
    for loss in losses:
        loss.backward()
    same_pictures(losses)
    for t, other in zip([found[0][0], *found[0][1]], [found[1][0], *found[1][1]], strict=True):
        assert (t.grad is None) == (other.grad is None)
        if t.grad is not None:
            np.testing.assert_allclose(t.grad.numpy(), other.grad.numpy(), rtol=0, atol=1e-12)


# What looks at single steps


@pytest.mark.parametrize("freed", [False, True])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_contributions_of_each_step(kind, freed):
    found = [network(run, kind) for run in RUNS]
    if freed:
        for _, loss, _, _ in found:
            loss.backward()
    for one, other in zip(found[0][0].parameters(), found[1][0].parameters(), strict=True):
        grads = [mr.per_step_grads(loss, p) for p, (_, loss, _, _) in zip((one, other), found, strict=True)]
        assert grads[0].shape[0] == T
        np.testing.assert_allclose(grads[0], grads[1], rtol=0, atol=1e-12)
    norms = [mr.grad_norms(loss, cell) for cell, loss, _, _ in found]
    assert norms[0].keys() == norms[1].keys()
    parts = [mg.contributions(loss, next(cell.parameters()), len) for cell, loss, _, _ in found]
    assert parts[0].keys() == parts[1].keys()
    for key in parts[0]:
        np.testing.assert_allclose(parts[0][key].numpy(), parts[1][key].numpy(), rtol=0, atol=1e-12)


def test_the_walk_is_replayed_step_by_step():
    losses = [network(run)[1] for run in RUNS]
    assert replay([losses[1]]) == []
    for loss in losses:
        loss.backward()
    events = [replay([loss]) for loss in losses]
    assert [e.node.op.name for e in events[0]] == [e.node.op.name for e in events[1]]
    for one, other in zip(*events, strict=True):
        assert one.node.scope == other.node.scope
        np.testing.assert_allclose(one.message, other.message, rtol=0, atol=1e-12)


# The graph stays what it is


def test_a_drawn_graph_is_walked_as_before():
    cell, loss, state, ys = network(compiled)
    plain, other, *_ = network(unrolled)
    mg.draw(loss)
    nodes = ancestors([loss.node])
    mg.draw([loss, *state, ys])
    assert ancestors([loss.node]) == nodes
    loss.backward()
    other.backward()
    for one, expected in zip(cell.parameters(), plain.parameters(), strict=True):
        np.testing.assert_allclose(one.grad.numpy(), expected.grad.numpy(), rtol=0, atol=1e-12)
    with pytest.raises(GraphFreedError):
        loss.backward()


def test_a_freed_scan_stays_freed():
    _, loss, _, ys = network(compiled)
    loss.backward()
    mg.draw(loss, backward=True)
    with pytest.raises(GraphFreedError):
        loss.backward()
    with pytest.raises(GraphFreedError, match=r"'stack' \(5, 2, 3\)"):
        ys.sum().backward()


def test_results_at_hand_are_part_of_the_drawn_graph():
    grads = []
    for run in RUNS:
        _, loss, state, ys = network(run)
        mg.draw(loss)
        more = loss + state[0].sum() * 3  # computed from a result after it was drawn
        shown = mg.draw(more, grads={state[0]: np.full((B, 3), 0.125)}, backward=True)
        grads.append([g.numpy() for g in mg.grad(more, [ys, *state], retain_graph=True)])
        assert [box.name for box in shown.picture.nodes if box.gradient[:1] == ("[0.125 0.125 0.125]",)] == ["h_4"]
        assert not has_scan(more)
    for one, other in zip(*grads, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_hooks_see_each_gradient_once():
    _, loss, _, ys = network(compiled)
    seen = []
    ys.register_hook(lambda g: seen.append(g.numpy()) or 2 * g)
    loss.backward(retain_graph=True)
    mg.draw(loss)
    assert len(seen) == 1
    loss.backward()
    assert len(seen) == 2
    np.testing.assert_allclose(seen[0], seen[1], rtol=0, atol=1e-12)
    losses = []
    for run in RUNS:
        _, loss, _, ys = network(run)
        ys.register_hook(lambda g: 2 * g)
        loss.backward()
        losses.append(loss)
    same_pictures(losses)


def test_nobody_s_gradient_changes():
    cell, loss, _, _ = network(compiled)
    loss.backward()
    before = [p.grad.numpy().copy() for p in cell.parameters()]
    called = []
    next(cell.parameters()).register_hook(called.append)
    mg.draw(loss)
    assert called == []
    for p, grad in zip(cell.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), grad)


def test_only_what_was_on_the_way_has_gradients():
    found = [network(run, "rnn") for run in RUNS]
    losses = [loss for _, loss, _, _ in found]
    for cell, loss, _, _ in found:
        mg.grad(loss, cell.weight_hh)
    same_pictures(losses)
    inputs = [box for box in mg.draw(losses[1], backward=True).picture.nodes if box.name == "weight_ih"]
    assert [box.gradient for box in inputs] == [("not computed",)]


def test_gradients_of_gradients_are_drawn_unrolled():
    results = []
    for run in RUNS:
        cell, loss, _, ys = network(run, "rnn")
        seen = []
        ys.register_hook(seen.append)
        g = mg.grad(loss, cell.weight_hh, create_graph=True)
        assert len(seen) == 1
        penalty = mg.square(g).sum()
        results.append((texts([loss, penalty], values=True), mg.grad(penalty, list(cell.parameters()))))
        assert not has_scan(penalty)
    assert results[0][0] == results[1][0]
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-12)


# What changed since


def test_weights_that_an_optimizer_changed():
    found = [network(run) for run in RUNS]
    losses = [loss for _, loss, _, _ in found]
    for cell, loss, _, _ in found:
        loss.backward()
        mg.optim.SGD(cell.parameters(), lr=0.1).step()
    same_pictures(losses)
    cell, loss, _, _ = found[1]
    changed = cell.weight_hh.numpy().copy()
    with pytest.raises(InplaceError):
        replay([loss])
    np.testing.assert_array_equal(cell.weight_hh.numpy(), changed)
    assert cell.weight_hh.requires_grad


def test_weights_that_were_frozen_or_written_before_the_walk():
    cell, loss, _, _ = network(compiled)
    cell.weight_ih.requires_grad = False
    mg.draw(loss)
    assert not cell.weight_ih.requires_grad
    loss.backward()
    assert cell.weight_hh.grad is not None
    cell, loss, _, _ = network(compiled)
    with mg.no_grad():
        cell.weight_hh[...] = 0
    mg.draw(loss, values=True)
    with pytest.raises(InplaceError):
        loss.backward()


def test_inputs_that_were_overwritten_have_no_values_to_show():
    cell = make("rnn")
    step, init, _ = step_of(cell)
    xs = mg.tensor(numbers(T, B, 2), name="x")
    loss = mg.square(mg.scan(step, init, xs)[1]).sum()
    with mg.no_grad():
        xs[...] = 0
    picture = mg.draw(loss, values=True).picture
    inside = [box for box in picture.nodes if box.op not in (None, "stack") and box.step is not None]
    assert inside
    assert all(box.data is None for box in inside)
    with pytest.raises(InplaceError):
        loss.backward()
    assert cell.weight_hh.last_write == 0


def test_a_step_that_reads_something_else_now():
    cell, loss, _, _ = network(compiled)
    cell.weight_hh = mg.tensor(numbers(3, 12), requires_grad=True)
    with pytest.raises(MinigradError, match="look at the graph before you change"):
        mg.draw(loss)


# Large graphs


def large(run, hidden=20, batch=20):
    mg.seed(0)
    cells = [make("gru", 2, hidden), make("gru", hidden, hidden)]
    ys = mg.tensor(numbers(T, batch, 2), name="x")
    for cell in cells:
        step, _, named = step_of(cell)
        ys = run(step, cell.initial_state(batch), ys, named=named)[1]
    return cells, mg.square(ys).sum()


@pytest.mark.parametrize("retain", [False, True])
def test_large_values_that_were_not_kept(retain):
    found = [large(run) for run in RUNS]
    losses = [loss for _, loss in found]
    for loss in losses:
        loss.backward(retain_graph=retain)
    same_pictures(losses)
    if retain:
        for (cells, loss), (plain, other) in [found]:
            one, expected = mr.per_step_grads(loss, cells[0].bias), mr.per_step_grads(other, plain[0].bias)
            np.testing.assert_allclose(one, expected, rtol=0, atol=1e-11)
    else:
        for cells, loss in found:
            with pytest.raises(GraphFreedError, match="retain_graph=True"):
                mr.per_step_grads(loss, cells[0].bias)


def test_long_sequences_of_small_steps_keep_their_numbers():
    found = [stacked_long(run) for run in RUNS]
    for loss in found:
        loss.backward()
    same_pictures(found)


def stacked_long(run, steps=60):
    """So long that what goes from one layer to the next is large, though every step is small."""
    mg.seed(0)
    ys = mg.tensor(numbers(steps, B, 2), name="x")
    for cell in (make("rnn"), make("rnn", 3)):
        step, init, named = step_of(cell)
        ys = mg.tanh(run(step, init, ys, named=named)[1])
    return mg.square(ys).sum()


def test_a_freed_scan_lets_its_arrays_go():
    _, loss = large(compiled)
    scans = [node for node in ancestors([loss.node]) if node.op.name == "scan"]
    arrays = [weakref.ref(node.saved[0].arrays) for node in scans]
    between = weakref.ref(scans[1].saved[0].inputs.xs[0])
    assert len(arrays) == 2
    loss.backward()
    gc.collect()
    assert [array() for array in arrays] == [None, None]
    assert between() is None
