"""Saved states: whole or not at all, and nothing damaged comes in."""

import os

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import CheckpointError
from minigrad.serialize import atomic_write, load_with_metadata

rng = np.random.default_rng(0)


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


def test_same_state_same_bytes(tmp_path):
    state = {"b": np.ones(3), "a": np.zeros(2)}
    for name in ("1", "2"):
        mg.save(tmp_path / name, state, {key: key for key in "zyxwvutsrq"})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    mg.save(path, {"a": rng.normal(size=100)})
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "cut": whole[:-1],
        "cut in the header": whole[:20],
        "longer": whole + b"x",
        "a huge header": (2**40).to_bytes(8, "little") + whole[8:],
        "text": b"This is no model at all, but a letter.",
        "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    }
    for data in damaged.values():
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"x\.safetensors"):
            mg.load(path)
    with pytest.raises(CheckpointError, match="no file"):
        mg.load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError):
        mg.load(tmp_path)


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
