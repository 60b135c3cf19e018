"""Optimisers, schedules and gradient clipping."""

from .base import Optimizer
from .clip import clip_grad_norm, clip_grad_value
from .optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from .schedules import (
    ReduceOnPlateau,
    Schedule,
    constant,
    cosine,
    exponential,
    inverse_sqrt,
    linear,
    one_cycle,
    piecewise,
    step_decay,
    warmup,
)
