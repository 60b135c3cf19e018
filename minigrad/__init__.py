"""minigrad: reverse-mode automatic differentiation on NumPy or CuPy arrays, with graphs that can be drawn."""

from . import errors, nn, optim
from . import linalg as linalg  # after those that load the engine, which operations need
from .backend import memory, random_state, seed, set_random_state, use_backend
from .check import gradcheck
from .contributions import contributions
from .draw import draw
from .graph import grad
from .loop import scan, use_threads
from .mode import detect_anomaly, enable_grad, no_grad, scope
from .ops import *
from .primitive import primitive
from .recompute import checkpoint
from .serialize import load, save
from .tensor import Tensor, tensor
from .transforms import hessian, hvp, jacobian, jvp, vjp

__version__ = "0.1.0"
