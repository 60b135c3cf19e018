"""Tensor: an array, and the node that made it."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from . import graph
from .backend import SCALAR, Array, Backend, backend_of, current_backend
from .bounds import raise_noticed
from .errors import InplaceError, MinigradError, NoGradientError, OperandError
from .hooks import Hook
from .mode import MODE

# Functions of NumPy that answer a question about arrays; given Tensors, they are asked about their values.
WITHOUT_GRADIENT = {"allclose", "array_equal", "array_repr", "array_str", "isclose", "ndim", "shape", "size"}


class Memory:
    """What Tensors on the same memory (views, detached ones) share: when it was changed, and whose result lies there.

    It keeps no graph alive: a state that was detached lets go of the steps before.
    """

    __slots__ = ("node", "written")

    def __init__(self, node: graph.Node | None):
        self.node = None if node is None else weakref.ref(node)
        self.written = 0  # graph.tick() at the last change in place


class Tensor:
    """An array that remembers how it was computed, so that gradients can be walked back to where it came from.

    `data` is the raw array (kept, not copied; made as `tensor` does of lists of numbers), `node` what computed it
    (None for a leaf), `grad` the gradient that `backward` brought to a leaf: a Tensor of the same shape, or None. With
    `requires_grad` what is computed from it is recorded; `name` is for drawings and messages. Raises MinigradError for
    `requires_grad` on a dtype without gradients. Operators, methods and indexing are NumPy's.
    """

    data: Array
    requires_grad = False
    node: graph.Node | None = None
    grad: Tensor | None = None
    hooks: list[Hook] | None = None  # of a leaf; any other Tensor's are its node's
    view_of: Tensor | None = None  # the Tensor of which this is a view
    written = 0  # graph.tick() when it last got another array by assignment to a part
    _memory: Memory | None = None
    last_write_of_all = 0  # of any Tensor: spares the backward walk from asking each one
    _name: str | None = None

    def __init__(self, data: Array, requires_grad: bool = False, name: str | None = None):
        self.data = tensor(data).data if backend_of(data) in (None, SCALAR) else data
        if requires_grad and self.data.dtype.kind not in "fc":
            raise MinigradError(f"only floating-point Tensors have gradients, not {self.dtype}: give dtype='float32'")
        self.requires_grad = requires_grad
        if name is not None:
            self._name = name

    @staticmethod
    def _computed(data: Array, node: graph.Node) -> Tensor:
        tensor = Tensor(data, True)
        tensor.node = node
        return tensor

    def _like(self, array: Array) -> Tensor:
        """`array`, or the scalar that NumPy makes of a 0-d array, as a leaf on this Tensor's backend."""
        return Tensor(self.backend.xp.asarray(array))

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """What kind of numbers they are, as NumPy has it."""
        return self.data.dtype

    @property
    def backend(self) -> Backend:
        """The record of the array library that holds the data; its `name` is "numpy" or "cupy"."""
        return backend_of(self.data)  # type: ignore[return-value]

    @property
    def name(self) -> str | None:
        """What drawings and error messages call it."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        if self.node is not None:
            self.node.name = name

    def named(self, name: str) -> Tensor:
        """This Tensor itself, after giving it a name: `f = sigmoid(a).named("f")`."""
        self.name = name
        return self

    @property
    def last_write(self) -> int:
        """The tick at which the memory behind it was last changed in place through a Tensor; 0 is never."""
        shared = self._memory if self.view_of is None else self.view_of._memory
        return self.written if shared is None else max(self.written, shared.written)

    @property
    def memory(self) -> Memory:
        """What is shared by all Tensors on this one's memory."""
        if self.view_of is not None:
            return self.view_of.memory
        if self._memory is None:
            self._memory = Memory(self.node)
        return self._memory

    def mark_written(self) -> None:
        """Say that the data was changed in place, so that no backward walk uses the new values for the old."""
        if (tape := MODE.get().tape) is not None:
            tape.refuse("a Tensor is changed in place")
        self.memory.written = Tensor.last_write_of_all = graph.tick()
        node = self.memory.node() if self.memory.node is not None else None
        if node is not None:
            node.out = None

    def __repr__(self) -> str:
        body = np.array2string(self.numpy(), separator=", ", prefix="tensor(", threshold=100)
        dtype = "" if self.dtype in (np.float32, np.int64, np.bool_) else f", dtype={self.dtype}"
        made = f", node={self.node.op.name}" if self.node else ", requires_grad=True" if self.requires_grad else ""
        name = f", name={self.name!r}" if self.name else ""
        return f"tensor({body}{dtype}{made}{name})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.ndim == 0 else format(str(self), spec)

    # Out of the graph, and to other libraries

    def _read(self) -> Array:
        """The data, for the host to read: if something went wrong on the device meanwhile, it comes up now."""
        if (tape := MODE.get().tape) is not None:
            tape.refuse("a number is read from a Tensor")
        raise_noticed()
        return self.data

    def numpy(self) -> np.ndarray:
        """The values as a read-only NumPy array; without a copy where they are in NumPy already."""
        view = self.backend.to_numpy(self._read()).view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The value of a one-element Tensor as a Python number."""
        return self._read().item()

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self._read().tolist()

    def detach(self) -> Tensor:
        """The same data (shared), with nothing behind it: gradients stop here."""
        cut = Tensor(self.data, name=self.name)
        cut._memory = self.memory
        return cut

    def twin(self) -> Tensor:
        """A copy in memory of its own that stands at the same place in the graph; of a leaf, next to it."""
        if self.requires_grad and self.node is None:
            return ops.copy(self)
        twin = Tensor(self.backend.copy(self.data), self.requires_grad, self.name)
        twin.node = self.node
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A leaf of its own with a copy of the data and of the gradient; of what was computed, use `detach()` first."""
        if self.node is not None:
            raise NoGradientError("only leaves can be deep-copied, and this Tensor was computed: copy its detach()")
        twin = memo[id(self)] = type(self)(self.backend.copy(self.data), self.requires_grad, self.name)
        twin.grad = copy.deepcopy(self.grad, memo)
        return twin

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy) if dtype is not None or copy else self.numpy()

    def __dlpack__(self, **options: Any) -> Any:
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        operation = ops.OPERATIONS.get(ufunc.__name__)
        if method != "__call__" or operation is None or options:
            told = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            told += f"(…, {'=…, '.join(options)}=…)" if options else ""
            raise OperandError(f"np.{told} does not know Tensors: use an operation of minigrad, or t.numpy()")
        return operation(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function.__name__ in WITHOUT_GRADIENT:
            return function(*(arg.numpy() if isinstance(arg, Tensor) else arg for arg in args), **options)
        if function.__module__ == "numpy.linalg":
            from . import linalg

            operation = vars(linalg).get(function.__name__)
        else:
            operation = ops.OPERATIONS.get(function.__name__)
        if operation is None:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np")
            raise OperandError(f"{name} does not know Tensors: use an operation of minigrad, or t.numpy()")
        return operation(*args, **options)

    # The graph

    def backward(self, grad: Any = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Walk back from this Tensor and add to the `.grad` of every leaf that requires a gradient.

        `grad` is the gradient to start from, of this Tensor's shape; a single number starts from 1. What the graph
        saved is freed on the way unless `retain_graph`. With `create_graph` the gradients can be differentiated again.
        Raises NonScalarError, NoGradientError, GraphFreedError, InplaceError; each says what to do.
        """
        graph.backward(self, grad, retain_graph, create_graph)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Hook:
        """Call `hook(gradient)` whenever a backward walk has the whole gradient of this Tensor.

        What it returns, if not None, takes the gradient's place on the way back. The result's `remove()` takes the
        hook away. Raises NoGradientError for a Tensor that requires no gradient.
        """
        if not callable(hook):
            raise OperandError(f"a hook is a function of the gradient, not {type(hook).__name__}")
        if not self.requires_grad:
            raise NoGradientError("no gradient ever comes to a Tensor that requires none: set requires_grad=True")
        holder = self.node or self
        if holder.hooks is None:
            holder.hooks = []
        return Hook(hook, holder.hooks)

    def to(self, backend: str) -> Tensor:
        """This Tensor on another backend, "numpy" or "cupy"; itself if it is there.

        Of a leaf that is a new leaf; through any other Tensor gradients come back across.
        """
        moved = self if self.backend.name == backend else ops.to(self, backend)
        if moved is not self and self.node is None:
            moved = Tensor(moved.data, self.requires_grad, self.name)
        return moved

    def astype(self, dtype: Any) -> Tensor:
        """This Tensor in another dtype; its gradient comes back in this one."""
        return ops.astype(self, dtype=dtype)

    # Operators and methods: most are the operations themselves, bound at the end of this file

    if TYPE_CHECKING:
        _operation: Any = None
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operation
        __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = _operation
        __mod__ = __floordiv__ = __and__ = __or__ = __xor__ = __neg__ = _operation
        __invert__ = __lt__ = __le__ = __gt__ = __ge__ = _operation

        def __getattr__(self, name: str) -> Any: ...

    def __eq__(self, other: Any) -> Any:
        return ops.equal(self, other) if _comparable(other) else NotImplemented

    def __ne__(self, other: Any) -> Any:
        return ops.not_equal(self, other) if _comparable(other) else NotImplemented

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Assign to a part. Gradients follow: what was overwritten gets none, `value` gets its own.

        Where gradients are recorded this Tensor moves to an array of its own; views taken before keep the old values.
        Raises InplaceError for a leaf that requires a gradient, and for a view, where gradients are recorded.
        """
        if (tape := MODE.get().tape) is not None:
            tape.refuse("a Tensor is changed in place")
        tracked = self.requires_grad or (isinstance(value, Tensor) and value.requires_grad)
        if not (tracked and MODE.get().recording):
            ops.indexing.assign(self, value, index)
            self.mark_written()
            return
        if self.requires_grad and self.node is None:
            raise InplaceError(
                "assignment into a leaf that requires a gradient: assign inside no_grad(), or to a copy (x * 1)"
            )
        if self.view_of is not None:
            raise InplaceError(
                "assignment into a view of another Tensor: assign to that Tensor itself, or to a copy (x * 1)"
            )
        before = Tensor(self.data, self.requires_grad, self.name)
        before.node = self.node
        after = ops.setitem(before, value, index)
        self.data, self.node, self.requires_grad = after.data, after.node, True
        self._memory = None
        self.written = Tensor.last_write_of_all = graph.tick()  # whoever saved this Tensor meant the old values

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(ops.unstack(self))

    def __bool__(self) -> bool:
        return bool(self._read())

    def __float__(self) -> float:
        return float(self._read())

    def __int__(self) -> int:
        return int(self._read())

    def __index__(self) -> int:
        return self.numpy().__index__()

    @property
    def T(self) -> Tensor:  # noqa: N802
        """All axes reversed."""
        return ops.transpose(self)

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The last two axes exchanged."""
        return ops.swapaxes(self, -1, -2)

    def flatten(self) -> Tensor:
        """All numbers along one axis, row by row."""
        return ops.ravel(self)

    def reshape(self, *shape: Any) -> Tensor:
        """The same numbers in another shape: `t.reshape(2, -1)` or `t.reshape((2, -1))`; as `mg.reshape`."""
        return ops.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, `t.transpose(1, 0, 2)`; reversed if none are given."""
        return ops.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, name: str | None = None) -> Tensor:
    """A new leaf Tensor, called `name`, with a copy of `data` (an array, a Tensor, or nested lists of numbers).

    Gradients stop here (`stack` makes one of several Tensors and lets them through). Made where `use_backend` says, of
    NumPy's arrays too; Tensors, and arrays of a device, stay where they are. Python floats become float32; arrays
    keep their dtype; `dtype` overrides both. Raises MinigradError for what is no rectangular array of numbers, and for
    `requires_grad` on a dtype without gradients.
    """
    backend = backend_of(data.data if isinstance(data, Tensor) else data)
    if backend is None or backend.name == "scalar" or (backend.name == "numpy" and not isinstance(data, Tensor)):
        backend = current_backend()
    if isinstance(data, Tensor):
        data = data.data
    try:
        array = backend.asarray(data, dtype)
    except (ValueError, TypeError) as error:
        raise MinigradError(
            f"no array can be made of this {type(data).__name__}: {error}: give numbers, in rows of one length"
        ) from error
    if array is data or getattr(array, "base", None) is not None:
        array = backend.copy(array)
    if array.dtype.kind not in "fiubc":
        held = f"a {type(data).__name__}" if array.dtype == object else array.dtype
        raise MinigradError(f"a Tensor holds numbers, not {held}: convert the data first")
    return Tensor(array, requires_grad, name)


def on_host(values: Any) -> np.ndarray:
    """The values of a Tensor, of an array of any library, or of nested lists of numbers, as a NumPy array."""
    if isinstance(values, Tensor):
        return values.numpy()
    record = backend_of(values)
    return np.asarray(values) if record is None else record.to_numpy(values)


def _comparable(other: Any) -> bool:
    return backend_of(other.data if isinstance(other, Tensor) else other) is not None or isinstance(other, list)


from . import ops  # noqa: E402  (operations make Tensors, and Tensors have operations for methods)


def _reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: operation(other, self)


# Python's name -> NumPy's; those with a reflected form, then the others.
_BINARY = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "matmul": "matmul"}
_BINARY |= {"mod": "mod", "floordiv": "floor_divide", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
_OTHER = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "invert"}
_OTHER |= {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
_METHODS = """all any argmax argmin argsort clip copy cumprod cumsum diagonal dot max mean min prod ravel repeat round
    squeeze std sum swapaxes take trace var
    exp log sqrt tanh sigmoid relu softmax"""

for _python, _numpy in (_BINARY | _OTHER).items():
    setattr(Tensor, f"__{_python}__", ops.OPERATIONS[_numpy])
for _python, _numpy in _BINARY.items():
    setattr(Tensor, f"__r{_python}__", _reflected(ops.OPERATIONS[_numpy]))
for _name in _METHODS.split():
    setattr(Tensor, _name, ops.OPERATIONS[_name])
