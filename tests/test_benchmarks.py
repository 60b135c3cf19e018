"""The benchmark harness, without measuring anything: sizes, ratios, tables, the comparison of results."""

import argparse
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import check, load, report
from benchmarks.entries import ENTRIES, parse_size, smallest
from benchmarks.probe import Probe
from benchmarks.worker import measure, results


def measured(*medians, what="LSTM"):
    """One contender's measurements of two things in one round."""
    return [
        {"what": what + part, "unit": "ms", "median": median, "other work": 0.0}
        for part, median in zip(("", " forward"), medians)
    ]


ROUNDS = [
    {"minigrad": measured(10, 4), "torch": measured(5, 1)},
    {"minigrad": measured(30, 4), "torch": measured(10, 2)},  # a busy moment: both are slower
    {"minigrad": measured(11, 4), "torch": measured(5, 1)},
]


def record(rows, **changes):
    block = {"size": (2, 3, 4, 5), "rows": rows}
    contenders = ["minigrad", "torch", "torch-eager"]
    return {"entry": "rnn", "about": "", "contenders": contenders, "sizes": [block], "left out": {}} | changes


def test_medians_of_medians_and_of_ratios():
    whole, forward = report.summarise(["minigrad", "torch"], ROUNDS)
    assert whole["what"] == "LSTM"
    assert whole["medians"] == {"minigrad": 11, "torch": 5}
    assert whole["ratios"] == {"torch": {"median": 2.2, "rounds": [2, 3, 2.2]}}
    assert forward["ratios"]["torch"]["median"] == 4
    assert [each["median"] for each in whole["rounds"]["torch"]] == [5, 10, 5]


def test_a_table_shows_who_is_missing():
    headings, cells = report.table(record(report.summarise(["minigrad", "torch"], ROUNDS)))
    assert headings[:4] == ["T, B, I, H", "what", "unit", "minigrad"]
    assert cells[0] == ["2, 3, 4, 5", "LSTM", "ms", "11", "5", "–", "2.20 (2.00–3.00)", "–"]


def test_markdown_has_as_many_columns_in_every_line():
    lines = list(report.markdown(record(report.summarise(["minigrad", "torch"], ROUNDS))))
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1


def test_what_was_left_out_and_other_work_are_told(capsys):
    rows = report.summarise(["minigrad", "torch"], ROUNDS)
    rows[0]["rounds"]["torch"][1]["other work"] = 1.5
    report.show(record(rows, **{"left out": {"torch-eager": "torch is not installed"}}))
    told = " ".join(capsys.readouterr().out.split())
    assert "torch-eager left out: torch is not installed" in told
    assert "up to 1.5 cores busy" in told


def test_a_size_is_four_positive_integers():
    assert parse_size("64,32,128,256") == (64, 32, 128, 256)
    for wrong in ("64,32,128", "64,32,0,256", "a,b,c,d"):
        with pytest.raises(argparse.ArgumentTypeError, match=wrong):
            parse_size(wrong)


def test_results_are_compared_at_the_smallest_size():
    assert smallest(ENTRIES["rnn"].sizes) == (32, 16, 32, 32)
    assert smallest(ENTRIES["engine"].sizes) == ()


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [([1.0, 2.0], 0.0), ([1.0, 4.0], 0.5), ([1.0, np.nan], np.inf), ([1.0], np.inf)],
)
def test_difference_is_relative_to_the_largest_number(theirs, expected):
    assert check.difference(np.array([1.0, 2.0]), np.array(theirs)) == expected


def test_the_worst_difference_is_named():
    ours = {"value": np.ones(2), "d/dW": np.ones(2)}
    assert check.worst(ours, ours | {"d/dW": np.array([1.0, 2.0])}) == ("d/dW", 0.5)
    assert check.worst(ours, {"value": np.ones(2)})[1] == np.inf


def test_a_worker_times_each_phase_and_keeps_what_is_to_be_compared():
    class Library:
        wait = staticmethod(lambda: None)

    phases = {"forward": lambda _: np.float32(3), "backward": lambda value: None}
    probe = Probe("LSTM", phases, [], lambda: {"W": np.ones(2)}, unit="µs", per=10)
    found = measure(probe, Library, seconds=0.0)
    assert [each["what"] for each in found] == ["LSTM", "LSTM forward", "LSTM backward"]
    assert all(each["samples"] == 5 and each["fastest"] <= each["median"] <= each["slowest"] for each in found)
    assert set(results(probe, np.asarray)) == {"LSTM value", "LSTM d/dW"}


def test_a_meter_sees_no_negative_load():
    assert load.Meter().others() >= 0


def test_a_contender_that_cannot_run_says_why():
    command = ["-m", "benchmarks.worker", "engine", "minigrad", "--threads", "1", "--backend", "none of these"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    assert "unknown backend" in json.loads(done.stdout)["skipped"]
