"""Every system runs, shows its figures beside references, draws its pictures, and refuses what is no data of its."""

import inspect
import io
import math
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

import minigrad as mg
from minigrad_rnn import cli, recipes, systems
from minigrad_rnn.data import DataError

DOCS = Path(__file__).parents[1] / "docs"
NAMES = systems.names()
LONGEST = 125  # lines


def run(name, folder, *, quick=True, **options):
    console = Console(file=io.StringIO(), width=120)
    try:
        return systems.run_system(systems.get(name), folder, console, quick=quick, **options)
    except DataError as error:
        if "pip install" in error.message or "apt" in error.message:
            pytest.skip(error.message)
        raise


@pytest.mark.slow
@pytest.mark.on_numpy
@pytest.mark.parametrize("name", NAMES)
def test_quick_on_another_backend(name, tmp_path, strict):
    """What a recipe makes goes where `--backend` says, and NumPy's arrays do not mix with it unseen."""
    with mg.use_backend("strict"):
        assert run(name, tmp_path).figures


def test_the_list_is_that_of_the_files():
    folder = Path(recipes.__file__).parent
    found = {path.stem.replace("_", "-") for path in folder.glob("*.py")} - {"--init--"}
    assert found == set(NAMES)
    assert len(NAMES) == len(set(NAMES)) == 61


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_of_the_shape(name):
    system = systems.get(name)
    module = inspect.getmodule(system.run)
    text = inspect.getsource(module)
    assert system.name == name
    assert system.what
    assert not system.what.endswith(".")
    assert system.data
    assert system.merit
    assert 1 <= system.seconds <= 600
    assert text.count("\n") <= LONGEST
    assert len(module.__doc__.strip().splitlines()) >= 3, "the idea, the equations, their source"


