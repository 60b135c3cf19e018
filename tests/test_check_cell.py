"""check_cell: the library's cells pass, and each typical mistake is found, named, and shown with its line."""

import functools
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
import minigrad_rnn as mr
from minigrad_rnn.cells import UnknownCellError, registry
from minigrad_rnn.check import CHECKS, CellReport, check_cell

OPTIONS = {"convlstm": {"input_size": 1, "hidden_size": 2, "size": (3, 2)}}


@pytest.mark.parametrize("name", mr.cells.names())
def test_the_librarys_cells_pass(name):
    report = check_cell(name, quiet=True, **OPTIONS.get(name, {}))
    assert report, report.failed
    assert [check.name for check in report.checks] == list(CHECKS)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rnn", {"nonlinearity": "relu", "bias": False}),
        ("lstm", {"bias": False}),
        ("gru", {"reset_after": False}),
        ("lstm", {"input_size": 1, "hidden_size": 1}),
        ("gru", {"input_size": 5, "hidden_size": 2}),
    ],
)
def test_options_and_sizes(name, options):
    report = check_cell(name, quiet=True, **options)
    assert report, report.failed


class MinimalGatedUnit(mr.Cell):
    def __init__(self, input_size, hidden_size):
        self.U = mg.nn.init.glorot(input_size, 2 * hidden_size)
        self.W = mg.nn.init.orthogonal(hidden_size, blocks=2)

    def step(self, x, h):
        xf, xn = mg.split(x @ self.U, 2, axis=1)
        Wf, Wn = mg.split(self.W, 2, axis=1)
        f = mg.sigmoid(xf + h @ Wf).named("f")
        h = (1 - f) * h + f * mg.tanh(xn + (f * h) @ Wn)
        return h, h


def test_a_users_cell_passes_and_a_table_says_so(capsys):
    before = mg.random_state()
    report = check_cell(MinimalGatedUnit)
    assert report
    assert report.failed == []
    printed = capsys.readouterr().out
    assert f"MinimalGatedUnit: {len(CHECKS)} of {len(CHECKS)} checks passed" in printed
    assert all(name in printed for name in CHECKS)
    assert mg.random_state() == before
    check_cell(MinimalGatedUnit, quiet=True)
    assert capsys.readouterr().out == ""


class Inner(mr.Cell):
    """Parameters in a list, in a dict, in a module, and one that is there twice."""

    def __init__(self, input_size, hidden_size):
        self.gates = [mg.nn.Linear(input_size, hidden_size), mg.nn.Linear(hidden_size, hidden_size, bias=False)]
        self.more = {"scale": mg.nn.init.ones(hidden_size)}
        self.again = self.more["scale"]

    def step(self, x, h):
        h = mg.tanh(self.gates[0](x) + self.gates[1](h) * self.more["scale"]) * self.again
        return h, h


def test_parameters_wherever_they_are():
    report = check_cell(Inner, quiet=True)
    assert report, report.failed


class Base(mr.Cell):
    """What the wrong cells below have in common: U, W, and a step to spoil."""

    def __init__(self, input_size, hidden_size):
        self.U = mg.nn.init.glorot(input_size, hidden_size)
        self.W = mg.nn.init.orthogonal(hidden_size)

    def next(self, x, h):
        return mg.tanh(x @ self.U + h @ self.W)

    def step(self, x, h):
        h = self.next(x, h)
        return h, h


class OneValue(Base):
    def step(self, x, h):
        return self.next(x, h)  # here


class ThreeValues(Base):
    state_names = ("h", "c")

    def step(self, x, state):
        h, c = state
        return h, h, c  # here


class NoState(Base):
    def step(self, x, h):
        return self.next(x, h), None  # here


class WrongParts(Base):
    def step(self, x, h):
        h = self.next(x, h)
        return h, (h, h)  # here


class OnePartOfTwo(Base):
    state_names = ("h", "c")

    def step(self, x, state):
        h = self.next(x, state[0])
        return h, h  # here


class WrongShape(Base):
    def step(self, x, h):
        h = self.next(x, h)
        return h, mg.concatenate([h, h], axis=1)  # here


class WideOutput(Base):
    def step(self, x, h):
        h = self.next(x, h)
        return mg.concatenate([h, x], axis=1), h  # here


class UnnamedParts(Base):
    def initial_state(self, batch_size):
        return super().initial_state(batch_size), super().initial_state(batch_size)


class OutputAsArray(Base):
    def step(self, x, h):
        h = self.next(x, h)
        return h.numpy(), h  # here


class Crash(Base):
    def step(self, x, h):
        h = mg.tanh(x @ self.U + x @ self.W)  # here
        return h, h


