"""A run that is killed, whenever that is, and goes on ends as one that was not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the runs are forks of a process")

TEXT = "the quick brown fox jumps over the lazy dog. " * 60
SAME = ("metrics.jsonl", "last.safetensors", "model.safetensors", "sample.txt", "loss.png", "config.toml")


@pytest.fixture
def runs(tmp_path):
    """What happened to the runs that tests/killed_runs.py makes, and their folder."""

    def make(how):
        text = tmp_path / "fox.txt"
        text.write_text(TEXT)
        program = Path(__file__).with_name("killed_runs.py")
        root = str(program.parents[1])
        environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, str(program), str(text), str(tmp_path), how],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    return make


def assert_as_if_nothing_had_happened(folder):
    for name in SAME:
        assert (folder / "parts" / name).read_bytes() == (folder / "whole" / name).read_bytes(), name
    assert sorted(os.listdir(folder / "parts")) == sorted(os.listdir(folder / "whole"))  # nothing is left lying about
    assert sorted(os.listdir(folder / "parts" / "samples")) == sorted(os.listdir(folder / "whole" / "samples"))


@pytest.mark.slow
def test_killed_at_twenty_random_moments(runs, tmp_path):
    told, _ = runs("random")
    assert told["ended"].count(-9) >= 10  # the others were done before
    assert told["ended"][-1] == 0
    assert_as_if_nothing_had_happened(tmp_path)


@pytest.mark.slow
def test_killed_in_the_middle_of_saving(runs, tmp_path):
    told, _ = runs("saving")
    assert told["ended"] == [-9] * 12 + [0]
    assert_as_if_nothing_had_happened(tmp_path)


@pytest.mark.slow
def test_on_a_full_disk(runs, tmp_path):
    told, errors = runs("full")
    assert told["ended"] == [28] * 4 + [0]
    assert errors.count("go on with --resume") >= 2
    assert_as_if_nothing_had_happened(tmp_path)
