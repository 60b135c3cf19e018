"""The gated recurrent unit."""

from __future__ import annotations

from typing import Any

import minigrad as mg
from minigrad.nn import init

from .base import Cell


class GRUCell(Cell):
    """The GRU: h_t = (1 - z) ∘ n + z ∘ h_{t-1}.

    (Cho et al. 2014, eq. 5 to 8, where z and 1 - z stand the same way round as here, in PyTorch and in cuDNN.)

        r, z = σ(x_t U_· + h_{t-1} W_· + b_·)
        n = tanh(x_t U_n + b_n + r ∘ (h_{t-1} W_n + b_hn))      reset_after=True, the default (PyTorch, cuDNN)
        n = tanh(x_t U_n + b_n + (r ∘ h_{t-1}) W_n)             reset_after=False (the paper)
        h_t = (1 - z) ∘ n + z ∘ h_{t-1}

    The gates' matrices stand side by side in the order r, z, n: weight_ih (input, 3 hidden), weight_hh (hidden,
    3 hidden), bias (3 hidden); bias_hn (hidden) is there with reset_after only.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, reset_after: bool = True, dtype: Any = "float32"
    ):
        self.reset_after = reset_after
        self.weight_ih = init.glorot(input_size, hidden_size, blocks=3, dtype=dtype)
        self.weight_hh = init.orthogonal(hidden_size, blocks=3, dtype=dtype)
        self.bias = init.constant(3 * hidden_size, dtype=dtype) if bias else None
        self.bias_hn = init.constant(hidden_size, dtype=dtype) if bias and reset_after else None

    def step(self, x: mg.Tensor, h: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        H = self.hidden_size
        ax = x @ self.weight_ih
        if self.bias is not None:
            ax = ax + self.bias
        if self.reset_after:
            ah = h @ self.weight_hh
            xr, xz, xn = mg.split(ax, 3, axis=1)
            hr, hz, hn = mg.split(ah, 3, axis=1)
            r, z = mg.sigmoid(xr + hr).named("r"), mg.sigmoid(xz + hz).named("z")
            if self.bias_hn is not None:
                hn = hn + self.bias_hn
            n = mg.tanh(xn + r * hn).named("n")
        else:
            w_gates, w_n = mg.split(self.weight_hh, [2 * H], axis=1)
            x_gates, xn = mg.split(ax, [2 * H], axis=1)
            r, z = mg.split(x_gates + h @ w_gates, 2, axis=1)
            r, z = mg.sigmoid(r).named("r"), mg.sigmoid(z).named("z")
            n = mg.tanh(xn + (r * h) @ w_n).named("n")
        h = n + z * (h - n)
        return h, h
