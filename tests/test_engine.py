"""The engine: what is recorded, how it is walked, what is kept and freed, and what each error says."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors, graph


def leaf(values, dtype="float64", name=None):
    return mg.tensor(np.asarray(values, dtype), requires_grad=True, name=name)


@pytest.fixture
def no_gc():
    """What dies in the test dies by reference counting alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# Accumulation


def test_diamond():
    x = leaf([2.0, 3.0])
    a = x * x
    (a * a + 3 * a).sum().backward()  # x⁴ + 3x²
    assert x.grad.tolist() == [4 * 8 + 6 * 2, 4 * 27 + 6 * 3]


def test_the_same_tensor_twice():
    x = leaf([2.0, 3.0])
    (x + x).sum().backward()
    assert x.grad.tolist() == [2, 2]
    x.grad = None
    (x * x).sum().backward()
    assert x.grad.tolist() == [4, 6]
    x.grad = None
    mg.concatenate([x, x, x]).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_long_accumulation():
    x = leaf([1.0, -1.0])
    total = x * 0
    for k in range(1000):
        total = total + x * k
    total.sum().backward()
    assert x.grad.tolist() == [499500, 499500]


def test_accumulation_spoils_no_gradient_on_the_way():
    """An intermediate gradient that was passed on as it is must not be added to in place."""
    x, y = leaf([1.0]), leaf([1.0])
    s = x + y  # both get the very gradient of s
    out = s * 2 + x * 5 + y * 7
    gs, gx, gy = mg.grad(out, [s, x, y], np.array([1.0]))
    assert (gs.item(), gx.item(), gy.item()) == (2, 7, 9)


@pytest.mark.on_numpy
def test_gradients_share_no_memory():
    for create_graph in (False, True):
        a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        (a + b).backward(np.ones(2), create_graph=create_graph)
        assert not np.shares_memory(a.grad.data, b.grad.data)
        a.grad.data[:] = 7
        assert b.grad.tolist() == [1, 1]


def test_gradients_are_writable():
    for create_graph in (False, True):
        x = leaf([1.0, 2.0])
        x.sum().backward(create_graph=create_graph)
        x.grad.data += 1
        assert x.grad.tolist() == [2, 2]


def test_gradient_of_a_leaf_is_a_copy_of_the_seed():
    x, seed = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    x.backward(seed)
    seed[:] = 0
    assert x.grad.tolist() == [3, 4]


@pytest.mark.on_numpy
def test_asked_for_twice():
    x = leaf([1.0, 2.0])
    first, second = mg.grad((x * x).sum(), [x, x])
    assert first.tolist() == second.tolist() == [2, 4]
    assert not np.shares_memory(first.data, second.data)


def test_grad_adds_up_over_backward_walks():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    first = x.grad
    (3 * x).sum().backward()
    assert x.grad.tolist() == [5, 7]
    assert first.tolist() == [2, 4]
    (x * x).sum().backward(create_graph=True)
    assert x.grad.tolist() == [7, 11]


def test_broadcast_gradient_has_the_leafs_shape():
    x, bias, scale = leaf(np.ones((4, 2, 3))), leaf(np.zeros(3)), leaf(np.ones((2, 1)))
    ((x + bias) * scale).sum().backward()
    assert (x.grad.shape, bias.grad.shape, scale.grad.shape) == ((4, 2, 3), (3,), (2, 1))
    assert bias.grad.tolist() == [8, 8, 8]
    assert scale.grad.tolist() == [[12], [12]]


# What backward refuses


def test_second_backward_needs_retain_graph():
    x = leaf([1.0, 2.0])
    y = mg.tanh(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * (1 - np.tanh([1, 2]) ** 2), rtol=1e-12)
    with pytest.raises(errors.GraphFreedError, match="retain_graph=True"):
        y.backward()


def test_shared_part_of_a_freed_graph():
    x = leaf([1.0])
    shared = mg.exp(x)
    (shared * 2).backward()
    with pytest.raises(errors.GraphFreedError, match="'exp'"):
        (shared * 3).backward()


def test_backward_needs_a_scalar():
    x = leaf([1.0, 2.0])
    with pytest.raises(errors.NonScalarError, match=r"shape \(2,\)"):
        (x * 2).backward()
    with pytest.raises(errors.ShapeError, match=r"shape \(3,\).*output \(2,\)"):
        (x * 2).backward(np.ones(3))
    (x * 2).backward([1, 10])
    assert x.grad.tolist() == [2, 20]
    leaf([[5.0]]).backward()  # one item is a scalar enough


def test_backward_needs_something_recorded():
    with pytest.raises(errors.NoGradientError, match="requires_grad=True"):
        mg.tensor([1.0]).backward()
    x = leaf([1.0])
    with mg.no_grad():
        y = x * 2
    with pytest.raises(errors.NoGradientError):
        y.backward()
    with pytest.raises(errors.NoGradientError):
        (x > 0).backward()
    with pytest.raises(errors.NoGradientError):
        (x * 2).detach().backward()


def test_integers_cannot_require_gradients():
    with pytest.raises(errors.MinigradError, match="int64"):
        mg.tensor([1, 2], requires_grad=True)


# Values that change in place


