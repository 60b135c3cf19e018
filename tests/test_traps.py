"""Traps that automatic differentiation on arrays is known for, a test each.

These are tested where the rest of their subject is:

test_engine.py
    test_diamond                                                    a value that is used by two paths
    test_the_same_tensor_twice                                      a value that is used twice by one operation
    test_gradients_share_no_memory                                  gradients that share memory
    test_accumulation_spoils_no_gradient_on_the_way                 a gradient added to while another still needs it
    test_grad_adds_up_over_backward_walks                           an earlier gradient that the user still holds
    test_gradients_are_writable                                     the gradient of sum as a read-only broadcast
    test_second_backward_needs_retain_graph                         a second backward through a freed graph
    test_dropped_results_count_as_zero                              a result of several that nobody uses
    test_overwritten_argument                                       an operand overwritten after it was used
    test_overwritten_through_shared_memory                          the same through a view of it
    test_slice_assignment_refused                                   assignment to a part of a view
    test_broadcast_gradient_has_the_leafs_shape                     a bias whose gradient keeps the batch axis
    test_dtypes_are_numpys_and_gradients_the_leafs                  float32 that becomes float64
    test_grad_mode_survives_exceptions                              an exception inside no_grad
    test_grad_mode_of_each_thread_is_its_own                        no_grad in another thread
    test_a_graph_100_000_steps_deep                                 a graph 100,000 steps deep, built and walked
    test_a_graph_100_000_steps_deep_that_is_never_walked            the same, freed without a walk
    test_walked_graphs_die_by_reference_counting                    graphs that wait for the garbage collector
    test_iteration                                                  iterating over a Tensor, and one without axes
    test_python_numbers_of_a_tensor                                 the truth of several numbers
    test_numpy_views_are_read_only                                  a writable view that numpy() hands out
    test_numpy_functions_on_tensors                                 NumPy's functions called on Tensors

test_optim.py
    test_clipping_a_gradient_that_two_tensors_share_scales_it_once  clipping a shared gradient twice

test_ops.py
    test_ties                                                       gradients of equal maxima
    test_kinks                                                      relu, abs, clip at their kinks
    test_zero_to_the_power_of_zero                                  x ** 0 at 0
    test_where_lets_no_nan_through_the_branch_not_taken             NaN through the branch of where not taken
    test_repeated_indices_add_up                                    an index that names an item twice

test_recompute.py
    test_first_and_second_derivatives_are_those_of_the_function     a checkpoint that draws other random numbers
"""

from __future__ import annotations

import asyncio
import copy
import operator
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import errors

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


def leaf(values, dtype="float64", name=None):
    return mg.tensor(np.asarray(values, dtype), requires_grad=True, name=name)


def test_the_traps_told_above_are_tested():
    named = 0
    for line in __doc__.splitlines():
        if line.endswith(".py"):
            source = (Path(__file__).parent / line).read_text("utf-8")
        elif line.startswith("    test_"):
            assert f"def {line.split()[0]}(" in source
            named += 1
    assert named > 25


# Gradients that are added up


@pytest.mark.on_numpy
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_that_returns_one_of_its_arguments(create_graph):
    """The next gradient to arrive must not be added into that argument."""
    product = mg.primitive("product", lambda xp, x, y: (x * y).sum(), vjp=[lambda g, y: y, lambda g, x: x])
    x, y = leaf([1.0, 2.0]), leaf([7.0, 8.0])
    total = product(x, y) + product(x, y) + product(x, y)
    gx, gy = mg.grad(total, [x, y], create_graph=create_graph)
    assert (gx.tolist(), gy.tolist()) == ([21, 24], [3, 6])
    assert (x.tolist(), y.tolist()) == ([1, 2], [7, 8])
    only = mg.grad(product(x, y), x, create_graph=create_graph)
    assert not np.shares_memory(only.data, y.data)


def test_a_rule_that_returns_its_result():
    """As exp's might, at a gradient of ones."""
    e = mg.primitive("e", lambda xp, x: xp.exp(x), vjp=[lambda g, out: out])
    x = leaf([0.0, 1.0])
    y = e(x)
    gradient = mg.grad((y + x * 5).sum(), x)
    np.testing.assert_allclose(gradient.numpy(), np.exp([0, 1]) + 5)
    np.testing.assert_array_equal(y.numpy(), np.exp([0.0, 1.0]))


