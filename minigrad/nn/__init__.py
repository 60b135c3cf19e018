"""Modules, initialisers and losses."""

from . import init
from .conv import AvgPool1d, AvgPool2d, Conv1d, Conv2d, MaxPool1d, MaxPool2d
from .ctc import ctc_loss
from .layers import BatchNorm, Dropout, Embedding, Flatten, LayerNorm, Linear, RMSNorm, Sequential
from .losses import (
    bce_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .module import Buffer, Module, Parameter
