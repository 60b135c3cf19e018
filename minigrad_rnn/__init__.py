"""minigrad_rnn: recurrent networks whose backpropagation through time is the reverse walk of their unrolled graph."""

from . import cells
from .cells import Cell, GRUCell, LSTMCell, RNNCell
from .layers import GRU, LSTM, RNN, Recurrent
from .unroll import unroll
