"""Random programs of many operations: our gradients against PyTorch's, the fast walk against the recorded one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table import ONE, TABLE, TWO, Domain, positive

import minigrad as mg

try:
    import torch
except ImportError:  # the tests that are marked `torch` are skipped
    torch = None  # type: ignore[assignment]


POINTWISE = [
    (row, 1 if row.examples == ONE else 2)
    for row in TABLE
    if row.grad and row.keeps_dtype and not any(row.options) and row.examples in (ONE, TWO)
]


def into(domain: Domain, x: Any, tanh: Callable[[Any], Any]) -> Any:
    return 1.5 + tanh(x) if domain is positive else x


def run_program(program: list[tuple[int, int, int]], leaves: list[Any], which: str, tanh: Callable[[Any], Any]) -> Any:
    """The sum of all that a program computes; each step picks an operation, and operands from what there is so far."""
    pool = list(leaves)
    for op, *picks in program:
        row, arity = POINTWISE[op % len(POINTWISE)]
        operands = [into(row.domain_of(i), pool[pick % len(pool)], tanh) for i, pick in enumerate(picks[:arity])]
        pool.append(tanh(getattr(row, which)(*operands)))  # so that no number grows without bound
    total = pool[-1].sum()
    for value in pool[len(leaves) : -1]:
        total = total + value.sum()
    return total


steps = st.tuples(st.integers(0, 10**4), st.integers(0, 50), st.integers(0, 50))


@pytest.mark.torch
@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(program=st.lists(steps, min_size=1, max_size=20), seed=st.integers(0, 100))
def test_random_programs(program, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(-2, 2, shape) for shape in [(2, 3), (3,), (2, 1), ()]]
    leaves = [mg.tensor(x, requires_grad=True) for x in arrays]
    peers = [torch.tensor(x, requires_grad=True) for x in arrays]
    ours = run_program(program, leaves, "ours", mg.tanh)
    torchs = run_program(program, peers, "torchs", lambda x: torch.tanh(x))
    np.testing.assert_allclose(ours.item(), torchs.item(), rtol=1e-11)
    expected = torch.autograd.grad(torchs, peers, allow_unused=True, materialize_grads=True)
    plain = mg.grad(ours, leaves, retain_graph=True, allow_unused=True)
    recorded = mg.grad(ours, leaves, create_graph=True, allow_unused=True)
    for g, again, peer in zip(plain, recorded, expected):
        if g is None:
            assert again is None
            assert not peer.any()
        else:
            np.testing.assert_array_equal(g.numpy(), again.numpy())
            np.testing.assert_allclose(g.numpy(), peer.numpy(), rtol=1e-9, atol=1e-10)
