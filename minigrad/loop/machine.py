"""From LLVM's language to functions that can be called: compiled for this processor, and kept on disk."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

KEPT_FILES = 512


@functools.cache
def available() -> bool:
    """Is llvmlite installed (the extra `jit`), on a system whose C library code can be linked to?"""
    if not sys.platform.startswith(("linux", "darwin")):
        return False
    try:
        import llvmlite.binding
    except ImportError:
        return False
    return llvmlite.binding is not None


@functools.cache
def _target() -> tuple[Any, Any, str]:
    """LLVM's binding, the machine that it makes code for, and words that tell this processor and LLVM from others."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=3)
    return llvm, machine, f"{llvm.llvm_version_info} {machine.triple} {cpu} {features}"


@functools.cache
def vector_bytes() -> int:
    """How wide this processor's vectors are."""
    features = _target()[0].get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx2") else 16


@functools.cache
def registers() -> int:
    """How many vectors it holds at once."""
    return 32 if vector_bytes() == 64 or _target()[1].triple.startswith(("aarch64", "arm64")) else 16


class Library:
    """The functions of one module; its code lives as long as this, or one of them, does."""

    def __init__(self, text: str):
        llvm, machine, told = _target()
        name = hashlib.sha256(f"{told}\n{text}".encode()).hexdigest()
        code = _read(name)
        if code is None:
            code = _compile(llvm, machine, text)
            _write(name, code)
        empty = llvm.parse_assembly("")
        empty.triple = machine.triple
        self._engine = llvm.create_mcjit_compiler(empty, _new_machine(llvm))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def function(self, name: str, *types: Any) -> Any:
        """A function of no result that takes these ctypes; Python's other threads run while it does."""
        found = ctypes.CFUNCTYPE(None, *types)(self._engine.get_function_address(name))
        found.library = self  # type: ignore[attr-defined]  # whose code it runs
        return found


def _new_machine(llvm: Any) -> Any:
    return llvm.Target.from_default_triple().create_target_machine(opt=3)


def _compile(llvm: Any, machine: Any, text: str) -> bytes:
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False  # it is written in vectors
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


# The cache


def _folder() -> Path:
    given = os.environ.get("MINIGRAD_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minigrad" / "kernels"


def _read(name: str) -> bytes | None:
    """The code that was kept under `name`; None if there is none, or it was damaged."""
    try:
        kept = (_folder() / name).read_bytes()
    except OSError:
        return None
    digest, code = kept[:32], kept[32:]
    if hashlib.sha256(code).digest() != digest:
        return None
    with contextlib.suppress(OSError):
        os.utime(_folder() / name)  # the least recently used files go first
    return code


def _write(name: str, code: bytes) -> None:
    """Keep `code`, whole or not at all; where that cannot be, it is compiled again next time."""
    folder = _folder()
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix="new-", delete=False) as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(file.name, folder / name)
        _forget_oldest(folder.iterdir())


def _forget_oldest(files: Iterable[Path]) -> None:
    by_age = sorted(files, key=lambda file: file.stat().st_mtime)
    for file in by_age[:-KEPT_FILES]:
        file.unlink(missing_ok=True)