def test_a_rule_that_returns_a_part_of_its_argument():
    """A view is as good as the argument itself: it must not be added to either."""
    head = mg.primitive("head", lambda xp, x, y: (x * y[:2]).sum(), vjp=[lambda g, y: y[:2], None])
    x, y = leaf([1.0, 2.0]), mg.tensor(np.array([7.0, 8.0, 9.0]))
    assert mg.grad(head(x, y) + head(x, y), x).tolist() == [14, 16]
    assert y.tolist() == [7, 8, 9]


@pytest.mark.on_numpy
def test_a_rule_that_returns_an_option():
    """An option is the caller's: adding into it would change the caller's array."""
    weighted = mg.primitive("weighted", lambda xp, x, *, weights: (x * weights).sum(), vjp=[lambda g, weights: weights])
    x, weights = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    total = weighted(x, weights=weights) + weighted(x, weights=weights)
    assert mg.grad(total, x).tolist() == [6, 8]
    assert weights.tolist() == [3, 4]


@pytest.mark.on_numpy
def test_one_tensor_used_10_000_times():
    """Each arrival must be added in place: a new array for each is what makes wide graphs slow."""
    first = []

    def rule(g, x):
        message = g * x
        if not first:
            first.append(message)
        return message

    half_square = mg.primitive("half_square", lambda xp, x: (x * x).sum() / 2, vjp=[rule])
    x = leaf([1.0, 2.0])
    gradient = mg.grad(mg.stack([half_square(x) for _ in range(10_000)]).sum(), x)
    assert gradient.tolist() == [10_000, 20_000]
    assert np.shares_memory(gradient.data, first[0])


def test_several_walks_from_the_same_value():
    """A walk that keeps its sums where the next finds them counts the first walk twice."""
    x = leaf([1.0, 2.0])
    h = x * 3
    first, second = (h * h).sum(), (h * 5).sum()
    assert mg.grad(first, x, retain_graph=True).tolist() == [18, 36]
    assert mg.grad(second, x, retain_graph=True).tolist() == [15, 15]
    assert mg.grad(first, x).tolist() == [18, 36]


@pytest.mark.on_numpy
def test_a_gradient_without_axes_is_an_array():
    """NumPy's sums are scalars, which cannot be changed in place."""
    x = leaf(3.0)
    for create_graph in (False, True):
        x.grad = None
        ((x * x).sum() + x).backward(create_graph=create_graph)
        assert type(x.grad.data) is np.ndarray
        x.grad.data[...] = 1.0
        assert x.grad.item() == 1


def test_gradients_of_nothing():
    """Arrays of size zero: no walk may divide by their size, reduce them to a NaN, or lose their shape."""
    x, w, b = leaf(np.ones((0, 3))), leaf(np.ones((3, 2))), leaf(np.ones(2))
    hidden = lambda: mg.tanh(x @ w + b)
    mg.concatenate([hidden(), leaf(np.ones((1, 2)))]).sum().backward()
    assert [t.grad.shape for t in (x, w, b)] == [(0, 3), (3, 2), (2,)]
    assert w.grad.tolist() == [[0, 0]] * 3
    assert b.grad.tolist() == [0, 0]
    first = mg.grad((hidden() ** 2).sum(), w, create_graph=True)
    assert [g.shape for g in mg.grad(first.sum(), [x, w])] == [(0, 3), (3, 2)]
    assert mg.grad(hidden().sum() + (b * 2).sum(), b).tolist() == [2, 2]


# Axes


