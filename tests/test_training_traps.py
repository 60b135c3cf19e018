"""Training runs as they are asked for by mistake, or by who means harm."""

import json
import os
import sys

import numpy as np
import pytest
from test_cli import refused
from test_training import SMALL, TEXT, Adding, Stop, damaged, trained

import minigrad as mg
from minigrad.errors import CheckpointError, ShapeError
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.cli import main
from minigrad_rnn.training import Config, ConfigError, DivergedError, Run, RunError, fit, make_task
from minigrad_rnn.training.compare import find_runs, summarise
from minigrad_rnn.training.config import OPTIONS, kind_of, read
from minigrad_rnn.training.run import configure

FLAGS = ["--hidden", "12", "--embedding", "6", "--batch", "6", "--length", "10", "--sample", "0", "--steps", "3"]
CELL = (
    "import minigrad as mg, minigrad_rnn as mr\n"
    "open('was_here', 'w').close()\n"
    "class Mine(mr.Cell):\n"
    "    def __init__(self, input_size, hidden_size, dtype='float32'):\n"
    "        self.U = mg.nn.init.glorot(input_size, hidden_size)\n"
    "    def step(self, x, h):\n"
    "        h = mg.tanh(x @ self.U + h)\n"
    "        return h, h\n"
)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "fox.txt"
    path.write_text(TEXT)
    return str(path)


# What is chosen


def test_every_value_is_a_flag_and_is_saved(text, tmp_path, monkeypatch):
    """The parser takes a flag for each name, and what it was given stands in config.toml."""
    other = {"str": None, "int": 7, "float": 0.5, "bool": True, "dict": {"a": 1}}
    seen = {}
    monkeypatch.setattr(
        "minigrad_rnn.training.launch.launch",
        lambda folder, given, *_: seen.update(given) or (_ for _ in ()).throw(RunError("-")),
    )
    arguments, wanted = [], {}
    for name, option in OPTIONS.items():
        choices, value = option.metadata["choices"], other[kind_of(option).__name__]
        value = choices[-1] if choices else text if name == "text" else "gru" if value is None else value
        flag = f"--{name.replace('_', '-')}"
        arguments += [flag] if value is True else [flag, "a=1" if isinstance(value, dict) else str(value)]
        wanted[name] = value
    assert main(["train", *arguments, "--out", str(tmp_path / "run")]) == 2
    assert seen == wanted
    config = Config(**wanted)
    config.write(tmp_path / "config.toml")
    assert Config(**read(tmp_path / "config.toml")) == config


def test_flags_stand_above_the_file(text, tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(
        'data = { text = "fox.txt", batch = 6, length = 10 }\n'
        "[model]\nhidden = 8\nembedding = 6\noptions = { zoneout = 0.05, bias = false }\n"
        "[training]\nepochs = 2\nsample = 0\n"
    )
    folder = tmp_path / "run"
    assert (
        main(["train", str(file), "--steps", "3", "--hidden", "12", "--options", "zoneout=0.1", "--out", str(folder)])
        == 0
    )
    saved = Config(**read(folder / "config.toml"))
    assert (saved.steps, saved.epochs, saved.hidden) == (3, 0.0, 12)
    assert saved.options == {"zoneout": 0.1, "bias": False}
    assert saved.text == text  # from the file's folder
    assert json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[training]\nlr = 'fast'", "lr must be a number above 0, not 'fast'"),
        ("[training]\nhiden = 3", "did you mean 'hidden' in [model]"),
        ("[trainings]\nlr = 1", "did you mean 'training'"),
        ("lr = 1", "there is no section [lr]"),
        ("[model]\ndropout = 1.0", "below 1"),
        ("[data]\nkind = 'word'", "did you mean 'words'"),
        ("x = " + "[" * 3000, "is no TOML"),
        ("x = " + "1" * 5000, "is no TOML"),
        ("not TOML", "is no TOML"),
    ],
)
def test_files_that_say_nothing(content, told, tmp_path, capsys):
    (tmp_path / "x.toml").write_text(content)
    assert told in refused(capsys, "train", str(tmp_path / "x.toml"), "--out", str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("made", [lambda values: Config(**values), lambda values: Config().but(values)])
@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"hiden": 3}, "there is no option 'hiden'; did you mean 'hidden'?"),
        ({"hidden": -3}, "hidden must be a whole number from 1 up, not -3"),
    ],
)
def test_a_mistake_in_python_is_told_with_its_line(made, values, told):
    with pytest.raises(ConfigError) as caught:
        made(values)
    assert caught.value.message == told
    assert "test_training_traps.py" in caught.value.line