def test_overwritten_argument():
    x, w = leaf([1.0, 2.0]), mg.tensor([3.0, 4.0], name="w")
    y = (x * w).sum()
    w[0] = 100.0
    with pytest.raises(errors.InplaceError, match=r"^w of shape \(2,\).*'multiply'"):
        y.backward()


def test_overwritten_result():
    x = leaf([1.0, 2.0])
    e = mg.exp(x)
    y = e.sum()
    with mg.no_grad():
        e[0] = 0.0
    with pytest.raises(errors.InplaceError, match="'exp'"):
        y.backward()


@pytest.mark.parametrize(
    "share",
    [lambda t: t[:1], lambda t: t.reshape(2, 1), lambda t: t.detach(), lambda t: t[:1].detach(), lambda t: t.T[:1]],
)
def test_overwritten_through_shared_memory(share):
    x = leaf([1.0, 2.0])
    e = mg.exp(x)
    other = share(e)
    y = e * e
    with mg.no_grad():
        other[0] = 0.0
    assert e.tolist()[0] == 0
    with pytest.raises(errors.InplaceError):
        y.sum().backward()


def test_overwriting_before_use_or_what_no_rule_needs_is_fine():
    x, w = leaf([1.0, 2.0]), mg.tensor(np.array([3.0, 4.0]))
    w[0] = 5.0
    y = (x * w).sum()
    y.backward()
    assert x.grad.tolist() == [5, 4]
    y = (x + w).sum()
    w[0] = 100.0
    y.backward()
    assert x.grad.tolist() == [6, 5]


def test_update_of_a_parameter_after_backward():
    x = leaf([1.0])
    for _ in range(3):
        loss = (x * x).sum()
        x.grad = None
        loss.backward()
        with mg.no_grad():
            x[...] = x - 0.25 * x.grad
    assert x.item() == 0.125
    assert x.requires_grad
    assert x.node is None


def test_slice_assignment():
    x, value = leaf([1.0, 2.0, 3.0]), leaf(10.0)
    y = x * 2
    z = y + x  # of the old y
    y[1] = value * 3
    assert y.tolist() == [2, 30, 6]
    (y.sum() + z.sum()).backward()
    assert z.tolist() == [3, 6, 9]
    assert x.grad.tolist() == [5, 3, 5]
    assert value.grad.item() == 3


def test_slice_assignment_to_what_is_not_recorded_yet():
    buffer, x = mg.zeros(3, dtype="float64"), leaf([1.0, 2.0])
    buffer[1:] = x * x
    assert buffer.tolist() == [0, 1, 4]
    (buffer * np.array([7.0, 1.0, 10.0])).sum().backward()
    assert x.grad.tolist() == [2, 40]


def test_slice_assignment_and_saved_values():
    x = leaf([1.0, 2.0])
    y = x * 1
    z = (y * y).sum()
    y[0] = 50.0
    with pytest.raises(errors.InplaceError):
        z.backward()


def test_slice_assignment_refused():
    x = leaf([1.0, 2.0])
    with pytest.raises(errors.InplaceError, match="leaf"):
        x[0] = 5.0
    view = (x * 1)[:1]
    with pytest.raises(errors.InplaceError, match="view"):
        view[0] = 5.0
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("copied", [lambda t: t[:, [1, 0]], lambda t: t.T.reshape(-1), lambda t: t[t > 0]])
def test_slice_assignment_to_what_only_looks_like_a_view(copied):
    y = copied(leaf([[1.0, 2.0], [3.0, 4.0]]) * 1)
    y[0] = 5.0
    assert y.tolist()[0] in (5, [5, 5])


def test_slice_assignment_with_a_tensor_index():
    x = mg.tensor([1.0, 2.0, 3.0])
    x[mg.tensor([0, 2])] = mg.tensor([7.0, 8.0])
    assert x.tolist() == [7, 2, 8]
    x[x > 6] = 0
    assert x.tolist() == [0, 2, 0]


# Operations with several results