@pytest.mark.parametrize(
    ("negative", "positive"),
    [
        (lambda x: mg.sum(x, axis=-1), lambda x: mg.sum(x, axis=2)),
        (lambda x: mg.mean(x, axis=(-1, -3)), lambda x: mg.mean(x, axis=(0, 2))),
        (lambda x: mg.max(x, axis=-2, keepdims=True), lambda x: mg.max(x, axis=1, keepdims=True)),
        (lambda x: mg.softmax(x, axis=-2), lambda x: mg.softmax(x, axis=1)),
        (lambda x: mg.stack([x, x * 2], axis=-1), lambda x: mg.stack([x, x * 2], axis=3)),
        (lambda x: mg.concatenate([x, x * 2], axis=-3), lambda x: mg.concatenate([x, x * 2], axis=0)),
        (lambda x: mg.expand_dims(x, -1), lambda x: mg.expand_dims(x, 3)),
        (lambda x: mg.expand_dims(x, -4), lambda x: mg.expand_dims(x, 0)),
        (lambda x: mg.moveaxis(x, 0, -1), lambda x: mg.moveaxis(x, 0, 2)),
        (lambda x: mg.swapaxes(x, -1, -3), lambda x: mg.swapaxes(x, 2, 0)),
        (lambda x: mg.transpose(x, (-1, -3, -2)), lambda x: mg.transpose(x, (2, 0, 1))),
        (lambda x: mg.split(x, 2, axis=-1)[1], lambda x: mg.split(x, 2, axis=2)[1]),
        (lambda x: mg.take(x, np.array([0, -1]), axis=-2), lambda x: mg.take(x, np.array([0, 2]), axis=1)),
        (lambda x: mg.flip(x, -1), lambda x: mg.flip(x, 2)),
    ],
)
def test_negative_axes(negative, positive):
    """Counted from the end of the result where an axis is new, of the operand elsewhere."""
    x = leaf(np.random.default_rng(0).normal(size=(2, 3, 4)))
    out, expected = negative(x), positive(x)
    np.testing.assert_array_equal(out.numpy(), expected.numpy())
    weights = np.arange(1.0, out.size + 1).reshape(out.shape)
    gradients = [mg.grad(y, x, weights) for y in (out, expected)]
    np.testing.assert_array_equal(gradients[0].numpy(), gradients[1].numpy())


def test_batched_matmul():
    """The gradient of a matrix that all of a batch share is the sum over the batch."""
    rng = np.random.default_rng(0)
    x, w = leaf(rng.normal(size=(5, 1, 2, 3))), leaf(rng.normal(size=(4, 3, 2)))
    g = rng.normal(size=(5, 4, 2, 2))
    gx, gw = mg.grad(x @ w, [x, w], g)
    expected_x = [[sum(g[i, j] @ w.numpy()[j].T for j in range(4))] for i in range(5)]
    expected_w = [sum(x.numpy()[i, 0].T @ g[i, j] for i in range(5)) for j in range(4)]
    np.testing.assert_allclose(gx.numpy(), expected_x, rtol=1e-12)
    np.testing.assert_allclose(gw.numpy(), expected_w, rtol=1e-12)


# Values that change


def test_adding_to_a_tensor_makes_another():
    """`x += 1` must neither change the leaf nor whoever else holds it."""
    x = leaf([1.0, 2.0])
    held = x
    x += 1
    x *= held
    assert held.tolist() == [1, 2]
    assert held.node is None
    assert x.tolist() == [2, 6]
    x.sum().backward()
    assert held.grad.tolist() == [3, 5]


@pytest.mark.on_numpy
@pytest.mark.parametrize(
    ("use", "index"),
    [
        (lambda x, i: x[i], np.array([0, 0, 1])),
        (lambda x, i: x[i], mg.tensor([0, 0, 1])),
        (lambda x, i: x[i], np.array([True, False, True])),
        (lambda x, i: x[(i,)], np.array([0, 0, 1])),
        (lambda x, i: mg.take(x, i), np.array([0, 0, 1])),
        (lambda x, i: mg.take(x, i, axis=0), np.array([0, 0, 1])),
        (lambda x, i: mg.take_along_axis(x, i, axis=0), np.array([0, 0, 1])),
    ],
    ids=["array", "Tensor", "mask", "tuple", "take", "take-axis", "take_along_axis"],
)
def test_an_index_array_overwritten_after_it_was_used(use, index):
    """A loader's buffer that is filled again: the gradient must go where the values came from."""
    x = leaf([1.0, 2.0, 3.0])
    expected = mg.grad(use(x, index).sum(), x).tolist()
    buffer = copy.deepcopy(index)
    y = use(x, buffer).sum()
    raw = buffer.data if isinstance(buffer, mg.Tensor) else buffer
    raw[...] = np.array([False, True, True]) if raw.dtype == bool else np.array([2, 1, 2])
    assert mg.grad(y, x).tolist() == expected