class Typo(Base):
    def step(self, x, h):
        h = mg.tanh(x @ self.V)  # here
        return h, h


class PlainArrays(mr.Cell):
    def __init__(self, input_size, hidden_size):
        self.U = np.random.default_rng(0).normal(size=(input_size, hidden_size))
        self.W = mg.nn.init.orthogonal(hidden_size)

    def step(self, x, h):
        h = mg.tanh(x @ self.U + h @ self.W)
        return h, h


class PlainTensor(PlainArrays):
    def __init__(self, input_size, hidden_size):
        self.U = mg.nn.init.glorot(input_size, hidden_size)
        self.W = mg.tensor(np.eye(hidden_size, dtype="float32"), requires_grad=True)


class NoParameters(mr.Cell):
    def step(self, x, h):
        return h, h


class MadeInInit(Base):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.V = self.W * 2


class TensorOnSelf(Base):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.h = None

    def step(self, x, h):
        if self.h is not None:
            h = self.h
        self.h = self.next(x, h)  # here
        return self.h, self.h


class CounterOnSelf(Base):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.t = 0

    def step(self, x, h):
        self.t += 1  # here
        h = self.next(x, h)
        return h, h


class LastGateOnSelf(Base):
    def step(self, x, h):
        h = self.next(x, h)
        self.last = h  # here
        return h, h


class Random(Base):
    def step(self, x, h):
        h = self.next(x, h) * mg.rand(1).item()  # here
        return h, h


class NumpyInStep(Base):
    def step(self, x, h):
        h = mg.tanh(x @ self.U + mg.tensor(np.tanh(h.numpy() @ self.W.numpy())))  # here
        return h, h


class DataInStep(Base):
    def step(self, x, h):
        h = mg.tanh(x @ self.U + h @ mg.Tensor(self.W.data))  # here
        return h, h


class AllNumpy(Base):
    def step(self, x, h):
        h = mg.tensor(np.tanh(x.numpy() @ self.U.numpy() + h.numpy() @ self.W.numpy()))  # here
        return h, h


class PartlyDetached(Base):
    def step(self, x, h):
        h = self.next(x, h) + 0.1 * self.next(x, h).detach()  # here
        return h, h


class Jumps(Base):
    def step(self, x, h):
        h = mg.sign(self.next(x, h))  # here
        return h, h


class Unused(Base):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.V = mg.nn.init.zeros(hidden_size)


class SoftmaxOverBatch(Base):
    def step(self, x, h):
        h = mg.softmax(self.next(x, h), axis=0)  # here
        return h, h


class Reshaped(Base):
    def step(self, x, h):
        h = self.next(x, h)
        h = h.reshape(h.shape[1], h.shape[0]).T  # here
        return h, h


class Lifted(Base):
    def step(self, x, h):
        h = self.next(x, h) * np.sqrt(2)  # here
        return h, h


class Lowered(Base):
    def step(self, x, h):
        h = self.next(x, h).astype("float32")  # here
        return h, h


@functools.cache
def one_for_all():
    return mg.nn.init.glorot(4, 4)


class Shared(Base):
    def __init__(self, input_size, hidden_size):
        self.U = mg.nn.init.glorot(input_size, hidden_size)
        self.W = one_for_all()


PAST = [np.zeros((2, 4), "float32")]


class GlobalState(Base):
    def step(self, x, h):
        PAST.append(h.numpy())  # here
        h = self.next(x, h) + mg.tensor(PAST[-2])
        return h, h


class HiddenConstant(Base):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.fixed = mg.rand(hidden_size).tolist()

    def step(self, x, h):
        h = self.next(x, h) * mg.tensor(self.fixed, dtype=h.dtype)
        return h, h


