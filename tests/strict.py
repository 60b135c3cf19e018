"""`strict`, an array library over NumPy that behaves as CuPy does.

It refuses to be converted without being asked, and to meet NumPy's arrays in one operation. Reductions give arrays of
no axis. An index array that is out of range counts on from the other end, and of several assignments to one place the
first lasts, where NumPy has the last. Whatever makes the host wait for a device counts in `Waits`. `pair` is the same
library with two devices, which computes on the current one with nothing but what is there.
"""

from __future__ import annotations

import types
from typing import ClassVar

import numpy as np

from minigrad.backend import Backend
from minigrad.cuda import OnDevice


class Waits:
    """How often the host has asked for a number."""

    count = 0


class Device:
    """One of two devices: `with Device(1):` makes it the current one."""

    current: ClassVar[list[int]] = [0]

    def __init__(self, number):
        self.id = number

    def __enter__(self):
        self.current.append(self.id)

    def __exit__(self, *exc_info):
        self.current.pop()


class StrictArray:
    """An array that mixes with its own kind and with numbers only."""

    __array_ufunc__ = None

    def __init__(self, array, base=None):
        self._array, self.base = np.asarray(array), base
        self.device = Device(Device.current[-1])

    def __array__(self, *args, **options):
        raise TypeError("implicit conversion of a strict array to NumPy")

    shape = property(lambda self: self._array.shape)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    dtype = property(lambda self: self._array.dtype)
    nbytes = property(lambda self: self._array.nbytes)
    flags = property(lambda self: self._array.flags)
    __cuda_array_interface__ = property(lambda self: self._array.__array_interface__)

    def get(self):
        """The values, on the host."""
        Waits.count += 1
        return self._array.copy()

    def __getitem__(self, index):
        return wrap(bare(self)[round_index(bare(index), self.shape)], self)

    def __setitem__(self, index, value):
        index, value = round_index(bare(index), self.shape), bare(value)
        if any(isinstance(part, np.ndarray) for part in (index if isinstance(index, tuple) else (index,))):
            places = np.arange(self.size).reshape(self.shape)[index]
            values = np.broadcast_to(value, places.shape)
            for place, number in zip(places.ravel()[::-1], values.ravel()[::-1]):
                bare(self)[np.unravel_index(place, self.shape)] = number
        else:
            bare(self)[index] = value

    def __len__(self):
        return len(self._array)


def memory_of(tensor):
    """The NumPy array in which a Tensor's numbers lie, on either backend."""
    return getattr(tensor.data, "_array", tensor.data)


def round_index(index, shape):
    """The index as a GPU reads it: places past the end go on from the start. To look for those of a mask takes time."""
    parts, axis = list(index if isinstance(index, tuple) else (index,)), 0
    for place, part in enumerate(parts):
        if part is None:
            continue
        if part is Ellipsis:
            axis = len(shape) - sum(p.ndim if is_mask(p) else p is not None for p in parts[place + 1 :])
            continue
        if is_mask(part):
            Waits.count += 1
        elif isinstance(part, np.ndarray) and axis < len(shape):
            parts[place] = part % max(shape[axis], 1)
        axis += part.ndim if is_mask(part) else 1
    return tuple(parts) if isinstance(index, tuple) else parts[0]


def is_mask(part):
    return isinstance(part, np.ndarray) and part.dtype == bool


def bare(value):
    """The NumPy arrays in `value`; TypeError where one came in from outside, ValueError for one on another device."""
    if isinstance(value, StrictArray):
        if value.device.id != Device.current[-1]:
            raise ValueError(f"the array is on device {value.device.id}, and the current one is {Device.current[-1]}")
        return value._array
    if isinstance(value, np.ndarray):
        raise TypeError("a NumPy array among strict arrays")
    return type(value)(map(bare, value)) if isinstance(value, (tuple, list)) else value


def wrap(result, source=None):
    """Strict arrays for NumPy's; of no axis too, where NumPy gives a scalar."""
    if isinstance(result, (tuple, list)):
        return (list if isinstance(result, list) else tuple)(wrap(part, source) for part in result)
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    is_view = isinstance(source, StrictArray) and np.may_share_memory(result, source._array)
    return StrictArray(result, (source if source.base is None else source.base) if is_view else None)


def strictly(function, waits=False):
    def call(*args, **options):
        Waits.count += waits
        return wrap(
            function(*map(bare, args), **{key: bare(value) for key, value in options.items()}),
            args[0] if args else None,
        )

    return call


