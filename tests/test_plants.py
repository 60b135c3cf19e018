"""Systems to be learned, made exactly, and tasks of timing and of two sequences."""

import numpy as np
import pytest

from minigrad_rnn.data.plants import drifting, held_levels, narendra_plant, schmitt_trigger, two_sines
from minigrad_rnn.data.synthetic import timed_spikes, two_sequences


def test_schmitt_trigger_stays_between_its_thresholds():
    xs = np.array([0.0, 0.6, 0.0, -0.4, -0.5, -0.6, 0.4, 0.5, 0.51])
    assert schmitt_trigger(xs).tolist() == [0, 1, 1, 1, 1, 0, 0, 0, 1]
    both = schmitt_trigger(np.stack([xs, -xs], axis=1))
    assert both[:, 1].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 0]


def test_narendra_plant():
    rng = np.random.default_rng(0)
    us = rng.uniform(-1, 1, (30, 4))
    ys = narendra_plant(us)
    assert ys.shape == us.shape
    assert ys.dtype == np.float32
    np.testing.assert_allclose(ys[0], us[0], rtol=1e-6)  # at rest before
    t = 20
    product = ys[t - 1] * ys[t - 2] * ys[t - 3] * us[t - 1] * (ys[t - 3] - 1)
    np.testing.assert_allclose(ys[t], (product + us[t]) / (1 + ys[t - 2] ** 2 + ys[t - 3] ** 2), rtol=1e-5)


def test_inputs_to_plants():
    us = held_levels(4000, 3, 0)
    assert us.shape == (4000, 3)
    assert abs(us).max() <= 1
    assert (us == held_levels(4000, 3, 0)).all()
    assert (np.diff(us, axis=0) != 0).mean() == pytest.approx(0.25, abs=0.02)
    sines = two_sines()
    assert sines.shape == (800,)
    np.testing.assert_allclose(sines[[0, 125, 62]], [0, 0, np.sin(2 * np.pi * 62 / 250)], atol=1e-12)
    assert sines[506] == pytest.approx(0.8 * np.sin(2 * np.pi * 506 / 250) + 0.2 * np.sin(2 * np.pi * 506 / 25))


def test_two_sequences():
    inputs, targets = two_sequences(200, 500, 0)
    assert inputs.shape == (200, 500, 1)
    assert targets.shape == (500, 1)
    assert inputs.dtype == targets.dtype == np.float32
    assert (inputs[:3, :, 0] == 2 * targets[:, 0] - 1).all()
    assert inputs[3:].var() == pytest.approx(0.2, abs=0.005)
    with pytest.raises(ValueError, match="length must be at least 3"):
        two_sequences(2, 5)


def test_timed_spikes():
    inputs, targets = timed_spikes(25, 300, 0, delay=10)
    assert inputs.shape == targets.shape == (25, 300, 1)
    assert (inputs.sum(axis=0) == 1).all()
    assert (targets.sum(axis=0) == 1).all()
    assert (targets.argmax(axis=0) - inputs.argmax(axis=0) == 10).all()
    assert set(inputs.argmax(axis=0).ravel().tolist()) == set(range(15))
    with pytest.raises(ValueError, match="length must be at least 11"):
        timed_spikes(10, 5)


def test_drifting_inputs_keep_their_variance():
    xs = drifting(200, 400, 0)
    assert xs.shape == (200, 400)
    assert xs.dtype == "float32"
    np.testing.assert_allclose([xs[0].std(), xs[-1].std()], 1, atol=0.1)
    assert np.corrcoef(xs[:-1].ravel(), xs[1:].ravel())[0, 1] == pytest.approx(0.95, abs=0.01)
    np.testing.assert_array_equal(xs, drifting(200, 400, np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"from -1 to 1, not 1\.5"):
        drifting(5, 1, keep=1.5)