WRONG = [
    (OneValue, "one step", "returned only one value, a Tensor: return two"),
    (ThreeValues, "one step", r"returned 3 values.*`return h, \(h, c\)`"),
    (NoState, "one step", "h as NoneType"),
    (WrongParts, "one step", r"the wrong number of parts.*2 part\(s\).*wants one Tensor"),
    (OnePartOfTwo, "one step", "the wrong number of parts.*one Tensor.*wants a tuple of 2"),
    (WrongShape, "one step", r"the wrong state shape: h is \(2, 4\) before step and \(2, 8\) after"),
    (WideOutput, "one step", "set self.output_size"),
    (UnnamedParts, "one step", r"initial_state returns 2 part\(s\) and state_names names 1"),
    (OutputAsArray, "one step", "output as ndarray, which is not part of the graph"),
    (Crash, "one step", "matmul"),
    (Typo, "one step", "AttributeError.*'V'"),
    (PlainArrays, "parameters", "self.U is a plain array.*mg.nn.Parameter"),
    (PlainTensor, "parameters", "self.W is a plain Tensor"),
    (NoParameters, "parameters", "no parameters"),
    (MadeInInit, "parameters", "self.V was computed in __init__"),
    (TensorOnSelf, "nothing on self", "state is kept on self.*self.h"),
    (CounterOnSelf, "nothing on self", "state is kept on self.*self.t"),
    (LastGateOnSelf, "nothing on self", "self.last holds what step computed"),
    (Random, "nothing on self", "not deterministic"),
    (NumpyInStep, "gradients", "what step makes of h is not part of the graph"),
    (DataInStep, "gradients", "what step makes of W is not part of the graph"),
    (AllNumpy, "gradients", "the gradient is missing: the output is not part of the graph"),
    (PartlyDetached, "gradients", "the gradient is wrong.*not part of the graph"),
    (Jumps, "gradients", "not differentiable.*in jumps"),
    (Unused, "gradients", "the parameter V is never used"),
    (SoftmaxOverBatch, "batch", "the batch is mixed up"),
    (Reshaped, "batch", "the batch is mixed up"),
    (Lifted, "dtype", "of float32 parameters and inputs step makes the output float64"),
    (Lowered, "dtype", "of float64 parameters and inputs step makes the output float32"),
    (Shared, "stacking", "two cells share the parameter W"),
    (GlobalState, "nothing on self", "not deterministic.*in a global"),
    (HiddenConstant, "saving and loading", r"not all in state_dict\(\)"),
]


@pytest.mark.parametrize(("wrong", "check", "told"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_mistakes(wrong, check, told):
    report = check_cell(wrong, quiet=True)
    assert not report
    found = {failed.name: failed.message for failed in report.failed}
    assert check in found, found
    message = " ".join(found[check].split())
    assert re.search(told, message), message
    source, first = inspect.getsourcelines(wrong)
    for n, line in enumerate(source):
        if "# here" in line:
            assert f"{__file__}:{first + n}: {line.strip()}" in found[check]


def test_what_needs_a_failed_check_is_not_run(capsys):
    report = check_cell(OneValue)
    assert [check.passed for check in report.checks] == [check.name == "parameters" for check in report.checks]
    assert report.checks[-1].message == "not run: mend 'one step' first"
    printed = " ".join(capsys.readouterr().out.split())
    assert "FAILED" in printed


def test_arguments():
    assert check_cell("minigrad_rnn.cells.rnn:RNNCell", 2, 3, quiet=True)
    with pytest.raises(UnknownCellError, match="choose one of"):
        check_cell("nope")
    for wrong in (mr.RNNCell(2, 3), mg.nn.Linear):
        with pytest.raises(TypeError, match="give the class"):
            check_cell(wrong)
    report = check_cell("rnn", nonlinearity="nope", quiet=True)
    assert report.checks[0].message.startswith("ValueError: unknown nonlinearity")
    assert bool(CellReport("none"))


def test_the_librarys_own_lines_are_not_to_blame():
    """Where the source of a cell cannot be read."""
    names = {"mr": mr, "mg": mg}
    exec("class Wrong(mr.LSTMCell):\n    def step(self, x, state):\n        return super().step(x, state)[0]", names)
    (check,) = [check for check in check_cell(names["Wrong"], quiet=True).failed if check.name == "one step"]
    assert check.message.endswith("`return h, (h, c)`")


TUTORIAL = Path(__file__).parent.parent / "docs" / "lessons" / "11-new-cell.md"


@pytest.mark.on_numpy
def test_the_tutorial_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_cells", dict(registry._cells))  # it registers one of its own
    cell = r"```\{code-cell\} ipython3\n(?:---\n.*?\n---\n)?(?::[^\n]*\n)*(.*?)```"
    blocks = re.findall(cell, TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    code = "\n".join(blocks)
    given = {}
    exec(compile(code, str(TUTORIAL), "exec"), given)
    told = f"{' '.join(capsys.readouterr().out.split())} {given['drawing'].equations()}"
    for shown in (
        "CoupledLSTM: 14 of 14 checks passed",
        "IndRNN True",
        "what step makes of h is not part of the graph",
        "(5, 3, 4) (4, 3, 2)",
        "c_t = f_t ∘ c_{t-1} + (1 - f_t) ∘ z_t",
        "right: the mean",
    ):
        assert shown in told
    for written in re.findall(r"^class .+?(?=^\S|\Z)", "\n".join(blocks[:3]), re.DOTALL | re.MULTILINE):
        assert len([line for line in written.splitlines() if line.strip()]) < 15