def test_what_was_refused_leaves_nothing_in_the_way(text, tmp_path, capsys):
    folder = ["--text", text, *FLAGS, "--out", str(tmp_path / "run")]
    assert "--accumulate" in refused(capsys, "train", *folder, "--accumulate", "9")
    assert "optimizer_options" in refused(capsys, "train", *folder, "--optimizer-options", "bogus=1")
    assert "read its own answers" in refused(capsys, "train", *folder, "--options", "bidirectional=true")
    assert "give --steps" in refused(capsys, "train", *folder, "--kind", "parity", "--epochs", "1")
    assert "no run in" in refused(capsys, "train", "--resume", "--out", str(tmp_path / "runn"))
    assert main(["train", *folder]) == 0


def test_a_text_may_move(text, tmp_path):
    trained(Config(text=text, **SMALL), tmp_path / "run", Stop(10))
    moved = tmp_path / "moved.txt"
    os.rename(text, moved)
    config = configure(tmp_path / "run", {"text": str(moved)}, resume=True)
    assert trained(config, tmp_path / "run")[1].steps == 30


# What is kept


def test_the_model_is_that_of_the_best_validation_also_after_a_change_of_course(text, tmp_path, monkeypatch):
    """Killed after a better model was saved than the checkpoint knows of, and resumed with another learning rate."""
    config = Config(text=text, **SMALL)
    trained(config, tmp_path, Stop(12))
    real = os.replace

    def dies(source, target):
        if os.path.basename(target) == "last.safetensors":
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dies)
        with pytest.raises(KeyboardInterrupt):
            trained(config, tmp_path)
    changed = configure(tmp_path, {"lr": 1e-9, "validate_every": 1000}, resume=True)
    task, result = trained(changed, tmp_path)
    model = CharModel.load(tmp_path / "model.safetensors")
    total, count = model.nats(task.validation_streams)
    assert total / count / np.log(2) == pytest.approx(result.best, rel=1e-6)


def test_samples_of_forgotten_updates_go(text, tmp_path):
    trained(Config(text=text, **SMALL), tmp_path)
    os.unlink(tmp_path / "last.safetensors")
    trained(Config(text=text, **SMALL), tmp_path, Stop(1))
    assert os.listdir(tmp_path / "samples") == []


def test_demo_throws_nothing_away_but_a_demo(text, tmp_path, capsys):
    folder = tmp_path / "run"
    trained(Config(text=text, **SMALL), folder)
    before = sorted(os.listdir(folder))
    assert "--out" in refused(capsys, "demo", "--text", text, "--steps", "2", "--out", str(folder))
    assert "none.txt" in refused(capsys, "demo", "--text", "none.txt", "--out", str(folder))
    assert sorted(os.listdir(folder)) == before
    for _ in range(2):
        assert main(["demo", "--text", text, "--steps", "4", "--out", str(tmp_path / "demo")]) == 0
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "step-00000001.txt").write_text("")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "samples").symlink_to(victim)
    (tmp_path / "link" / "unrolled.svg").write_text("")
    Config().write(tmp_path / "link" / "config.toml")
    assert "leads out" in refused(capsys, "demo", "--text", text, "--steps", "2", "--out", str(tmp_path / "link"))
    assert os.listdir(victim) == ["step-00000001.txt"]


def test_other_peoples_files_are_left_alone(text, tmp_path, capsys):
    (tmp_path / "sample.txt").write_text("mine")
    assert "sample.txt of something else" in refused(capsys, "train", "--text", text, *FLAGS, "--out", str(tmp_path))
    assert (tmp_path / "sample.txt").read_text() == "mine"


# Who comes in