def test_results_are_those_of_all_systems():
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([^`]+)`", page, re.M) == NAMES
    assert "quick" not in page.lower()


def check(outcome, folder):
    assert outcome.figures
    for figure in outcome.figures:
        assert math.isfinite(figure.value), figure
        assert math.isfinite(figure.reference), figure
    assert not outcome.failed
    assert outcome.pictures
    for name, what in outcome.pictures.items():
        assert (folder / name).stat().st_size > 10, name
        assert what
    assert systems.Outcome.load(folder) == outcome


@pytest.mark.parametrize("name", ["exercise", "sum-inputs", "which-is-larger"])
def test_exact_networks(name, tmp_path):
    check(run(name, str(tmp_path)), tmp_path)
    assert systems.Outcome.load(str(tmp_path)).name == name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_quick(name, tmp_path):
    check(run(name, tmp_path, seed=1), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_normal(name, tmp_path):
    """All that a figure is asked to be; an hour in all."""
    outcome = run(name, tmp_path, quick=False)
    check(outcome, tmp_path)
    assert all(figure.holds for figure in outcome.figures)


FILES = {
    "missing.csv": None,
    "binary.csv": b"\x00\xff\xfe\x80" * 400,
    "empty.csv": b"",
    "short.csv": b"1\n",
    "words.csv": b"what, is, this\nno, numbers, here\n",
}


@pytest.mark.on_numpy
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_wrong_files_are_refused(name, tmp_path, monkeypatch, capsys):
    """Each with one line that says what to do, before anything is trained or written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("minigrad_rnn.systems.lab.fit", lambda *args, **options: pytest.fail("it trains"))
    for file, content in FILES.items():
        if content is not None:
            Path(file).write_bytes(content)
        status = cli.main(["run", name, "--quick", "--data", file, "--out", "out"])
        told = capsys.readouterr().err.strip()
        assert status == 2, f"{file}: {told}"
        assert "\n" not in told
        assert re.match(r"minigrad-rnn run: error: .{20,}", told), told
        assert "Traceback" not in told


def test_figures():
    assert systems.Figure("f", 1, "<", 2, "r").holds
    assert not systems.Figure("f", 2, "<", 2, "r").holds
    assert systems.Figure("f", 2, ">=", 2, "r").holds
    assert not systems.Figure("f", math.nan, "beside", 2, "r").holds
    assert systems.Figure("f", 0.98765, ">=", 0.97, "the goal").asked == "≥ 0.97, the goal"
    assert systems.Figure("f", math.nan, ">", math.inf, "r").asked == "> inf, r"
    with pytest.raises(ValueError, match="relation must be one of"):
        systems.Figure("f", 1, "!=", 2, "r")


def test_a_system_has_a_name(monkeypatch):
    make = systems.system(data="random numbers", merit="largest error", seconds=1)
    monkeypatch.setattr(sys.modules[__name__], "__doc__", "mine: what it does.")
    assert (make(test_figures).name, make(test_figures).what) == ("mine", "what it does")
    for text in (None, "What it does."):  # at a prompt there is none
        monkeypatch.setattr(sys.modules[__name__], "__doc__", text)
        with pytest.raises(systems.SystemNameError, match=f"begin {__name__} with a docstring"):
            make(test_figures)


@pytest.mark.on_numpy
def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "exercise"]) == 0
    told = capsys.readouterr().out
    assert all(part in told for part in ("0.1978", "by hand", "unrolled.svg"))
    assert Path("minigrad-systems/exercise/unrolled.svg").exists()
    assert cli.main(["run", "exercize"]) == 2
    assert "did you mean 'exercise'?" in capsys.readouterr().err
    Path("inputs.csv").write_text("x\n18\n9\n")
    assert cli.main(["run", "exercise", "--data", "inputs.csv"]) == 0
    assert "y_2" not in capsys.readouterr().out


@pytest.mark.on_numpy
@pytest.mark.slow
def test_several(tmp_path, monkeypatch, capfd):
    """Each in a process of its own; a page of their figures; with --resume those that are there are left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(DOCS.parent))  # where it is not installed
    assert cli.main(["run", "exercise", "sum-inputs", "--results", "results.md"]) == 0
    page = Path("results.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([^`]+)`", page, re.M) == ["exercise", "sum-inputs"]
    assert "| h_0 | 0.1978 | beside 0.1978, by hand |" in page
    result = Path("minigrad-systems/exercise/result.json")
    before = result.stat().st_mtime_ns
    assert cli.main(["run", "exercise", "sum-inputs", "--resume"]) == 0
    assert result.stat().st_mtime_ns == before
    assert cli.main(["run", "exercise", "--quick", "--resume", "--results", "quick.md"]) == 0  # another than is there
    assert result.stat().st_mtime_ns > before
    assert "quick runs" in Path("quick.md").read_text(encoding="utf-8")
    assert cli.main(["run", "exercise", "sum-inputs", "--data", "x.csv"]) == 2
    assert "name one" in capfd.readouterr().err


@pytest.mark.on_numpy
def test_a_figure_that_is_missed_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    missed = systems.System("missed", "m", "", "d", "m", 1, "", lambda lab: [systems.Figure("error", 2, "<=", 1, "it")])
    monkeypatch.setattr(systems, "get", lambda name: missed)
    assert cli.main(["run", "missed"]) == 1
    assert "NOT MET: error is 2, and must be ≤ 1, it" in capsys.readouterr().out
    assert cli.main(["run", "missed", "--quick"]) == 0
    Path("own.csv").write_text("1")
    own = systems.System("missed", "m", "", "d", "m", 1, "a file", missed.run)
    monkeypatch.setattr(systems, "get", lambda name: own)
    assert cli.main(["run", "missed", "--data", "own.csv"]) == 0  # the goal is of the system's own data
    assert "not asked of your data" in capsys.readouterr().out


@pytest.mark.on_numpy
def test_the_list(capsys, monkeypatch):
    monkeypatch.setattr(cli.console, "width", 200)
    assert cli.main(["list"]) == 0
    told = capsys.readouterr().out
    assert all(re.search(rf"\b{name}\b", told) for name in NAMES)
    assert cli.main(["list", "digits"]) == 0
    told = capsys.readouterr().out
    assert "h_t = LSTM(row_t, h_{t-1})" in told
    assert "--data FILE:       CSV rows of a square image's pixels, then its class" in told
    assert cli.main(["list", "digitz"]) == 2