def test_a_list_that_is_an_index_is_not_kept():
    index = [0, 0, 1]
    x = leaf([1.0, 2.0, 3.0])
    y = x[index].sum()
    index[:] = [2, 2, 2]
    assert mg.grad(y, x).tolist() == [2, 1, 0]


def test_a_parameter_updated_between_forward_and_backward():
    """The mistake of every training loop: the step before the walk. Silent elsewhere, where no one keeps count."""
    w, x = leaf([1.0, 2.0], name="w"), mg.tensor(np.array([3.0, 4.0]), name="x")
    loss = (w * w * x).sum()
    with mg.no_grad():
        w -= 0.1  # another Tensor, not the parameter
    loss.backward(retain_graph=True)
    w = leaf([1.0, 2.0], name="w")
    loss = (w * w * x).sum()
    with mg.no_grad():
        w[...] = w - 0.1
    with pytest.raises(errors.InplaceError, match=r"^w of shape"):
        loss.backward()


# Walks without, within and around no_grad


def test_walks_inside_no_grad():
    """What was recorded outside can be walked inside, and recorded again."""
    x = leaf(2.0)
    y, z = x**3, x**3 + x
    with mg.no_grad():
        y.backward()
        first = mg.grad(z, x, create_graph=True)
    assert x.grad.item() == 12
    assert (first.item(), mg.grad(first, x).item()) == (13, 12)


def test_grad_mode_of_each_task_is_its_own():
    x, seen = leaf([1.0]), []

    async def plain(entered, left):
        with mg.no_grad():
            entered.set()
            await left.wait()
            seen.append((x * 2).requires_grad)

    async def main():
        entered, left = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(plain(entered, left))
        await entered.wait()
        seen.append((x * 2).requires_grad)
        left.set()
        await task

    asyncio.run(main())
    assert seen == [True, False]


# Deep graphs


def chain(n, tagged):
    y = x = leaf([0.5])
    for i in range(n):
        if tagged:
            with mg.scope(f"t={i}"):
                y = y + x
        else:
            y = y + x
    return y


@pytest.mark.slow
def test_a_graph_100_000_steps_deep_is_drawn_or_refused():
    """Neither a stack overflow nor a picture that no one can open."""
    with pytest.raises(errors.DrawingError, match="100001 boxes are more than a drawing can show"):
        mg.draw(chain(100_000, tagged=False))
    drawing = mg.draw(chain(20_000, tagged=True))
    assert drawing.picture.folded == 20_000 - 50
    assert len(drawing.svg()) < 200_000


# Comparisons


def test_a_tensor_is_not_none():
    """Where == compares item by item, `t == None` is an array, and `if t == None` an error, or worse."""
    t = mg.tensor([1.0, 2.0])
    assert (t == None) is False  # noqa: E711
    assert (t != None) is True  # noqa: E711
    assert t not in [None, "word"]


def test_comparing_with_a_word():
    t = mg.tensor([1.0, 2.0])
    assert (t == "word") is False
    assert (t != "word") is True
    with pytest.raises(TypeError, match="'less' takes Tensors, arrays, numbers and lists of them, not str"):
        t < "word"  # noqa: B015


def test_tensors_as_keys():
    """== is item by item, and yet a Tensor can be looked up: it is itself, whatever it holds."""
    a, b = mg.tensor([1.0]), mg.tensor([1.0])
    assert {a: 1, b: 2}[b] == 2
    assert len({a, b}) == 2


# NumPy on the left

OPERATORS = ["add", "sub", "mul", "truediv", "pow", "matmul", "lt", "le", "gt", "ge", "eq", "ne"]


