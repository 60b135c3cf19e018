"""`minigrad-rnn runs`: what runs came to, side by side."""

import json

import pytest

import minigrad_rnn as mr
from minigrad_rnn.cli import console, main
from minigrad_rnn.training.compare import find_runs, ranked, summarise

LOSSES = {"good": [3.0, 2.0, 2.2], "bad": [3.5, 3.1, 2.9]}


@pytest.fixture
def folder(tmp_path):
    """Two runs whose validations are known, one cut in the middle of a line; and what is no run."""
    for name, losses in LOSSES.items():
        run = tmp_path / name
        run.mkdir()
        mr.training.Config(hidden=64 if name == "good" else 32, lr=0.01 if name == "bad" else 0.005).write(
            run / "config.toml"
        )
        lines = [
            {"step": 10 * n, "validation_loss": x, "validation_bits_per_character": 2 * x}
            for n, x in enumerate(losses, 1)
        ]
        lines.append({"step": 30, "loss": 1.5})
        (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 40, "lo')
        (run / "times.jsonl").write_text(json.dumps({"step": 30, "seconds": 3725.4}) + "\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "config.txt").write_text("")
    return tmp_path


def test_the_best_comes_first(folder):
    runs = ranked(summarise(find_runs([folder]))[0])
    assert [(run.name, run.best, run.best_step, run.steps) for run in runs] == [
        ("good", 4.0, 20, 30),
        ("bad", 5.8, 30, 30),
    ]
    assert runs[0].loss == 1.5
    assert runs[0].metric == "bits_per_character"


def test_the_command_tells_and_plots(folder, capsys, monkeypatch):
    monkeypatch.setattr(console, "width", 140)
    monkeypatch.chdir(folder)
    assert main(["runs", ".", "-o", "runs.png"]) == 0
    told = capsys.readouterr().out
    good, bad = told.index("good"), told.index("bad")
    assert good < bad
    assert "lstm 1×64" in told
    assert "4.000 bits/char" in told
    assert "1:02:05" in told
    assert "lr=0.01" in told
    assert (folder / "runs.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_compared(folder, capsys):
    assert main(["runs", str(folder / "notes")]) == 2
    assert "there is no run in" in capsys.readouterr().err
    accuracy = folder / "other"
    accuracy.mkdir()
    mr.training.Config(kind="parity").write(accuracy / "config.toml")
    (accuracy / "metrics.jsonl").write_text('{"step": 1, "validation_loss": 1.0, "validation_accuracy": 0.5}\n')
    assert main(["runs", str(folder), "-o", str(folder / "x.png")]) == 2
    assert "one metric, not accuracy, bits_per_character" in capsys.readouterr().err
    assert not (folder / "x.png").exists()
