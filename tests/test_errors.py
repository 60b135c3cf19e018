"""What each error says: a gallery of bad input, word by word, and the line of the user's that each message ends with.

A change of wording shows in the gallery's diff. Each entry is code and the error that its last line raises (or the
line marked `# here`): the class, then the message without the line.
"""

from __future__ import annotations

import copy  # noqa: F401 (named in the gallery)
import inspect
import linecache
import re
import sys
import textwrap
from pathlib import Path  # noqa: F401 (named in the gallery)

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad import backend, errors

GALLERY = r"""
# Which library

>>> mg.use_backend("tpu")
BackendUnavailableError: unknown backend 'tpu': choose one of auto, cupy, numpy, strict

>>> mg.use_backend("cupy")
BackendUnavailableError: CuPy is not installed: pip install 'minigrad[cuda13]' (or cuda12), or use the backend 'numpy'

>>> x = mg.tensor([1.0, 2.0], name="x")
>>> x + strict([3.0, 4.0])
BackendMismatchError: 'add' was given arrays on two backends: operand 0 (x) of shape (2,) is on numpy, operand 1 of shape (2,) is on strict; move one, with .to('strict') say

# Shapes that do not fit

>>> mg.ones((2, 3)) + mg.ones((2, 4))
ShapeError: 'add' cannot broadcast these shapes together:
  operand 0  2  3
  operand 1  2  4
                ^
lengths that stand below each other must be equal, or one of them 1: reshape or transpose an operand

>>> x, bias = mg.zeros((8, 1, 32)).named("x"), mg.zeros((16, 8)).named("bias")
>>> with mg.scope("layer 0", "t=3"):
...     x * bias
ShapeError: 'multiply' cannot broadcast these shapes together:
  operand 0 (x)     8   1  32
  operand 1 (bias)     16   8
                           ^^
lengths that stand below each other must be equal, or one of them 1: reshape or transpose an operand (in layer 0 / t=3)

>>> mg.where(np.array([True, False]), mg.ones((3, 3)), 0.0)
ShapeError: 'where' cannot broadcast these shapes together:
  operand 0     2
  operand 1  3  3
                ^
lengths that stand below each other must be equal, or one of them 1: reshape or transpose an operand

>>> mg.ones((2, 3)) @ mg.ones((2, 3))
ShapeError: 'matmul' cannot multiply (2, 3) by (2, 3): the last axis of the left (3) must be as long as the last but one axis of the right (2); transpose one (.mT) or reshape it

>>> mg.ones((2, 3)) @ mg.ones(4)
ShapeError: 'matmul' cannot multiply (2, 3) by (4,): the last axis of the left (3) must be as long as the only axis of the right (4); transpose one (.mT) or reshape it

>>> mg.ones((2, 3)) @ 2.0
ShapeError: 'matmul' multiplies matrices and vectors, not (2, 3) by (): a single number is multiplied by *

>>> mg.ones((2, 4, 3)) @ mg.ones((5, 3, 4))
ShapeError: 'matmul' cannot broadcast the leading axes of (2, 4, 3) and (5, 3, 4), (2,) against (5,): lengths must be equal, or one of them 1; reshape an operand

>>> mg.einsum("ij,jk->ik", mg.ones((2, 3)), mg.ones((2, 3)))
ShapeError: einsum 'ij,jk->ik' gives the label 'j' two lengths, 2 and 3: reshape or transpose an operand:
  ij  (2, 3)
  jk  (2, 3)

>>> mg.einsum("ij,jk->iz", mg.ones((2, 3)), mg.ones((3, 2)))
ShapeError: einsum 'ij,jk->iz' has the label 'z' of its result only there:
  ij  (2, 3)
  jk  (3, 2)

>>> mg.concatenate([mg.ones((2, 3)), mg.ones((2, 4))])
ShapeError: 'concatenate' along axis 0 joins arrays that have this axis and are else of one shape, not (2, 3), (2, 4): reshape one, or give another axis

>>> mg.stack([mg.ones(2), mg.ones(3)])
ShapeError: 'stack' joins arrays of one shape along a new axis 0, not (2,), (3,): reshape one

>>> mg.ones((2, 3)).reshape(5)
ShapeError: 'reshape' cannot take ((2, 3), shape=5): cannot reshape array of size 6 into shape (5,)

>>> mg.ones((2, 3)).sum(axis=2)
ShapeError: 'sum' cannot take ((2, 3), axis=2, keepdims=False): axis 2 is out of bounds for array of dimension 2

>>> mg.broadcast_to(mg.ones(2), (2, 3))
ShapeError: 'broadcast_to' cannot take ((2,), shape=(2, 3)): operands could not be broadcast together with remapped shapes [original->remapped]: (2,)  and requested shape (2,3)

>>> mg.ones((2, 3))[5]
OutOfRangeError: an array of shape (2, 3) has no such part: index 5 is out of bounds for axis 0 with size 2

>>> mg.ones((2, 3))[[0, 1, 2]]
OutOfRangeError: an array of shape (2, 3) has no such part: index 2 is out of bounds for axis 0 with size 2

>>> mg.ones((2, 3))[0, 0, 0]
OutOfRangeError: an array of shape (2, 3) has no such part: too many indices for array: array is 2-dimensional, but 3 were indexed

>>> mg.ones((2, 3))[mg.ones(3) > 0]
OutOfRangeError: an array of shape (2, 3) has no such part: boolean index did not match indexed array along axis 0; size of axis is 2 but size of corresponding boolean axis is 3

>>> y = mg.ones((2, 3))
>>> y[:, 0] = mg.ones(3)
ShapeError: 'setitem' cannot take ((2, 3), (3,), index=(slice(None, None, None), 0)): could not broadcast input array from shape (3,) into shape (2,)

>>> mg.zeros(-1)
ShapeError: 'zeros' cannot take -1: negative dimensions are not allowed

>>> mg.linalg.solve(mg.eye(2), mg.ones(3))
ShapeError: the shapes of 'solve' must be (..., M, M) and (..., M, K) or (M,), not (2, 2) and (3,)

>>> mg.inner(mg.ones(2), mg.ones(3))
ShapeError: inner takes last axes of one length, not those of (2,) and (3,)

>>> mg.trace(mg.ones(3))
ShapeError: a diagonal is of two axes, not of shape (3,): use diag to make a matrix of a vector

>>> mg.array_split(mg.ones(3), [2, 1])
ShapeError: the indices to split at, [2, 1], must rise: put them in order

>>> mg.extract([True, False], mg.ones(3))
ShapeError: extract takes a mask of the size of (3,), not (2,): use compress

>>> mg.nn.LayerNorm((2, 3))(mg.ones(3))
ShapeError: LayerNorm takes (..., 2, 3), and was given (3,)

>>> mg.getitem([1.0, 2.0], 5)
OutOfRangeError: an array of shape (2,) has no such part: index 5 is out of bounds for axis 0 with size 2

# Operands that are none

>>> mg.ones(2) + None
OperandError: 'add' takes Tensors, arrays, numbers and lists of them, not NoneType

>>> mg.ones(2) < "word"
OperandError: 'less' takes Tensors, arrays, numbers and lists of them, not str

>>> mg.exp("word")
OperandError: 'exp' takes Tensors, arrays, numbers and lists of them, not str

>>> mg.concatenate([mg.ones(2), None])
OperandError: 'concatenate' takes Tensors, arrays, numbers and lists of them, not NoneType

>>> mg.ones(2).sum(axis="rows")
OperandError: 'sum' cannot take ((2,), axis='rows', keepdims=False): 'str' object cannot be interpreted as an integer

>>> mg.zeros("two")
OperandError: 'zeros' cannot take 'two': 'str' object cannot be interpreted as an integer

>>> mg.randn(2, dtype="float16")
OperandError: 'randn' cannot take (2, dtype='float16'): Unsupported dtype dtype('float16') for standard_normal: make float32, and convert it with .astype()

>>> mg.from_dlpack([1])
OperandError: from_dlpack takes an array that has __dlpack__, not list: use tensor

>>> mg.tensor([2]) ** -1
OperandError: 'power' takes no integers to a power below 0: convert them with .astype('float32')

>>> mg.ones(2) & mg.ones(2)
OperandError: 'bitwise_and' cannot take float32 and float32: convert with .astype(), or compare first (x > 0)

>>> mg.linalg.matrix_power(mg.eye(2), 0.5)
OperandError: matrix_power takes a whole number n, not 0.5: use eigh for other powers

>>> mg.linalg.matrix_power(mg.ones((2, 3)), 0)
MatrixError: matrix_power takes square matrices (..., M, M), not shape (2, 3)

>>> mg.percentile([1.0, 2.0], 150)
ValueError: percentile: q must be from 0 to 100, not 150: quantile takes shares, percentile hundredths

>>> mg.diff([1.0, 2.0], n=-1)
ValueError: diff: n must be at least 0, not -1

>>> mg.linalg.inv(mg.zeros((2, 2)))
MatrixError: 'inv' cannot take (2, 2): Singular matrix: use pinv, or add a small multiple of eye to the matrix

>>> mg.linalg.cholesky(-mg.eye(2))
MatrixError: 'cholesky' cannot take (2, 2): Matrix is not positive definite: add a small multiple of eye to the matrix

>>> np.linalg.cond(mg.ones((2, 2)))
OperandError: np.linalg.cond does not know Tensors: use an operation of minigrad, or t.numpy()

>>> np.add.reduce(mg.ones(2))
OperandError: np.add.reduce does not know Tensors: use an operation of minigrad, or t.numpy()

>>> a = np.ones(2)
>>> a += mg.ones(2)
OperandError: np.add(…, out=…) does not know Tensors: use an operation of minigrad, or t.numpy()

>>> mg.tensor([[1.0], [2.0, 3.0]])
MinigradError: no array can be made of this list: setting an array element with a sequence. The requested array has an inhomogeneous shape after 1 dimensions. The detected shape was (2,) + inhomogeneous part.: give numbers, in rows of one length

>>> mg.tensor({"a": 1.0})
MinigradError: a Tensor holds numbers, not a dict: convert the data first

>>> mg.tensor(["word"])
MinigradError: a Tensor holds numbers, not <U4: convert the data first

>>> mg.tensor([1, 2], requires_grad=True)
MinigradError: only floating-point Tensors have gradients, not int64: give dtype='float32'

>>> mg.arange(3, requires_grad=True)
MinigradError: only floating-point Tensors have gradients, not int64: give dtype='float32'

>>> mg.nn.Parameter(np.arange(3))
MinigradError: only floating-point Tensors have gradients, not int64: give dtype='float32'

# Gradients

>>> x = mg.ones(2, requires_grad=True)
>>> (x * 2).backward()
NonScalarError: a gradient starts from a single number, and this Tensor has shape (2,): reduce it (.sum(), .mean()) or give the gradient to start from, of the same shape

>>> x = mg.ones(2, requires_grad=True)
>>> (x * 2).backward(np.ones(3))
ShapeError: the gradient to start from has shape (3,), the output (2,): give one of its shape

>>> mg.tensor([1.0]).backward()
NoGradientError: this Tensor was not computed from anything that requires a gradient: set requires_grad=True on a leaf, and do not compute inside no_grad()

>>> x = mg.ones(2, requires_grad=True)
>>> with mg.no_grad():
...     y = (x * 2).sum()
>>> y.backward()
NoGradientError: this Tensor was not computed from anything that requires a gradient: set requires_grad=True on a leaf, and do not compute inside no_grad()

>>> x, y = mg.ones(2, requires_grad=True), mg.ones(3, requires_grad=True).named("y")
>>> mg.grad(x.sum(), [x, y])
NoGradientError: the outputs do not depend on input 1 (y, shape (3,)), or it does not require a gradient: set requires_grad=True before it is used, or pass allow_unused=True

>>> x = mg.ones(2, requires_grad=True)
>>> mg.grad([x * 2, x * 3], x, [np.ones(2)])
ShapeError: 2 outputs but 1 grad_outputs: give one for each, or None

>>> mg.tensor([1.0]).register_hook(print)
NoGradientError: no gradient ever comes to a Tensor that requires none: set requires_grad=True

>>> x = mg.ones(2, requires_grad=True)
>>> x.register_hook(1)
OperandError: a hook is a function of the gradient, not int

>>> x = mg.ones(2, requires_grad=True)
>>> x.register_hook(lambda g: g[:1])
>>> x.sum().backward()
ShapeError: a hook returned shape (1,) for a gradient of shape (2,): mend the hook

>>> x = mg.ones(2, requires_grad=True)
>>> x.register_hook(lambda g: "word")
>>> x.sum().backward()
OperandError: a hook returns None, a Tensor, an array or a number, not str

>>> x = mg.ones(2, requires_grad=True)
>>> (x * 1j).sum().backward(np.ones(()))
NoGradientError: 'multiply' made complex numbers of real ones (float32), and these have no gradient here: compute with the real and the imaginary part

>>> copy.deepcopy(mg.ones(2, requires_grad=True) * 2)
NoGradientError: only leaves can be deep-copied, and this Tensor was computed: copy its detach()

>>> x = mg.ones(2, requires_grad=True)
>>> mg.optim.clip_grad_norm([x], 1.0)
NoGradientError: no parameter has a gradient to clip: call backward() first

# Graphs that are gone, values that are overwritten

>>> x = mg.ones(2, requires_grad=True)
>>> y = mg.exp(x).sum()
>>> y.backward()
>>> y.backward()
GraphFreedError: the graph behind 'sum' () was freed by an earlier backward walk: call backward(retain_graph=True) the first time to walk it again

>>> x = mg.ones(2, requires_grad=True)
>>> with mg.scope("layer 0", "t=3"):
...     y = (x * x).sum()
>>> y.backward()
>>> y.backward()
GraphFreedError: the graph behind 'sum' () in layer 0 / t=3 was freed by an earlier backward walk: call backward(retain_graph=True) the first time to walk it again

>>> x, w = mg.ones(2, requires_grad=True), mg.ones(2).named("w")
>>> y = (x * w).sum()
>>> w[0] = 5.0
>>> y.backward()
InplaceError: w of shape (2,), needed to walk back through 'multiply' (2,), was overwritten in place after it was used: walk back before you change it, or change a copy

>>> x = mg.ones(2, requires_grad=True)
>>> y = mg.exp(x)
>>> with mg.no_grad():
...     y[0] = 5.0
>>> y.sum().backward()
InplaceError: the result of shape (2,), needed to walk back through 'exp' (2,), was overwritten in place after it was used: walk back before you change it, or change a copy

>>> x = mg.ones(2, requires_grad=True)
>>> x[0] = 5.0
InplaceError: assignment into a leaf that requires a gradient: assign inside no_grad(), or to a copy (x * 1)

>>> x = mg.ones(2, requires_grad=True)
>>> view = (x * 1)[:1]
>>> view[0] = 5.0
InplaceError: assignment into a view of another Tensor: assign to that Tensor itself, or to a copy (x * 1)

>>> x, w = mg.ones(2, requires_grad=True), mg.ones(2).named("w")
>>> y = mg.checkpoint(lambda x, w: mg.tanh(x * w), x, w).sum()
>>> w[0] = 5.0
>>> y.backward()
InplaceError: w of shape (2,) of a checkpointed function was overwritten in place before the backward walk: walk back before you change it, or change a copy

>>> x, functions = mg.ones(2, requires_grad=True), iter([mg.exp, mg.tanh])
>>> y = mg.checkpoint(lambda x: next(functions)(x), x).sum()
>>> y.backward()
MinigradError: a checkpointed function computed something else the second time (it came to <tanh (2,)>, the first time to <exp (2,)>): let it depend on its arguments, and on nothing that changes

# Anomalies

>>> x = mg.tensor([1.0, -1.0], name="x")
>>> with mg.detect_anomaly():
...     mg.log(x)
AnomalyError: 'log' made a NaN of x of shape (2,): keep its operands where it is defined and does not overflow (clip them, or use a stable form such as log_softmax or logaddexp)

>>> x = mg.tensor([1.0, 0.0])
>>> with mg.detect_anomaly():
...     1 / x
AnomalyError: 'divide' made an infinity of 1, a Tensor of shape (2,): keep its operands where it is defined and does not overflow (clip them, or use a stable form such as log_softmax or logaddexp)

>>> x = mg.tensor([1.0, np.nan], name="x")
>>> with mg.detect_anomaly():
...     x * 2
AnomalyError: operand 0 of 'multiply' (x of shape (2,)) already holds a NaN: look at where it came from

>>> x = mg.zeros(2, requires_grad=True)
>>> with mg.detect_anomaly():
...     y = mg.sqrt(x)  # here
...     y.sum().backward()
AnomalyError: the gradient of 'sqrt' for its operand 0, of shape (2,), became an infinity on the way back: the operand lies where the derivative is infinite or undefined (sqrt or log at 0, a division by 0); keep it away from there, with where() around the operand, say

>>> x = mg.ones(2, requires_grad=True)
>>> with mg.detect_anomaly():
...     y = x * 2  # here
...     y.backward([1.0, np.nan])
AnomalyError: the gradient that reached 'multiply' (2,) already holds a NaN: look at what it started from

>>> x = mg.ones(2, requires_grad=True)
>>> x.grad = mg.tensor([1.0, np.nan])
>>> mg.optim.clip_grad_norm([x], 1.0, error_if_nonfinite=True)
AnomalyError: the gradients' norm is nan: look for where with mg.detect_anomaly()

# Functions of derivatives, and their check

>>> mg.jacobian(lambda x: x * 2, np.array([1, 2]))
MinigradError: only floating-point arrays have derivatives, not int64: convert it, with .astype()

>>> mg.jacobian(lambda x: (x, x * 2), np.ones(2))
ShapeError: the function returned 2 results: return one Tensor (concatenate them, say)

>>> mg.hessian(lambda x: x * 2, np.ones(2))
NonScalarError: the function must return a single number, not shape (2,): take the sum, say

>>> mg.vjp(lambda x: x * 2, np.ones(2), np.ones(3))
ShapeError: the vector has shape (3,), and f(x) has shape (2,): they must be equal

>>> mg.jvp(lambda x, y: x * y, (np.ones(2), np.ones(2)), (np.ones(2),))
ShapeError: the point has 2 parts and the direction 1: give one for each

>>> mg.gradcheck(mg.exp, mg.ones(2))
GradcheckError: gradcheck needs float64 inputs, and input 0 is float32: convert it, with .astype('float64') or mg.tensor(data, dtype='float64')

>>> mg.gradcheck(mg.exp, np.array([1, 2]))
GradcheckError: gradcheck was given no float64 input, so there is nothing to check

>>> mg.gradcheck(lambda x: (x * x).detach() + x, mg.tensor(np.array([[0.5, 2.0]]), name="x"))
GradcheckError: input 0 (x) of shape (1, 2), index (0, 0): the analytic gradient is 1.13696169, the numerical one 2.27392337, of the outputs' randomly weighted sum (eps=1e-06, atol=1e-06, rtol=1e-05)

# Operations of one's own

>>> mg.primitive("mine", lambda xp, x: x, vjp=[lambda g, z: g])
TypeError: a VJP rule of 'mine' takes z after g; it may take any of out, x, then any of in_shape

>>> mg.primitive("mine", lambda xp, x, y: x, vjp=[lambda g: g])
TypeError: 'mine' takes 2 arrays (x, y) and has 1 rules in `vjp`: give one for each, None where there is no gradient

>>> mg.primitive("mine", lambda xp, x, *, k: x, vjp=[lambda g, k, x: g])
TypeError: a VJP rule of 'mine' must take the result and arrays first, then options: ['k', 'x']

>>> mine = mg.primitive("mine", lambda xp, x, y, *, k=1.0: x * y * k)
>>> mine(mg.ones(2))
TypeError: 'mine' takes (x, y, k), and was given 1 by position and [] by name

>>> mine = mg.primitive("mine", lambda xp, x: x * 1, vjp=[lambda g: g[:1]])
>>> x = mg.ones(2, requires_grad=True)
>>> mine(x).sum().backward()
ShapeError: the VJP rule of 'mine' for argument 0 returned shape (1,), and the argument has shape (2,): mend the rule

>>> mine = mg.primitive("mine", lambda xp, x: (x, x), vjp=[lambda g, out: g[0]])
>>> mine(mg.ones(2, requires_grad=True))
TypeError: 'mine' has several results, so its VJP rules cannot name `out`: name its arguments

# Files and drawings

>>> mg.load("missing.safetensors")
CheckpointError: there is no file missing.safetensors: check the name

>>> Path("broken.safetensors").write_bytes(b"not much")
>>> mg.load("broken.safetensors")
CheckpointError: broken.safetensors is no whole safetensors file (it has 8 bytes, and should have 7521984914195246966 and more): save it again, or use a copy

>>> mg.nn.Linear(2, 3).load_state_dict({"weight": mg.zeros((2, 3)), "scale": mg.zeros(3)})
CheckpointError: the state does not fit this Linear: missing ['bias'], not expected ['scale']: load it into a model made with the same options

>>> mg.nn.Linear(2, 3).load_state_dict({"weight": mg.zeros((3, 2)), "bias": mg.zeros(3)})
CheckpointError: 'weight' has shape (3, 2) in the state and (2, 3) in this Linear: load it into a model made with the same sizes

>>> mg.draw(mg.ones(2), level="atom")
DrawingError: there is no level 'atom' of a drawing: choose one of 'rolled', 'layer', 'cell', 'gate', 'op'

>>> mg.draw(mg.ones(2)).save("graph.gif")
DrawingError: name a drawing's file with .svg, .tikz, .html, .dot, .mmd, .tex, .txt, .png or .pdf at its end, not '.gif'

>>> mg.draw([])
DrawingError: draw takes a Tensor or a sequence of at least one Tensor, such as a loss

>>> y = x = mg.ones(1, requires_grad=True)
>>> for _ in range(6000):
...     y = y + x
>>> mg.draw(y)
DrawingError: 6001 boxes are more than a drawing can show (5000): draw a shorter sequence or an earlier Tensor, or tag repeated steps with mg.scope("t=0"), mg.scope("t=1") …, whose middle is then folded

# Layers, losses, optimisers

>>> mg.nn.cross_entropy(mg.zeros((4, 5)), np.zeros((4, 1), int))
ShapeError: cross_entropy: scores of shape (4, 5) want integer targets of shape (4,) (no class axis), or probabilities of shape (4, 5); these have shape (4, 1) and are int64

>>> mg.nn.cross_entropy(mg.zeros((4, 5)), np.array([0, 1, 2, 5]))
OutOfRangeError: cross_entropy takes integers from 0 to 4, and was given 0 to 5: mend them

>>> mg.nn.mse_loss(mg.zeros((4, 1)), np.zeros(4))
ShapeError: mse_loss: outputs (4, 1) and targets (4,) differ: reshape one

>>> mg.nn.Linear(3, 4)(mg.zeros((2, 5)))
ShapeError: 'matmul' cannot multiply (2, 5) by (3, 4): the last axis of the left (5) must be as long as the last but one axis of the right (3); transpose one (.mT) or reshape it

>>> mg.nn.Dropout(1.0)
ValueError: dropout probability must be in [0, 1), not 1.0

>>> mg.nn.Module()(mg.zeros(2))
TypeError: Module has no forward(): write it, or call the part that does the work

>>> mg.optim.SGD([], lr=0.1)
ValueError: SGD was given no parameters: pass model.parameters()

>>> mg.optim.Adam([mg.ones(2, requires_grad=True)], lr=-0.1)
ValueError: Adam: lr must be in [0, inf), not -0.1

>>> mg.optim.step_decay(3, every=0)
ValueError: step_decay: every must be at least 1, not 0

>>> mg.optim.SGD([mg.ones(2, requires_grad=True) * 2], lr=0.1)
ValueError: SGD updates leaves, and was given a result of 'multiply': pass its leaf

# Recurrent networks

>>> mr.LSTM(3, 4)(mg.ones((5, 3)))
ShapeError: a sequence is (time, batch, feature), all at least 1, not (5, 3): reshape it, with a batch axis of 1 for one alone

>>> mr.LSTM(3, 4)(mg.ones((5, 2, 7)))
ShapeError: LSTMCell takes 3 features, and this sequence (time, batch, feature) has shape (5, 2, 7)

>>> mr.GRU(3, 4)(mg.ones((5, 2, 3)), lengths=[6, 1])
ShapeError: lengths must be 2 integers (one a sequence) from 0 to 5, and are [6, 1]

>>> mr.LSTM(3, 4, num_layers=2)(mg.ones((5, 2, 3)), state=mg.zeros((2, 4)))
ShapeError: a state's parts are Tensors of shape (2, batch, size), layers * directions first, not shape (2, 4): give None, or a state that was returned

>>> mr.LSTM(0, 4)
ValueError: input_size and hidden_size must be at least 1, not 0 and 4

>>> mr.cells.get("nowhere:Cell")
UnknownCellError: the cell 'nowhere:Cell' cannot be imported (No module named 'nowhere'): give module:Class, a module on Python's path

>>> mr.RNNCell(3, 4, nonlinearity="sine")
ValueError: unknown nonlinearity 'sine': choose one of tanh, relu, sigmoid, identity, threshold
"""  # noqa: E501