def politely(operator, ufunc):
    """CuPy's operators leave what they do not know to its `__array_ufunc__`."""

    def call(self, other):
        theirs = getattr(type(other), "__array_ufunc__", None)
        if theirs is None or isinstance(other, (np.ndarray, np.generic)):
            return operator(self, other)
        return theirs(other, getattr(np, ufunc), "__call__", self, other)

    return call


def on_host(method):
    """What the host reads may lie on any device."""

    def call(self):
        return method(self.get())

    return call


OPERATORS = """add sub mul truediv floordiv mod pow matmul neg pos abs invert and or xor eq ne lt le gt ge radd rsub
    rmul rtruediv rfloordiv rmod rpow rmatmul rand ror rxor iadd isub imul itruediv ior"""
METHODS = "reshape transpose swapaxes sum mean max min argmax argsort astype copy squeeze prod var std all any"
WAITING_METHODS = "item tolist __bool__ __float__ __int__"
FUNCTIONS = """exp expm1 log log1p sqrt tanh sign abs maximum minimum power divide where clip logaddexp isfinite equal
    not_equal less less_equal greater greater_equal concatenate stack broadcast_to flip take_along_axis arange zeros
    ones full empty multiply subtract negative reciprocal matmul ascontiguousarray result_type array cross einsum
    searchsorted eye tri tril triu zeros_like linspace logspace
    all any argmax argmin argsort cumprod cumsum diag diagonal pad prod roll sum
    arccos arccosh arcsin arcsinh arctan arctan2 arctanh around bitwise_and bitwise_or bitwise_xor cbrt ceil copysign
    cos cosh deg2rad exp2 fabs floor floor_divide fmax fmin fmod heaviside hypot invert isinf isnan log10 log2
    logaddexp2 logical_and logical_not logical_or logical_xor nan_to_num positive rad2deg reciprocal remainder rint
    signbit sin sinc sinh square tan trunc"""
WAITING_FUNCTIONS = "argwhere flatnonzero nonzero unique"
LINALG = "cholesky det eigh inv pinv qr slogdet solve svd"
UFUNCS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "matmul": "matmul", "gt": "greater"}
for name in OPERATORS.split():
    operator = strictly(getattr(np.ndarray, f"__{name}__"))
    setattr(StrictArray, f"__{name}__", politely(operator, UFUNCS[name]) if name in UFUNCS else operator)
for name in METHODS.split():
    setattr(StrictArray, name, strictly(getattr(np.ndarray, name)))
for name in WAITING_METHODS.split():
    setattr(StrictArray, name, on_host(getattr(np.ndarray, name)))


def asarray(data, dtype=None):
    return StrictArray(np.array(bare(data) if isinstance(data, StrictArray) else data, dtype))


class Generator:
    """NumPy's generator, whose numbers are strict arrays."""

    def __init__(self, seed):
        self._generator = np.random.default_rng(seed)
        self.bit_generator = self._generator.bit_generator
        self.random, self.standard_normal = map(strictly, (self._generator.random, self._generator.standard_normal))


class AddAt:
    """A ufunc, and its `at`."""

    def __init__(self, ufunc):
        self.at = strictly(ufunc.at)
        self._call = strictly(ufunc)

    def __call__(self, *args, **options):
        return self._call(*args, **options)


library = types.SimpleNamespace(asarray=asarray, ndarray=StrictArray)
for name in FUNCTIONS.split():
    setattr(library, name, strictly(getattr(np, name)))
for name in WAITING_FUNCTIONS.split():
    setattr(library, name, strictly(getattr(np, name), waits=True))
library.add, library.maximum = AddAt(np.add), AddAt(np.maximum)
library.lib = types.SimpleNamespace(
    stride_tricks=types.SimpleNamespace(sliding_window_view=strictly(np.lib.stride_tricks.sliding_window_view))
)
library.linalg = types.SimpleNamespace(**{name: strictly(getattr(np.linalg, name)) for name in LINALG.split()})


def record(name, **differs):
    return Backend(
        name, **{"xp": library, **differs}, array_type=StrictArray, to_numpy=StrictArray.get, default_rng=Generator,
        in_order=False,
    )  # fmt: skip


STRICT = record("strict")
PAIR = record(
    "pair",
    devices=tuple(
        record(name, xp=OnDevice(library, Device(i)), here=Device(i)) for i, name in enumerate(("pair", "pair:1"))
    ),
)