def test_dropped_results_count_as_zero():
    x = leaf(np.arange(6.0))
    first, _, third = mg.split(x, 3)
    (first * 2 + third * 3).sum().backward()
    assert x.grad.tolist() == [2, 2, 0, 0, 3, 3]
    x = leaf([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    _, middle, _ = mg.unstack(x)
    (middle * middle).sum().backward()
    assert x.grad.tolist() == [[0, 0], [6, 8], [0, 0]]


def test_dropped_results_in_a_recorded_walk():
    x = leaf(np.arange(1.0, 5))
    first, _ = mg.split(x, 2)
    g = mg.grad((first**3).sum(), x, create_graph=True)
    assert g.tolist() == [3, 12, 0, 0]
    assert mg.grad(g.sum(), x).tolist() == [6, 12, 0, 0]


def test_several_results_need_no_more_than_their_rules_name(no_gc):
    powers = mg.primitive(
        "powers", lambda xp, x, y: (x * y, x * y * y), vjp=[lambda g, y: g[0] * y + g[1] * y * y, None]
    )
    x, y = leaf(np.ones(4)) * 1, mg.ones(4)
    first, _ = powers(x, y)
    x_lives, y_lives = weakref.ref(x), weakref.ref(y)
    del x, y
    assert x_lives() is None
    assert y_lives() is not None
    assert first.requires_grad


def test_own_operation_with_several_results():
    sum_and_difference = mg.primitive(
        "sum_and_difference",
        lambda xp, x, y: (x + y, (x - y).sum()),
        vjp=[lambda g: g[0] + g[1], lambda g: g[0] - g[1]],
    )
    x, y = np.array([1.0, 2.0]), leaf([10.0, 20.0])
    total, difference = sum_and_difference(x, y)
    assert total.tolist() == [11, 22]
    assert difference.item() == -27
    assert not isinstance(difference.data, np.generic)
    (total.sum() + 5 * difference).backward()
    assert y.grad.tolist() == [-4, -4]
    total[0] = 3.0  # no view of an argument
    assert sum_and_difference(x, x)[1] == 0


def test_iteration():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    rows = list(x)
    assert [row.tolist() for row in rows] == [[1, 2], [3, 4]]
    (rows[0] * rows[1]).sum().backward()
    assert x.grad.tolist() == [[3, 4], [1, 2]]
    a, b = mg.tensor([1.5, 2.5])
    assert not isinstance(a.data, np.generic)
    assert (a + b).item() == 4
    assert len(x) == 2
    with pytest.raises(TypeError):
        list(mg.tensor(1.0))


# Grad mode


def test_grad_mode_nests():
    x = leaf([1.0])

    def recorded():
        return (x * 2).requires_grad

    assert recorded()
    with mg.no_grad():
        assert not recorded()
        with mg.enable_grad():
            assert recorded()
            with mg.no_grad():
                assert not recorded()
            assert recorded()
        assert not recorded()
    assert recorded()


def test_grad_mode_entered_twice_through_one_object():
    x = leaf([1.0])
    plain = mg.no_grad()
    with plain:
        with plain:
            assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_grad_mode_survives_exceptions():
    x = leaf([1.0])
    with pytest.raises(ZeroDivisionError), mg.no_grad():
        raise ZeroDivisionError
    assert (x * 2).requires_grad
    with pytest.raises(errors.ShapeError), mg.no_grad():
        mg.ones((2, 3)) @ mg.ones((2, 3))
    assert (x * 2).requires_grad


def test_grad_mode_survives_a_failed_walk():
    broken = mg.primitive("broken", lambda xp, x: x * 1, vjp=[lambda g: 1 / 0])
    x = leaf([1.0])
    with pytest.raises(ZeroDivisionError), mg.scope("outer"):
        mg.grad(broken(x), x, create_graph=True)
    node = (x * 2).node
    assert node.scope == ()
    assert node.of is None


def test_grad_mode_as_decorator():
    x = leaf([1.0])

    @mg.no_grad()
    def plain(depth):
        assert not (x * 2).requires_grad
        if depth:
            recorded(depth - 1)
            plain(depth - 1)
        assert not (x * 2).requires_grad

    @mg.enable_grad()
    def recorded(depth):
        assert (x * 2).requires_grad
        if depth:
            plain(depth - 1)

    plain(3)
    assert (x * 2).requires_grad
    assert plain.__name__ == "plain"


def test_grad_mode_of_each_thread_is_its_own():
    x = leaf([1.0])
    inside, done, seen = threading.Event(), threading.Event(), []

    @mg.no_grad()
    def hold():
        inside.set()
        assert done.wait(10)
        seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(10)
    seen.append((x * 2).requires_grad)
    with mg.no_grad():
        seen.append((x * 2).requires_grad)
    done.set()
    thread.join(10)
    assert seen == [True, False, False]
    assert (x * 2).requires_grad


@pytest.mark.on_numpy
def test_walks_in_several_threads():
    w = leaf(np.linspace(-1, 1, 50))
    results = {}

    def work(k):
        x = leaf(w.numpy())
        for _ in range(50):
            x = mg.tanh(x * k)
        results[k] = mg.grad(x.sum(), x).tolist() and mg.grad((mg.tanh(w * k)).sum(), w).numpy()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for k in range(1, 5):
        np.testing.assert_allclose(results[k], k * (1 - np.tanh(w.numpy() * k) ** 2), rtol=1e-12)


# grad()


def test_grad_of_one_and_of_several():
    x, y = leaf(2.0), leaf(3.0)
    assert isinstance(mg.grad(x * y, x), mg.Tensor)
    found = mg.grad(x * y, [x, y])
    assert isinstance(found, tuple)
    assert [g.item() for g in found] == [3, 2]
    (only,) = mg.grad(x * y, (y,))
    assert only.item() == 2
    assert x.grad is None
    assert y.grad is None


def test_grad_outputs():
    x = leaf([1.0, 2.0])
    y = x * x
    assert mg.grad(y, x, np.array([1.0, 10.0]), retain_graph=True).tolist() == [2, 40]
    assert mg.grad(y, x, mg.tensor(np.array([0.0, 1.0])), retain_graph=True).tolist() == [0, 4]
    assert mg.grad([y, y.sum()], x, [np.array([1.0, 0.0]), None]).tolist() == [4, 4]
    with pytest.raises(errors.ShapeError, match="2 outputs but 1 grad_outputs"):
        mg.grad([x * 2, x * 3], x, [np.ones(2)])
    with pytest.raises(errors.NonScalarError):
        mg.grad(x * 2, x)


def test_grad_of_what_is_not_used():
    x, y = leaf(2.0), leaf(3.0, name="y")
    with pytest.raises(errors.NoGradientError, match=r"input 1 \(y, shape \(\)\).*allow_unused=True"):
        mg.grad(x * x, [x, y])
    found = mg.grad(x * x, [x, y], allow_unused=True)
    assert found[0].item() == 4
    assert found[1] is None
    with pytest.raises(errors.NoGradientError):
        mg.grad(x * 2, mg.tensor(1.0))


def test_grad_of_intermediate_tensors():
    x = leaf([1.0, 2.0])
    h = mg.tanh(x)
    k = h * 3
    gk, gh, gx = mg.grad((k * k).sum(), [k, h, x])
    t = np.tanh([1.0, 2.0])
    np.testing.assert_allclose(gk.numpy(), 6 * t, rtol=1e-14)
    np.testing.assert_allclose(gh.numpy(), 18 * t, rtol=1e-14)
    np.testing.assert_allclose(gx.numpy(), 18 * t * (1 - t * t), rtol=1e-14)
    part, _ = mg.split(x * 2, 2)
    assert mg.grad((part**2).sum(), part).tolist() == [4]
    part, _ = mg.split(x * 2, 2)
    assert mg.grad(part, part, np.array([5.0])).tolist() == [5]


def test_grad_walks_only_where_it_must():
    walked = []
    spy = mg.primitive("spy", lambda xp, x, *, tag: x * 1, vjp=[lambda g, tag: (walked.append(tag), g * 1)[1]])
    x, y = leaf(1.0), leaf(2.0)
    out = spy(x, tag="x") + spy(y, tag="y")
    mg.grad(out, y)
    assert walked == ["y"]


def test_grad_frees_unless_told_otherwise():
    x = leaf(2.0)
    y = x * x
    mg.grad(y, x)
    with pytest.raises(errors.GraphFreedError):
        mg.grad(y, x)
    y = x * x
    mg.grad(y, x, create_graph=True)
    mg.grad(y, x, retain_graph=False)
    with pytest.raises(errors.GraphFreedError):
        mg.grad(y, x)


# Higher derivatives


def test_derivatives_of_tanh():
    x = leaf([-0.7, 0.0, 1.3])
    t = np.tanh(x.numpy())
    first = mg.grad(mg.tanh(x).sum(), x, create_graph=True)
    second = mg.grad(first.sum(), x, create_graph=True)
    third = mg.grad(second.sum(), x, create_graph=True)
    np.testing.assert_allclose(first.numpy(), 1 - t**2, rtol=1e-13)
    np.testing.assert_allclose(second.numpy(), -2 * t * (1 - t**2), rtol=1e-13)
    np.testing.assert_allclose(third.numpy(), (6 * t**2 - 2) * (1 - t**2), rtol=1e-13)


def test_derivatives_of_a_cube():
    x = leaf([2.0, -3.0])
    found = [x**3]
    for _ in range(4):
        found.append(mg.grad(found[-1].sum(), x, create_graph=True))
    assert [g.tolist() for g in found[1:]] == [[12, 27], [12, -18], [6, 6], [0, 0]]


def test_backward_with_create_graph():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    x.grad = None
    (first * 5).backward()
    assert first.item() == 12
    assert x.grad.item() == 60
    x.grad = None  # a gradient that can be walked holds the graph, which holds x


def test_the_gradient_that_a_walk_starts_from_has_a_gradient():
    for f in (lambda x: x + 0, lambda x: x * 3, lambda x: x.reshape(2, 1), mg.tanh):
        x, w = leaf([1.0, 2.0]), leaf([5.0, 7.0])
        out = f(x)
        g = mg.grad(out, x, w.reshape(out.shape), create_graph=True)
        (back,) = mg.grad(g.sum(), [w])
        expected = mg.grad(f(x).sum(), x)
        assert back.tolist() == expected.tolist()


def test_backward_nodes_know_their_forward_node():
    x = leaf(0.5)
    with mg.scope("layer 0", "t=3"):
        y = mg.tanh(x)
    g = mg.grad(y, x, create_graph=True)
    made = [node for node in graph.ancestors([g.node]) if node.of is not None]
    assert made
    assert {node.of for node in made} == {y.node}
    assert {node.scope for node in made} == {("layer 0", "t=3")}


# Dtypes and operands


@pytest.mark.parametrize(
    ("compute", "dtype"),
    [
        (lambda t: t + 1.0, "float32"),
        (lambda t: 2 * t, "float32"),
        (lambda t: t**2, "float32"),
        (lambda t: 2**t, "float32"),
        (lambda t: t / 3, "float32"),
        (lambda t: True * t, "float32"),
        (lambda t: t * np.float32(2), "float32"),
        (lambda t: t * np.float64(2), "float64"),
        (lambda t: np.float64(2) * t, "float64"),
        (lambda t: t * np.ones(2), "float64"),
        (lambda t: t * mg.tensor([1, 2]), "float64"),
        (lambda t: t * mg.tensor([1, 2], dtype="int16"), "float32"),
        (lambda t: t * [1.0, 2.0], "float32"),
        (lambda t: mg.where(t > 0, t, 0), "float32"),
        (lambda t: mg.clip(t, 0, 1), "float32"),
        (lambda t: mg.maximum(t, 0.5), "float32"),
        (lambda t: mg.softplus(t), "float32"),
        (lambda t: t.mean(), "float32"),
        (lambda t: mg.logsumexp(t), "float32"),
    ],
)
def test_dtypes_are_numpys_and_gradients_the_leafs(compute, dtype):
    t = leaf([1.0, 2.0], "float32")
    out = compute(t)
    assert out.dtype == dtype
    g = mg.grad(out.sum(), t)
    assert g.dtype == np.float32
    recorded = mg.grad(compute(t).sum(), t, create_graph=True)
    assert recorded.dtype == np.float32
    np.testing.assert_array_equal(recorded.numpy(), g.numpy())


def test_dtypes_without_gradient():
    assert (mg.tensor([1, 2]) + 1).dtype == np.int64
    assert (mg.tensor([1, 2]) / 2).dtype == np.float64
    assert (mg.tensor([1, 2], dtype="int8") * 3).dtype == np.int8
    assert (mg.tensor([1.0]) > 0).dtype == np.bool_
    assert mg.tensor([1, 2]).sum().dtype == np.int64
    assert mg.tensor([True, False]).sum().item() == 1


def test_dtypes_of_new_tensors():
    assert mg.tensor(1.5).dtype == np.float32
    assert mg.tensor([1.5, 2]).dtype == np.float32
    assert mg.tensor([1, 2]).dtype == np.int64
    assert mg.tensor(np.ones(2)).dtype == np.float64
    assert mg.tensor(np.float64(1)).dtype == np.float64
    assert mg.tensor([1, 2], dtype="float64").dtype == np.float64
    assert mg.tensor(True).dtype == np.bool_


def test_tensor_copies():
    source = np.ones(2)
    t = mg.tensor(source)
    source[0] = 7
    assert t.tolist() == [1, 1]
    again = mg.tensor(t, requires_grad=True)
    again.data[0] = 5
    assert t.tolist() == [1, 1]
    assert not t.requires_grad


@pytest.mark.parametrize("data", [[[1], [2, 3]], "word", [None], {"a": 1}, [object()]])
def test_tensor_of_what_is_no_array(data):
    with pytest.raises(errors.MinigradError):
        mg.tensor(data)


def test_astype_brings_the_gradient_back():
    x = leaf([1.0, 2.0], "float32")
    y = x.astype("float64")
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("compute", "shapes"),
    [
        (lambda: mg.ones((2, 3)) + mg.ones((2, 4)), ["(2, 3)", "(2, 4)"]),
        (lambda: mg.ones((2, 3)) * np.ones((3, 2)), ["(2, 3)", "(3, 2)"]),
        (lambda: mg.ones((2, 3)) @ mg.ones((2, 3)), ["(2, 3)", "(2, 3)"]),
        (lambda: mg.ones((2, 3)) @ 2.0, ["(2, 3)", "2.0"]),
        (lambda: mg.concatenate([mg.ones((2, 3)), mg.ones((2, 4))]), ["(2, 3)", "(2, 4)"]),
        (lambda: mg.stack([mg.ones(2), mg.ones(3)]), ["(2,)", "(3,)"]),
        (lambda: mg.ones((2, 3)).reshape(5), ["(2, 3)", "5"]),
        (lambda: mg.ones((2, 3)).sum(axis=2), ["(2, 3)", "axis=2"]),
        (lambda: mg.broadcast_to(mg.ones(2), (2, 3)), ["(2,)", "(2, 3)"]),
        (lambda: mg.split(mg.ones(5), 2), ["(5,)", "2"]),
        (lambda: mg.squeeze(mg.ones((2, 1)), 0), ["(2, 1)", "0"]),
    ],
)
def test_shape_errors_tell_both_shapes(compute, shapes):
    with pytest.raises(errors.ShapeError) as caught:
        compute()
    for shape in shapes:
        assert shape in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_lists_as_operands():
    x = leaf([1.0, 2.0])
    y = x * [0.1, 0.2] + [[1.0], [2.0]]
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y.numpy(), np.array([1.0, 2.0]) * [0.1, 0.2] + [[1.0], [2.0]])
    y.sum().backward()
    assert x.grad.tolist() == [0.2, 0.4]
    assert ([1.0, 2.0] * mg.tensor([3.0, 4.0])).tolist() == [3, 8]
    assert mg.exp([0.0]).tolist() == [1]
    assert (mg.tensor([1, 2]) == [1, 3]).tolist() == [True, False]


