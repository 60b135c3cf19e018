"""Attention against plain NumPy, its masks, its gradients, its drawings."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad_rnn.attention import AdditiveAttention, Attention, BilinearAttention, DotAttention, as_mask

T, B, Q, M, A = 5, 3, 4, 6, 7
rng = np.random.default_rng(0)
MEMORY = rng.normal(size=(T, B, M))
KINDS = ["dot", "scaled", "bilinear", "additive"]


def made(kind, dtype="float64"):
    mg.seed(1)
    if kind in ("dot", "scaled"):
        return DotAttention(M, scaled=kind == "scaled")
    if kind == "bilinear":
        return BilinearAttention(Q, M, dtype=dtype)
    return AdditiveAttention(Q, M, A, dtype=dtype)


def query_for(attention):
    return np.random.default_rng(2).normal(size=(B, attention.query_size))


def scores_by_hand(kind, attention, query):
    """(batch, time), one number at a time."""
    scores = np.empty((B, T))
    for b, t in np.ndindex(B, T):
        q, m = query[b], MEMORY[t, b]
        if kind == "dot":
            scores[b, t] = q @ m
        elif kind == "scaled":
            scores[b, t] = q @ m / np.sqrt(M)
        elif kind == "bilinear":
            scores[b, t] = q @ (m @ attention.weight.numpy())
        else:
            hidden = np.tanh(q @ attention.weight_query.numpy() + m @ attention.weight_memory.numpy())
            scores[b, t] = hidden @ attention.v.numpy()
    return scores


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
def test_against_plain_numpy(kind):
    attention = made(kind)
    query = query_for(attention)
    context, weights = attention(mg.tensor(query), mg.tensor(MEMORY))
    expected = softmax(scores_by_hand(kind, attention, query))
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(context.numpy(), np.einsum("bt,tbm->bm", expected, MEMORY), rtol=1e-12)
    of_lists, _ = attention(query.tolist(), MEMORY.tolist())
    np.testing.assert_allclose(of_lists.numpy(), context.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_masked_has_weight_zero_and_changes_nothing(kind):
    attention = made(kind)
    query, lengths = mg.tensor(query_for(attention)), [5, 1, 3]
    context, weights = attention(query, mg.tensor(MEMORY), lengths)
    other = MEMORY.copy()
    for b, length in enumerate(lengths):
        assert (weights.numpy()[b, length:] == 0).all()
        other[length:, b] = 1e3
        alone, _ = attention(query[b : b + 1], mg.tensor(MEMORY[:length, b : b + 1]))
        np.testing.assert_allclose(context.numpy()[b], alone.numpy()[0], rtol=1e-12)
    np.testing.assert_allclose(weights.numpy().sum(axis=1), 1)
    np.testing.assert_array_equal(attention(query, mg.tensor(other), lengths)[0].numpy(), context.numpy())
    booleans = np.arange(T) < np.array(lengths)[:, None]
    np.testing.assert_array_equal(attention(query, mg.tensor(MEMORY), booleans)[0].numpy(), context.numpy())
    np.testing.assert_array_equal(attention(query, mg.tensor(MEMORY), mg.tensor(booleans))[0].numpy(), context.numpy())


def test_any_part_may_be_masked():
    mask = np.array([[0, 1, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]], bool)
    _, weights = DotAttention(M)(mg.tensor(rng.normal(size=(B, M))), mg.tensor(MEMORY), mask)
    np.testing.assert_array_equal(weights.numpy() > 0, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_read_gives_zeros_and_no_gradient(kind):
    attention = made(kind)
    query = mg.tensor(query_for(attention), requires_grad=True)
    memory = mg.tensor(MEMORY, requires_grad=True)
    context, weights = attention(query, memory, [2, 0, 5])
    assert (weights.numpy()[1] == 0).all()
    assert (context.numpy()[1] == 0).all()
    mg.square(context).sum().backward()
    assert (query.grad.numpy()[1] == 0).all()
    assert (memory.grad.numpy()[:, 1] == 0).all()
    assert np.isfinite(memory.grad.numpy()).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask", [None, [5, 2, 0]])
def test_gradients_against_finite_differences(kind, mask):
    attention = made(kind)
    names = [name for name, _ in attention.named_parameters()]

    def run(query, memory, *values):
        for name, value in zip(names, values, strict=True):
            setattr(attention, name, value)
        return attention(query, memory, mask)

    mg.gradcheck(run, [query_for(attention), MEMORY, *(p.numpy().copy() for p in attention.parameters())])


@pytest.mark.parametrize("kind", KINDS)
def test_keys_computed_once(kind):
    attention = made(kind)
    memory = mg.tensor(MEMORY)
    keys = attention.keys(memory)
    for seed in range(2):
        query = mg.tensor(np.random.default_rng(seed).normal(size=(B, attention.query_size)))
        once, anew = attention(query, memory, keys=keys), attention(query, memory)
        np.testing.assert_array_equal(once[0].numpy(), anew[0].numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_dtypes(kind):
    attention = made(kind, "float32")
    query, memory = query_for(attention).astype("float32"), MEMORY.astype("float32")
    context, weights = attention(mg.tensor(query), mg.tensor(memory), [5, 1, 0])
    assert context.dtype == weights.dtype == np.float32


def test_sharp_scores_stay_finite():
    memory = mg.tensor(np.array([1e4, -1e4], "float32").reshape(2, 1, 1))
    _, weights = DotAttention(1)(mg.tensor(np.array([[1e4]], "float32")), memory, [2])
    np.testing.assert_array_equal(weights.numpy(), [[1, 0]])


def test_one_of_your_own():
    class Nearest(Attention):
        """Scores are negative squared distances."""

        def __init__(self, size):
            self.query_size = self.memory_size = size

        def score(self, query, keys):
            return -mg.square(keys - query).sum(axis=2).T

    query = rng.normal(size=(B, M))
    _, weights = Nearest(M)(mg.tensor(query), mg.tensor(MEMORY))
    np.testing.assert_allclose(weights.numpy(), softmax(-((MEMORY - query) ** 2).sum(axis=2).T), rtol=1e-12)
    with pytest.raises(TypeError, match="write score"):
        Attention().score(None, None)


def test_drawings_show_the_weights():
    attention = made("additive")
    loss = mg.tensor(0.0, dtype="float64")
    for t in range(2):
        with mg.scope(f"t={t}"):
            context, _ = attention(mg.tensor(query_for(attention)), mg.tensor(MEMORY))
            loss = loss + mg.square(context).sum()
    equations = str(mg.draw(loss).equations())
    assert "α_t = softmax(v_a" in equations
    assert "ctx_t = " in equations


def test_masks():
    memory = mg.tensor(MEMORY)
    lengths = mg.Tensor(as_mask([5, 0, 2], memory)).numpy()
    np.testing.assert_array_equal(lengths, np.arange(T) < np.array([[5], [0], [2]]))


def test_what_does_not_fit():
    attention = made("bilinear")
    query, memory = mg.tensor(query_for(attention)), mg.tensor(MEMORY)
    with pytest.raises(ShapeError, match=r"a query \(batch, size\) and a memory"):
        attention(query[0], memory)
    with pytest.raises(ShapeError, match="of the same batch"):
        attention(query[:2], memory)
    with pytest.raises(ShapeError, match="queries of size 4 and memories of size 6"):
        attention(mg.tensor(rng.normal(size=(B, M))), memory)
    with pytest.raises(ShapeError, match="lengths must be 3 integers"):
        attention(query, memory, [5, 6, 1])
    with pytest.raises(ShapeError, match=r"booleans \(3, 5\)"):
        attention(query, memory, np.ones((T, B), bool))
    with pytest.raises(ShapeError, match=r"booleans \(3, 5\)"):
        attention(query, memory, np.ones((B, T)))
