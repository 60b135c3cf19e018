"""Made spectrograms: what is heard when."""

import numpy as np
import pytest

from minigrad_rnn.data.sounds import NAMES, SIZE, SOUNDS, sounds_in_noise


def test_what_is_heard_is_what_ended_last():
    spectrograms, heard = sounds_in_noise(20, 0, frames=60, noise=0)
    assert spectrograms.shape == (60, 20, 24)
    assert spectrograms.dtype == np.float32
    assert set(np.unique(heard)) == set(range(len(NAMES)))
    assert not heard[: SIZE + 1].any()
    changes = np.argwhere(np.diff(heard, axis=0, prepend=0))
    assert len(changes) > 40
    for t, n in changes:  # the sound of that name ends in frame t
        sound = spectrograms[t - SIZE + 1 : t + 1, n] > 0
        bands = np.flatnonzero(sound.any(axis=0))
        low = bands[0] - (SIZE // 2 if heard[t, n] == NAMES.index("tone") else 0)
        assert np.array_equal(sound[:, low : low + SIZE], SOUNDS[NAMES[heard[t, n]]] > 0)
        assert bands[-1] < low + SIZE


def test_sizes_that_hold_no_sound_are_refused():
    with pytest.raises(ValueError, match="at least 10 frames of 5 bands"):
        sounds_in_noise(1, frames=9)
