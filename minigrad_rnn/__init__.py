"""minigrad_rnn: recurrent networks whose backpropagation through time is the reverse walk of their unrolled graph.

The modules `attention`, `cells`, `charmodel`, `data`, `metrics`, `models`, `pictures`, `plotting` and `training` come
with it; all others are imported by name, `import minigrad_rnn.search`.
"""

from minigrad import errors

from . import attention, cells, charmodel, data, metrics, models, pictures, plotting, training
from .attention import AdditiveAttention, Attention, BilinearAttention, DotAttention
from .beam import beam, length_penalty
from .cells import Cell, GRUCell, LSTMCell, RNNCell
from .check import CellReport, Check, check_cell
from .ctc import Labelling, ctc_greedy, ctc_prefix_beam
from .data.padding import padded
from .decode import Decoded, Decoder, LanguageModel, greedy, sample, sampling_probabilities, select, with_stop
from .gradflow import (
    grad_norms,
    gradflow,
    jacobian_bound,
    per_step_grads,
    plot_grad_norms,
    plot_gradflow,
    plot_gradflow_pairs,
    plot_per_step_grads,
    singular_values,
    spectral_radius,
)
from .interop.onnx_export import export_onnx
from .interop.torch_weights import load_torch, to_torch, torch_arrays
from .layers import GRU, LSTM, RNN, Recurrent
from .losses import last_steps, max_error, sequence_loss, soft_dtw
from .models import SequenceModel
from .noise import Noise
from .seq2seq import Seq2Seq, exponential_decay, inverse_sigmoid_decay, linear_decay
from .truncated import truncated_bptt
from .unroll import unroll

errors.OWN_FILES.add(__file__.removesuffix("__init__.py"))  # so that errors name a line of the user's, not of ours
