"""Saved states: safetensors files, which hold arrays and text and never code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .backend import current_backend
from .errors import CheckpointError
from .tensor import Tensor, on_host

Path = str | os.PathLike[str]


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[str]:
    """A temporary file beside `path` to write to, by name; it takes `path`'s place, whole, if the block ends well."""
    import tempfile

    folder, name = os.path.split(os.fspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder or ".", prefix=f".{name}.", suffix=os.path.splitext(name)[1])
    os.close(handle)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp's own mode is for secrets
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def save(path: Path, state: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write `state` (Tensors or arrays by name) and `metadata` (text by name) to a safetensors file.

    The file appears whole or not at all. Arrays on another backend are copied to the host and stay where they are.
    """
    from safetensors.numpy import save as to_bytes

    arrays = {name: np.asarray(on_host(value), order="C") for name, value in state.items()}
    data = _with_sorted_header(to_bytes(arrays, dict(metadata or {})))
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.write(data)


def _with_sorted_header(data: bytes) -> bytes:
    """The same file with its header's keys in order: the library writes metadata in another order every time."""
    import json

    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the arrays behind it stay aligned
    return len(header).to_bytes(8, "little") + header + data[end:]


def load(path: Path) -> dict[str, Tensor]:
    """The Tensors of a safetensors file, by name, made where `use_backend` says.

    Raises CheckpointError if there is no such file or it is damaged. Loading runs no code from the file.
    """
    return load_with_metadata(path)[0]


def load_with_metadata(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """As `load`, and the text that was saved with it."""
    from safetensors import SafetensorError, safe_open

    backend = current_backend()
    try:
        with safe_open(str(path), framework="np") as file:
            metadata = dict(file.metadata() or {})
            state = {name: Tensor(backend.asarray(file.get_tensor(name)), name=name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}: check the name") from None
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is no whole safetensors file ({error}): save it again, or use a copy") from error
    return state, metadata
