"""The benchmark harness, without measuring anything: sizes, ratios, tables, the comparison of results."""

import argparse
import contextlib
import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from strict import Waits

import minigrad as mg
from benchmarks import check, libraries, load, memory, report, run
from benchmarks.entries import ENTRIES, ENVIRONMENT, parse_size, smallest
from benchmarks.probe import Probe
from benchmarks.worker import measure, results
from benchmarks.workloads import char_lm_step, engine, loop_length, mlp_forward, mlp_step, recurrent
from minigrad.loop import threads


@pytest.fixture(autouse=True)
def _backend():
    """Loading minigrad's contender chooses its backend for good: not for the tests that follow."""
    with mg.use_backend("numpy"):
        yield


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
    heading, between, *lines = report.markdown(record(report.summarise(["minigrad", "torch"], ROUNDS)))
    assert [heading, between] == ["### rnn", ""]
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1


def test_what_was_left_out_and_other_work_are_told(capsys):
    rows = report.summarise(["minigrad", "torch"], ROUNDS)
    rows[0]["rounds"]["torch"][1]["other work"] = 1.5
    report.show(record(rows, **{"left out": {"torch-eager": "not installed: pip install 'x[gpu]'"}}))
    told = " ".join(capsys.readouterr().out.split())
    assert "torch-eager left out: not installed: pip install 'x[gpu]'" in told
    assert "up to 1.5 cores busy" in told


def test_a_table_shows_the_threads_where_they_differ():
    rows = report.summarise(["minigrad", "torch"], ROUNDS)
    blocks = [{"size": (8, 3, 2), "threads": threads, "rows": rows} for threads in (1, 2)]
    told = {"entry": "mlp-step", "contenders": ["minigrad", "torch"], "sizes": blocks}
    headings, cells = report.table(told)
    assert headings[:3] == ["threads", "B, I, …, O", "what"]
    assert [row[:3] for row in cells[1:3]] == [["1", "8, 3, 2", "LSTM forward"], ["2", "8, 3, 2", "LSTM"]]
    assert report.table(told | {"sizes": blocks[:1]})[0][0] == "B, I, …, O"
    titles = [report.title(told | {"sizes": some}) for some in (blocks, blocks[:1], blocks[1:])]
    assert titles == ["mlp-step", "mlp-step (one thread)", "mlp-step (2 threads)"]


def test_a_contender_may_measure_less_than_the_first():
    whole, forward = report.summarise(["minigrad", "jax"], [{"minigrad": measured(10, 4), "jax": measured(5)}])
    assert whole["ratios"]["jax"]["median"] == 2
    assert forward["medians"] == {"minigrad": 4}
    assert forward["ratios"] == {}


def test_a_table_ends_with_geometric_means_over_the_sizes():
    rows = [report.summarise(["minigrad", "torch"], [{"minigrad": measured(n), "torch": measured(2)}]) for n in (1, 4)]
    blocks = [{"size": (n, 3, 4, 5), "threads": 1, "rows": found} for n, found in enumerate(rows)]
    *_, last = report.table(record([], sizes=blocks))[1]
    assert last == ["geometric mean", "LSTM", "", "", "", "", "1.00 (1.00–1.00)", "–"]
    assert len(report.table(record([], sizes=blocks[:1]))[1]) == 1  # over one size there is none
    assert len(report.table(record([], sizes=blocks, entry="loop-memory"))[1]) == 2


def test_nothing_is_divided_by_memory_that_did_not_grow():
    rounds = [{"minigrad": measured(3), "torch": measured(0)}]
    (row,) = report.summarise(["minigrad", "torch"], rounds)
    assert row["medians"] == {"minigrad": 3, "torch": 0}
    assert row["ratios"] == {}


def test_a_size_is_positive_integers():
    assert parse_size("64,32,128,256") == (64, 32, 128, 256)
    for wrong in ("64,32,0,256", "a,b,c,d", "1,,2"):
        with pytest.raises(argparse.ArgumentTypeError, match=wrong):
            parse_size(wrong)


def test_an_entry_takes_sizes_of_its_own_length():
    rnn, network, alone = ENTRIES["rnn"], ENTRIES["mlp-step"], ENTRIES["engine"]
    assert rnn.takes((1, 2, 3, 4))
    assert not rnn.takes((1, 2, 3))
    assert network.takes((1, 2, 3))
    assert network.takes((1, 2, 3, 4, 5))
    assert not network.takes((1, 2))
    assert alone.takes(())
    assert not alone.takes((1, 2, 3, 4))


