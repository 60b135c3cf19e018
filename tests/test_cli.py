"""The command line, run as its user runs it."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.cli import main

TEXT = "the quick brown fox jumps over the lazy dog. " * 200
SMALL = ["--hidden", "16", "--embedding", "8", "--batch", "8", "--length", "16"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "fox.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("trained")
    assert main(["train", "--text", text, "--steps", "60", "--out", str(folder), *SMALL]) == 0
    return folder


def refused(capsys, *arguments):
    """Run a command that must fail: exit code 2, one line on standard error, no traceback. Returns the line."""
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1, error
    assert error.startswith("minigrad-rnn")
    return error


FILES = [
    ".lock",
    "config.toml",
    "gradients.png",
    "last.safetensors",
    "learning_rate.png",
    "loss.png",
    "metrics.jsonl",
    "model.safetensors",
    "sample.txt",
    "samples",
    "times.jsonl",
]


def test_train_leaves_a_run(trained):
    assert sorted(os.listdir(trained)) == FILES
    for name in ("loss.png", "gradients.png", "learning_rate.png"):
        assert (trained / name).read_bytes().startswith(b"\x89PNG")
    assert len((trained / "sample.txt").read_text()) > 3000


def test_a_seed_reproduces_a_run_to_the_last_bit(trained, text, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    assert main(["train", "--text", text, "--steps", "60", "--out", str(again), *SMALL]) == 0
    for name in ("model.safetensors", "last.safetensors", "metrics.jsonl", "sample.txt", "loss.png"):
        assert (again / name).read_bytes() == (trained / name).read_bytes()
    assert main(["train", "--text", text, "--steps", "60", "--out", str(other), *SMALL, "--seed", "1"]) == 0
    assert (other / "model.safetensors").read_bytes() != (trained / "model.safetensors").read_bytes()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_demo_learns_and_draws(text, tmp_path, capsys, cell):
    assert main(["demo", "--text", text, "--steps", "60", "--cell", cell, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert sorted(os.listdir(tmp_path)) == [*FILES, "unrolled.html", "unrolled.svg"]
    assert "∇" in (tmp_path / "unrolled.svg").read_text()
    assert told.count("validation after step") == 4
    assert "better than the bigram model's" in told
    assert "Try next:" in told
    assert str(tmp_path) in told


def test_sample_continues_a_text(trained, capsys):
    arguments = ["sample", "--model", str(trained / "model.safetensors"), "--prime", "the ", "--length", "40"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert first.startswith("the ")
    assert len(first) == 4 + 40 + 1
    main(arguments)
    assert capsys.readouterr().out == first
    main([*arguments, "--seed", "5", "--temperature", "1.5"])
    assert capsys.readouterr().out != first


def test_temperature_zero_takes_the_likeliest(trained, capsys):
    model = CharModel.load(trained / "model.safetensors")
    logits, _ = model(mg.tensor(model.vocabulary.encode("the q")[:, None]))
    expected = model.vocabulary.characters[int(logits.numpy()[-1, 0].argmax())]
    path = str(trained / "model.safetensors")
    main(["sample", "--model", path, "--prime", "the q", "--length", "1", "--temperature", "0"])
    assert capsys.readouterr().out == f"the q{expected}\n"


def test_a_loaded_model_is_the_saved_one(trained, tmp_path):
    model = CharModel.load(trained / "model.safetensors")
    model.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_bits_per_character_is_the_mean_over_the_text(trained):
    model = CharModel.load(trained / "model.safetensors")
    codes = model.vocabulary.encode(TEXT[:101])
    logits, _ = model(mg.tensor(codes[:-1, None]))
    log_p = mg.log_softmax(logits.astype("float64")).numpy()[np.arange(100), 0, codes[1:]]
    np.testing.assert_allclose(model.bits_per_character(codes, batch=1, length=7), -log_p.mean() / np.log(2), rtol=1e-6)


def test_draw_and_list(tmp_path, capsys):
    path = tmp_path / "gru.svg"
    assert main(["draw", "--cell", "gru", "--steps", "3", "-o", str(path)]) == 0
    assert path.read_text().startswith("<svg")
    assert "gru.svg" in capsys.readouterr().out
    assert main(["draw", "--cell", "minigrad_rnn.cells.rnn:RNNCell", "-o", str(tmp_path / "x.dot")]) == 0
    assert "digraph" in (tmp_path / "x.dot").read_text()
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("rnn", "lstm", "gru", "char-lm"))


def test_bad_input_gets_one_line(capsys, tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin1.txt").write_bytes("é".encode("latin-1") * 2000)
    (tmp_path / "no-model.safetensors").write_text("no model")
    (tmp_path / "file").write_text("")
    mg.save(tmp_path / "other.safetensors", {"w": mg.zeros(3)})
    before = sorted(os.listdir(tmp_path))
    out = ["--steps", "2", "--out", "new"]
    assert "none.txt: No such file" in refused(capsys, "demo", "--text", "none.txt", *out)
    assert "0 characters" in refused(capsys, "train", "--text", "empty.txt", *out)
    assert "no UTF-8" in refused(capsys, "demo", "--text", "latin1.txt", *out)
    assert "choose one of" in refused(capsys, "demo", "--cell", "nope", "--text", text, *out)
    assert "unknown backend 'torch'" in refused(capsys, "demo", "--backend", "torch", *out)
    assert "cannot write" in refused(capsys, "demo", "--text", text, "--steps", "2", "--out", "file/folder")
    assert "whole number" in refused(capsys, "demo", "--steps", "0")
    assert "whole number" in refused(capsys, "demo", "--steps", "many")
    assert "above 0" in refused(capsys, "train", "--lr", "nan")
    assert "whole safetensors file" in refused(capsys, "sample", "--model", "no-model.safetensors")
    assert "no language model" in refused(capsys, "sample", "--model", "other.safetensors")
    assert "there is no file" in refused(capsys, "sample", "--model", "none")
    assert ".svg" in refused(capsys, "draw", "-o", "picture.bmp")
    assert "invalid choice" in refused(capsys, "dance")
    assert sorted(os.listdir(tmp_path)) == before


def test_cupy_without_a_device(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        mg.backend.get_backend("cupy")
    except mg.errors.BackendUnavailableError:
        assert "use the backend 'numpy'" in refused(capsys, "demo", "--backend", "cupy")
        assert os.listdir(tmp_path) == []
    else:
        pytest.skip("there is a CUDA device")


def test_a_prime_that_the_model_does_not_know(trained, capsys):
    error = refused(capsys, "sample", "--model", str(trained / "model.safetensors"), "--prime", "The")
    assert "'T'" in error


def test_damaged_models_are_refused(trained, tmp_path, capsys):
    from minigrad.serialize import load_with_metadata

    state, metadata = load_with_metadata(trained / "model.safetensors")
    path = tmp_path / "x.safetensors"
    config = metadata["config"]
    for changes, told in (
        ({"format": "99"}, "format 99"),
        ({"config": "{"}, "damaged"),
        ({"config": config.replace("16", "999999999")}, "damaged"),
        ({"config": config.replace('"layers": 1', '"layers": 1000000')}, "damaged"),
        ({"config": config.replace("lstm", "os:getcwd")}, "--cell"),
        ({"config": config.replace("lstm", "gru")}, "missing"),
        ({"vocabulary": '"abc"'}, "'embedding.weight' has shape"),
    ):
        mg.save(path, state, metadata | changes)
        assert told in refused(capsys, "sample", "--model", str(path))


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_saves_what_there_is(tmp_path, text):
    command = [sys.executable, "-m", "minigrad_rnn", "train", "--text", text, "--steps", "1000000"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path), *SMALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if "Run:" in line:  # what comes next is training
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    told, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert "what there is has been saved" in told
    assert {"model.safetensors", "last.safetensors", "sample.txt"} <= set(os.listdir(tmp_path))
    CharModel.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", ["x.svg", "x.html", "x.dot", "x.png", "x.tex", "x.txt"])
def test_draw_writes_every_format(name, tmp_path):
    options = ["--cell", "lstm", "--steps", "4", "--level", "gate", "--backward", "--values"]
    assert main(["draw", *options, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).stat().st_size > 1000


def test_draw_a_cell_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import minigrad as mg, minigrad_rnn as mr\n"
        "class Mine(mr.Cell):\n"
        "    def __init__(self, input_size, hidden_size):\n"
        "        self.U = mg.nn.init.glorot(input_size, hidden_size)\n"
        "        self.W = mg.nn.init.orthogonal(hidden_size)\n"
        "    def step(self, x, h):\n"
        "        h = mg.tanh(x @ self.U + h @ self.W)\n"
        "        return h, h\n"
    )
    monkeypatch.chdir(tmp_path)
    shown = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    assert main(["draw", "--cell", "mine:Mine", "-o", "mine.txt", "--open"]) == 0
    assert "h_t = tanh(U x_t + W h_{t-1})" in (tmp_path / "mine.txt").read_text()
    assert "∇_W loss = Σ_t diag(1 - h_t²) (∇_{h_t} loss) h_{t-1}ᵀ" in (tmp_path / "mine.txt").read_text()
    assert shown == [(tmp_path / "mine.txt").as_uri()]
    assert main(["draw", "--level", "rolled", "--layers", "2", "--bidirectional", "-o", "rolled.svg"]) == 0


def test_check_tries_a_cell(capsys, tmp_path, monkeypatch):
    assert main(["check", "--cell", "mgu"]) == 0
    assert "14 of 14 checks passed" in capsys.readouterr().out
    (tmp_path / "wrong.py").write_text(
        "import minigrad as mg, minigrad_rnn as mr\n"
        "class Wrong(mr.Cell):\n"
        "    def __init__(self, input_size, hidden_size):\n"
        "        self.U = mg.nn.init.glorot(input_size, hidden_size)\n"
        "    def step(self, x, h):\n"
        "        h = mg.softmax(x @ self.U + h, axis=0)\n"
        "        return h, h\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--cell", "wrong:Wrong"]) == 1
    told = capsys.readouterr().out
    assert "FAILED" in told
    assert "batch" in told