def test_a_folder_does_not_choose_what_is_imported(text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("trapped", "threadpoolctl", "matplotlib"):
        (tmp_path / f"{name}.py").write_text(CELL)
    assert main(["train", "--text", text, *FLAGS, "--out", "run"]) == 0
    assert not (tmp_path / "was_here").exists()
    assert main(["train", "--text", text, *FLAGS, "--cell", "trapped:Mine", "--out", "own"]) == 0
    assert (tmp_path / "was_here").exists()
    os.unlink("was_here")
    del sys.modules["trapped"]
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert "name it with --cell" in refused(capsys, "train", "--resume", "--out", "own")
    assert "name it with --cell" in refused(capsys, "sample", "--model", "own")
    assert not (tmp_path / "was_here").exists()
    assert main(["train", "--resume", "--steps", "5", "--cell", "trapped:Mine", "--out", "own"]) == 0


# Tasks with mistakes


class Listed(Adding):
    """The state is a list, and the batch its second axis."""

    carry, epoch = True, None

    def loss(self, batch, state):
        outputs, h = self.model.layer(batch[0], state[0] if state else None)
        return mg.nn.mse_loss(self.model.head(outputs[-1]), batch[1]), len(batch[1]), [h]


class Elsewhere(Listed):
    def loss(self, batch, state):
        loss, count, (h,) = super().loss(batch, None)
        return loss, count, [mg.moveaxis(h, 1, 2)]


class Nothing(Adding):
    def loss(self, batch, state):
        return super().loss(batch, state)[0], 0, None


class Figureless(Adding):
    def figures(self, sums):
        return {"error": 0.5}


class NoNumber(Adding):
    def figures(self, sums):
        return {"loss": float("nan")}


@pytest.mark.parametrize(
    ("kind", "error", "told"),
    [
        (Elsewhere, ShapeError, "neither the first axis nor the second"),
        (Nothing, ConfigError, "nothing to learn from in batch 0"),
        (Figureless, ConfigError, "none of its figures: error"),
        (NoNumber, DivergedError, "the validation's loss is nan"),
    ],
)
def test_a_mistake_in_a_task_is_told(kind, error, told, tmp_path):
    with Run.open(tmp_path, Config(steps=4, save_seconds=0, validate_every=2)) as run, pytest.raises(error, match=told):
        fit(kind(), run=run)
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_list_is_a_state_too(tmp_path):
    config = Config(steps=12, validate_every=100)
    with Run.open(tmp_path / "whole", config) as run:
        fit(Listed(), run=run)
    for watcher in (Stop(5), None):
        with Run.open(tmp_path / "parts", config) as run:
            fit(Listed(), run=run, watcher=watcher)
    assert (tmp_path / "whole" / "last.safetensors").read_bytes() == (
        tmp_path / "parts" / "last.safetensors"
    ).read_bytes()


def test_a_run_has_one_configuration(tmp_path):
    with Run.open(tmp_path, Config(steps=4)) as run, pytest.raises(ConfigError, match="of its own"):
        fit(Adding(), Config(steps=5), run=run)
    fit(Adding(), Config(steps=4), run=None)


@pytest.mark.parametrize("change", [{"random": [{}]}, {"best": float("inf")}, {"step": 2.0**60}])
def test_numbers_that_no_run_has(change, text, tmp_path):
    trained(Config(text=text, **SMALL), tmp_path, Stop(12))
    damaged(tmp_path / "last.safetensors", **change)
    with pytest.raises(CheckpointError, match="damaged"):
        trained(Config(text=text, **SMALL), tmp_path)


def test_short_made_sequences():
    for kind in ("adding-problem", "parity", "copy-task", "which-is-larger"):
        config = Config(kind=kind, length=2, batch=3, hidden=4, steps=2)
        assert fit(make_task(config), config).steps == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.jsonl", b"\xff\xfe"),
        ("metrics.jsonl", b"[" * 100_000),
        ("metrics.jsonl", b'{"step": 1, "loss": "hello"}\n'),
        ("metrics.jsonl", b'{"step": 1, "validation_loss": 1.0}\n{"step": 2, "validation_bits": 1}\n'),
        ("times.jsonl", b'{"step": 1}\n'),
        ("times.jsonl", b'{"step": 1, "seconds": Infinity}\n'),
        ("config.toml", b"nothing"),
        ("config.toml", b"[model]\ncell = 'a\\u001b]0;b'\n"),
    ],
)
def test_a_strange_folder_does_not_spoil_the_table(name, content, text, tmp_path, capsys):
    trained(Config(text=text, **SMALL), tmp_path / "good")
    (tmp_path / "strange").mkdir()
    Config().write(tmp_path / "strange" / "config.toml")
    (tmp_path / "strange" / "metrics.jsonl").write_bytes(b"")
    (tmp_path / "strange" / name).write_bytes(content)
    assert main(["runs", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "good" in told
    assert "\x1b" not in told
    found, failed = summarise(find_runs([tmp_path]))
    assert len(found) + len(failed) == 2
    assert found[0].name == "good"


def test_runs_of_one_name_stay_apart(tmp_path):
    for parent in ("a", "b"):
        (tmp_path / parent / "big").mkdir(parents=True)
        Config().write(tmp_path / parent / "big" / "config.toml")
    found, _ = summarise(find_runs([tmp_path / "a" / "big", tmp_path / "b" / "big"]))
    assert len({run.name for run in found}) == 2