def test_numpy_on_the_left():
    x = leaf([1.0, 2.0])
    for out, expected in [
        (np.array([3.0, 4.0]) * x, [3, 8]),
        (np.array([3.0, 4.0]) - x, [2, 2]),
        (np.array([3.0, 4.0]) / x, [3, 2]),
        (np.array([[3.0, 4.0]]) @ x, [11]),
        (np.array([3.0, 4.0]) ** x, [3, 16]),
        (np.float64(3) * x, [3, 6]),
        (np.float32(3) - x, [2, 1]),
    ]:
        assert isinstance(out, mg.Tensor)
        assert out.requires_grad
        assert out.tolist() == expected
    assert isinstance(np.array([1.0, 5.0]) > x, mg.Tensor)


def test_numpy_functions_on_tensors():
    x = leaf([1.0, 2.0])
    made = {
        "exp": np.exp(x),
        "add": np.add(x, 1),
        "maximum": np.maximum(x, 1.5),
        "concatenate": np.concatenate([x, x]),
        "stack": np.stack([x, np.ones(2)]),
        "sum": np.sum(x, axis=0),
        "where": np.where(x.numpy() > 1, x, 0),
        "reshape": np.reshape(x, (2, 1)),
        "matmul": np.matmul(x, np.ones(2)),
    }
    for name, out in made.items():
        assert isinstance(out, mg.Tensor), name
        assert out.requires_grad, name
    np.testing.assert_allclose(made["exp"].numpy(), np.exp([1.0, 2.0]))
    assert made["concatenate"].tolist() == [1, 2, 1, 2]
    assert np.shape(x) == (2,)
    assert np.allclose(x, [1, 2])
    with pytest.raises(TypeError, match=r"np\.fft\.fft does not know Tensors"):
        np.fft.fft(x)
    with pytest.raises(TypeError):
        np.add.reduce(x)
    with pytest.raises(TypeError):
        np.add(x, 1, out=np.zeros(2))


