"""Modules, initialisers and losses."""

from . import init
from .layers import Dropout, Embedding, Linear, Sequential
from .losses import bce_with_logits, cross_entropy, mse_loss, nll_loss
from .module import Module, Parameter
