"""Recurrent cells: one step each. Everything about time comes from outside."""

from .base import Cell, State
from .gru import GRUCell
from .lstm import LSTMCell
from .registry import UnknownCellError, get, names, register
from .rnn import RNNCell