@pytest.mark.on_numpy
def test_numpy_views_are_read_only():
    x = mg.tensor([1.0, 2.0])
    for view in (x.numpy(), np.asarray(x)):
        assert np.shares_memory(view, x.data)
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 5
    copied = np.array(x)
    copied[0] = 5
    assert x.tolist() == [1, 2]
    assert np.asarray(x, dtype="float64").dtype == np.float64
    assert np.from_dlpack(x).tolist() == [1, 2]


def test_python_numbers_of_a_tensor():
    assert float(mg.tensor(2.5)) == 2.5
    assert int(mg.tensor(2)) == 2
    assert mg.tensor([[2.5]]).item() == 2.5
    assert bool(mg.tensor(1.0) > 0)
    assert abs(mg.tensor(-2.0)).item() == 2
    assert (-mg.tensor(2.0)).item() == -2
    with pytest.raises(ValueError, match="ambiguous"):
        bool(mg.tensor([1.0, 2.0]))


# Names and scopes


def test_names():
    x = leaf([1.0], name="x")
    y = mg.tanh(x).named("y")
    assert x.name == "x"
    assert y.name == y.node.name == "y"
    assert "name='x'" in repr(x)
    assert "node=tanh" in repr(y)
    y.name = None
    assert y.node.name is None
    assert x.detach().name == "x"


