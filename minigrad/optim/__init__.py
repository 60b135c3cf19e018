"""Optimisers, schedules and gradient clipping."""

from .clip import clip_grad_norm, clip_grad_value
from .optimizers import SGD, Adam, AdamW, Optimizer
from .schedules import cosine
