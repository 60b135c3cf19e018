"""The comparison with PyTorch's character model, without measuring anything: the same data, the same table."""

import argparse
import json
import tomllib

import numpy as np
import pytest

from benchmarks import char_lm, char_lm_torch
from minigrad_rnn.data import Streams, Vocabulary, split
from minigrad_rnn.training.config import Config, from_tables

TEXT = "Wär's möglich? Könnt' ich nicht mehr, wie ich wollte?\n" * 20
SIZES = {"batch": 4, "length": 10, "embedding": 8, "hidden": 8, "layers": 2, "dropout": 0.2, "output_dropout": 0.0}
RATE = {"lr": 1e-3, "schedule": "cosine", "warmup": 3, "floor": 0.1, "clip": 1.0}
OPTIONS = {"validation": 100.0, "epochs": 2, "seed": 5, "threads": 1, **SIZES, **RATE}


@pytest.fixture
def options(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    return argparse.Namespace(**OPTIONS | {"text": str(tmp_path / "a.txt"), "rounds": 1, "patience": 0.0})


def write_lines(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def rounds(*seconds, torch=1.0, other=0.0):
    """A round for each of our times: one epoch, a loss of 2 and of 1.5 nats."""
    found = []
    for ours in seconds:
        epochs = {
            name: [{"epoch": 1, "step": 7, "validation": loss, "seconds": time}]
            for name, loss, time in (("minigrad", 2.0, ours), ("torch", 1.5, torch))
        }
        found.append({name: {"epochs": lines, "other work": other} for name, lines in epochs.items()})
    return {"rounds": found}


def test_both_read_the_same_numbers(options):
    codes, count = char_lm_torch.read(options.text)
    vocabulary = Vocabulary(TEXT)
    assert count == len(vocabulary)
    np.testing.assert_array_equal(codes, vocabulary.encode(TEXT))
    for share in (100, 0.1, 0.25):
        assert char_lm_torch.kept_for_validation(len(TEXT), share) == len(split(codes, share)[1])


def test_both_are_given_the_same_pieces():
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    codes = np.random.default_rng(0).integers(0, 9, 203)
    ours, theirs = list(Streams(codes, 4, 15)), list(char_lm_torch.pieces(codes, 4, 15))
    assert [len(x) for x, _ in theirs] == [15, 15, 15, 5]
    for pair, other in zip(ours, theirs, strict=True):
        for one, two in zip(pair, other, strict=True):
            np.testing.assert_array_equal(one, two.numpy())


def test_our_run_is_configured_like_theirs(options):
    values = from_tables(tomllib.loads(char_lm.configuration(options)))
    assert values.items() >= char_lm.values(options).items()
    config = Config(**values)
    assert (config.optimizer, config.kind, config.cell, config.carry) == ("adam", "characters", "lstm", True)
    width = (len(TEXT) - 100 - 1) // 4
    assert config.validate_every == len(range(0, width, 10))


def test_what_a_run_left_is_read(tmp_path):
    write_lines(
        tmp_path / "metrics.jsonl",
        {"step": 10, "epoch": 0.5, "loss": 3.0},
        {"step": 20, "epoch": 1.0, "loss": 2.5},
        {"step": 20, "epoch": 1.0, "validation_loss": 2.25, "validation_bits_per_character": 3.2},
    )
    times = [{"step": step, "seconds": seconds} for step, seconds in ((10, 1.5), (20, 3.5), (20, 3.5))]
    write_lines(tmp_path / "times.jsonl", *times)
    expected = [{"epoch": 1, "step": 20, "validation": 2.25, "seconds": 3.5}]
    assert char_lm.our_epochs(tmp_path) == expected
    write_lines(tmp_path / "result.jsonl", expected[0] | {"bits": 3.2, "epoch seconds": 3.5})
    assert char_lm.their_epochs(tmp_path / "result.jsonl") == expected


def test_the_table_has_means_of_losses_and_medians_of_ratios():
    *_, row = char_lm.markdown(rounds(0.5, 0.75, 2.0))
    assert row == "| 1 | 7 | 2.0000 (2.8854) | 1.5000 (2.1640) | +0.5000 | 0.8 | 1.0 | 0.75 (0.50–2.00) |"
    assert list(char_lm.markdown(rounds(0.5, other=0.7)))[-1] == "disturbed: other work kept up to 0.7 cores busy"
    record = rounds(0.5)
    record["rounds"][0]["torch"]["epochs"][0]["step"] = 8
    with pytest.raises(SystemExit, match="same steps"):
        list(char_lm.markdown(record))


def test_pytorch_trains(options):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    options.validation_streams, options.embedding_dropout = [4, 1], 0.1
    first, second = char_lm_torch.epochs(options)
    assert (first["step"], second["step"]) == (25, 50)
    assert second["validation"] < first["validation"] < np.log(len(set(TEXT))) + 0.1
    assert set(second["validation by streams"]) == {4, 1}
    assert second["seconds"] > first["seconds"] > 0
