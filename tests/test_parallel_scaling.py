"""The scaling benchmark's model on paper, and its tables, without measuring anything."""

import pytest

from benchmarks import scaling
from benchmarks.scaling_model import MOST, Network, Training, below_half, shared_memory

SLOW = Network("slow", latency=1e-3, bandwidth=1e6)
TRAINING = Training({1: 0.25, 2: 0.25, 4: 0.5, 8: 1.0}, size=1_000_000)  # no faster below 2


def test_an_allreduce_takes_what_its_algorithm_says():
    found = SLOW.algorithms(1e6, 8)
    assert found["ring"] == pytest.approx(14e-3 + 1.75)
    assert found["halving and doubling"] == pytest.approx(6e-3 + 1.75)
    assert found["doubling"] == pytest.approx(3e-3 + 3)
    assert SLOW.allreduce(1e6, 8) == found["halving and doubling"]
    assert SLOW.allreduce(8, 8) == SLOW.algorithms(8, 8)["doubling"]  # latency is all that counts


def test_what_two_ranks_measured_comes_out_again():
    found = shared_memory(10e-6, 1e-3, 4_000_000)
    algorithms = found.algorithms(4_000_000, 2)
    assert algorithms["ring"] == algorithms["halving and doubling"] == pytest.approx(1e-3)


def test_efficiencies():
    assert TRAINING.alone(32) == 4.0  # four batches of 8, one after another
    assert TRAINING.weak(SLOW, 8, 8) == pytest.approx(1 / (1 + 1.756))
    assert TRAINING.strong(SLOW, 2, 8) == pytest.approx(0.5 / (0.5 + 1.001))
    assert TRAINING.strong(SLOW, 16, 8) is None
    ideal = Network("ideal", 0.0, 1e30)
    assert TRAINING.strong(ideal, 4, 8) == 1.0
    assert TRAINING.strong(ideal, 8, 8) == 0.5  # a batch of 1 takes as long as one of 2


def test_where_the_efficiency_falls_below_a_half():
    assert below_half(lambda ranks: 8 / ranks, 64) == 32  # at 16 it is a half
    assert below_half(lambda ranks: 8 / ranks, 16) is None
    assert below_half(lambda ranks: None if ranks > 8 else 8 / ranks, 64) is None
    assert below_half(lambda ranks: 1.0, MOST) is None


@pytest.fixture
def record():
    """A run in which a sequence takes 2 ms, a second thread or rank halves it but for 4 ms, and 4 MB take 2 ms."""
    steps = [
        {"ranks": r, "threads": t, "batch": b, "rounds": [
            {"step": 2.0 * b / t + 4 * (r * t - 1), "averaging": 4.0 * (r - 1), "other work": 0.0}
        ]}
        for r, t, b in scaling.CASES
    ]  # fmt: skip
    sizes = {str(size): 2.0 * size / 4e6 for size in (*scaling.BYTES, 4_000_000)}
    return {"parameters": 1_000_000, "about": "", "steps": steps, "allreduce": [sizes]}


def test_the_tables(record):
    lines = scaling.measured(record)
    assert lines[3].startswith("| 1 × 1 | 64 | 128.0 (128.0–128.0) |  | 50,000 |  |  |")
    assert lines[4].startswith("| 1 × 2 | 64 | 68.0 (68.0–68.0) |  | 94,118 | 0.94 |  |")
    assert lines[5] == "| 2 × 1 | 32 | 68.0 (68.0–68.0) | 4.00 | 94,118 | 0.94 | 0.94 |"
    assert lines[6].endswith("| 4.00 | 96,970 |  | 0.97 |")
    assert "| 4,000,000 (the model's gradients) | 2.0000 | 2e+09 |" in scaling.reductions(record)
    *table, _, told = scaling.on_paper(record)
    assert table[2].endswith("| 2 | 64 a rank | 0.97 | 0.97 | – | never |")
    assert len(table) == 2 + 3 * 3
    assert told == "By the same reckoning two ranks would take 66.0 ms for a batch of 64; measured were 68.0 ms."
    for lines in (scaling.measured(record), scaling.reductions(record), table):
        assert len({line.count("|") for line in lines}) == 1
