"""Saved states: whole or not at all, and nothing damaged comes in."""

import json
import os
import pathlib
import signal
import stat
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import safetensors.numpy

import minigrad as mg
from minigrad import serialize
from minigrad.errors import CheckpointError
from minigrad.serialize import HEADER_LIMIT, atomic_write, load_with_metadata, remove_leftovers

rng = np.random.default_rng(0)

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64"


def packed(header, data=b""):
    """A file of this header (what JSON can say, or its bytes) and these data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_round_trip(tmp_path):
    state = {
        "a": mg.tensor(rng.normal(size=(3, 4))),
        "transposed": rng.normal(size=(3, 4)).astype("float32").T,
        "numbers": np.arange(5),
        "one": mg.tensor(2.5),
    }
    mg.save(tmp_path / "x.safetensors", state, {"note": "ünï"})
    loaded, metadata = load_with_metadata(tmp_path / "x.safetensors")
    assert metadata == {"note": "ünï"}
    assert loaded.keys() == state.keys() == mg.load(tmp_path / "x.safetensors").keys()
    for name, value in state.items():
        assert loaded[name].dtype == value.dtype
        np.testing.assert_array_equal(loaded[name].numpy(), np.asarray(value))
        loaded[name].data[...] = 0  # its own memory, and writable


def test_brackets_in_names_and_text(tmp_path):
    odd = ["[[[[{{{{", '"', "\\", '\\"[', '"]]', '\\\\"{', "\n\0", "[" * 10_000]
    mg.save(tmp_path / "x", {name: np.ones(1) for name in odd}, {name: name for name in odd})
    loaded, metadata = load_with_metadata(tmp_path / "x")
    assert loaded.keys() == metadata.keys() == set(odd)
    assert all(name == text for name, text in metadata.items())


@pytest.mark.parametrize("metadata", [None, {}, {"k": "v"}])
@pytest.mark.parametrize("state", [{}, {"a": np.ones(2)}])
def test_nothing_is_saved_and_loaded_too(tmp_path, state, metadata):
    mg.save(tmp_path / "x", state, metadata)
    loaded, text = load_with_metadata(tmp_path / "x")
    assert loaded.keys() == state.keys()
    assert text == (metadata or {})


def test_same_state_same_bytes(tmp_path):
    state = {"b": np.ones(3), "a": np.zeros(2)}
    for name in ("1", "2"):
        mg.save(tmp_path / name, state, {key: key for key in "zyxwvutsrq"})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.on_numpy
def test_the_formats_own_reader_agrees(tmp_path):
    """What it writes is read here, and the other way round: every dtype, no axes, and no numbers."""
    state = {name: (4 * rng.normal(size=(2, 3))).astype(name) for name in DTYPES.split() if name[0] != "u"}
    state |= {name: rng.integers(0, 200, (2, 3)).astype(name) for name in DTYPES.split() if name[0] == "u"}
    state |= {"none": np.zeros((0, 3), "float32"), "one": np.array(2.5), "big-endian": np.arange(3, dtype=">i4")}
    mg.save(tmp_path / "ours", state, {"note": "ünï"})
    safetensors.numpy.save_file(state, tmp_path / "theirs", {"note": "ünï"})
    ours, metadata = load_with_metadata(tmp_path / "theirs")
    assert metadata == {"note": "ünï"}
    theirs = safetensors.numpy.load_file(tmp_path / "ours")
    assert ours.keys() == theirs.keys() == state.keys()
    for name, value in state.items():
        for read in (ours[name].numpy(), theirs[name]):
            assert read.dtype == value.dtype.newbyteorder("=")
            np.testing.assert_array_equal(read, value)


def test_bf16_comes_as_float32(tmp_path):
    """A bfloat16 is the upper half of a float32: sign, 8 bits of exponent, 7 of mantissa."""
    bits = [0x3F80, 0xC020, 0x4049, 0x0001, 0x7F80, 0xFF80, 0x7FC0, 0x8000]
    values = [1.0, -2.5, 3.140625, 2.0**-133, np.inf, -np.inf, np.nan, -0.0]
    header = {"w": entry("BF16", (2, 4), (0, 16)), "one": entry("BF16", (), (16, 18))}
    header["none"] = entry("BF16", (0,), (0, 0))
    (tmp_path / "x").write_bytes(packed(header, np.array([*bits, 0x4000], "<u2").tobytes()))
    loaded = mg.load(tmp_path / "x")
    assert {value.dtype for value in loaded.values()} == {np.dtype("float32")}
    np.testing.assert_array_equal(loaded["w"].numpy(), np.reshape(values, (2, 4)))
    assert np.signbit(loaded["w"].numpy()[1, 3])
    assert loaded["one"].item() == 2
    assert loaded["none"].shape == (0,)


DAMAGED = {
    "empty": (b"", "it has 0 bytes, and should have 8 and more"),
    "seven bytes": (b"\x02" + 6 * b"\0", "it has 7 bytes"),
    "text": (b"This is no model at all, but a letter.", "it has 38 bytes, and should have 2338"),
    "a pickle": (b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x02os\x94.", "it has 17 bytes, and should have"),
    "the largest header length": (b"\xff" * 8 + b"{}", f"it has 10 bytes, and should have {2**64 + 7} and more"),
    "a large header": (packed(b"{" + b" " * HEADER_LIMIT + b"}"), "its header has 16777218 bytes, and may have 167"),
    "no header": (packed(b""), "its header is no JSON object"),
    "a list": (packed([]), "its header is no JSON object"),
    "no JSON": (packed(b"{'a': 1}"), "its header is no JSON: Expecting property name"),
    "two objects": (packed(b"{}{}"), "its header is no JSON: Extra data"),
    "no UTF-8": (packed(b'{"\xff":1}'), "its header is no JSON: 'utf-8' codec can't decode byte 0xff"),
    "half a character": (packed({"a\ud800": entry()}, bytes(8)), r"'a\\ud800' in its header has half a character"),
    "half a character in metadata": (packed({"__metadata__": {"k": "\ud800"}}), "in its header has half a character"),
    "deep objects": (packed(b'{"a":' * 100_000), "the brackets in its header do not match, or are more"),
    "deep lists": (packed(b'{"a":' + b"[" * 100_000), "the brackets in its header do not match, or are more"),
    "lists in lists": (
        packed(b'{"a":[' + b"[[0]]," * 9 + b"0]}"),
        "the brackets in its header do not match, or are more",
    ),
    "a bracket too few": (packed(b'{"a":[1}'), "the brackets in its header do not match"),
    "a bracket of the other kind": (packed(b'{"a":[1}}'), "its header is no JSON: Expecting ',' delimiter"),
    "a text that does not end": (packed(b'{"a[":"\\"}'), "its header is no JSON: Unterminated string"),
    "a long number": (packed(b'{"a":' + b"9" * 5000 + b"}"), "no whole safetensors file"),
    "metadata of numbers": (packed({"__metadata__": {"a": 1}}), "its metadata are not text by name"),
    "metadata in a list": (packed({"__metadata__": ["a"]}), "its metadata are not text by name"),
    "metadata null": (packed({"__metadata__": None}), "its metadata are not text by name"),
    "a tensor as metadata": (packed({"__metadata__": entry()}, bytes(8)), "its metadata are not text by name"),
    "a name twice": (packed(b'{"a":1,"b":1,"a":2}'), "'a' is in its header twice"),
    "an offset twice": (packed(b'{"a":{"shape":[2],"shape":[1]}}'), "'shape' is in its header twice"),
    "no entry": (packed({"a": None}), "'a' is not described by dtype, shape and data_offsets alone"),
    "an entry as a list": (packed({"a": ["F32", [2], [0, 8]]}), "'a' is not described by"),
    "an entry without a shape": (packed({"a": {"dtype": "F32", "data_offsets": [0, 8]}}), "'a' is not described by"),
    "an entry with more": (packed({"a": entry() | {"scale": 2}}, bytes(8)), "'a' is not described by"),
    "a long name": (packed({"a" * 100_000: None}), r"\('a{40,}\.\.\.a{40,}' is not described"),
    "an unknown dtype": (packed({"a": entry("Q7")}, bytes(8)), "^'a' in .* has dtype 'Q7', .* save it as F32, or"),
    "a dtype of 8 bits": (packed({"a": entry("F8_E4M3", (8,))}, bytes(8)), "^'a' in .* has dtype 'F8_E4M3'"),
    "a dtype of 4 bits": (packed({"a": entry("F4", (16,))}, bytes(8)), "^'a' in .* has dtype 'F4'"),
    "a dtype in small letters": (packed({"a": entry("f32")}, bytes(8)), "^'a' in .* has dtype 'f32'"),
    "a dtype in a list": (packed({"a": entry(["F32"])}, bytes(8)), "^'a' in .* has dtype \\['F32'\\]"),
    "another dtype": (packed({"a": entry("F64")}, bytes(8)), r"'a' has shape \[2\] of F64, and data_offsets \[0, 8\]"),
    "another shape": (packed({"a": entry(shape=(3,))}, bytes(8)), r"'a' has shape \[3\] of F32, and data_offsets"),
    "a fractional shape": (packed({"a": entry(shape=(2.0,))}, bytes(8)), r"'a' has shape \[2.0\]"),
    "a shape of bools": (packed({"a": entry(shape=(2, True))}, bytes(8)), r"'a' has shape \[2, True\]"),
    "a negative shape": (packed({"a": entry(shape=(-1, -2))}, bytes(8)), r"'a' has shape \[-1, -2\]"),
    "a shape as text": (packed({"a": entry() | {"shape": "2"}}, bytes(8)), "'a' has shape '2'"),
    "NaN for a shape": (packed({"a": entry(shape=(np.nan,))}, bytes(8)), r"'a' has shape \[nan\]"),
    "a shape past 64 bits": (packed({"a": entry(shape=(2**64, 0))}, bytes(8)), "'a' has shape"),
    "a product past 64 bits": (packed({"a": entry(shape=(2**32, 2**32))}, bytes(8)), "'a' has shape"),
    "an empty product past 64 bits": (packed({"a": entry(shape=(0, 2**40, 2**40), offsets=(0, 0))}), "'a' has shape"),
    "65 axes": (packed({"a": entry(shape=(1,) * 64 + (2,))}, bytes(8)), r"'a' has shape \[1, .*\.\.\.\]"),
    "100,000 axes": (packed({"a": entry(shape=(2**62,) * 100_000)}, bytes(8)), "'a' has shape"),
    "a tebibyte": (packed({"a": entry("U8", (2**40,), (0, 2**40))}, bytes(8)), "it ends within 'a': 8 bytes of data"),
    "negative offsets": (packed({"a": entry(offsets=(-8, 0))}, bytes(8)), r"'a' has data_offsets \[-8, 0\]"),
    "offsets the wrong way round": (packed({"a": entry(offsets=(8, 0))}, bytes(8)), r"'a' .* data_offsets \[8, 0\]"),
    "one offset": (packed({"a": entry(offsets=(8,))}, bytes(8)), r"'a' has data_offsets \[8\]"),
    "offsets past 64 bits": (packed({"a": entry(offsets=(2**64, 2**64 + 8))}, bytes(8)), "'a' has data_offsets"),
    "an overlap": (
        packed({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)),
        "'b' overlaps what is before it: it starts at byte 4 of the data, and 8 is due",
    ),
    "two in one place": (packed({"a": entry(), "b": entry()}, bytes(8)), "'b' overlaps what is before it"),
    "one inside another": (
        packed({"a": entry(), "b": entry(shape=(0,), offsets=(4, 4))}, bytes(8)),
        "'b' overlaps what is before it",
    ),
    "a hole": (
        packed({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20)),
        "'b' leaves a hole before it: it starts at byte 12 of the data, and 8 is due",
    ),
    "a hole at the start": (packed({"a": entry(offsets=(8, 16))}, bytes(16)), "'a' leaves a hole before it"),
    "cut in the last tensor": (
        packed({"b": entry(), "a": entry(offsets=(8, 16))}, bytes(15)),
        "it ends within 'a': 15 bytes of data are there, and 16 are due",
    ),
    "cut in the first tensor": (packed({"b": entry(), "a": entry(offsets=(8, 16))}, bytes(3)), "it ends within 'b'"),
    "cut in the header": (packed({"a": entry()}, bytes(8))[:20], "it has 20 bytes, and should have"),
    "trailing bytes": (packed({"a": entry()}, bytes(11)), "3 bytes follow its last tensor"),
    "bytes and no tensor": (packed({}, bytes(1)), "1 bytes follow its last tensor"),
    "bools of 2": (packed({"a": entry("BOOL", (3,), (0, 3))}, b"\0\1\2"), "'a' is BOOL and holds bytes other than 0"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused(tmp_path, name):
    data, told = DAMAGED[name]
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=told) as caught:
        mg.load(path)
    message = caught.value.message
    assert str(path) in message
    assert "save it" in message, "the remedy"
    assert len(message) < 600 + len(str(path))
    message.encode()


def test_every_cut_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    mg.save(path, {"a": rng.normal(size=10), "b": np.arange(3)}, {"k": "v"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"x\.safetensors"):
            mg.load(path)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no file .*none: check the name"):
        mg.load(tmp_path / "none")
    with pytest.raises(CheckpointError, match=r"cannot be read \(Is a directory\): name a safetensors file"):
        mg.load(tmp_path)
    with pytest.raises(CheckpointError, match="null byte"):
        mg.load("a\0b")
    with pytest.raises(TypeError, match="not int"):
        mg.load(0)  # not the standard input


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices in folders are POSIX's")
def test_pipes_devices_and_links_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(CheckpointError, match=r"cannot be read \(a pipe or a device\): name a safetensors file"):
            mg.load(path)
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(CheckpointError, match=r"a cannot be read \(Too many levels of symbolic links\)"):
        mg.load(tmp_path / "a")
    (tmp_path / "nowhere").symlink_to("none")
    with pytest.raises(CheckpointError, match="there is no file"):
        mg.load(tmp_path / "nowhere")
    mg.save(tmp_path / "x", {"a": np.ones(2)})
    (tmp_path / "link").symlink_to("x")
    assert mg.load(tmp_path / "link")["a"].tolist() == [1, 1]


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", path)

    mg.save(tmp_path / "x", {"a": np.ones(2)})
    monkeypatch.setattr(serialize, "_open_at_once", refuse)
    with pytest.raises(CheckpointError, match=r"x cannot be read \(Permission denied\): name .* that you may read"):
        mg.load(tmp_path / "x")


def test_a_file_that_is_cut_while_it_is_read(tmp_path, monkeypatch):
    mg.save(tmp_path / "x", {"a": np.ones(2), "b": np.ones(2)})
    size = (tmp_path / "x").stat().st_size
    os.truncate(tmp_path / "x", size - 1)
    before = types.SimpleNamespace(st_mode=stat.S_IFREG, st_size=size)
    monkeypatch.setattr(os, "fstat", lambda handle: before)
    with pytest.raises(CheckpointError, match="it ends within 'b'"):
        mg.load(tmp_path / "x")


def test_a_file_larger_than_the_memory(tmp_path, monkeypatch):
    """Files of so many bytes, which take no place on the disk."""
    text = json.dumps({"a": entry("U8", (2**60,), (0, 2**60))}).encode()
    (tmp_path / "x").write_bytes(packed(text))
    before = types.SimpleNamespace(st_mode=stat.S_IFREG, st_size=8 + len(text) + 2**60)
    monkeypatch.setattr(os, "fstat", lambda handle: before)
    with pytest.raises(CheckpointError, match=r"there is not the memory to load .*x: free some"):
        mg.load(tmp_path / "x")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_tensors_that_must_be_finite(tmp_path, value, dtype):
    path = tmp_path / "x"
    state = {name: np.ones((2, 3), dtype) for name in "abc"} | {"codes": np.arange(3), "mask": np.array([True])}
    mg.save(path, state, {"k": "v"})
    assert load_with_metadata(path, finite=True)[1] == {"k": "v"}
    state["b"][1, 2] = state["c"][0, 0] = value
    mg.save(path, state)
    assert mg.load(path).keys() == state.keys(), "NaN may be data"
    with pytest.raises(CheckpointError, match=r"'b' in .*x holds a NaN or an infinity: use a copy from before"):
        load_with_metadata(path, finite=True)


def test_bf16_that_must_be_finite(tmp_path):
    (tmp_path / "x").write_bytes(packed({"w": entry("BF16", (1,), (0, 2))}, b"\xc0\x7f"))
    with pytest.raises(CheckpointError, match=r"'w' in .* holds a NaN"):
        load_with_metadata(tmp_path / "x", finite=True)


@pytest.mark.on_numpy
def test_what_the_format_cannot_hold_is_not_saved(tmp_path):
    path = tmp_path / "x"
    for value in (np.array([None]), np.array("text"), np.ones(2, complex), np.ones(2, "M8[s]")):
        with pytest.raises(CheckpointError, match=r"'a' has dtype .*cannot hold: save it as one of bool, .*float32"):
            mg.save(path, {"a": value})
    with pytest.raises(CheckpointError, match="'__metadata__': give the array another"):
        mg.save(path, {"__metadata__": np.ones(2)})
    with pytest.raises(CheckpointError, match="more than 16777216: save fewer"):
        mg.save(path, {}, {"k": "v" * HEADER_LIMIT})
    assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def fail():
        with atomic_write(path) as temporary, open(temporary, "w") as file:
            file.write("half of the n")
            raise RuntimeError("full disk")

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == ["x.txt"]
    assert path.read_text() == "old"
    with atomic_write(path) as temporary, open(temporary, "w") as file:
        file.write("new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["x.txt"]


@pytest.mark.skipif(os.name != "posix", reason="modes and symbolic links are POSIX's")
def test_the_new_file_has_a_files_mode_and_takes_a_links_place(tmp_path):
    (tmp_path / "old").write_text("old")
    (tmp_path / "x").symlink_to("old")
    before = os.umask(0o027)
    try:
        mg.save(tmp_path / "x", {"a": np.ones(2)})
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.lstat(tmp_path / "x").st_mode) == 0o640
    assert not (tmp_path / "x").is_symlink()
    assert (tmp_path / "old").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["old", "x"]


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="folders cannot be flushed here")
def test_the_file_is_on_the_disk_before_it_has_its_name_and_then_the_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else os.fstat(handle).st_size)
        fsync(handle)

    def note_replace(old, new):
        done.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    monkeypatch.chdir(tmp_path)
    with atomic_write("x.txt") as temporary:
        pathlib.Path(temporary).write_text("12345")
    assert done == [5, "replace", "folder"]


def run_in_a_process(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(os.name != "posix", reason="limits of processes are POSIX's")
@pytest.mark.on_numpy
def test_a_full_disk(tmp_path):
    """The old file stays, and nothing else: here files may not grow beyond 10,000 bytes."""
    mg.save(tmp_path / "x", {"a": np.ones(2)})
    code = (
        "import resource, sys, numpy as np, minigrad as mg\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try:\n    mg.save(sys.argv[1], {'a': np.zeros(10_000)})\n"
        "except OSError as error:\n    print('refused', error.errno)"
    )
    run = run_in_a_process(code, tmp_path / "x")
    assert run.stdout.startswith("refused"), run.stderr
    assert os.listdir(tmp_path) == ["x"]
    assert mg.load(tmp_path / "x")["a"].tolist() == [1, 1]


@pytest.mark.skipif(os.name != "posix", reason="kills by a POSIX signal")
@pytest.mark.on_numpy
def test_a_killed_process_leaves_the_old_file_and_what_can_be_removed(tmp_path):
    path = tmp_path / "x.safetensors"
    mg.save(path, {"a": np.ones(2)})
    code = (
        "import os, signal, sys\n"
        "from minigrad.serialize import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary, open(temporary, 'w') as file:\n"
        "    file.write('half'), file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert run_in_a_process(code, path).returncode == -signal.SIGKILL
    assert mg.load(path)["a"].tolist() == [1, 1]
    (left,) = set(os.listdir(tmp_path)) - {"x.safetensors"}
    assert left.startswith(".x.safetensors.")
    remove_leftovers(path)
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_only_a_files_own_leftovers_are_removed(tmp_path, monkeypatch):
    others = ["x", "x.old", ".x", ".x.txt", ".x.abcdefgh.old", ".x.old.abcdefgh.old", ".xy.abcdefgh", ".x.ABCDEFGH"]
    for name in [*others, ".x.abcdefgh", ".x.01_45678"]:
        (tmp_path / name).write_text("")
    (tmp_path / ".x.a_folder").mkdir()
    remove_leftovers(tmp_path / "x")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, ".x.a_folder"])
    (tmp_path / ".x.old.hgfedcba.old").write_text("")
    monkeypatch.chdir(tmp_path)
    remove_leftovers("x.old")
    assert sorted(os.listdir()) == sorted({*others, ".x.a_folder"} - {".x.old.abcdefgh.old"})


def test_a_hostile_header_takes_no_time(tmp_path):
    """Shapes of 64 numbers of 19 digits, and as many tensors as a header of a mebibyte can name."""
    start = time.perf_counter()
    wide = {str(i): entry(shape=(2**62,) * 64, offsets=(0, 2**62)) for i in range(700)}
    (tmp_path / "x").write_bytes(packed(wide))
    with pytest.raises(CheckpointError, match="'0' has shape"):
        mg.load(tmp_path / "x")
    many = {str(i): entry(shape=(0,), offsets=(0, 0)) for i in range(18_000)}
    (tmp_path / "x").write_bytes(packed(many))
    assert len(mg.load(tmp_path / "x")) == 18_000
    assert time.perf_counter() - start < 20