def test_scopes():
    x = leaf([1.0])
    with mg.scope("layer 0"):
        with mg.scope("t=0", "LSTM"):
            inner = x * 2
        outer = inner * 2
    assert inner.node.scope == ("layer 0", "t=0", "LSTM")
    assert outer.node.scope == ("layer 0",)
    assert (x * 2).node.scope == ()
    with mg.scope("a"), pytest.raises(ZeroDivisionError), mg.scope("b"):
        raise ZeroDivisionError
    assert (x * 2).node.scope == ()
    with mg.scope("layer 0"):
        y = x * x
    x.data[0] = 1.0
    y.backward()
    with pytest.raises(errors.GraphFreedError, match="layer 0"):
        y.backward()


# Operations of one's own


def test_rules_that_take_what_they_use_by_name():
    scaled = mg.primitive(
        "scaled",
        lambda xp, x, y, *, factor=3.0: x * y * factor,
        vjp=[lambda g, y, factor: g * y * factor, lambda g, out, y: g * out / y],
    )
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    assert mg.gradcheck(scaled, [x, y])
    assert mg.gradcheck(lambda x, y: scaled(x, y, factor=-2.0), [x, y])
    assert mg.grad(scaled(x, y).sum(), [x, y])[0].tolist() == [9, 12]
    assert mg.grad(scaled(x, y, factor=2.0).sum(), [x, y])[1].tolist() == [2, 4]
    assert scaled(x, y, 2.0).tolist() == [6, 16], "an option by position"
    assert scaled(y=y, x=x).tolist() == [9, 24], "arrays by name"
    assert scaled(np.ones(2), np.ones(2)).tolist() == [3, 3]
    assert not isinstance(scaled(np.ones(2), np.ones(2)), mg.Tensor)


def test_rules_that_take_everything_under_names_of_their_own():
    product = mg.primitive(
        "product",
        lambda xp, x, y: x * y,
        vjp=[lambda grad, result, left, right: grad * right, lambda grad, result, left, right: grad * left],
    )
    assert mg.gradcheck(product, [np.array([1.0, 2.0]), np.array([3.0, 4.0])])


def test_rules_that_take_the_shape():
    total = mg.primitive("total", lambda xp, x: x.sum(), vjp=[lambda g, in_shape: mg.broadcast_to(g, in_shape)])
    assert mg.gradcheck(total, np.ones((2, 3)))


def test_an_operation_of_any_number_of_arrays():
    total = mg.primitive("total", lambda xp, *xs, weight=1.0: sum(xs) * weight, vjp=lambda g, i, weight: g * weight)
    xs = [np.array([1.0]), np.array([2.0]), np.array([3.0])]
    assert mg.gradcheck(lambda *xs: total(*xs, weight=4.0), xs)
    x = leaf([1.0])
    assert mg.grad(total(np.ones(1), x, 5.0, x), x).tolist() == [2]


