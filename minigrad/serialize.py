"""Saved states: safetensors files, which hold arrays and text and never code.

What is read may come from anywhere. A file is checked against the format's specification before memory is taken for its
arrays, which are then read one by one; it is not mapped, so that one which is cut meanwhile is refused too. A load
takes at most three times the file's bytes (that for BF16), and some 30 times those of its header, of up to 16 MiB.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import reprlib
import stat
import sys
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from .backend import current_backend
from .errors import CheckpointError
from .tensor import Tensor, on_host

Path = str | os.PathLike[str]

HEADER_LIMIT = 1 << 24  # bytes, for names, shapes and metadata: a hundred times what 1,000 tensors need

# The format's name of a dtype, and NumPy's.
DTYPES = {
    "BOOL": "bool", "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64", "C64": "complex64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
}  # fmt: skip
# As what the bytes are read, where it is not that.
READ_AS = {"BOOL": "uint8", "BF16": "uint16"}


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[str]:
    """A temporary file beside `path` to write to, by name; it takes `path`'s place, whole, if the block ends well.

    It is on the disk before it does, and its name before this returns. If the block fails, on a full disk say, it is
    removed; a process that is killed leaves it behind (`remove_leftovers`), and the file at `path` as it was. Where
    `path` is a symbolic link the file takes the link's place, and what it led to stays.
    """
    import tempfile

    folder, name = os.path.split(os.fspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder or ".", prefix=f".{name}.", suffix=os.path.splitext(name)[1])
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "r+b") as written:  # Windows flushes only what is open for writing
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's own mode is for secrets
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):  # the file is there; some file systems cannot flush a folder
            _flush_folder(folder or ".")


def _flush_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed processes left of writing `path`.

    Those of a process that is writing now go too: call it where no other writes, as with a lock on the folder.
    """
    folder, name = os.path.split(os.fspath(path))
    temporary = re.compile(rf"\.{re.escape(name)}\.[a-z0-9_]{{8}}{re.escape(os.path.splitext(name)[1])}")
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            if temporary.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)


