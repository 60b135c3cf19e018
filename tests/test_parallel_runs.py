"""`mpiexec -n 2 minigrad-rnn train … --parallel`: the run of one process, computed by several."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from parallel_ranks import mpiexec

import minigrad as mg
from minigrad_rnn.cli import main

pytestmark = pytest.mark.on_numpy

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(mg.__file__).parents[1])}
SIZES = [
    *("--hidden", "12", "--embedding", "6", "--batch", "7", "--length", "10", "--layers", "2", "--dtype", "float64"),
    *("--steps", "24", "--validate-every", "12", "--sample", "0", "--log-every", "4", "--accumulate", "1"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "fox.txt").write_text(TEXT)
    (folder / "pairs.tsv").write_text("".join(f"{n}\t{n + 1}\n" for n in range(100, 180)))
    return folder


def arguments(files, kind, folder, *more):
    file = {"characters": ["--text", str(files / "fox.txt")], "pairs": ["--text", str(files / "pairs.tsv")]}
    return ["train", "--kind", kind, *file.get(kind, []), *SIZES, *more, "--out", str(folder)]


def in_parallel(ranks, *command):
    program = [*mpiexec(ranks), sys.executable, "-m", "minigrad_rnn", *command, "--parallel"]
    return subprocess.run(
        program, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(one, other):
    for a, b in zip(lines(one), lines(other), strict=True):
        norms, others = a.pop("norms", {}), b.pop("norms", {})
        assert a == pytest.approx(b, rel=1e-9, abs=1e-12)
        assert norms == pytest.approx(others, rel=1e-9, abs=1e-12)
    weights = [mg.load(folder / "last.safetensors") for folder in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        np.testing.assert_allclose(value.numpy(), weights[1][name].numpy(), rtol=1e-9, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(("kind", "ranks"), [("characters", 2), ("characters", 4), ("pairs", 2), ("copy-task", 4)])
def test_it_is_the_run_of_one_process(files, kind, ranks, tmp_path):
    assert main(arguments(files, kind, tmp_path / "one")) == 0
    done = in_parallel(ranks, *arguments(files, kind, tmp_path / "many"))
    assert done.returncode == 0, done.stderr
    assert f"{ranks} processes" in done.stdout
    assert done.stdout.count("Best validation") == 1  # one process tells
    assert_same_run(tmp_path / "one", tmp_path / "many")


def test_a_checkpoint_goes_on_with_another_number_of_processes(files, tmp_path):
    assert main(arguments(files, "characters", tmp_path / "one")) == 0
    folder, half = tmp_path / "many", ("--schedule", "constant", "--warmup", "0")
    assert main(arguments(files, "characters", tmp_path / "constant", *half)) == 0
    for ranks, steps in ((2, 9), (4, 15), (1, 24)):
        command = [*arguments(files, "characters", folder, *half, "--resume"), "--steps", str(steps)]
        done = in_parallel(ranks, *command)
        assert done.returncode == 0, done.stderr
    one, many = (mg.load(folder / "last.safetensors") for folder in (tmp_path / "constant", folder))
    for name, value in one.items():
        np.testing.assert_allclose(value.numpy(), many[name].numpy(), rtol=1e-9, atol=1e-10, err_msg=name)


def test_an_error_is_told_and_ends_all(files, tmp_path):
    done = in_parallel(2, *arguments(files, "characters", tmp_path / "few", "--batch", "1"))
    assert done.returncode != 0
    assert "a batch of 1 cannot be shared among 2 processes" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "few" / "last.safetensors").exists()