def test_second_derivative_of_an_operation_of_ones_own():
    cube = mg.primitive("cube", lambda xp, x: x**3, vjp=[lambda g, x: g * (3 * x * x)])
    x = leaf(2.0)
    first = mg.grad(cube(x), x, create_graph=True)
    assert (first.item(), mg.grad(first, x).item()) == (12, 12)


@pytest.mark.parametrize(
    ("kernel", "vjp"),
    [
        (lambda xp, x: x, [lambda g, z: g]),
        (lambda xp, x, y: x, [lambda g: g]),
        (lambda xp, x: x, [lambda g: g, lambda g: g]),
        (lambda xp, x, *, k: x, [lambda g, k, z, w: g]),
        (lambda xp, *xs: xs[0], lambda g, x, y: g),
        (lambda xp, x, *, k: x, [lambda g, k, x: g]),
    ],
)
def test_wrong_rules_are_refused_when_defined(kernel, vjp):
    with pytest.raises(TypeError, match="'mine'"):
        mg.primitive("mine", kernel, vjp=vjp)


def test_wrong_calls_are_refused():
    scaled = mg.primitive("scaled", lambda xp, x, y, *, factor=3.0: x * y * factor)
    for args, options in [((1.0,), {}), ((1.0, 2.0, 3.0, 4.0), {}), ((1.0, 2.0), {"k": 1}), ((1.0,), {"x": 2.0})]:
        with pytest.raises(TypeError, match="'scaled'"):
            scaled(*args, **options)