@pytest.mark.parametrize("name", OPERATORS)
def test_an_array_on_the_left(name):
    """NumPy would take a Tensor apart, item by item, and lose its gradient."""
    operation, a = getattr(operator, name), np.array([1.0, 4.0])
    x = leaf([2.0, 3.0])
    out = operation(a, x)
    expected = operation(a, x.numpy())
    assert type(out) is mg.Tensor
    assert out.dtype == expected.dtype
    np.testing.assert_array_equal(out.numpy(), expected)
    assert out.requires_grad == (expected.dtype == np.float64)


@pytest.mark.parametrize("number", [2, 2.0, np.float32(2), np.float64(2), np.int64(2), np.array(2.0)])
def test_a_number_on_the_left(number):
    x = leaf([2.0, 3.0], "float32")
    for name in [name for name in OPERATORS if name != "matmul"]:
        operation = getattr(operator, name)
        out, expected = operation(number, x), operation(number, x.numpy())
        assert type(out) is mg.Tensor, name
        assert out.dtype == expected.dtype, name
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv"])
def test_adding_a_tensor_to_an_array_in_place(name):
    """The array cannot remember a gradient: an error, not an array without one."""
    a = np.array([1.0, 4.0])
    with pytest.raises(TypeError, match=r"np\.\w+\(…, out=…\) does not know Tensors"):
        getattr(operator, name)(a, leaf([2.0, 3.0]))
    assert a.tolist() == [1, 4]


def test_numpys_functions_of_arrays_and_tensors_together():
    x, a = leaf([2.0, 3.0]), np.array([1.0, 4.0])
    joined = np.concatenate([a, x])
    assert joined.tolist() == [1, 4, 2, 3]
    assert mg.grad(joined, x, np.arange(4.0)).tolist() == [2, 3]
    assert mg.grad(np.dot(a, x), x).tolist() == [1, 4]
    assert mg.grad(np.where(a > 2, x, 0).sum(), x).tolist() == [0, 1]
    assert mg.grad(np.sum(x * a, axis=0), x).tolist() == [1, 4]
    square = leaf([[2.0, 0.0], [0.0, 4.0]])
    inverse = np.linalg.inv(square)
    assert inverse.tolist() == [[0.5, 0], [0, 0.25]]
    assert mg.grad(inverse.sum(), square).tolist() == [[-0.25, -0.125], [-0.125, -0.0625]]


# Lists of Tensors


def test_a_list_of_tensors_keeps_gradients():
    """An array made of the list would hold their numbers, and drop where these came from."""
    a, b = leaf(2.0), leaf(3.0)
    assert [g.item() for g in mg.grad(([5.0, 7.0] * mg.stack([a, b])).sum(), [a, b])] == [5, 7]
    assert [g.item() for g in mg.grad((np.array([5.0, 7.0]) * mg.exp([a, b])).sum(), [a, b])] == [
        pytest.approx(5 * np.exp(2)),
        pytest.approx(7 * np.exp(3)),
    ]
    x = leaf([1.0, 2.0])
    gx, ga = mg.grad((x * [a, 4.0]).sum(), [x, a])
    assert (gx.tolist(), ga.item()) == ([2, 4], 1)


# Copies, and other libraries


@pytest.mark.on_numpy
def test_a_deep_copy_of_a_leaf_is_another_leaf():
    """It shares nothing, and the gradient of one never reaches the other."""
    x = leaf([1.0, 2.0], name="x")
    (x * x).sum().backward()
    twin = copy.deepcopy(x)
    assert twin.requires_grad
    assert (twin.name, twin.dtype, twin.grad.tolist()) == ("x", x.dtype, [2, 4])
    for one, other in [(x, twin), (x.grad, twin.grad)]:
        assert not np.shares_memory(one.data, other.data)
    (twin * 5).sum().backward()
    assert (x.grad.tolist(), twin.grad.tolist()) == ([2, 4], [7, 9])
    both = copy.deepcopy({"a": x, "b": [x]})
    assert both["a"] is both["b"][0]


def test_a_deep_copy_of_a_result_is_refused():
    """It would be a copy of the whole graph, or one that has lost it."""
    with pytest.raises(errors.NoGradientError, match=r"detach\(\)"):
        copy.deepcopy(leaf([1.0]) * 2)


