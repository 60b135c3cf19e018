"""Models that recipes share: of symbols, over windows, and in closed loop."""

import functools
import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad_rnn.cells import JordanCell, NARXCell
from minigrad_rnn.evaluating import evaluating
from minigrad_rnn.layers import Recurrent
from minigrad_rnn.models import OpenLoop, OverWindows, SymbolModel, closed_loop

rng = np.random.default_rng(0)


def test_what_comes_with_the_package():
    code = "import sys, minigrad_rnn as mr; mr.attention, mr.charmodel, mr.data, mr.metrics, mr.models, mr.pictures, "
    code += "mr.plotting, mr.training; print('matplotlib' in sys.modules)"
    told = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_a_model_of_symbols_reads_their_vectors():
    model = SymbolModel(7, Recurrent("rnn", 3, 4), 2, last=True)
    codes, lengths = rng.integers(7, size=(5, 6)), np.array([5, 1, 3, 5, 2, 4])
    outputs = model(mg.tensor(codes), lengths)
    assert outputs.shape == (6, 2)
    vectors = model.embedding.weight.numpy()[codes]
    hidden = model.recurrent(mg.tensor(vectors))[0].numpy()[lengths - 1, range(6)]
    expected = hidden @ model.head.weight.numpy() + model.head.bias.numpy()
    np.testing.assert_allclose(outputs.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_over_windows_is_the_mean_over_whole_ones():
    model = OverWindows(mg.nn.Linear(3 * 2, 4), 3)
    xs, lengths = rng.normal(size=(8, 5, 2)).astype("float32"), [8, 6, 5, 3, 1]
    W, b = model.layers.weight.numpy(), model.layers.bias.numpy()
    scores = np.stack([xs[start : start + 3].swapaxes(0, 1).reshape(5, 6) @ W + b for start in (0, 3)])
    outputs = model(xs, np.array(lengths)).numpy()
    np.testing.assert_allclose(outputs[:2], scores[:, :2].mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs[2:], scores[0, 2:], rtol=1e-5, atol=1e-6)
    short = model(xs[:2], np.array([2] * 5)).numpy()  # filled up with zeros
    np.testing.assert_allclose(short, xs[:2].swapaxes(0, 1).reshape(5, 4) @ W[:4] + b, rtol=1e-5, atol=1e-6)
    below = mg.tensor(xs[:6], requires_grad=True)  # what layers before it made
    model(below, [6, 3, 3, 3, 3]).sum().backward()
    by_row = W.sum(axis=1).reshape(3, 2)
    np.testing.assert_allclose(below.grad.numpy()[:, 0], np.concatenate([by_row, by_row]) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(below.grad.numpy()[3:, 1], 0)


def test_after_an_evaluation_each_part_is_as_it_was():
    frozen = mg.nn.Dropout(0.5).eval()
    model = mg.nn.Sequential(mg.nn.Linear(2, 2), frozen)
    with evaluating(model):
        assert not any(part.training for part in model.modules())
    assert [part.training for part in model.modules()].count(False) == 1
    assert not frozen.training


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "make", [functools.partial(NARXCell, 1, 4, output_taps=2), functools.partial(JordanCell, 1, 4, output_size=1)]
)
def test_in_closed_loop_a_cell_hears_itself(make, dtype):
    cell = make(dtype=dtype)
    xs = rng.normal(size=(6, 3, 1)).astype(dtype)
    said = closed_loop(cell, xs)
    assert said.dtype == dtype
    assert said.shape == (6, 3, 1)
    np.testing.assert_allclose(OpenLoop(cell)(xs, said).numpy(), said, rtol=1e-5, atol=1e-6)


def test_a_closed_loop_goes_on_from_a_true_past():
    cell = NARXCell(1, 4, input_taps=1, output_taps=2)
    xs, ys = rng.normal(size=(2, 6, 3, 1)).astype("float32")
    went_on = closed_loop(cell, xs[4:5], cell.after(xs[:4], ys[:4]))
    np.testing.assert_allclose(went_on[0], OpenLoop(cell)(xs, ys).numpy()[4], rtol=1e-5, atol=1e-6)