@pytest.mark.parametrize(
    "message", [lambda g: mg.transpose(g), lambda g: g.reshape(-1), lambda g: g[0], lambda g: g.sum(), lambda g: g[:1]]
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_that_returns_the_wrong_shape(message, create_graph):
    wrong = mg.primitive("wrong", lambda xp, x: x * 1, vjp=[message])
    x = leaf(np.ones((2, 3)))
    with pytest.raises(errors.ShapeError, match=r"'wrong' for argument 0 returned.*\(2, 3\)"):
        mg.grad(wrong(x).sum(), x, create_graph=create_graph)


def test_arguments_without_a_rule_get_no_gradient():
    first = mg.primitive("first", lambda xp, x, y: x + 0 * y, vjp=[lambda g: g, None])
    x, y = leaf(1.0), leaf(2.0)
    first(x, y).backward()
    assert x.grad.item() == 1
    assert y.grad is None
    assert not first(1.0, y).requires_grad


def test_errors_of_a_kernel_tell_the_operation():
    picky = mg.primitive("picky", lambda xp, x: int("no"))
    with pytest.raises(errors.ShapeError, match=r"'picky' cannot take \(2,\)"):
        picky(mg.ones(2))


# What is kept, and how it is freed


def test_a_node_saves_only_what_its_rules_name():
    x, w = leaf([1.0]), mg.tensor([2.0])
    assert (x + w).node.saved == ()
    saved = (x * w).node.saved
    assert saved[0] is None, "no rule for w runs, so x is not needed"
    assert saved[1] is w
    big = leaf(np.ones(1000))
    assert (big + 1).node.out is None
    assert mg.exp(big).node.out is not None
    assert mg.log(big).node.out is None


def test_backward_frees_what_was_saved(no_gc):
    x, w = leaf(np.ones(1000)), mg.tensor(np.ones(1000))
    h = x * w
    y = mg.exp(h)
    held = weakref.ref(h)
    out = (y * y).sum()
    node = out.node
    del h
    assert held() is None, "exp names only its result"
    out.backward()
    for made in graph.ancestors([node]):
        assert made.saved is None
        assert made.out is None or made.out.size <= graph.SMALL


def test_graphs_die_by_reference_counting(no_gc):
    x = leaf([0.5])
    h = x
    dead = []
    for _ in range(10):
        h = mg.concatenate([mg.tanh(h) * x, mg.split(h * 2, 1)[0]])[:1]
        dead.append(weakref.ref(h.node))
    del h
    assert [node() for node in dead] == [None] * 10


@pytest.mark.parametrize("create_graph", [False, True])
def test_walked_graphs_die_by_reference_counting(no_gc, create_graph):
    x = leaf([0.5])
    y = mg.tanh(mg.tanh(x) * x + mg.sigmoid(x) ** 2)
    g = mg.grad(y, x, create_graph=create_graph)
    dead = [weakref.ref(node) for node in graph.ancestors([y.node] + ([g.node] if create_graph else []))]
    if create_graph:
        second = mg.grad(g, x, create_graph=True)
        dead += [weakref.ref(node) for node in graph.ancestors([second.node])]
        del second
    assert len(dead) > 5
    del y, g
    assert [node() for node in dead] == [None] * len(dead)


def test_failed_walks_leave_no_cycle(no_gc):
    x = leaf([1.0])
    y = mg.exp(x) * x
    node = weakref.ref(y.node)
    mg.grad(y, x)
    try:
        mg.grad(y, x)
    except errors.GraphFreedError:
        pass
    else:
        raise AssertionError
    del y
    assert node() is None


def test_detached_tensors_let_go_of_the_graph(no_gc):
    """Truncated backpropagation carries a detached state from piece to piece for as long as it trains."""
    x, state = leaf([0.5]), mg.zeros(1, "float64")
    pieces = []
    for _ in range(5):
        for _ in range(3):
            state = mg.tanh(state + x)
        pieces.append(weakref.ref(state.node))
        state = state.reshape(1, 1)[0].detach()
    assert [node() for node in pieces] == [None] * 5
    assert not state.requires_grad


def blocks_in_use(repeat, times=10):
    """Memory blocks that Python holds after each run of `repeat`, the first left out, which fills caches."""
    used = []
    for _ in range(times + 1):
        repeat()
        used.append(sys.getallocatedblocks())
    return used[1:]


def test_a_graph_100_000_steps_deep(no_gc):
    def chain():
        x = leaf([1.0])
        y = x
        for _ in range(100_000):
            y = y + x
        y.backward()
        assert x.grad.item() == 100_001

    used = blocks_in_use(chain)
    assert max(used) - min(used) < 1000, "less than a block for each of 100,000 nodes"


def test_a_graph_100_000_steps_deep_that_is_never_walked(no_gc):
    x = leaf([1.0])
    y = x
    for _ in range(100_000):
        y = y + x
    first = weakref.ref(graph.ancestors([y.node])[0])
    del y
    assert first() is None


def test_deep_graphs_differentiated_twice(no_gc):
    n = 3000

    def chain():
        x = leaf(1.0)
        y = x
        for _ in range(n - 1):
            y = y * x
        first = mg.grad(y, x, create_graph=True)
        assert first.item() == n
        assert mg.grad(first, x, create_graph=True).item() == n * (n - 1)

    used = blocks_in_use(chain)
    assert max(used) - min(used) < 1000


def test_import_brings_in_nothing_heavy():
    heavy = ["cupy", "graphviz", "matplotlib", "llvmlite", "torch", "safetensors", "minigrad_rnn"]
    code = f"import minigrad, sys; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


# gradcheck


def test_gradcheck_tells_what_is_wrong():
    wrong = mg.primitive("wrong", lambda xp, x: x * x, vjp=[lambda g, x: g * x])
    x = mg.tensor(np.array([[0.0, 3.0]]), name="weights")
    with pytest.raises(errors.GradcheckError) as caught:
        mg.gradcheck(lambda a, x: wrong(x) + a, [np.ones(2), x])
    told = str(caught.value)
    assert "input 1 (weights) of shape (1, 2), index (0, 1)" in told
    numbers = [float(word.rstrip(",")) for word in told.split() if word.rstrip(",").replace(".", "", 1).isdigit()]
    analytic, numerical = numbers[-2:]
    assert numerical / analytic == pytest.approx(2, rel=1e-6)
    assert issubclass(errors.GradcheckError, AssertionError)
    assert issubclass(errors.GradcheckError, errors.MinigradError)


def test_gradcheck_sees_wrong_second_derivatives():
    cut = mg.primitive(
        "cut", lambda xp, x: x**3, vjp=[lambda g, x: g * 3 * (x.detach() if isinstance(x, mg.Tensor) else x) ** 2]
    )
    assert mg.gradcheck(cut, np.array([2.0]))
    with pytest.raises(errors.GradcheckError, match="analytic gradient is 0, the numerical one"):
        mg.gradcheck(lambda x: mg.grad(cut(x), x, create_graph=True), np.array([2.0]))


def test_gradcheck_of_several_outputs():
    right = lambda x, y: (x * y, [y.sum()][0], x > 0)
    assert mg.gradcheck(right, (leaf([1.0, 2.0]), leaf([3.0, 4.0])))
    with pytest.raises(errors.GradcheckError, match="input 1"):
        mg.gradcheck(lambda x, y: (x * y, y.detach() * 2), (leaf([1.0, 2.0]), leaf([3.0, 4.0])))
    with pytest.raises(errors.GradcheckError):  # a sum of it would hide the error: softmax sums to 1
        mg.gradcheck(lambda x: mg.softmax(x).detach(), np.array([1.0, 2.0]))


def test_gradcheck_of_nan():
    with np.errstate(invalid="ignore"), pytest.raises(errors.GradcheckError, match="nan"):
        mg.gradcheck(mg.log, np.array([-1.0]))


def test_gradcheck_wants_float64():
    for given in (mg.tensor([1.0]), [np.ones(2), np.ones(2, np.float32)], 1.0):
        with pytest.raises(errors.GradcheckError, match="needs float64"):
            mg.gradcheck(lambda *xs: xs[0] * 1, given)
    with pytest.raises(errors.GradcheckError, match="nothing to check"):
        mg.gradcheck(lambda x: x, np.array([1, 2]))


@pytest.mark.on_numpy
def test_gradcheck_leaves_its_inputs_alone():
    x = leaf([1.0, 2.0])
    before = x.data.copy()
    assert mg.gradcheck(lambda x, i: x[i] * math.pi, [x, np.array([0, 0, 1])])
    np.testing.assert_array_equal(x.numpy(), before)
    assert x.grad is None
    with mg.no_grad():
        assert mg.gradcheck(mg.tanh, x)