def test_writing_into_a_shallow_copy_is_noticed():
    e = mg.exp(leaf([1.0, 2.0]))
    other, y = copy.copy(e), (e * e).sum()
    with mg.no_grad():
        other[0] = 0.0
    with pytest.raises(errors.InplaceError):
        y.backward()


@pytest.mark.on_numpy
@pytest.mark.torch
def test_dlpack_shares_memory_with_torch():
    x = leaf([1.0, 2.0])
    there = torch.from_dlpack(x)
    assert there.tolist() == [1, 2]
    assert there.data_ptr() == x.data.ctypes.data
    assert torch.from_dlpack(x[::-1].copy()).tolist() == [2, 1]
    assert np.from_dlpack(x * 2).tolist() == [2, 4]


# Hooks


def test_a_hook_sees_the_whole_gradient_once():
    """Not each part of it as it arrives."""
    for make in (lambda x: x, lambda x: x * 1, lambda x: mg.split(x, 1)[0]):
        x, seen = leaf([1.0, 2.0]), []
        h = make(x)
        h.register_hook(lambda g, seen=seen: seen.append(g.tolist()))
        (h * h + 3 * h).sum().backward()
        assert seen == [[5, 7]]
        assert x.grad.tolist() == [5, 7]


@pytest.mark.on_numpy
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_hook_replaces_the_gradient(create_graph):
    x = leaf([1.0, 2.0])
    h = x * 2
    h.register_hook(lambda g: g * 10)
    gx, gh = mg.grad((h * h).sum(), [x, h], create_graph=create_graph)
    assert gh.tolist() == [40, 80]
    assert gx.tolist() == [80, 160]
    x.register_hook(lambda g: np.array([7.0, 9.0]))
    x.register_hook(lambda g: g + 1)
    assert mg.grad((x * x).sum(), x, create_graph=create_graph).tolist() == [8, 10]


def test_a_hook_on_one_of_several_results():
    x = leaf(np.arange(4.0))
    first, second = mg.split(x, 2)
    second.register_hook(lambda g: g * 100)
    assert mg.grad((first + second * second).sum(), x).tolist() == [1, 1, 400, 600]


def test_a_hook_that_writes_into_what_it_is_shown():
    """It is shown a copy: what it wants changed, it returns."""
    x = leaf([1.0, 2.0])
    h = x * 2

    def spoil(g):
        g.data[:] = 0

    h.register_hook(spoil)
    x.register_hook(spoil)
    (h * h).sum().backward()
    assert x.grad.tolist() == [8, 16]


def test_hooks_that_are_removed():
    x = leaf([1.0, 2.0])
    tenfold, one_more = x.register_hook(lambda g: g * 10), x.register_hook(lambda g: g + 1)
    gradient = lambda: mg.grad((x * 1).sum(), x).tolist()
    assert gradient() == [11, 11]
    tenfold.remove()
    assert gradient() == [2, 2]
    one_more.remove()
    one_more.remove()
    assert gradient() == [1, 1]


def test_a_hook_in_a_recorded_walk_is_differentiated():
    x = leaf(3.0)
    h = x * 2
    hook = h.register_hook(lambda g: g * g)
    first = mg.grad(h * h, x, create_graph=True)
    assert first.item() == 2 * 12**2  # 2 (2h)², h = 2x
    hook.remove()  # else it would see the second walk too
    assert mg.grad(first, x).item() == 2 * 8 * 2 * 6  # 8h² by x


def test_a_hook_that_returns_another_shape():
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: g[:1])
    with pytest.raises(errors.ShapeError, match=r"a hook returned shape \(1,\) for a gradient of shape \(2,\)"):
        (x * x).sum().backward()
    assert x.grad is None


def test_a_hook_where_no_gradient_comes():
    with pytest.raises(errors.NoGradientError, match="requires_grad=True"):
        mg.tensor([1.0]).register_hook(print)


def test_hooks_keep_no_graph_alive_and_see_every_walk():
    x, seen = leaf([1.0]), []
    x.register_hook(lambda g: seen.append(g.item()))
    for k in (2, 3):
        (x * k).sum().backward()
    assert seen == [2, 3]
    assert x.grad.item() == 5