@pytest.mark.parametrize("given", [["engine", "--sizes", "1,2,3,4"], ["rnn", "mlp-step", "--sizes", "8,4,2"]])
def test_a_size_that_an_entry_does_not_take_is_refused(given, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run", *given])
    with pytest.raises(SystemExit):
        run.arguments()
    assert f"is no size of {given[0]}" in capsys.readouterr().err


def test_results_are_compared_at_the_smallest_size():
    assert smallest(ENTRIES["rnn"].sizes) == (32, 16, 32, 32)
    assert smallest(ENTRIES["mlp-step"].sizes) == (32, 64, 128, 128, 10)
    assert smallest(ENTRIES["engine"].sizes) == ()
    assert smallest(ENTRIES["char-lm-step"].sizes) == (100, 64, 128, 256)


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
    assert set(results(probe, np.asarray)) == {"LSTM value", "LSTM d/dW", "LSTM next value"}
    alone = replace(probe, phases={"forward": lambda _: np.float32(3)})
    assert [each["what"] for each in measure(alone, Library, seconds=0.0)] == ["LSTM"]


def test_a_worker_tells_the_first_sample_from_later_ones():
    class Library:
        wait = staticmethod(lambda: None)

    samples = []
    probe = Probe("LSTM", {"forward": samples.append}, [], dict, first=True)
    first, later, difference = measure(probe, Library, seconds=0.0)
    assert [each["what"] for each in (first, later)] == ["LSTM: first step", "LSTM: later step"]
    assert difference["median"] == pytest.approx(first["median"] - later["median"], abs=1e-6)
    assert len(samples) == 1 + 5


def test_a_worker_looks_at_the_memory_of_the_first_samples_alone():
    samples = []
    probe = Probe("SGD", {"forward": samples.append}, [], dict, memory=3)
    library = libraries.load("minigrad", "numpy", 1)
    growth, peak, _ = measure(probe, library, seconds=0.0)
    assert [growth["what"], peak["what"]] == ["SGD peak memory", "SGD peak memory in all"]
    assert len(samples) == 3 + 2 + 5  # for the memory, to warm up, to measure
    assert 0 <= growth["median"] < peak["median"]
    on_device = measure(probe, replace(library, device="cuda"), seconds=0.0)
    assert [each["what"] for each in on_device] == ["SGD"]


@pytest.mark.skipif(not memory.STATUS.exists(), reason="the peak of memory can be forgotten on Linux only")
def test_the_peak_of_memory_can_be_forgotten():
    for megabytes in (64, 16):  # the second peak is lower, and is found all the same
        before = memory.forget_peak()
        np.ones(megabytes * 125_000)
        assert memory.peak() - before == pytest.approx(megabytes, abs=4)


def computed(contender, entry, *arguments):
    """What is compared of all probes of one contender, on the CPU."""
    try:
        library = libraries.load(contender, "numpy", 1)
    except libraries.UnavailableError as error:
        pytest.skip(str(error))
    workload = importlib.import_module(f"benchmarks.workloads.{entry.replace('-', '_')}")
    probes = workload.probes(contender, library, *arguments)
    return {name: array for probe in probes for name, array in results(probe, library.host).items()}


@pytest.mark.parametrize("contender", ENTRIES["engine"].contenders)
def test_all_engines_compute_the_same_chains(contender, monkeypatch):
    monkeypatch.setattr(engine, "ADDITIONS", 10)
    found = computed(contender, "engine", ())
    assert found["100,000 additions d/dx"] == pytest.approx(np.full(16, 11.0))
    assert found["add 16×32 d/dw"] == pytest.approx(np.full((16, 32), 1000.0))
    assert found["tanh 1 number value"] == pytest.approx(0.0386, abs=1e-4)  # √(3 / 2n) nearly
    assert len([name for name in found if name.endswith(" value") and "next" not in name]) == 11
    assert check.worst(found, computed("minigrad", "engine", ()))[1] < check.TOLERANCE


def test_a_network_is_the_same_on_raw_arrays_and_records_nothing():
    size = (8, 5, 6, 3)
    raw, ours = (computed(contender, "mlp-forward", size) for contender in ("numpy", "minigrad"))
    assert raw["forward value"].shape == (8, 3)
    assert check.worst(raw, ours)[1] < 1e-6
    for probe in mlp_forward.probes("minigrad", libraries.load("minigrad", "numpy", 1), size):
        (phase,) = probe.phases.values()
        assert not phase(None).requires_grad
        assert probe.per == mlp_forward.MOST_CALLS


def test_a_large_network_is_called_less_often():
    sizes = ENTRIES["mlp-forward"].sizes
    library = libraries.load("numpy", "numpy", 1)
    assert [next(mlp_forward.probes("numpy", library, size)).per for size in sizes] == [19, 100, 1]


@pytest.mark.torch
@pytest.mark.parametrize("part", ENTRIES["mlp-step"].parts)
def test_a_training_step_is_pytorchs(part):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    ours, theirs = (computed(contender, "mlp-step", (8, 5, 6, 3), part) for contender in ("minigrad", "torch"))
    assert set(ours) == {f"{part} {what}" for what in ("value", "next value", "d/dW0", "d/db0", "d/dW1", "d/db1")}
    assert check.worst(theirs, ours)[1] < check.TOLERANCE


@pytest.mark.parametrize("part", ENTRIES["mlp-step"].parts)
def test_training_steps_learn(part, monkeypatch):
    monkeypatch.setattr(mlp_step, "BATCHES", 1)
    (probe,) = mlp_step.probes("minigrad", libraries.load("minigrad", "numpy", 1), (8, 5, 32, 3), part)
    losses = []
    for _ in range(60):
        state = None
        for name, phase in probe.phases.items():
            state = phase(state)
            if name == "forward":
                losses.append(state.item())
    assert losses[-1] < 0.5 * losses[0]
    assert probe.memory == 20


@pytest.mark.torch
@pytest.mark.parametrize("clip", [char_lm_step.CLIP, 0.01])  # the second makes every gradient smaller
def test_an_update_of_the_character_model_is_pytorchs(clip, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.setattr(char_lm_step, "CLIP", clip)
    ours, theirs = (computed(contender, "char-lm-step", (7, 3, 5, 6)) for contender in ("minigrad", "torch"))
    assert len(ours) == 2 + 3 * 3  # losses; embedding, two layers and output, three gradients a layer
    assert check.worst(theirs, ours)[1] < check.TOLERANCE
    norm = np.sqrt(sum((found**2).sum() for name, found in ours.items() if " d/d" in name))
    assert norm == pytest.approx(0.01, rel=1e-3) if clip == 0.01 else 0.1 < norm < clip


def updates(contender, size, count, backend="numpy"):
    """The loss of each of so many updates of the character model, as a tensor."""
    (probe,) = char_lm_step.probes(contender, libraries.load(contender, backend, 1), size)
    for _ in range(count):
        loss = state = probe.phases["forward"](None)
        for phase in list(probe.phases.values())[1:]:
            state = phase(state)
        yield loss


@pytest.mark.parametrize("contender", ["minigrad", pytest.param("torch", marks=pytest.mark.torch)])
def test_a_character_model_learns_with_dropout_from_the_third_update_on(contender, monkeypatch):
    for name, value in {"BATCHES": 1, "RATE": 0.03}.items():
        monkeypatch.setattr(char_lm_step, name, value)
    losses = [loss.item() for loss in updates(contender, (7, 3, 16, 32), 40)]
    assert losses[0] == pytest.approx(np.log(65), abs=0.2)
    assert losses[-1] < 0.5 * losses[0]
    monkeypatch.setattr(char_lm_step, "DROPOUT", 0.0)
    without = [loss.item() for loss in updates(contender, (7, 3, 16, 32), 3)]
    assert without[:2] == pytest.approx(losses[:2], rel=1e-6)
    assert abs(without[2] - losses[2]) > 1e-4


@pytest.mark.parametrize("contender", ["minigrad", pytest.param("torch", marks=pytest.mark.torch)])
def test_a_character_model_goes_on_from_the_state_before(contender, monkeypatch):
    for name, value in {"BATCHES": 1, "RATE": 0.0}.items():  # so that nothing but the state changes
        monkeypatch.setattr(char_lm_step, name, value)
    first, second = (loss.item() for loss in updates(contender, (7, 3, 16, 32), 2))
    assert abs(second - first) > 1e-5


def test_no_number_is_read_within_an_update(strict):
    losses = updates("minigrad", (4, 3, 5, 6), 4, backend="strict")
    next(losses)
    waits = Waits.count
    assert len(list(losses)) == 3
    assert Waits.count == waits


def test_a_character_model_has_the_threads_of_the_training_command(monkeypatch):
    limits = []

    @contextlib.contextmanager
    def use_threads(most):
        limits.append(most)
        yield
        limits.pop()

    monkeypatch.setattr(mg, "use_threads", use_threads)
    for _ in char_lm_step.probes("minigrad", libraries.load("minigrad", "numpy", 1), (4, 3, 5, 6)):
        assert limits == [threads.count()]
    assert limits == []


@pytest.mark.torch
@pytest.mark.parametrize(
    ("entry", "contender"),
    [(entry, peer) for entry in ("rnn", "cells") for peer in ENTRIES[entry].contenders if peer != "minigrad-numpy"],
)
def test_all_layers_compute_the_same(entry, contender, tmp_path):
    size = (5, 2, 3, 4)
    if contender == "jax":  # in a process of its own: where it has been imported, none can fork
        pytest.importorskip("jaxlib", reason="JAX is not installed")
        command = ["-m", "benchmarks.worker", entry, contender, "--threads", "1", "--size", "5,2,3,4", "--results"]
        subprocess.run([sys.executable, *command, str(tmp_path / "found.npz")], check=True, capture_output=True)
        found = dict(np.load(tmp_path / "found.npz"))
    else:
        found = computed(contender, entry, size)
    assert check.worst(found, computed("minigrad-graph", entry, size))[1] < check.TOLERANCE
    assert len([name for name in found if name.endswith(" next value")]) == {"rnn": 3, "cells": 5}[entry]


def test_a_scan_in_chunks_computes_the_same():
    size = (9, 2, 3, 4)
    ours, theirs = (computed(contender, "loop-length", size) for contender in ("minigrad-chunk", "minigrad-graph"))
    assert check.worst(ours, theirs)[1] < check.TOLERANCE
    (probe,) = loop_length.probes("minigrad", libraries.load("minigrad", "numpy", 1), size)
    assert probe.memory == 20


def test_what_is_compiled_at_once_divides_a_sequence():
    assert [recurrent._at_once(T) for T in (64, 100, 1024, 7, 37)] == [32, 25, 32, 7, 1]


def test_a_process_has_its_threads_and_its_contenders_environment(monkeypatch):
    monkeypatch.setenv("MINIGRAD_KERNELS", "anything")
    harness = run.Harness(argparse.Namespace(backend="numpy"))
    harness.threads = 1
    told = "import os; print(os.getenv('MINIGRAD_KERNELS'), os.environ['OMP_NUM_THREADS'])"
    assert harness.python("-c", told) == "None 1\n"
    assert harness.python("-c", told, **ENVIRONMENT["minigrad-numpy"]) == "numpy 1\n"
    if hasattr(os, "sched_getaffinity"):
        assert harness.python("-c", "import os; print(len(os.sched_getaffinity(0)))") == "1\n"


def test_each_process_finds_the_cache_that_its_part_says(monkeypatch):
    folders = []
    harness = run.Harness(argparse.Namespace(backend="numpy", seconds=0.0))

    def python(*arguments, **environment):
        folders.append(environment["MINIGRAD_CACHE"])
        return json.dumps({"facts": {}, "measurements": []})

    monkeypatch.setattr(harness, "python", python)
    for part in ENTRIES["loop-compile"].parts:
        harness.worker(ENTRIES["loop-compile"], "minigrad", (2, 2, 2, 2), part)
    empty, filled, again = folders
    assert filled == again != empty


def test_gpu_entries_are_run_where_they_are_named(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run"])
    assert set(ENTRIES) - set(run.arguments().names) == {"loop-gpu"}
    monkeypatch.setattr(sys, "argv", ["run", "loop-gpu"])
    assert run.arguments().names == ["loop-gpu"]


def test_a_contender_without_a_gpu_says_so():
    for contender in ("autograd", "mygrad", "jax", "minigrad-numpy"):
        with pytest.raises(libraries.UnavailableError, match=f"{contender} is measured on the CPU alone"):
            libraries.load(contender, "cupy", 1)


def test_a_contender_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "mygrad", None)
    with pytest.raises(libraries.UnavailableError, match="mygrad is not installed"):
        libraries.load("mygrad", "numpy", 1)


def test_a_meter_sees_no_negative_load():
    assert load.Meter().others() >= 0


def test_a_contender_that_cannot_run_says_why():
    command = ["-m", "benchmarks.worker", "engine", "minigrad", "--threads", "1", "--backend", "none of these"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    assert "unknown backend" in json.loads(done.stdout)["skipped"]