class Bad:
    """An entry: `code`, the number `line` of its line that errs, the name of the error's class, and its message."""

    def __init__(self, text: str):
        lines = text.splitlines()
        source = [line for line in lines if line.startswith((">>> ", "... "))]
        self.code = "\n".join(line[4:] for line in source)
        self.line = next((i for i, line in enumerate(source, 1) if line.endswith("# here")), len(source))
        self.kind, _, self.message = "\n".join(lines[len(source) :]).partition(": ")

    def __str__(self) -> str:
        return self.code.splitlines()[-1]

    def raised(self, **names):
        """The error that the code raises, where tracebacks find its lines in "<gallery>"."""
        linecache.cache["<gallery>"] = (len(self.code), None, self.code.splitlines(keepends=True), "<gallery>")
        with pytest.raises(Exception) as caught:  # noqa: PT011 (its class is part of the entry)
            exec(compile(self.code, "<gallery>", "exec"), {**globals(), **names})
        return caught.value


ENTRIES = [Bad(text) for text in GALLERY.strip().split("\n\n") if not text.startswith("#")]
every_entry = pytest.mark.parametrize("bad", ENTRIES, ids=str)


@pytest.fixture
def here(strict, monkeypatch, tmp_path):
    """What the gallery's codes may name, in an empty folder, and without CuPy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.delitem(backend._loaded, "cupy", raising=False)
    return {"strict": strict}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@every_entry
def test_the_error_says_what_the_gallery_says(bad, here):
    error = bad.raised(**here)
    message = error.message if isinstance(error, errors.MinigradError) else str(error)
    assert f"{type(error).__name__}: {message}" == f"{bad.kind}: {bad.message}"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@every_entry
def test_the_error_ends_with_the_users_line(bad, here):
    error = bad.raised(**here)
    if isinstance(error, errors.MinigradError):
        source = bad.code.splitlines()[bad.line - 1].strip()
        assert str(error) == f"{bad.message}\n  at <gallery>:{bad.line}: {source}"


def test_no_class_of_error_is_missing():
    known = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    classes = {kind.__name__ for kind in known if kind.__module__ == errors.__name__}
    assert classes - {bad.kind for bad in ENTRIES} == {"OutOfMemoryError"}  # its message holds figures: test_devices.py
    assert len(ENTRIES) > 60
    assert len(REFUSED) > 8


# A message ends in what to do; or says what would be right ("takes …, not …"); or hands on NumPy's own words, or shows
# einsum's subscripts beside the shapes.
ADVICE = re.compile(
    r"[:;,(] (or |and )?(assign|call|check|choose|compute|convert|copy|draw|give|keep|let|load|look|mend|move|name|pass"
    r"|reduce|reshape|return|save|set|take|transpose|use|walk|write)\b|\(clip\b|multiplied by|: pip install"
)
RIGHT = re.compile(r", not |, and this has |\b(must|wants?|takes|may take|cannot take)\b|has no such part: |\n  ij  \(")


@every_entry
def test_the_message_says_what_to_do(bad):
    if bad.kind != "GradcheckError":  # where what to do is to find the mistake
        assert ADVICE.search(bad.message) or RIGHT.search(bad.message)


REFUSED = [bad for bad in ENTRIES if bad.kind == "ShapeError" and bad.message.startswith("'")]


@pytest.mark.parametrize("bad", REFUSED, ids=str)
def test_the_message_names_the_operation_and_the_shapes(bad):
    """Where an operation refused its operands: its name in quotes, and every shape that it saw."""
    assert re.match(r"'(\w+)'", bad.message)[1] in mg.ops.OPERATIONS
    for shape in re.findall(r"mg\.(?:ones|zeros)\((\(.*?\)|\d+)[,)]", bad.code):
        lengths = re.findall(r"\d+", shape)
        told = f"({', '.join(lengths)}{',' * (len(lengths) == 1)})"
        assert told in bad.message or re.search(r"operand.* " + r"\s+".join(lengths) + "\n", bad.message)


# The user's line, from inside recurrent networks


def line_of(function, text):
    """ "file:line: source" of the line of `function` that holds `text`."""
    lines, start = inspect.getsourcelines(function)
    n = next(i for i, line in enumerate(lines) if text in line)
    return f"{inspect.getsourcefile(function)}:{start + n}: {lines[n].strip()}"


class Wrong(mr.Cell):
    """Its recurrent weight has a row too many."""

    def __init__(self, input_size, hidden_size):
        self.U = mg.nn.init.glorot(input_size, hidden_size)
        self.W = mg.nn.init.glorot(hidden_size + 1, hidden_size)

    def step(self, x, h):
        past = h @ self.W
        h = mg.tanh(x @ self.U + past)
        return h, h


@pytest.mark.parametrize("run", [lambda xs: mr.unroll(Wrong(3, 4), xs), lambda xs: mr.Recurrent(Wrong, 3, 4)(xs)])
def test_an_error_in_a_cell_of_the_users_names_the_line_in_the_cell(run):
    with pytest.raises(errors.ShapeError) as caught:
        run(mg.ones((5, 2, 3)))
    assert caught.value.line == line_of(Wrong.step, "past = ")
    assert caught.value.message.endswith("t=0 / Wrong)")


def test_an_error_in_a_built_in_cell_names_the_callers_line():
    def call():
        layer = mr.LSTM(3, 4)
        state = (mg.zeros((1, 2, 5)), mg.zeros((1, 2, 5)))
        return layer(mg.ones((5, 2, 3)), state)

    with pytest.raises(errors.ShapeError) as caught:
        call()
    assert caught.value.line == line_of(call, "return layer")


def test_an_error_in_a_function_that_is_differentiated_names_the_line_in_it():
    def f(x):
        y = x * 2
        return y @ mg.ones((3, 3))

    for transform in (mg.jacobian, lambda f, x: mg.vjp(f, x, x), lambda f, x: mg.checkpoint(f, mg.tensor(x))):
        with pytest.raises(errors.ShapeError) as caught:
            transform(f, np.ones(2))
        assert caught.value.line == line_of(f, "return y")


def test_an_error_without_a_line_of_the_users_has_none(monkeypatch):
    monkeypatch.setattr(errors, "users_line", lambda: None)
    assert str(errors.ShapeError("no line")) == "no line"


def test_the_gallery_reads_as_it_is_told():
    """The parser of the gallery, which all above rely on."""
    bad = Bad(
        textwrap.dedent("""\
        >>> with mg.no_grad():
        ...     y = 1  # here
        >>> y
        ShapeError: two: lines
        of it""")
    )
    assert (bad.code, bad.line) == ("with mg.no_grad():\n    y = 1  # here\ny", 2)
    assert (bad.kind, bad.message) == ("ShapeError", "two: lines\nof it")
