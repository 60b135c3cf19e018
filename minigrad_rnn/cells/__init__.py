"""Recurrent cells: one step each. Everything about time comes from outside.

A step takes an input (batch, `input_size`) and a state (batch, `hidden_size`), or a tuple of such parts. Where a
docstring says input and hidden in a shape, these are meant. Without `bias` there is none.
"""

from .base import Cell, State, parts_of
from .convlstm import ConvLSTMCell
from .gru import GRUCell
from .gru_layernorm import GRULayerNormCell
from .indrnn import IndRNNCell
from .jordan import JordanCell
from .lstm import LSTMCell
from .lstm_coupled import LSTMCoupledCell
from .lstm_layernorm import LSTMLayerNormCell
from .lstm_no_forget import LSTMNoForgetCell
from .lstm_peephole import LSTMPeepholeCell
from .lstm_separate import LSTMSeparateCell
from .lstmp import LSTMPCell
from .mgu import MGUCell
from .mingru import MinGRUCell
from .minlstm import MinLSTMCell
from .narx import NARXCell
from .registry import UnknownCellError, get, names, register
from .rnn import RNNCell
from .slstm import SLSTMCell
from .tdnn import TDNNCell
from .tree import ChildSumTreeLSTM
