"""The LSTM over trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.nn import Module, init

from .base import as_tensor


class ChildSumTreeLSTM(Module):
    """The child-sum Tree-LSTM: a node sees the sum of its children's h, and forgets each child's c by itself.

    (Tai, Socher and Manning 2015, eq. 2 to 8, where C is the set of children of node j and g is their u.)

        i, o = σ(x_j U_· + (Σ_{k in C} h_k) W_· + b_·)    g = tanh(x_j U_g + (Σ_{k in C} h_k) W_g + b_g)
        f_k = σ(x_j U_f + h_k W_f + b_f) for each k in C
        c_j = i ∘ g + Σ_{k in C} f_k ∘ c_k                h_j = o ∘ tanh(c_j)

    Called as `tree(xs, parents)`: xs (nodes, input), and of each node the number of its parent, -1 for a root, in any
    order (ValueError if that is no tree); returns (h, c), each (nodes, hidden). On a chain it is `LSTMCell`. In the
    order i, g, o, f: weight_ih (input, 4 hidden), weight_hh (hidden, 4 hidden), bias (4 hidden; that of f starts at 1).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"):
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=4, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=4, dtype=dtype)
        self.bias = init.constant(4 * hidden_size, dtype=dtype) if bias else None
        if self.bias is not None:
            self.bias.data[3 * hidden_size :] = 1

    def forward(self, xs: Any, parents: Sequence[int]) -> tuple[mg.Tensor, mg.Tensor]:
        xs = as_tensor(xs)
        if xs.ndim != 2 or len(xs) != len(parents) or not len(parents):
            raise ShapeError(f"a tree is xs (nodes, input) and a parent a node, not {xs.shape} and {len(parents)}")
        a = xs @ self.weight_ih
        if self.bias is not None:
            a = a + self.bias
        of_node = mg.unstack(a)
        w_sum, w_f = mg.split(self.weight_hh, [3 * self.hidden_size], axis=1)
        h: dict[int, mg.Tensor] = {}
        c: dict[int, mg.Tensor] = {}
        for node, children in _leaves_first(parents):
            a, a_f = mg.split(of_node[node], [3 * self.hidden_size])
            forgotten: Any = 0
            if children:
                below = mg.stack([h[k] for k in children])
                a = a + below.sum(axis=0) @ w_sum
                f = mg.sigmoid(a_f + below @ w_f).named(f"f_{node}")
                forgotten = (f * mg.stack([c[k] for k in children])).sum(axis=0)
            i, g, o = mg.split(a, 3)
            i, o = mg.sigmoid(i).named(f"i_{node}"), mg.sigmoid(o).named(f"o_{node}")
            g = mg.tanh(g).named(f"g_{node}")
            c[node] = (i * g + forgotten).named(f"c_{node}")
            h[node] = (o * mg.tanh(c[node])).named(f"h_{node}")
        return tuple(mg.stack([part[node] for node in range(len(parents))]) for part in (h, c))


def _leaves_first(parents: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Each node with its children, after all of these. Raises ValueError for what is no tree."""
    children: dict[int, list[int]] = {node: [] for node in range(-1, len(parents))}
    for node, parent in enumerate(parents):
        if parent not in children:
            raise ValueError(f"the parent of node {node} is {parent}: it must be from 0 to {len(parents) - 1}, or -1")
        children[parent].append(node)
    order = list(children[-1])
    for node in order:  # it grows as it is walked
        order += children[node]
    if len(order) < len(parents):
        raise ValueError(f"nodes {sorted({*range(len(parents))} - {*order})} are below no root: give a root parent -1")
    return [(node, children[node]) for node in reversed(order)]