def save(path: Path, state: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write `state` (Tensors or arrays by name) and `metadata` (text by name) to a safetensors file.

    The file appears whole or not at all (`atomic_write`). Arrays on another backend are copied to the host and stay
    where they are. Raises CheckpointError for what the format cannot hold, and OSError if it cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    arrays = {name: np.asarray(on_host(value), order="C") for name, value in state.items()}
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES.values():
            raise CheckpointError(
                f"{_cut(name)} has dtype {array.dtype}, which a safetensors file cannot hold: save it as one of "
                f"{', '.join(DTYPES.values())}, or text as metadata"
            )
    if "__metadata__" in arrays:
        raise CheckpointError("a safetensors file keeps its text by the name '__metadata__': give the array another")
    # None where there is no text: of no arrays and no text the library makes a header that is no JSON
    data = _with_sorted_header(to_bytes(arrays, dict(metadata) if metadata else None))
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


def _with_sorted_header(data: bytes) -> bytes:
    """The same file with its header's keys in order: the library writes metadata in another order every time."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the arrays behind it stay aligned
    if len(header) > HEADER_LIMIT:
        raise CheckpointError(f"names and metadata of {len(header)} bytes are more than {HEADER_LIMIT}: save fewer")
    return len(header).to_bytes(8, "little") + header + data[end:]


def load(path: Path) -> dict[str, Tensor]:
    """The Tensors of a safetensors file, by name, made where `use_backend` says. BF16 comes as float32.

    Raises CheckpointError if there is no such file or it is damaged. Loading runs no code from the file.
    """
    return load_with_metadata(path)[0]


def load_with_metadata(path: Path, finite: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As `load`, and the text that was saved with it; with `finite`, NaNs and infinities raise CheckpointError too."""
    backend = current_backend()
    state: dict[str, Tensor] = {}
    try:
        with open(os.fspath(path), "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError("a pipe or a device")
            entries, metadata, start = _read_header(file, path, status.st_size)
            for name, entry in entries.items():
                file.seek(start + entry["data_offsets"][0])
                array = _read_array(file, name, entry)
                if finite and array.dtype.kind in "fc" and not np.isfinite(array).all():
                    raise CheckpointError(
                        f"{_cut(name)} in {path} holds a NaN or an infinity: use a copy from before it came up"
                    )
                state[name] = Tensor(backend.asarray(array), name=name)
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}: check the name") from None
    except OSError as error:
        what = error.strerror or error
        raise CheckpointError(f"{path} cannot be read ({what}): name a safetensors file that you may read") from error
    except MemoryError as error:
        raise CheckpointError(f"there is not the memory to load {path}: free some, or load a smaller file") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is no whole safetensors file ({error}): save it again, or use a copy") from error
    return state, metadata


def _cut(value: object) -> str:
    """How a message shows what stands in a file, which may be long."""
    shorten = reprlib.Repr()
    shorten.maxstring, shorten.maxlist = 100, 8
    return shorten.repr(value)


def _open_at_once(path: str, flags: int) -> int:
    """An opener that does not wait for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_header(file: BinaryIO, path: Path, size: int) -> tuple[dict[str, dict[str, Any]], dict[str, str], int]:
    """Of a file of `size` bytes: each tensor's checked entry by name, the metadata, and where the data start.

    Raises ValueError for what is against the specification (https://github.com/huggingface/safetensors#format), and
    CheckpointError for a dtype that NumPy has not.
    """
    length = int.from_bytes(file.read(8), "little")
    start = 8 + length
    if start > size:
        raise ValueError(f"it has {size} bytes, and should have {start} and more")
    if length > HEADER_LIMIT:
        raise ValueError(f"its header has {length} bytes, and may have {HEADER_LIMIT}")
    data = file.read(length)
    if not data.startswith(b"{"):
        raise ValueError("its header is no JSON object")
    try:
        text = data.decode()
        _check_depth(text)
        header = json.loads(text, object_pairs_hook=_once_each)
    except (json.JSONDecodeError, UnicodeError) as error:
        raise ValueError(f"its header is no JSON: {error}") from error
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are not text by name")
    for name in [*header, *metadata, *metadata.values()]:
        if not _is_text(name):
            raise ValueError(f"{_cut(name)} in its header has half a character")
    for name, entry in header.items():
        _check_entry(path, name, entry)
    _check_places({name: entry["data_offsets"] for name, entry in header.items()}, size - start)
    return header, metadata, start


def _check_depth(text: str) -> None:
    """ValueError if JSON is deeper than a header, of lists in objects in one: it would take memory, and stack."""
    outside = re.sub('"[^"]*"', "", text.replace(r"\\", "").replace(r"\"", ""))  # of quotation marks
    for _ in range(3):
        outside = re.sub(r"[\[{][^][{}]*[]}]", "", outside)
    if re.search(r"[][{}]", outside):
        raise ValueError("the brackets in its header do not match, or are more than three deep")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError if a name is in it twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{_cut(twice)} is in its header twice")
    return found


def _is_text(text: str) -> bool:
    """Is it made of whole characters? JSON can spell the halves of which UTF-16 makes one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_entry(path: Path, name: str, entry: Any) -> None:
    """ValueError if a tensor's entry is not of the right form, or its shape does not take as many bytes as it has."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{_cut(name)} is not described by dtype, shape and data_offsets alone")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise CheckpointError(
            f"{_cut(name)} in {path} has dtype {_cut(dtype)}, which NumPy has not: save it as F32, or another of "
            f"{', '.join(DTYPES)}"
        )
    if not _are_counts(shape) or len(shape) > 64:  # as many axes as NumPy has
        raise ValueError(f"{_cut(name)} has shape {_cut(shape)}")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise ValueError(f"{_cut(name)} has data_offsets {_cut(offsets)}")
    itemsize = np.dtype(READ_AS.get(dtype, DTYPES[dtype])).itemsize
    is_whole = math.prod(shape) * itemsize == offsets[1] - offsets[0]
    if not is_whole or math.prod(filter(None, shape)) * itemsize > sys.maxsize:  # NumPy bounds empty arrays by this
        raise ValueError(f"{_cut(name)} has shape {_cut(shape)} of {dtype}, and data_offsets {offsets}")


def _are_counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n <= sys.maxsize for n in numbers)


def _check_places(places: Mapping[str, list[int]], size: int) -> None:
    """ValueError if tensors do not lie one behind the other in all of the `size` bytes of data."""
    due = 0
    for (start, end), name in sorted((place, name) for name, place in places.items()):
        if start != due:
            how = "overlaps what is before it" if start < due else "leaves a hole before it"
            raise ValueError(f"{_cut(name)} {how}: it starts at byte {start} of the data, and {due} is due")
        if end > size:
            raise ValueError(f"it ends within {_cut(name)}: {size} bytes of data are there, and {end} are due")
        due = end
    if due < size:
        raise ValueError(f"{size - due} bytes follow its last tensor")


def _read_array(file: BinaryIO, name: str, entry: dict[str, Any]) -> np.ndarray:
    """The array that lies where the file stands."""
    kind = entry["dtype"]
    array = np.empty(entry["shape"], np.dtype(READ_AS.get(kind, DTYPES[kind])).newbyteorder("<"))
    if file.readinto(array.reshape(-1).view(np.uint8)) < array.nbytes:  # type: ignore[attr-defined]
        raise ValueError(f"it ends within {_cut(name)}")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if kind == "BF16":  # the upper half of a float32
        wide = array.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if kind == "BOOL":
        if array.size and array.max() > 1:
            raise ValueError(f"{_cut(name)} is BOOL and holds bytes other than 0 and 1")
        return array.view(bool)
    return array
