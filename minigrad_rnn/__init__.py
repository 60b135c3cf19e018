"""minigrad_rnn: recurrent networks whose backpropagation through time is the reverse walk of their unrolled graph."""

import os

from minigrad import errors

from . import cells
from .cells import Cell, GRUCell, LSTMCell, RNNCell
from .gradflow import per_step_grads, plot_per_step_grads
from .layers import GRU, LSTM, RNN, Recurrent
from .noise import Noise
from .truncated import truncated_bptt
from .unroll import unroll

errors.OWN_FILES.add(os.path.dirname(__file__) + os.sep)  # so that errors name a line of the user's, not of ours
