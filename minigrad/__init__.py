"""minigrad: reverse-mode automatic differentiation on NumPy or CuPy arrays, with graphs that can be drawn."""

# isort: off (tensor first: it brings in graph, primitive and ops in the order in which they need each other)
# isort: on
from . import errors
from .backend import seed, use_backend
from .graph import enable_grad, grad, no_grad, scope
from .ops import *
from .primitive import primitive
from .tensor import Tensor, tensor
